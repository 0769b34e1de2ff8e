"""Every vector is judged as it says: by both libraries, and by each receiver as it runs."""

import json
import subprocess

import pytest
from node_support import NODE
from standardwebhooks import Webhook, WebhookVerificationError, webhooks

from .at import clock
from .kits import EXAMPLES
from .vectors import made

VECTORS = json.loads((EXAMPLES / "vectors.json").read_text())
TOLD = {vector["name"]: vector["verdict"] for vector in VECTORS}
JAVASCRIPT = """
import { readFileSync } from "node:fs";
import { Webhook } from "standardwebhooks";
const verdicts = {};
for (const { name, now, secret, headers, body } of JSON.parse(readFileSync(process.argv[1]))) {
  Date.now = () => now * 1000;
  try {
    const told = new Webhook(secret).verify(Buffer.from(body), headers);
    verdicts[name] = told.type === JSON.parse(body).type ? "accept" : "another body";
  } catch {
    verdicts[name] = "refuse";
  }
}
console.log(JSON.stringify(verdicts));
"""


def test_the_file_is_what_its_script_makes():
    written = (EXAMPLES / "vectors.json").read_text()

    assert written == made(), "run: python tests/examples/vectors.py > examples/vectors.json"
    assert len(TOLD) == len(VECTORS)
    assert {"accept", "refuse"} == set(TOLD.values())


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_the_library_of_python_agrees(vector, monkeypatch):
    monkeypatch.setattr(webhooks, "datetime", clock(vector["now"]))
    webhook = Webhook(vector["secret"])

    if vector["verdict"] == "accept":
        told = webhook.verify(vector["body"].encode(), vector["headers"])
        assert told == json.loads(vector["body"])
    else:
        with pytest.raises((WebhookVerificationError, ValueError)):
            webhook.verify(vector["body"].encode(), vector["headers"])


def test_the_library_of_javascript_agrees(node_folder):
    command = [NODE, "--input-type=module", "--eval", JAVASCRIPT, str(EXAMPLES / "vectors.json")]
    done = subprocess.run(command, cwd=node_folder, capture_output=True, text=True, timeout=30)

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == TOLD


def test_each_receiver_agrees(kit):
    answers = {
        vector["name"]: kit.post(vector["headers"], vector["body"].encode()) for vector in VECTORS
    }

    assert answers == {name: 204 if told == "accept" else 400 for name, told in TOLD.items()}
