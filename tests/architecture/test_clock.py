"""Nobody asks the machine for the time: whoever needs it is given a Clock, so that a test decides what time it is."""

import ast

import pytest

from tests.architecture.sources import ROOT, files, imports, parsed

# Those that may, and why.
EXEMPT = {
    "headrace/clock.py": "it is the clock",
    "simulator/clock.py": "it stands for somebody else's server, which no clock of ours sets, "
    "and imports nothing of the library but what reads documents",
}
TELLERS = {"now", "utcnow", "today"}


def askers(path):
    """Where a file takes the machine's time: what tells it, imported or called."""
    found = {name for name in imports(path) if name == "time" or name.startswith("time.")}
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Attribute) and node.attr in TELLERS and _is_a_date_type(node.value):
            found.add(ast.unparse(node))
        if isinstance(node, ast.Attribute) and ast.unparse(node) in {"func.now", "func.current_timestamp"}:
            found.add(ast.unparse(node))
    return found


def _is_a_date_type(node):
    return ast.unparse(node).rpartition(".")[2] in {"date", "datetime", "Timestamp"}


def test_only_the_clock_takes_the_machines_time():
    taken = {str(path.relative_to(ROOT)): askers(path) for path in files()}
    assert not {path: found for path, found in taken.items() if found and path not in EXEMPT}


def test_an_exemption_is_there_because_it_is_needed():
    for path in EXEMPT:
        assert askers(ROOT / path), path


@pytest.mark.parametrize(
    "line",
    [
        "import time",
        "from time import monotonic",
        "def f():\n    from time import sleep",
        "from datetime import datetime\nat = datetime.now()",
        "import datetime\nat = datetime.datetime.utcnow()",
        "from datetime import date\nnow = date.today",
        "from sqlalchemy import func\nnow = func.now()",
    ],
)
def test_the_check_sees_every_way_to_ask(tmp_path, line):
    path = tmp_path / "asker.py"
    path.write_text(f"{line}\n", encoding="utf-8")
    assert askers(path)


def test_a_clock_that_was_passed_in_is_no_way_to_ask(tmp_path):
    path = tmp_path / "asker.py"
    path.write_text("def f(clock):\n    clock.sleep(1)\n    return clock.now(), clock.monotonic()\n", encoding="utf-8")
    assert not askers(path)
