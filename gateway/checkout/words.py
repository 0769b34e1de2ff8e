"""What shoppers read on our pages, in their language. Never says more than the server knows.

Each scene has a heading and a text, in which `{why}` is filled in.
"""

from typing import NamedTuple


class Words(NamedTuple):
    heading: str
    text: str


ENGLISH = {
    "opening": Words("Opening the payment page…", "This takes a second or two."),
    "slow": Words(
        "Opening the payment page…",
        "It takes longer than usual. Nothing has been charged, and you cannot be charged twice.",
    ),
    "checking": Words("Checking your payment…", "We are asking the bank. Please stay a moment."),
    "unknown": Words(
        "We have no answer yet",
        "The bank has not told us how this ended. You will not be charged twice, and the shop is"
        " told as soon as it is known. You can close this page.",
    ),
    "unpaid": Words("Not paid yet", "Nothing was charged. You can go on paying, or go back."),
    "declined": Words("That was declined", "{why} Nothing was charged. Try another way to pay."),
    "cancelling": Words("Cancelling…", "The payment page is being closed."),
    "bank": Words(
        "The bank takes its time",
        "You have done your part and need not wait here: the shop is told as soon as the bank has"
        " decided.",
    ),
    "review": Words(
        "Somebody looks at your payment",
        "It does not match the order in every detail. You need not wait here, and please do not"
        " pay again: the shop will tell you.",
    ),
    "telling": Words("Paid. Telling the shop…", "Please stay a moment."),
    "paid": Words("Thank you, it is paid", "The shop knows."),
    "paid_untold": Words(
        "Thank you, it is paid", "The shop has not answered us yet. It will be told, do not worry."
    ),
    "held": Words("Thank you, the amount is held", "The shop takes it when your order is ready."),
    "failed": Words("The payment failed", "{why} Nothing was charged."),
    "expired": Words("The time to pay is over", "Nothing was charged."),
    "cancelled": Words("The payment was cancelled", "Nothing was charged."),
    "given_back": Words(
        "You have your money back",
        "This payment was given back in full. If you paid the same order twice, the other payment"
        " counts.",
    ),
    "going_back": Words(
        "Your money is on its way back",
        "The order was paid already, or could not be kept. This payment is refunded in full.",
    ),
    "asking": Words("Connecting…", "The payment page opens here in a moment."),
    "missing": Words(
        "This is not a payment link of ours",
        "Part of the address may be missing. Go back to the shop and start again there.",
    ),
    "busy": Words("Too many at once", "Please wait a few seconds and load this page again."),
    "trouble": Words(
        "We cannot answer right now",
        "Nothing is lost and nothing was charged by this. Load the page again in a moment.",
    ),
}

GERMAN = {
    "opening": Words("Die Zahlungsseite öffnet sich …", "Das dauert ein, zwei Sekunden."),
    "slow": Words(
        "Die Zahlungsseite öffnet sich …",
        "Es dauert länger als sonst. Nichts wurde abgebucht, und nichts wird doppelt abgebucht.",
    ),
    "checking": Words("Ihre Zahlung wird geprüft …", "Wir fragen die Bank. Bitte einen Moment."),
    "unknown": Words(
        "Noch keine Antwort",
        "Die Bank hat uns noch nicht gesagt, wie es ausging. Nichts wird doppelt abgebucht, und der"
        " Shop erfährt es, sobald es feststeht. Sie können diese Seite schließen.",
    ),
    "unpaid": Words(
        "Noch nicht bezahlt", "Nichts wurde abgebucht. Sie können weiter zahlen oder zurückgehen."
    ),
    "declined": Words(
        "Das wurde abgelehnt", "{why} Nichts wurde abgebucht. Versuchen Sie es auf anderem Weg."
    ),
    "cancelling": Words("Wird abgebrochen …", "Die Zahlungsseite wird geschlossen."),
    "bank": Words(
        "Die Bank braucht etwas Zeit",
        "Für Sie ist alles getan, Sie müssen hier nicht warten: Der Shop erfährt es, sobald die"
        " Bank entschieden hat.",
    ),
    "review": Words(
        "Ihre Zahlung wird angesehen",
        "Sie passt nicht in allem zur Bestellung. Sie müssen hier nicht warten, und bitte zahlen"
        " Sie nicht noch einmal: Der Shop meldet sich.",
    ),
    "telling": Words("Bezahlt. Der Shop wird benachrichtigt …", "Bitte einen Moment."),
    "paid": Words("Danke, es ist bezahlt", "Der Shop weiß Bescheid."),
    "paid_untold": Words(
        "Danke, es ist bezahlt", "Der Shop hat uns noch nicht geantwortet. Er erfährt es sicher."
    ),
    "held": Words(
        "Danke, der Betrag ist vorgemerkt", "Der Shop bucht ab, wenn die Bestellung fertig ist."
    ),
    "failed": Words("Die Zahlung schlug fehl", "{why} Nichts wurde abgebucht."),
    "expired": Words("Die Zeit zum Zahlen ist um", "Nichts wurde abgebucht."),
    "cancelled": Words("Die Zahlung wurde abgebrochen", "Nichts wurde abgebucht."),
    "given_back": Words(
        "Sie haben Ihr Geld zurück",
        "Diese Zahlung wurde ganz erstattet. Haben Sie dieselbe Bestellung zweimal bezahlt, so"
        " gilt die andere Zahlung.",
    ),
    "going_back": Words(
        "Ihr Geld ist auf dem Rückweg",
        "Die Bestellung war schon bezahlt oder nicht mehr zu haben. Diese Zahlung wird ganz"
        " erstattet.",
    ),
    "asking": Words("Verbindung wird aufgebaut …", "Die Zahlungsseite öffnet sich gleich hier."),
    "missing": Words(
        "Das ist kein Zahlungslink von uns",
        "Vielleicht fehlt ein Teil der Adresse. Beginnen Sie bitte im Shop von vorn.",
    ),
    "busy": Words("Zu viele auf einmal", "Bitte laden Sie diese Seite in ein paar Sekunden neu."),
    "trouble": Words(
        "Wir können gerade nicht antworten",
        "Nichts ist verloren, und nichts wurde dadurch abgebucht. Laden Sie die Seite gleich neu.",
    ),
}

# What stands on buttons, and what the script of the page says.
LABELS = {
    "en": {
        "direction": "ltr",
        "go_on": "Go on paying",
        "again": "Try again",
        "back": "Back to the shop",
        "close": "You can close this window.",
        "offline": "No connection. We keep trying; nothing is lost.",
        "reload": "Load again",
        "test": "Test mode: no money moves.",
        "no_script": "This page looks again every few seconds.",
    },
    "de": {
        "direction": "ltr",
        "go_on": "Weiter zahlen",
        "again": "Noch einmal versuchen",
        "back": "Zurück zum Shop",
        "close": "Sie können dieses Fenster schließen.",
        "offline": "Keine Verbindung. Wir versuchen es weiter; nichts ist verloren.",
        "reload": "Neu laden",
        "test": "Testmodus: Es fließt kein Geld.",
        "no_script": "Diese Seite sieht alle paar Sekunden nach.",
    },
}
# Why an order cannot be paid, by the code of the refusal.
REFUSALS = {
    "en": {
        "order_already_paid": "This order is paid already. Nothing more will be charged.",
        "order_cancelled": "This order was cancelled. Please start again in the shop.",
        "out_of_stock": "It has just been sold out. Nothing was charged.",
        "payment_in_progress": "An earlier payment of this order is not decided yet. Please do not"
        " pay again: the shop will tell you.",
        "": "The shop has to look at this. You can close this window.",
        "title": "This cannot be paid now",
    },
    "de": {
        "order_already_paid": "Diese Bestellung ist schon bezahlt. Nichts wird mehr abgebucht.",
        "order_cancelled": "Diese Bestellung wurde storniert. Bitte beginnen Sie im Shop von vorn.",
        "out_of_stock": "Gerade ausverkauft. Nichts wurde abgebucht.",
        "payment_in_progress": "Eine frühere Zahlung dieser Bestellung ist noch nicht entschieden."
        " Bitte zahlen Sie nicht noch einmal: Der Shop meldet sich.",
        "": "Das muss der Shop sich ansehen. Sie können dieses Fenster schließen.",
        "title": "Das kann jetzt nicht bezahlt werden",
    },
}
# The widget's dialog: a text for each state, a name for each button. Its English is its own.
DIALOG = {
    "de": {
        "title": "Zahlung",
        "connecting": "Verbindung wird aufgebaut …",
        "waiting": "Bitte zahlen Sie in dem Fenster, das sich geöffnet hat.",
        "away": "Das Zahlungsfenster ist zu oder verdeckt. Wenn Sie dort zahlen, nur weiter.",
        "leaving": "Diese Zahlung aufgeben?",
        "cancelling": "Wird abgebrochen …",
        "offline": "Keine Verbindung. Wir versuchen es weiter; nichts wird doppelt abgebucht.",
        "telling": "Bezahlt. Der Shop wird benachrichtigt …",
        "succeeded": "Danke, es ist bezahlt.",
        "pending": "Ihre Bank braucht etwas Zeit. Der Shop erfährt es.",
        "reopen": "Zahlungsfenster öffnen",
        "stay": "Weiter zahlen",
        "cancel": "Zahlung abbrechen",
        "close": "Schließen",
    },
}
SCENES = {"en": ENGLISH, "de": GERMAN}
LANGUAGES = tuple(SCENES)
