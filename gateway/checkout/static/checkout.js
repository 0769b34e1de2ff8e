/**
 * The checkout on a shop's page: a dialog, the payment in a window beside it, one call back about how
 * it ended. It sees no card, and says what the server says.
 */

/**
 * @typedef {{outcome: "succeeded" | "pending", paymentId: string, orderId: string, status: string,
 *   amount: number, currency: string, signature: string | null}} CheckoutResult
 * @typedef {{outcome: "failed" | "cancelled" | "open", code: string, message: string,
 *   recoverable: boolean, docUrl: string}} CheckoutFailure `open`: left, and still to be paid
 * @typedef {{key: string, orderId: string | Promise<string>, onSuccess?(result: CheckoutResult): void,
 *   onPending?(result: CheckoutResult): void, onFailure?(failure: CheckoutFailure): void,
 *   onClose?(why: {reason: "user" | "api" | "done"}): void,
 *   onEvent?(told: {name: string, at: number, data: any}): void, mode?: "auto" | "popup" | "redirect",
 *   returnUrl?: string, locale?: string, theme?: "auto" | "light" | "dark", apiBase?: string}} CheckoutOptions
 * @typedef {Promise<CheckoutResult | CheckoutFailure>} CheckoutEnd never rejects
 * @typedef {{open(): CheckoutEnd, close(): void, state: string,
 *   on(name: string, listener: (data: any) => void): () => void}} Checkout
 * @typedef {{new (options: CheckoutOptions): Checkout, version: string,
 *   resume(options: CheckoutOptions): CheckoutEnd | null}} CheckoutClass
 */

var PaymentGateway = (() => {
  const HOME = new URL(/** @type {any} */ (document.currentScript)?.src ?? location.href).origin;
  const PATIENCE = 60000; // ms without an answer before there is a payment
  const READING = 1200; // ms to see that it is paid
  const IN_APP = /FBA[NV]|Instagram|; wv\)/; // without a second window

  // By state, then by button; other languages come from the server.
  /** @type {Record<string, string>} */
  const ENGLISH = {
    title: "Payment", connecting: "Connecting…", waiting: "Please pay in the window that has opened.",
    away: "The payment window is closed or out of sight. If you are paying there, go on.",
    leaving: "Give up this payment?", cancelling: "Cancelling…",
    offline: "No connection. Still trying; you cannot be charged twice.",
    telling: "Paid. Telling the shop…", succeeded: "Thank you, it is paid.",
    pending: "Your bank takes its time. The shop is told.",
    reopen: "Open the payment window", stay: "Go on paying", cancel: "Cancel payment", close: "Close",
  };

  const STYLE = `:host{color-scheme:light dark;--accent:light-dark(#1f4fd1,#8fb0ff)}
dialog{box-sizing:border-box;width:min(24rem,100%);max-width:none;padding:1.75rem 1.5rem;border:0;border-radius:1.125rem;
font:16px/1.5 system-ui,sans-serif;text-align:center}
dialog::backdrop{background:#000a}
i{display:block;width:2rem;margin:auto;border:3px solid #8885;border-block-start-color:var(--accent);border-radius:50%;
height:2rem;line-height:2rem;animation:turn 1.1s linear infinite}
@keyframes turn{to{rotate:1turn}}
:is(.away,.leaving,.pending,.succeeded) i{animation:none;border-color:#8885}
.succeeded i::after{content:"\\2713"}
button{width:100%;min-height:2.75rem;margin-block-start:.625rem;font:inherit;font-weight:600;cursor:pointer;
border:1px solid var(--accent);border-radius:.75rem;background:var(--accent);color:Canvas}
button:last-child{background:none;border-color:#8888;color:inherit}
@media(prefers-reduced-motion:reduce){i{animation:none!important}}
@media(max-width:30rem){dialog{margin-block-end:0;border-end-start-radius:0;border-end-end-radius:0}}`;

  /** One on a page. @type {any} */
  let active = null;

  /** What a reload must not lose. @param {any} [what] */
  const memory = (what) => {
    try {
      if (what !== undefined) sessionStorage.pgCheckout = JSON.stringify(what);
      return JSON.parse(sessionStorage.pgCheckout);
    } catch {}
  };

  /** @param {CheckoutOptions} options */
  function checkout(options) {
    const { key, orderId, mode = "auto", returnUrl = location.href, theme = "auto", apiBase = HOME } = options;
    const { locale = document.documentElement.lang || navigator.language } = options;
    // What else is wrong with the options, the server says.
    const code = "secret_in_browser";
    if (/^(secret|sk)_/.test(key)) throw Object.assign(TypeError(`${code}: ${HOME}/docs/errors#${code}`), { code });

    const base = new URL(apiBase).origin;
    const back = new URL(returnUrl, location.href).href.split("#")[0].replaceAll("\\", "%5C").slice(0, 2000);
    const random = () => crypto.getRandomValues(new Uint32Array(4)).join("-");
    const nonce = random();
    const dialog = document.createElement("dialog");
    let words = ENGLISH;
    let state = "idle";
    let askStripe = false;
    let id = ""; // of the request that opens it
    let wake = (_ = {}) => {};
    const pause = (ms = 0) => new Promise((done) => setTimeout((wake = done), ms));
    const listeners = new Set();
    /** @type {any} */ let kept; // client secret, cancel token, ...
    /** @type {any} */ let end;
    /** @type {any} */ let life;
    /** @type {Window | null} */ let beside; // the window in which it is paid

    const on = (name = "", /** @type {any} */ listener) => {
      const mine = { name, listener };
      listeners.add(mine);
      return () => void listeners.delete(mine);
    };
    for (const [name, hook] of Object.entries(options)) if (typeof hook === "function") on(name.slice(2).toLowerCase(), hook);

    /** A fault of the shop's own stops nothing here. */
    const tell = (name = "", /** @type {any} */ data) => {
      for (const each of listeners) {
        try {
          if (each.name === name) each.listener(name === "event" ? { at: Date.now(), ...data } : data);
        } catch (error) {
          reportError(error);
        }
      }
      if (name !== "event") tell("event", { name, data });
    };

    const openWindow = (path = "") => {
      if (mode === "redirect" || IN_APP.test(navigator.userAgent)) return;
      beside = open(base + path, "pg-checkout", "popup,width=480,height=760");
    };
    const isGone = () => !beside || beside.closed;
    const look = () => {
      askStripe = true;
      wake();
    };
    const hear = (/** @type {MessageEvent} */ { origin, source, data }) => {
      if (origin === base && source === beside && data.nonce === nonce) look();
    };

    const start = (/** @type {any} */ known) => {
      if (active) {
        active.focus();
        return active.running;
      }
      const running = new Promise((ended) => (end = ended));
      const { signal } = (life = new AbortController());
      draw();
      active = { running, focus: () => beside?.focus() };
      addEventListener("message", hear, { signal });
      for (const sign of ["focus", "online", "pageshow"]) addEventListener(sign, look, { signal });
      kept = known;
      askStripe = !!known;
      if (known) watch(known);
      else begin().catch((error) => fail("order_not_made", String(error?.message))).then(watch);
      return running;
    };

    const wanted = (order_id = "", mode = "") => ({ key, order_id, origin: location.origin, mode, return_url: back });
    // The window asks for the same under the same key, and needs this page no more.
    const waiting = (order = "") =>
      `/pay/wait#${encodeURIComponent(JSON.stringify({ body: wanted(order, "popup"), id, nonce }))}`;

    const begin = async () => {
      const order_id = await orderId;
      if (order_id !== orderId) beside?.location.replace(base + waiting(order_id));
      const view = await ask("", wanted(order_id, beside ? "popup" : "redirect"), { "Idempotency-Key": id });
      if (!view || life.signal.aborted) return null;
      const { client_secret: secret, cancel_token: token, url } = view;
      const known = { key, order_id, secret, token, url };
      memory(known);
      if (!beside && mode !== "popup") location.assign(url);
      return known;
    };

    /** Until it is settled; messages and the window only make it look sooner. */
    const watch = async (/** @type {any} */ known) => {
      kept = known;
      for (let seen = ""; kept && !life.signal.aborted; ) {
        const began = Date.now();
        const asks = askStripe || state === "away" ? "ask=stripe" : "";
        askStripe = false;
        const view = await ask(`/${kept.secret}?${asks}${seen && `&seen=${seen}&wait=${isGone() ? 20 : 2}`}`);
        if (!view) return;
        if (view.version !== seen) tell("event", { name: "status", data: view });
        if (view.settled) return settle(view);
        if (view.outcome !== "open") show("telling");
        else if (view.cancel_requested_at) show("cancelling");
        else if (state === "waiting" ? isGone() : ["connecting", "offline"].includes(state)) {
          askStripe = state === "waiting";
          show(isGone() ? "away" : "waiting");
        }
        const quick = seen === view.version && Date.now() - began < 999;
        seen = view.version;
        if (quick) await pause(2000);
      }
    };

    const settle = (/** @type {any} */ { outcome, result, failure }) => {
      if (!result) return fail(failure.code, failure.message, true);
      const { order_id: orderId, payment_id: paymentId, ...rest } = result;
      finish({ outcome, orderId, paymentId, ...rest }, "done");
    };

    /** An answer of the API, however long it takes; none after a refusal.
     * @param {string} path @param {object} [body] @param {object} [more] headers @returns {Promise<any>} */
    const ask = async (path, body, more) => {
      const headers = { "Content-Type": "application/json", ...more };
      const init = body && { method: "POST", body: JSON.stringify(body), headers };
      const began = Date.now();
      for (let tries = 0, shut = 0; !life.signal.aborted; await pause(Math.min(500 << tries++, 5000))) {
        let why = "network_error";
        try {
          const answer = await fetch(`${base}/api/v1/checkout${path}`, init);
          const said = await answer.json();
          if (answer.ok) return said;
          why = said.code;
          const no = answer.status < 500 && answer.status !== 429 && why !== "idempotency_key_in_use";
          if (no) return (body && kept) || fail(why, said.detail); // kept: too late to cancel
        } catch {
          // If the gateway answers otherwise, it refuses this page.
          shut = (await fetch(`${base}/checkout.js`, { cache: "no-store" }).catch(() => 0)) ? shut + 1 : 0;
          if (shut > 1 && !kept) return fail("origin_not_allowed", `${location.origin} is no allowed origin.`);
        }
        if (!kept && Date.now() - began > PATIENCE) return fail(why, "No answer.", true);
        if (tries > 1) show("offline");
      }
    };

    const cancel = async () => {
      show("cancelling");
      beside?.close();
      await ask(`/${kept.secret}/cancel`, { cancel_token: kept.token });
      look();
    };

    const draw = () => {
      const host = document.createElement("div");
      const sheet = new CSSStyleSheet();
      sheet.replaceSync(STYLE + (theme === "auto" ? "" : `:host{color-scheme:${theme}}`));
      const root = host.attachShadow({ mode: "open" });
      root.adoptedStyleSheets = [sheet];
      root.append(dialog);
      dialog.replaceChildren(...["h2", "i", "p", "div"].map((name) => document.createElement(name)));
      dialog.children[2].role = "status";
      dialog.onclose = () => life.signal.aborted || dialog.showModal(); // Escape, more than once
      dialog.oncancel = (event) => {
        event.preventDefault();
        /** @type {any} */ (dialog.querySelector("button:last-child"))?.click();
      };
      document.documentElement.append(host);
      dialog.showModal();
      show("connecting");
      const language = locale.slice(0, 2).toLowerCase();
      if (language === "en") return;
      fetch(`${base}/checkout/words/${language}.json`)
        .then((answer) => answer.json())
        .then((theirs) => {
          words = theirs;
          dialog.className = "";
          show(state);
        })
        .catch(() => {}); // English will do
    };

    const show = (next = "") => {
      state = next;
      if (dialog.className === state) return;
      const [title, , text, box] = /** @type {any} */ (dialog.children);
      dialog.className = state;
      title.textContent = dialog.ariaLabel = words.title;
      text.textContent = words[state];
      const leave = kept?.token ? ["cancel", () => show("leaving")] : ["close", () => finish(null, "user")];
      const reopen = () => {
        openWindow(`/pay/${kept.secret}`);
        if (beside) show("waiting");
        else location.assign(kept.url);
      };
      /** @type {Record<string, any[]>} */
      const buttons = {
        connecting: [leave], offline: [leave], waiting: [leave], away: [["reopen", reopen], leave],
        leaving: [["cancel", cancel], ["stay", () => show(isGone() ? "away" : "waiting")]],
      };
      box.replaceChildren(...(buttons[state] ?? []).map(([name, onclick]) =>
        Object.assign(document.createElement("button"), { textContent: words[name], onclick })));
      box.firstChild?.focus();
    };

    const fail = (code = "", message = "", recoverable = false) => {
      const outcome = code === "payment_cancelled" ? "cancelled" : "failed";
      finish({ outcome, code, message, recoverable }, "done");
    };

    /** Once: with what the server said, or null if somebody left.
     * @param {any} ended @param {string} reason */
    const finish = async (ended, reason) => {
      if (!life || life.signal.aborted) return;
      life.abort();
      const said = ended ?? { outcome: "open", code: "left_open", message: words.away, recoverable: true };
      const { outcome, code } = said;
      beside?.close();
      beside = null;
      if (ended) memory(null);
      if (code) said.docUrl = `${base}/docs/errors#${code}`;
      else {
        show(outcome);
        await pause(READING);
      }
      dialog.close(); // and the focus is where it was
      /** @type {any} */ (dialog.getRootNode()).host.remove();
      state = "closed";
      active = null;
      if (ended) tell(outcome === "succeeded" ? "success" : code ? "failure" : outcome, said);
      tell("close", { reason });
      end(said);
    };

    const self = {
      /** In the click itself, or the browser opens no window. Twice shows the same payment. */
      open() {
        if (active) return start(null);
        id = random();
        openWindow(typeof orderId === "string" ? waiting(orderId) : "/pay/wait");
        return start(null);
      },
      /** Close dialog and window. The payment can still be made. */
      close() {
        finish(null, "api");
      },
      on,
      start,
      get state() {
        return state;
      },
    };
    return self;
  }

  class Gateway {
    static version = "1.0.0";

    /** @param {CheckoutOptions} options */
    constructor(options) {
      return checkout(options);
    }

    /** After a reload, or back from the payment page; null if there is nothing to go on with.
     * @param {CheckoutOptions} options */
    static resume(options) {
      const kept = memory();
      const { key, orderId } = options;
      const same = kept?.key === key && (typeof orderId !== "string" || kept.order_id === orderId);
      return same ? checkout(options).start(kept) : null;
    }
  }

  // <button data-pg-key="key_..." data-pg-order="ord_..."> fires pg:success, ...
  const wire = (/** @type {any} */ event) => {
    const button = event.target.closest?.("[data-pg-order]");
    if (!button) return;
    event.preventDefault();
    const one = checkout({ key: button.dataset.pgKey, orderId: button.dataset.pgOrder });
    for (const name of ["success", "pending", "failure", "close"]) {
      one.on(name, (/** @type {any} */ detail) => button.dispatchEvent(new CustomEvent(`pg:${name}`, { bubbles: true, detail })));
    }
    one.open();
  };

  const first = /** @type {any} */ (window).PaymentGateway; // loaded twice
  if (!first) addEventListener("click", wire);
  return /** @type {CheckoutClass} */ (first ?? Gateway);
})();
