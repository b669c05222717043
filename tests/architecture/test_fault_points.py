"""Every ledger commit, broker publish, S3 write and provider call has a fault point before and after it."""

import ast
from itertools import pairwise

from tests.architecture.sources import ROOT, files, parsed

# Where such calls are made: (folder, what the call's last name is, on what kind of object).
WRITES = {
    "store": {"put", "delete"},
    "_store": {"put", "delete"},
    "client": {"send"},
    "_client": {"send"},
    "app": {"send_task"},
    "_app": {"send_task"},
    "self": {"retry"},
}
COMMITS = {"begin", "commit"}


def _last_name(node):
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", None)


def _guarded_calls(function):
    """The calls in a function that must stand between two fault points, as (line, what)."""
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = _last_name(node.func.value)
            if node.func.attr in WRITES.get(owner or "", ()):
                yield node.lineno, f"{owner}.{node.func.attr}"


def _fault_points(function):
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and _last_name(node.func) == "fault_point":
            (name,) = node.args
            yield node.lineno, ast.unparse(name).strip("f'\"")


def _functions(path):
    return [node for node in ast.walk(parsed(path)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def unguarded(path):
    """What a file calls without a fault point before and after it, in the same function."""
    for function in _functions(path):
        points = list(_fault_points(function))
        for line, call in _guarded_calls(function):
            before = any(at < line and name.endswith((".before", ".before_commit")) for at, name in points)
            after = any(at > line and name.endswith((".after", ".after_commit")) for at, name in points)
            if not (before and after):
                yield f"{path.relative_to(ROOT)}:{line} {call} in {function.name}"


def test_every_write_and_call_stands_between_two_fault_points():
    missing = [
        found
        for path in files("headrace", "tasks")
        if path.parent != ROOT / "headrace" / "ledger" or path.name == "marker.py"
        for found in unguarded(path)
    ]
    assert not missing, "\n".join(missing)


def test_the_check_sees_a_write_without_fault_points(tmp_path):
    path = ROOT / "headrace" / "unguarded_example.py"
    tree = ast.parse("def f(store):\n    store.put('b', 'k', b'')\n")
    (function,) = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    assert list(_guarded_calls(function)) == [(2, "store.put")]
    assert not list(_fault_points(function))
    assert not path.exists()


def test_every_ledger_write_goes_through_the_one_guarded_transaction():
    """Only one function of the ledger begins write transactions, and it has the fault points."""
    beginning = [
        (path, function)
        for path in (ROOT / "headrace" / "ledger").glob("*.py")
        for function in _functions(path)
        for node in ast.walk(function)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in COMMITS
    ]
    assert beginning, "the ledger commits somewhere"
    for path, function in beginning:
        names = [name for _, name in _fault_points(function)]
        assert any(name.endswith("before_commit") for name in names), f"{path.name}: {function.name}"
        assert any(name.endswith("after_commit") for name in names), f"{path.name}: {function.name}"


def test_fault_points_have_names_of_their_own():
    names = [
        name
        for path in files("headrace", "tasks")
        for function in _functions(path)
        for _, name in _fault_points(function)
        if "{" not in name
    ]
    repeated = {name for name, following in pairwise(sorted(names)) if name == following}
    assert not repeated
