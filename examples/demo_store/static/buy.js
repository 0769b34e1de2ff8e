// Buying, as a shop's page does it: the script to copy. It opens the gateway's widget and goes where
// its result leads. It never says what a thing costs or whether it is paid for: the server knows.
export const texts = JSON.parse(document.body.dataset.texts);
const notice = () => document.getElementById("notice");
let paying = false;
export const isPaying = () => paying;

async function post(path, body) {
  const headers = { "Content-Type": "application/json" };
  const answer = await fetch(path, { method: "POST", headers, body: JSON.stringify(body) }).catch(() => null);
  const said = answer && (await answer.json().catch(() => null));
  if (answer && answer.ok && said) return said;
  throw new Error(said ? `${said.title} ${said.detail}` : texts.away);
}

// `order` is a promise, because a browser lets a click open a window only at once.
function pay(order, form) {
  if (paying) return;
  notice().textContent = "";
  const orderId = order.then((known) => known.order_id);
  follow(new window.PaymentGateway({ ...options(), orderId }).open(), order, form);
}

async function follow(ending, order, form) {
  paying = true;
  form?.setAttribute("aria-busy", "true");
  order.then((known) => remembered(known)).catch(() => {});
  const ended = await ending;
  const known = await order.catch(() => null); // refused: onFailure has said why
  if (known && ended.outcome !== "succeeded" && ended.outcome !== "pending") offer(known, ended);
  paying = false;
  form?.removeAttribute("aria-busy");
}

// The order that is being paid, for this tab, so that a reload goes on with it.
function remembered(known) {
  try {
    if (known) sessionStorage.setItem("kettle-and-fern-order", JSON.stringify(known));
    return JSON.parse(sessionStorage.getItem("kettle-and-fern-order"));
  } catch {
    return null; // a browser that keeps nothing
  }
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

const bought = () => dispatchEvent(new Event("shop:bought"));

// The order's page asks the server, which verifies the result and waits for the callback.
function showOrder(result) {
  bought();
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
  complain(`${message || texts.left_open} `);
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

// After a reload in the middle of a payment, or back from the payment page.
addEventListener("load", () => {
  const [known, order] = [remembered(), document.getElementById("order")];
  if (!known || (order && order.dataset.order !== known.order_id)) return;
  const here = order && { onSuccess: bought, onPending: bought }; // this page follows it anyway
  const ending = window.PaymentGateway?.resume({ ...options(), orderId: known.order_id, ...here });
  if (ending) follow(ending, Promise.resolve(known), document.getElementById("shop"));
});
