"""Every ledger commit, broker publish, S3 write and provider call has a fault point before and after it."""

import ast
from collections import Counter

import pytest

from tasks import hints
from tests.architecture.fault_points import (
    GUARDED_FOLDERS,
    fault_point_names,
    fault_points,
    functions,
    unguarded,
)
from tests.architecture.sources import ROOT, files, parsed

COMMITS = {"begin", "commit"}


def test_every_write_and_call_stands_between_two_fault_points():
    missing = [found for path in files(*GUARDED_FOLDERS) for found in unguarded(path)]
    assert not missing, "\n".join(missing)


@pytest.mark.parametrize(
    "body",
    [
        "store.put('b', 'k', b'')",
        "fault_point('a.before')\n    store.put('b', 'k', b'')",
        "store.put('b', 'k', b'')\n    fault_point('a.after')",
        "fault_point('a.after')\n    store.put('b', 'k', b'')\n    fault_point('a.before')",
        "fault_point('a.before')\n    fault_point('a.after')\n    store.put('b', 'k', b'')",
    ],
)
def test_the_check_sees_a_write_without_its_fault_points(tmp_path, body):
    path = tmp_path / "unguarded_write.py"
    path.write_text(f"def save(store):\n    {body}\n", encoding="utf-8")
    (found,) = unguarded(path)
    assert found.startswith(str(path))
    assert found.endswith(" store.put in save")


@pytest.mark.parametrize(
    "call",
    [
        "services.store.create_bucket('b')",
        "self._client.delete_message_batch()",
        "self._client.change_message_visibility_batch()",
        "client.get('x')",
        "app.send_task('x')",
    ],
)
def test_the_check_sees_every_kind_of_write(tmp_path, call):
    bare, guarded = tmp_path / "bare.py", tmp_path / "guarded.py"
    bare.write_text(f"def act():\n    {call}\n", encoding="utf-8")
    guarded.write_text(
        f"def act():\n    fault_point('a.before')\n    {call}\n    fault_point('a.after')\n", encoding="utf-8"
    )
    assert len(unguarded(bare)) == 1
    assert not unguarded(guarded)


def test_every_ledger_write_goes_through_the_one_guarded_transaction():
    """Only one function of the ledger begins write transactions, and it has the fault points."""
    beginning = [
        (path, function)
        for path in (ROOT / "headrace" / "ledger").glob("*.py")
        for function in functions(path)
        for node in ast.walk(function)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in COMMITS
    ]
    assert beginning, "the ledger commits somewhere"
    for path, function in beginning:
        names = [name for _, name in fault_points(function)]
        assert any(name.endswith("before_commit") for name in names), f"{path.name}: {function.name}"
        assert any(name.endswith("after_commit") for name in names), f"{path.name}: {function.name}"


def test_fault_points_have_names_of_their_own():
    counted = Counter(name for path in files(*GUARDED_FOLDERS) for _, name in fault_points(parsed(path)))
    assert not {name for name, times in counted.items() if times > 1}


def test_every_fault_point_can_be_named_without_running_anything():
    names = fault_point_names()
    assert not {name for name in names if "{" in name}
    for task in (hints.ROUTE, hints.ADMIT, hints.SUBMIT, hints.POLL, hints.EXPORT):
        assert {f"publish.{task}.before", f"publish.{task}.after"} <= names
    assert {"ledger.claim.before_commit", "ledger.claim.after_commit"} <= names
