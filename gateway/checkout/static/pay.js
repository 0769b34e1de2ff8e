// Draws the shopper's page again whenever the server knows more. It decides nothing about a payment.
// In the widget's window it tells the shop's page to look, without saying what it would see.
"use strict";

const API = "/api/v1/checkout";
const PAUSES = [1000, 2000, 5000];
const READING = 1500; // milliseconds to see how it ended before the page gives way
const FINAL = ["paid", "paid_untold", "held", "given_back"];
const ENDED = ["failed", "expired", "cancelled", ...FINAL];

const page = document.querySelector("main");
const told = page.dataset;
let nonce = null; // of the widget that opened this window
try {
  nonce = sessionStorage.getItem("pg-nonce");
} catch { /* a browser that keeps nothing */ }
let wake = () => {};

const pause = (ms) => new Promise((done) => { wake = done; setTimeout(done, ms); });
const notice = (text) => { page.querySelector("[data-notice]").textContent = text; };
// Isolated by Stripe's page a window may have lost its memory; the server knows how it was opened.
const inWindow = () => told.mode === "popup" || nonce !== null;

/** Ask until there is an answer that is not "later"; meanwhile the shopper sees why. */
async function ask(url, options) {
  for (let tries = 0; ; tries += 1) {
    try {
      const answer = await fetch(url, options);
      const body = await answer.json();
      if (answer.ok || (answer.status < 500 && answer.status !== 429 && body.code !== "idempotency_key_in_use")) {
        notice("");
        return { ok: answer.ok, body };
      }
      if (tries > 1) notice(document.body.dataset.offline);
    } catch {
      notice(document.body.dataset.offline);
    }
    await pause(tries ? PAUSES[Math.min(tries, PAUSES.length) - 1] : 300);
  }
}

const post = (body, id) =>
  ask(API, { method: "POST", body, headers: { "Content-Type": "application/json", "Idempotency-Key": id } });

/** The widget's window: the same request as the widget's, with the same key, so whoever is first. */
async function begin() {
  const words = location.hash.slice(1);
  if (!words) return void addEventListener("hashchange", begin, { once: true });
  let [body, id] = [];
  try {
    ({ body, id, nonce } = JSON.parse(decodeURIComponent(words)));
    sessionStorage.setItem("pg-nonce", nonce);
  } catch { /* not the widget's words, or nowhere to keep them */ }
  if (!body || !id) return location.replace("/pay/none");
  await pause(250); // the shop's page was first: its answer is then ours as well
  const answer = await post(JSON.stringify(body), id);
  if (answer.ok) return location.replace(`/pay/${answer.body.client_secret}`);
  const refusals = JSON.parse(told.refusals);
  const status = page.querySelector("[role=status]");
  page.className = "bad";
  page.querySelector(".badge").remove();
  status.querySelector("h1").textContent = refusals.title;
  status.querySelector("p").textContent = refusals[answer.body.code] ?? refusals[""];
}

/** Another payment of the same order, after one that ended without money. */
async function again(event) {
  const button = event.target.closest("[data-try-again]");
  if (!button || button.getAttribute("aria-busy")) return;
  button.setAttribute("aria-busy", "true");
  const answer = await post(told.again, crypto.getRandomValues(new Uint32Array(4)).join("-"));
  if (answer.ok) location.replace(`/pay/${answer.body.client_secret}`);
  else {
    notice(answer.body.title);
    button.removeAttribute("aria-busy");
  }
}

async function draw() {
  const url = told.came ? `?came=${told.came}` : "";
  const answer = await fetch(location.pathname + url, { headers: { "X-Pay-Page": "1" } });
  if (!answer.ok) return; // too many, or not now: what is shown is still true
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  const next = fresh.querySelector("main");
  const status = page.querySelector("[role=status]");
  const same = next.querySelector("[role=status]").innerHTML === status.innerHTML;
  for (const name of Object.keys(told)) delete told[name];
  Object.assign(told, next.dataset);
  if (same) return;
  document.title = fresh.title;
  page.className = next.className;
  for (const part of [".badge", "[role=status]", ".actions"]) {
    page.querySelector(part).innerHTML = next.querySelector(part).innerHTML; // our own server's
  }
  shown();
}

function shown() {
  const ended = ENDED.includes(told.scene) || "over" in told;
  if (window.opener && told.origin) {
    window.opener.postMessage({ pg: "look", nonce }, told.origin);
  }
  const retry = page.querySelector("[data-try-again]");
  if (retry) retry.hidden = nonce !== null; // there the shop's page offers it
  if (inWindow() && ended) {
    page.querySelector("[data-close]").hidden = false;
    // A window without its memory may be the shop's own: then only the link leads back.
    if (nonce !== null) page.querySelector("[data-back]")?.remove();
    setTimeout(() => window.close(), READING);
  } else if ("over" in told && told.leave) {
    setTimeout(() => location.replace(told.leave), READING);
  }
}

async function watch() {
  shown();
  for (let quick = 0; ; ) {
    if (told.go) return location.replace(told.go);
    if (FINAL.includes(told.scene)) return undefined;
    const began = Date.now();
    const asks = told.scene === "checking" ? "&ask=stripe" : "";
    const wait = "works" in told ? 4 : 20;
    const answer = await ask(`${API}/${told.secret}?wait=${wait}&seen=${told.version}${asks}`);
    const changed = answer.body.version !== told.version;
    if (changed || "works" in told) await draw().catch(() => {});
    quick = changed || Date.now() - began > 1000 ? 0 : quick + 1;
    if (quick) await pause(PAUSES[Math.min(quick, PAUSES.length) - 1]);
  }
}

addEventListener("click", again);
for (const sign of ["online", "pageshow", "focus"]) addEventListener(sign, () => wake());
if (told.scene === "asking") begin();
else if (told.secret) watch();
