// Starts Swagger UI on the description next to this page, and on nothing from elsewhere.
"use strict";

const place = document.getElementById("api");
const here = new URL(".", location.href);

const dark = matchMedia("(prefers-color-scheme: dark)");
const dress = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", dress);
dress();

async function start() {
  const answer = await fetch(new URL("openapi.json", here));
  if (!answer.ok) throw new Error(`openapi.json: ${answer.status}`);
  const spec = await answer.json();
  // Calls go where this page came from: the policy allows no other place.
  spec.servers = [{ url: here.href.replace(/\/$/, "") }];
  const ui = SwaggerUIBundle({
    spec,
    domNode: place,
    deepLinking: true,
    displayRequestDuration: true,
    docExpansion: "list",
    defaultModelsExpandDepth: 0,
    validatorUrl: null,
    onComplete() {
      const { key, secret } = place.dataset;
      if (!key) return;
      ui.preauthorizeApiKey("ApiKey", key);
      ui.preauthorizeApiKey("ApiSecret", secret);
    },
  });
}

start().catch((error) => {
  place.textContent = `The description could not be loaded (${error.message}). Try again.`;
});
