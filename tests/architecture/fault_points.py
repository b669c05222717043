"""Which fault points our sources have, and which writes and calls lack them."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from headrace.states import State
from tasks.hints import ADMIT, POLL, SETTLE, step_of
from tests.architecture.sources import files, parsed

GUARDED_FOLDERS = ("headrace", "tasks", "workers")
# What leaves the process for good: the call's last name, by the last name of the object it is made on.
_OF_A_QUEUE = {"delete_message_batch", "change_message_visibility_batch"}
WRITES = {
    "store": {"put", "delete", "create_bucket"},
    "_store": {"put", "delete", "create_bucket"},
    "client": {"send", "get", "post", *_OF_A_QUEUE},
    "_client": {"send", "get", "post", *_OF_A_QUEUE},
    "app": {"send_task"},
    "_app": {"send_task"},
    "self": {"retry"},
}

Function = ast.FunctionDef | ast.AsyncFunctionDef


def last_name(node: ast.expr) -> str | None:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", None)


def functions(path: Path) -> list[Function]:
    return [node for node in ast.walk(parsed(path)) if isinstance(node, Function)]


def fault_points(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """The fault points as (line, name); what a name is filled in with stands in braces."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and last_name(node.func) == "fault_point":
            (name,) = node.args
            yield node.lineno, ast.unparse(name).removeprefix("f").strip("'\"")


def unguarded(path: Path) -> list[str]:
    """What a file calls without a fault point before and after it, in the same function."""
    return [
        f"{path}:{line} {call} in {function.name}"
        for function in functions(path)
        for line, call in _writes(function)
        if not _is_guarded(line, list(fault_points(function)))
    ]


def _writes(function: Function) -> Iterator[tuple[int, str]]:
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = last_name(node.func.value) or ""
            if node.func.attr in WRITES.get(owner, ()):
                yield node.lineno, f"{owner}.{node.func.attr}"


def _is_guarded(line: int, points: list[tuple[int, str]]) -> bool:
    before = any(at < line and name.endswith((".before", ".before_commit")) for at, name in points)
    return before and any(at > line and name.endswith((".after", ".after_commit")) for at, name in points)


@cache
def fault_point_names() -> frozenset[str]:
    """The name of every fault point that can be passed, for a proof that stops at each of them."""
    fillings = {"{task}": _hinted_tasks(), "{name}": _transactions()}
    names: set[str] = set()
    for path in files(*GUARDED_FOLDERS):
        for _, name in fault_points(parsed(path)):
            hole = next((hole for hole in fillings if hole in name), None)
            names |= {name} if hole is None else {name.replace(hole, filling) for filling in fillings[hole]}
    return frozenset(names)


def _hinted_tasks() -> set[str]:
    """The tasks that hints publish; the scheduler publishes the others itself."""
    return {ADMIT, POLL, SETTLE} | {step_of(state, None)[0] for state in State}


def _transactions() -> set[str]:
    """What the ledger's writing transactions are called."""
    return {
        ast.literal_eval(node.args[0])
        for path in files("headrace")
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Call) and last_name(node.func) == "_transaction"
    }
