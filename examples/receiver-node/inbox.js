// What a shop keeps of its events, in SQLite: each once, and never older news over newer.
//
// What an event brings about is one transaction with the row that remembers it. Whatever is thrown
// here must reach the sender as a 5xx: then nothing was kept, and the gateway sends it again.

import { DatabaseSync } from "node:sqlite";

const env = { DATABASE: "shop.sqlite3", GATEWAY_URL: "http://127.0.0.1:8000", ...process.env };
const key = `${env.API_KEY ?? "key_test_abc123"}:${env.API_SECRET ?? "secret_test_xyz789"}`;

const db = new DatabaseSync(env.DATABASE, { timeout: 5000 });
db.exec(`
  CREATE TABLE IF NOT EXISTS events (id TEXT PRIMARY KEY, sequence INTEGER, type TEXT);
  CREATE TABLE IF NOT EXISTS resources (id TEXT PRIMARY KEY, sequence INTEGER, data TEXT);
  CREATE TABLE IF NOT EXISTS to_ship (order_id TEXT PRIMARY KEY);
`);
const keep = db.prepare("INSERT OR IGNORE INTO events VALUES (?, ?, ?)");
// The same resource under a lower number is older news, however late it comes.
const newer = db.prepare(`
  INSERT INTO resources VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE
  SET sequence = excluded.sequence, data = excluded.data WHERE excluded.sequence > sequence
`);
const known = db.prepare("SELECT data FROM resources WHERE id = ?");
const ship = db.prepare("INSERT OR IGNORE INTO to_ship VALUES (?)");
const stop = db.prepare("DELETE FROM to_ship WHERE order_id = ?");

/** Keep one event and do what it asks for; false if it was here before. */
export async function store(id, event) {
  const { type, sequence, data } = event.data.thin ? await ask(event.data.href) : event;
  db.exec("BEGIN IMMEDIATE");
  try {
    const fresh = keep.run(id, sequence, type).changes === 1;
    if (fresh) {
      newer.run(data.id, sequence, JSON.stringify(data));
      if (type.startsWith("order.")) fulfil(data.id, type === "order.payment_done");
    }
    db.exec("COMMIT");
    return fresh;
  } catch (error) {
    db.exec("ROLLBACK");
    throw error;
  }
}

/** Ship what is paid, unless newer news has cancelled it; here a row, to be picked up. */
function fulfil(orderId, paid) {
  const { status } = JSON.parse(known.get(orderId).data);
  if (status === "cancelled") stop.run(orderId);
  else if (paid) ship.run(orderId);
}

/** Read from the gateway. */
async function ask(path) {
  const answer = await fetch(env.GATEWAY_URL + path, {
    headers: { Authorization: `Basic ${Buffer.from(key).toString("base64")}` },
    signal: AbortSignal.timeout(10_000),
  });
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return answer.json();
}
