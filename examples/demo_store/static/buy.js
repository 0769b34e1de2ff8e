// Buying, as a shop's page does it: the script to copy. It opens the gateway's widget and goes where
// its result leads. It never says what a thing costs or whether it is paid for: the server knows.
"use strict";

const texts = JSON.parse(document.body.dataset.texts);
const notice = () => document.getElementById("notice");
let paying = false;

async function post(path, body) {
  const headers = { "Content-Type": "application/json" };
  const answer = await fetch(path, { method: "POST", headers, body: JSON.stringify(body) }).catch(() => null);
  const said = answer && (await answer.json().catch(() => null));
  if (answer && answer.ok && said) return said;
  throw new Error(said ? `${said.title} ${said.detail}` : texts.away);
}

// `order` is a promise, because a browser lets a click open a window only at once.
async function pay(order, form) {
  if (paying) return;
  paying = true;
  form.setAttribute("aria-busy", "true");
  notice().textContent = "";
  const ended = await new window.PaymentGateway({ ...options(), orderId: order.then((known) => known.order_id) }).open();
  const known = await order.catch(() => null);
  if (known && ended.outcome !== "succeeded" && ended.outcome !== "pending") offer(known, ended);
  paying = false;
  form.removeAttribute("aria-busy");
}

function options() {
  return {
    key: document.body.dataset.key,
    returnUrl: `${location.origin}/orders`,
    onSuccess: showOrder,
    onPending: showOrder, // the bank takes its time: never a failure
    onFailure: (failure) => {
      complain(failure.message);
      dispatchEvent(new CustomEvent("shop:failed", { detail: failure }));
    },
    onEvent: (event) => dispatchEvent(new CustomEvent("shop:event", { detail: event })),
  };
}

// The order's page asks the server, which verifies the result and waits for the callback.
function showOrder(result) {
  dispatchEvent(new Event("shop:bought"));
  const query = new URLSearchParams({
    order_id: result.orderId, payment_id: result.paymentId, status: result.status,
    amount: result.amount, currency: result.currency, signature: result.signature,
  });
  location.assign(`/orders/${encodeURIComponent(result.orderId)}?${query}`);
}

function complain(message) {
  const words = Object.assign(document.createElement("p"), { className: "notice", textContent: message });
  notice().replaceChildren(words);
}

// The order stays as it is: it can be paid from its page, or here, by the same click again.
function offer(known, { message }) {
  if (document.getElementById("order")) return;
  const link = Object.assign(document.createElement("a"), { href: `/orders/${known.reference}` });
  link.textContent = texts.your_order.replace("{}", known.reference);
  complain(`${message} `);
  notice().firstChild.append(link);
}

// Without the widget the form is sent as it is, and leads to the payment link.
document.addEventListener("submit", (event) => {
  const form = event.target;
  const again = form.matches("#order .actions form");
  if (!window.PaymentGateway || !(again || form.id === "shop")) return;
  event.preventDefault();
  const fields = new FormData(form);
  const items = [...fields].filter(([name, value]) => name.startsWith("KF-") && Number(value) > 0)
    .map(([sku, value]) => ({ sku, quantity: Number(value) }));
  if (!again && !items.length) return complain(texts.cart_empty);
  const wish = again ? {} : { token: fields.get("token"), method: fields.get("method"), items };
  if (!paying) pay(post(form.getAttribute("action"), wish), form);
});

// After a reload in the middle of a payment.
addEventListener("load", () => {
  const order = document.getElementById("order")?.dataset.order;
  if (!order && !document.getElementById("shop")) return;
  const here = order && { orderId: order, onSuccess() {}, onPending() {} }; // this page follows it anyway
  window.PaymentGateway?.resume({ ...options(), ...here });
});
