// Comfort only: the page works without it. Fills in a test card in place and stops a second click.
"use strict";

const fill = (name, value) => {
  const input = document.getElementById(name);
  if (input) input.value = value;
};

document.querySelectorAll("[data-card], [data-vpa], [data-iban]").forEach((link) => {
  link.addEventListener("click", (event) => {
    event.preventDefault();
    if (link.dataset.vpa) {
      fill("vpa", link.dataset.vpa);
    } else if (link.dataset.iban) {
      fill("iban", link.dataset.iban.replace(/(.{4})(?=.)/g, "$1 "));
    } else {
      fill("card_number", link.dataset.card.replace(/(.{4})(?=.)/g, "$1 "));
      fill("exp_month", "12");
      fill("exp_year", "34");
      fill("cvc", "123");
    }
    document.querySelector("button.primary").focus();
  });
});

document.querySelectorAll("form").forEach((form) => {
  form.addEventListener("submit", (event) => {
    if (form.getAttribute("aria-busy") === "true") event.preventDefault();
    form.setAttribute("aria-busy", "true");
  });
});

// Coming back with the browser's Back button must not find a dead form.
window.addEventListener("pageshow", () => {
  document.querySelectorAll("form").forEach((form) => form.removeAttribute("aria-busy"));
});
