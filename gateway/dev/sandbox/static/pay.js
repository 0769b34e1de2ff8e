// Comfort only: the page works without it. Fills in samples in place, groups long numbers while they
// are typed, and stops a second click.
"use strict";

const pay = document.querySelector("button.primary");
const teller = document.querySelector('[role="status"]');
const tell = (words) => { if (teller) teller.textContent = words; };

// --- Numbers in groups -------------------------------------------------------------------------

const GROUPED = {
  card_number: { foreign: /\D/g, sizes: (text) => (/^3[47]/.test(text) ? [4, 6, 5] : [4, 4, 4, 4, 3]) },
  iban: { foreign: /[^0-9a-z]/gi, sizes: () => [4, 4, 4, 4, 4, 4, 4, 4, 2] },
};

const inGroups = (text, sizes) => {
  let at = 0;
  return sizes.map((size) => text.slice(at, (at += size))).filter(Boolean).join(" ");
};

const keepGrouped = (input, { foreign, sizes }) => {
  const bare = (text) => text.replace(foreign, "");
  let last = "";

  const regroup = (kind) => {
    let text = bare(input.value);
    let before = bare(input.value.slice(0, input.selectionStart)).length;
    // Who deletes a space means the digit beyond it; else the space would come back for ever.
    const wasSpace = text === last;
    if (wasSpace && kind === "deleteContentBackward" && before > 0) before -= 1;
    if (wasSpace && /^deleteContent(Back|For)ward$/.test(kind)) {
      text = text.slice(0, before) + text.slice(before + 1);
    }
    const shown = inGroups(text, sizes(text));
    last = bare(shown);
    if (shown === input.value) return;
    input.value = shown;
    if (document.activeElement !== input) return; // Placing the caret would move the focus, too.
    let caret = 0;
    for (let seen = 0; seen < before && caret < shown.length; caret += 1) {
      if (shown[caret] !== " ") seen += 1;
    }
    input.setSelectionRange(caret, caret);
  };

  input.addEventListener("input", (event) => { if (!event.isComposing) regroup(event.inputType); });
  input.addEventListener("change", () => regroup(""));
  input.addEventListener("regroup", () => regroup(""));
  regroup("");
};

for (const [id, rule] of Object.entries(GROUPED)) {
  const input = document.getElementById(id);
  if (input) keepGrouped(input, rule);
}

// --- Samples -----------------------------------------------------------------------------------

const forgetWrong = () => {
  document.querySelectorAll("[aria-invalid]").forEach((input) => {
    input.removeAttribute("aria-invalid");
    input.removeAttribute("aria-describedby");
  });
  const alert = document.getElementById("alert");
  if (alert) alert.hidden = true;
};

const choose = (link) => {
  document.querySelectorAll("[data-fills]").forEach((other) => other.removeAttribute("aria-current"));
  if (link) link.setAttribute("aria-current", "true");
};

const fill = (link) => {
  for (const [name, value] of Object.entries(JSON.parse(link.dataset.fills))) {
    const input = document.getElementById(name);
    if (name === "email" && input.value.trim()) continue; // Theirs, not ours.
    input.value = value;
    input.dispatchEvent(new Event("regroup"));
  }
  forgetWrong();
  choose(link);
  pay.focus();
  tell(`Filled in: ${link.textContent.trim().replace(/\s+/g, " ")}.`);
};

document.querySelectorAll("[data-fills]").forEach((link) => {
  link.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    fill(link);
  });
});

document.querySelectorAll(".field input").forEach((input) => {
  input.addEventListener("input", () => {
    if (input.hasAttribute("aria-invalid")) forgetWrong();
    if (input.id !== "email") choose(null);
  });
});

// --- Sending -----------------------------------------------------------------------------------

document.querySelectorAll("form").forEach((form) => {
  form.addEventListener("submit", (event) => {
    if (form.getAttribute("aria-busy") === "true") {
      event.preventDefault();
      return;
    }
    const button = event.submitter ?? pay;
    form.setAttribute("aria-busy", "true");
    button.dataset.words = button.textContent;
    button.textContent = button.dataset.busy;
    tell(button.dataset.busy);
  });
});

// Coming back with the browser's Back button must not find a dead form.
window.addEventListener("pageshow", () => {
  document.querySelectorAll("form").forEach((form) => form.removeAttribute("aria-busy"));
  document.querySelectorAll("[data-words]").forEach((button) => {
    button.textContent = button.dataset.words;
    delete button.dataset.words;
  });
});

// --- Arriving ----------------------------------------------------------------------------------

const items = document.getElementById("items");
if (items && matchMedia("(min-width: 48rem)").matches) items.open = true;

// On a phone the keyboard would cover half of the page before anybody has read it.
const hasKeyboard = matchMedia("(hover: hover) and (pointer: fine)").matches;
const fields = [...document.querySelectorAll(".field input")].filter((input) => input.offsetParent);
if (hasKeyboard && fields.length && !document.querySelector("[autofocus]")) {
  (fields.find((input) => !input.value) ?? pay).focus({ preventScroll: true });
}
