// Receives callbacks with Node alone. WEBHOOK_SECRET is the endpoint's `whsec_...`.

import { createServer } from "node:http";
import { Webhook } from "standardwebhooks";
import { store } from "./inbox.js";

const MOST_BYTES = 64 * 1024; // a callback has about 20,000 at most
const webhook = new Webhook(process.env.WEBHOOK_SECRET);

/** The status to answer with. */
async function receive(request) {
  if (request.method !== "POST" || request.url !== "/hooks") return 404;
  const chunks = [];
  let size = 0;
  for await (const chunk of request) {
    size += chunk.length;
    if (size <= MOST_BYTES) chunks.push(chunk);
  }
  if (size > MOST_BYTES) return 413;
  let event;
  try {
    // The bytes as they came: JSON written anew has another signature.
    event = webhook.verify(Buffer.concat(chunks), request.headers);
  } catch {
    return 400;
  }
  await store(request.headers["webhook-id"], event);
  return 204;
}

createServer(async (request, response) => {
  try {
    response.writeHead(await receive(request)).end();
  } catch (error) {
    console.error(error);
    response.writeHead(500).end();
  }
}).listen(Number(process.env.PORT ?? 9000), "127.0.0.1");
