"""The folders are the architecture: who may import what (docs/architecture.md)."""

import pytest

from tests.architecture.sources import FOLDERS, ROOT, files, imports, module_name

MAY_IMPORT = {
    "headrace": {"headrace"},
    "config": {"config", "headrace"},
    "tasks": {"tasks", "config", "headrace"},
    "workers": {"workers", "tasks", "config", "headrace"},
    "simulator": {"simulator", "headrace"},
}
SIMULATOR_MAY_IMPORT = ("headrace.prediction", "headrace.pages", "headrace.providers.local")
# What opens a connection, or speaks SQL: it has no place where decisions are made.
IMPURE = {
    "socket",
    "ssl",
    "http",
    "urllib.request",
    "httpx",
    "requests",
    "boto3",
    "botocore",
    "redis",
    "sqlalchemy",
    "sqlite3",
}
QUEUE = {"celery", "kombu", "billiard"}


def _ours(names):
    return {name for name in names if name.split(".")[0] in {*FOLDERS, "bench", "tests", "samples"}}


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_folder_imports_only_what_the_table_allows(folder):
    for path in files(folder):
        strangers = {name for name in _ours(imports(path)) if name.split(".")[0] not in MAY_IMPORT[folder]}
        assert not strangers, f"{path.relative_to(ROOT)} imports {sorted(strangers)}"


def test_the_simulator_imports_only_three_things_of_the_library():
    for path in files("simulator"):
        strangers = {
            name
            for name in imports(path)
            if name.startswith("headrace.")
            and not name.startswith(SIMULATOR_MAY_IMPORT)
            and name != "headrace.providers"
        }
        assert not strangers, f"{path.relative_to(ROOT)} imports {sorted(strangers)}"


def test_the_library_knows_no_queue():
    for path in files("headrace"):
        assert not {name.split(".")[0] for name in imports(path)} & QUEUE, path.relative_to(ROOT)


def test_the_top_of_the_library_is_pure():
    for path in (ROOT / "headrace").glob("*.py"):
        found = imports(path)
        assert not (found | {name.split(".")[0] for name in found}) & IMPURE, path.relative_to(ROOT)


def test_only_the_processes_read_the_environment():
    # It only decides which of the worker's variables its children do not get.
    hands_on = ROOT / "headrace" / "children" / "process.py"
    for path in set(files("headrace", "tasks")) - {hands_on}:
        text = path.read_text(encoding="utf-8")
        assert "os.environ" not in text, path.relative_to(ROOT)
        assert "os.getenv" not in text, path.relative_to(ROOT)


def test_every_module_opens_with_a_line_that_says_its_subject():
    for path in files():
        if path.read_text(encoding="utf-8").strip():
            source = path.read_text(encoding="utf-8").lstrip()
            assert source.startswith('"""'), f"{module_name(path)} has no docstring"
