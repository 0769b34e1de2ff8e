// What makes the shop pleasant: the cart that survives a reload, numbers to copy, and a page that
// keeps up. None of it is needed to buy, and nothing of it is believed by the server.
import { isPaying, texts } from "./buy.js";

const CART = "kettle-and-fern-cart";
const shop = document.getElementById("shop");
const rupees = new Intl.NumberFormat("en-IN", { style: "currency", currency: "INR" });
const element = (name, text) => Object.assign(document.createElement(name), { textContent: text });

function remembered() {
  try {
    return JSON.parse(localStorage.getItem(CART)) || {};
  } catch {
    return {}; // no storage, or no sense in it
  }
}

function count(cart) {
  const pieces = Object.values(cart).reduce((sum, each) => sum + (Number(each) || 0), 0);
  document.getElementById("count").textContent = pieces ? `(${pieces})` : "";
}

function remember(cart) {
  count(cart);
  try {
    localStorage.setItem(CART, JSON.stringify(cart));
  } catch {
    // A browser that keeps nothing: the cart lives as long as the page.
  }
}

function cartOf(form) {
  const inputs = [...form.querySelectorAll("input[type=number]")];
  return Object.fromEntries(inputs.map((input) => [input.name, Number(input.value) || 0]));
}

function drawCart(form) {
  const cart = cartOf(form);
  const rows = [];
  let total = 0;
  for (const product of form.querySelectorAll(".product")) {
    const { sku, name, amount } = product.dataset;
    const count = cart[sku] || 0;
    for (const step of product.querySelectorAll(".step")) step.hidden = !count;
    for (const input of product.querySelectorAll("input")) input.hidden = !count;
    for (const add of product.querySelectorAll(".add")) add.hidden = Boolean(count);
    if (!count) continue;
    total += count * Number(amount);
    rows.push(row(count > 1 ? `${name} × ${count}` : name, count * Number(amount)));
  }
  const list = document.getElementById("cart-lines");
  list.replaceChildren(...rows, row(texts.total, total, "total"));
  list.hidden = !rows.length;
  document.getElementById("cart-empty").hidden = rows.length > 0;
  remember(cart);
}

function row(name, amount, className = "") {
  const line = Object.assign(document.createElement("div"), { className });
  line.append(element("dt", name), element("dd", rupees.format(amount / 100)));
  return line;
}

function stepped(button) {
  const product = button.closest(".product");
  const input = product.querySelector("input");
  const wanted = Number(input.value) + Number(button.dataset.step);
  input.value = Math.max(0, Math.min(Number(input.max), wanted));
  drawCart(shop);
  // The button that was pressed may be gone; the focus stays beside it.
  if (button.hidden) product.querySelector(input.value > 0 ? ".step:last-of-type" : ".add").focus();
}

addEventListener("shop:bought", () => remember({}));
count(remembered());
if (shop) {
  const kept = remembered();
  for (const input of shop.querySelectorAll("input[type=number]")) {
    input.value = Math.max(0, Math.min(Number(input.max), Number(kept[input.name]) || 0));
  }
  drawCart(shop);
  shop.addEventListener("input", () => drawCart(shop));
  addEventListener("pageshow", (event) => event.persisted && location.reload()); // a token is for one page
  addEventListener("shop:failed", ({ detail }) => {
    if (!["order_already_paid", "order_cancelled"].includes(detail.code)) return;
    const bytes = crypto.getRandomValues(new Uint8Array(16)); // that order is over: the next buys anew
    shop.elements.token.value = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  });
}

async function copy(button) {
  const status = document.getElementById("copied");
  try {
    await navigator.clipboard.writeText(button.dataset.copy.replaceAll(/(\d) /g, "$1"));
    status.textContent = texts.copied.replace("{}", button.dataset.copy);
    for (const other of document.querySelectorAll(".chip")) other.classList.toggle("copied", other === button);
  } catch {
    status.textContent = texts.not_copied.replace("{}", button.dataset.copy);
  }
}

document.addEventListener("click", ({ target }) => {
  const button = target.closest("button");
  if (button?.dataset.step) stepped(button);
  if (button?.dataset.copy) copy(button);
});

// What the widget does is told to the panel: a name and a few words, never an address or a secret.
addEventListener("shop:event", ({ detail }) => {
  const about = ["status", "outcome", "code", "reason", "mode"].filter((name) => detail.data?.[name]);
  const words = about.map((name) => `${name}: ${String(detail.data[name]).slice(0, 30)}`).join(", ");
  const headers = { "Content-Type": "application/json" };
  const body = JSON.stringify({ name: String(detail.name), detail: words });
  fetch("/events", { method: "POST", headers, body, keepalive: true }).catch(() => {});
});

const shown = () => document.getElementById("lines").dataset;
let heard = shown().heard; // as the order's page has drawn it
let announced = heard;
let looked = Date.now();

async function fetched(path) {
  const answer = await fetch(path);
  if (!answer.ok) throw new Error(String(answer.status));
  return answer.status === 204 ? null : new DOMParser().parseFromString(await answer.text(), "text/html");
}

async function drawPanel() {
  const page = await fetched(`/panel?seen=${shown().version}`);
  if (!page) return;
  const list = document.querySelector(".lines");
  const [place, focused] = [list?.scrollTop || 0, list === document.activeElement];
  document.getElementById("lines").replaceWith(page.getElementById("lines"));
  const drawn = document.querySelector(".lines");
  if (drawn) drawn.scrollTop = place;
  if (focused) drawn?.focus({ preventScroll: true });
  const newest = document.querySelector(".line.callback .what");
  if (shown().heard !== announced && newest) document.getElementById("news").textContent = newest.textContent;
  announced = shown().heard;
}

// The order's page follows the callbacks: when one came it looks again, and now and then anyway.
async function drawOrder() {
  const order = document.getElementById("order");
  const late = order && "watched" in order.dataset && Date.now() - looked > 10000;
  if (!order || isPaying() || !(late || shown().heard !== heard)) return;
  [heard, looked] = [shown().heard, Date.now()];
  const page = await fetched(location.pathname + location.search);
  const fresh = page.getElementById("order");
  if (!fresh) return;
  document.querySelector(".stage").className = page.querySelector(".stage").className;
  document.querySelector(".badge").replaceWith(page.querySelector(".badge"));
  for (const part of document.querySelectorAll("[data-part]")) {
    const now = page.querySelector(`[data-part=${part.dataset.part}]`);
    // What reads the same stays, and with it the focus; only words that changed are announced.
    if (now.textContent !== part.textContent) part.replaceChildren(...now.childNodes);
  }
  order.toggleAttribute("data-watched", "watched" in fresh.dataset);
  document.title = page.title;
  scripted();
}

// A payment that waits is gone on with in the widget, if there is one.
function scripted() {
  for (const form of document.querySelectorAll(".scripted")) form.hidden = !window.PaymentGateway;
  for (const link of document.querySelectorAll(".plain")) link.hidden = Boolean(window.PaymentGateway);
}
addEventListener("load", scripted);

let busy = false;
setInterval(async () => {
  if (busy || document.hidden) return;
  busy = true;
  try {
    await drawPanel();
    await drawOrder();
  } catch {
    // The shop is restarting; the next look tells.
  }
  busy = false;
}, 1000);
