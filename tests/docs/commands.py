"""Documents as a shell and a reader take them: the commands, and the answers told of them."""

import json
import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
GATEWAY, SANDBOX = "http://127.0.0.1:8000", "http://127.0.0.1:4242"  # where the demo has them
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


@dataclass
class Command:
    """One `gateway` command of an operator, and what it prints if the text says so."""

    words: list[str]
    printed: str | None = None


def calls(document: str) -> list[Call]:
    """Every curl, in order."""
    return [step for step in steps(document) if isinstance(step, Call)]


def steps(document: str) -> list[Call | Command]:
    """Every curl and every `.venv/bin/gateway`, in order."""
    found: list[Call | Command] = []
    end, asked = 0, None
    for block in FENCE.finditer(document):
        between, end = document[end : block.start()], block.end()
        kind, content = block.groups()
        if kind == "sh":
            made = [step for words in commands(content) if (step := to_step(words))]
            found += made
            asked = made[-1] if made else None
        elif kind == "json" and isinstance(asked, Call) and (said := ANSWERS.search(between)):
            asked.status, asked.answer = int(said[1]), json.loads(content)
            asked = None
        elif kind == "text" and isinstance(asked, Command):
            asked.printed, asked = content, None
    return found


def to_step(words: list[str]) -> Call | Command | None:
    if words[0] == ".venv/bin/gateway":
        return Command(words[1:])
    return curl(words) if words[0] == "curl" else None


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
    method, given = None, []
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
            given.append(next(rest))
        else:
            assert not word.startswith("-"), f"curl {word} is not known here"
            assert word.startswith((GATEWAY, SANDBOX)), f"{word} is not the demo's"
            call.url = word
    if given:
        call.body = "&".join(given)
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
