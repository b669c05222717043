"""A line of the log is a fixed sentence, so that it can be searched for and counted; the facts are fields."""

import ast

from tests.architecture.sources import files, parsed

LEVELS = {"debug", "info", "warning", "error", "exception", "critical"}


def unfixed(path):
    """The lines of the log whose sentence is not a string as it stands, as places."""
    return [
        f"{path}:{node.lineno}"
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and ast.unparse(node.func.value) == "log"
        and node.func.attr in LEVELS
        and not _is_fixed(node)
    ]


def _is_fixed(call):
    # A second argument would be woven into the sentence.
    return len(call.args) == 1 and isinstance(call.args[0], ast.Constant) and isinstance(call.args[0].value, str)


def _loggers(path):
    """The names that a file gives to its loggers."""
    return {
        ast.unparse(target)
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Call)
        and ast.unparse(node.value.func).endswith("get_logger")
        for target in node.targets
    }


def test_every_line_of_the_log_is_a_fixed_sentence():
    found = [place for path in files() for place in unfixed(path)]
    assert not found, "\n".join(found)


def test_every_logger_has_the_one_name_that_the_check_looks_for():
    for path in files():
        assert _loggers(path) <= {"log"}, path


def test_the_check_sees_what_is_woven_into_a_sentence(tmp_path):
    path = tmp_path / "lines.py"
    path.write_text(
        'log.info("page count done", pages=3)\n'
        'log.info(f"page count {pages}")\n'
        'log.warning("page count %s", pages)\n'
        'log.error("page count " + pages)\n'
        "log.exception(message)\n"
        "log.debug(event=message)\n",
        encoding="utf-8",
    )
    assert [place.rpartition(":")[2] for place in unfixed(path)] == ["2", "3", "4", "5", "6"]
