// Comfort only; every page works without it. It never decides anything: it shows what the shop says.
"use strict";

function every(milliseconds, work) {
  let busy = false;
  setInterval(async () => {
    if (busy || document.hidden) return;
    busy = true;
    try {
      await work();
    } catch {
      // The shop is restarting; the next look tells.
    }
    busy = false;
  }, milliseconds);
}

async function read(url) {
  const answer = await fetch(url, { headers: { "X-Requested-With": "store.js" } });
  if (!answer.ok) throw new Error(String(answer.status));
  return answer;
}

const panel = document.getElementById("callbacks");
if (panel) {
  let shown = null;
  every(2000, async () => {
    const html = await (await read(panel.dataset.refresh)).text();
    if (html === shown) return;
    const first = shown === null;
    shown = html;
    if (panel.contains(document.activeElement)) return;
    panel.innerHTML = html; // Our own server's, escaped by its template.
    const newest = panel.querySelector(".call-type");
    if (newest && !first) document.getElementById("news").textContent = `Callback: ${newest.textContent}`;
  });
}

// The page is drawn by the server, which also leads on to the payment page: look, and draw again.
const watched = document.querySelector("main[data-watch]");
if (watched) {
  every(1000, async () => {
    const order = await (await read(watched.dataset.watch)).json();
    if (order.state !== watched.dataset.state) location.reload();
  });
}

for (const form of document.forms) {
  form.addEventListener("submit", (event) => {
    if (form.getAttribute("aria-busy") === "true") event.preventDefault();
    form.setAttribute("aria-busy", "true");
  });
}
addEventListener("pageshow", () => {
  for (const form of document.forms) form.removeAttribute("aria-busy");
});
