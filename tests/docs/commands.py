"""Documents as a shell and a reader take them: the curl commands, and the answers told of them."""

import json
import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
GATEWAY = "http://127.0.0.1:8000"
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

ANSWERS = re.compile(r"\banswers (\d{3})\b")


@dataclass
class Call:
    """One curl, and what the text says of its answer: a status, or a whole body."""

    url: str
    method: str = "GET"
    headers: dict[str, str] = field(default_factory=dict)
    body: str | None = None
    user: tuple[str, str] | None = None
    status: int | None = None
    answer: Any = None


def calls(document: str) -> list[Call]:
    """Every curl to the gateway, in order."""
    found: list[Call] = []
    end, follows = 0, False
    for block in FENCE.finditer(document):
        between, end = document[end : block.start()], block.end()
        kind, content = block.groups()
        if kind == "sh":
            made = [curl(words) for words in commands(content) if words[:1] == ["curl"]]
            found += made
            follows = bool(made)
        elif kind == "json" and follows and (said := ANSWERS.search(between)):
            found[-1].status, found[-1].answer = int(said[1]), json.loads(content)
            follows = False
    return found


def commands(script: str) -> list[list[str]]:
    """The words of each command; one goes on while a quote is open."""
    done, open_ = [], ""
    for line in script.replace("\\\n", " ").splitlines():
        open_ += line + "\n"
        try:
            words = shlex.split(open_, comments=True)
        except ValueError:
            continue
        done.append(words)
        open_ = ""
    assert not open_, f"a quote is never closed: {open_}"
    return [words for words in done if words]


def curl(words: list[str]) -> Call:
    """What curl would send. An option that is not known here is an error, so that none is lost."""
    call, rest = Call(""), iter(words[1:])
    method = None
    for word in rest:
        if word in ("-s", "-i"):
            continue
        if word == "-X":
            method = next(rest)
        elif word == "-H":
            name, _, value = next(rest).partition(":")
            call.headers[name] = value.strip()
        elif word == "-u":
            name, _, secret = next(rest).partition(":")
            call.user = (name, secret)
        elif word == "-d":
            call.body = next(rest)
        else:
            assert not word.startswith("-"), f"curl {word} is not known here"
            assert word.startswith(GATEWAY), f"{word} is not the demo's gateway"
            call.url = word
    if call.body is not None:
        call.headers = {"Content-Type": "application/x-www-form-urlencoded"} | call.headers
    call.method = method or ("GET" if call.body is None else "POST")
    return call


def as_told(told: Any, got: Any) -> bool:
    """Whether `got` is what the document shows, where `...` stands for anything."""
    if isinstance(told, str) and isinstance(got, str):
        return re.fullmatch(".*".join(map(re.escape, told.split("..."))), got) is not None
    if isinstance(told, list) and isinstance(got, list):
        if told[-1:] == ["..."]:  # and any number more
            told, got = told[:-1], got[: len(told) - 1]
        return len(told) == len(got) and all(map(as_told, told, got))
    if isinstance(told, dict) and isinstance(got, dict):
        named = {name: each for name, each in told.items() if name != "..."}
        complete = "..." in told or set(named) == set(got)
        return complete and all(n in got and as_told(e, got[n]) for n, e in named.items())
    return type(told) is type(got) and told == got
