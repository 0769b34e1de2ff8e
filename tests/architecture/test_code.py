"""House rules that a reader would not notice being broken, read from the syntax tree."""

import ast
import subprocess
import sys

import pytest

from .code import ROOT, called, calls, files, name, product, tree

FILE_LINES, FUNCTION_LINES, TEST_LINES = 300, 40, 400
SENDING = {"delay", "apply_async", "send_task"}
TIME_IN_CELERY = {
    "retry",
    "eta",
    "countdown",
    "autoretry_for",
    "max_retries",
    "default_retry_delay",
}


def senders(source):
    return [call.lineno for call in ast.walk(source) if is_sending(call)]


def is_sending(node):
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in SENDING
    )


def celery_times(source):
    """Retries and times told to Celery. `retry=False` says that there is none."""
    found = []
    for node in ast.walk(source):
        if isinstance(node, ast.Call):
            refusals = [k.arg for k in node.keywords if _is_false(k.value)]
            named = {k.arg for k in node.keywords} - set(refusals)
            if named & TIME_IN_CELERY or called(node) in TIME_IN_CELERY:
                found.append(node.lineno)
        if isinstance(node, ast.Attribute) and node.attr in TIME_IN_CELERY:
            found.append(node.lineno)
    return sorted(set(found))


def _is_false(value):
    return isinstance(value, ast.Constant) and value.value is False


def touches_status(source):
    return [
        node.lineno
        for node in ast.walk(source)
        if (isinstance(node, ast.Attribute) and node.attr == "_status")
        or (isinstance(node, ast.keyword) and node.arg == "_status")
        or (isinstance(node, ast.Constant) and node.value == "_status")
    ]


def long_functions(source, most=FUNCTION_LINES):
    return {
        node.name: node.end_lineno - node.lineno + 1
        for node in ast.walk(source)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno - node.lineno + 1 > most
    }


def test_the_import_contracts_hold():
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()"]
    done = subprocess.run(
        [*command, "--no-cache"], cwd=ROOT, capture_output=True, text=True, timeout=60
    )

    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    assert "0 broken" in done.stdout


def test_only_the_relay_sends_tasks():
    found = {name(path): senders(tree(path)) for path in product()}

    assert {path for path, lines in found.items() if lines} == {"workers/relay.py"}


def test_no_time_lives_in_celery():
    found = {name(path): celery_times(tree(path)) for path in files("workers")}

    assert {path: lines for path, lines in found.items() if lines} == {}


def test_only_the_kernel_touches_a_status():
    found = {name(path) for path in product() if touches_status(tree(path))}

    assert found == {"gateway/kernel/stateful.py"}


def test_files_stay_short():
    lines = {name(path): len(path.read_text().splitlines()) for path in product()}

    assert {path: count for path, count in lines.items() if count > FILE_LINES} == {}


@pytest.mark.parametrize("package", ["gateway", "workers"])
def test_functions_stay_short(package):
    long = {name(path): long_functions(tree(path)) for path in files(package)}

    assert {path: functions for path, functions in long.items() if functions} == {}


def test_tests_stay_short():
    lines = {name(path): len(path.read_text().splitlines()) for path in files("tests")}

    assert {path: count for path, count in lines.items() if count > TEST_LINES} == {}


def test_every_module_says_what_it_is_for():
    silent = [name(path) for path in product() if not ast.get_docstring(tree(path))]

    assert silent == []


@pytest.mark.parametrize(
    ("check", "source"),
    [
        (senders, "task.delay(1)"),
        (senders, "app.send_task('x', args=[1])"),
        (senders, "task.apply_async((1,), producer=p)"),
        (celery_times, "raise self.retry()"),
        (celery_times, "app.task(autoretry_for=(OSError,))"),
        (celery_times, "send(eta=soon)"),
        (celery_times, "send(countdown=5)"),
        (celery_times, "send(retry=True)"),
        (touches_status, "row._status = 'paid'"),
        (touches_status, "Order(_status='paid')"),
        (touches_status, "setattr(row, '_status', 'paid')"),
        (long_functions, "def f():\n" + "    pass\n" * 40),
    ],
)
def test_the_rules_see_what_breaks_them(check, source):
    assert check(ast.parse(source))


def test_the_rules_see_only_that():
    sound = ast.parse("send(retry=False)\nrow.status\ndelay = 5\ndef f():\n" + "    pass\n" * 39)

    assert not any(
        check(sound) for check in (senders, celery_times, touches_status, long_functions)
    )


def test_there_is_code_to_look_at():
    assert len(product()) > 60
    assert list(calls(ROOT / "workers/relay.py"))
