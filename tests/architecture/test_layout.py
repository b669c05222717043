"""What docs/architecture.md says of folders and modules is so."""

import re
from pathlib import PurePosixPath

from tests.architecture.sources import FOLDERS, ROOT, files
from tests.architecture.test_imports import MAY_IMPORT, SIMULATOR_MAY_IMPORT

PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")

# What others rely on finding where it is, whatever else is added, renamed or described.
LANDMARKS = {
    "config": {"settings.py", "routes.py", "celery.py"},
    "headrace": {
        "document.py",
        "events.py",
        "pages.py",
        "routing.py",
        "polling.py",
        "prediction.py",
        "flattening.py",
        "errors.py",
        "exports",
        "storage",
        "ledger",
        "providers",
    },
    "headrace/providers": {"nanonets", "local"},
    "tasks": {"route.py", "submit.py", "poll.py", "export.py"},
    "workers": {"app.py", "listener.py", "factory.py", "stack", "cli"},
}


def _section(title):
    return PAGE.split(f"## {title}\n")[1].split("\n## ")[0]


def _house():
    """The paths of the house as the page draws it: an entry that is indented stands in the folder above it."""
    folder = ""
    for line in _section("The house").split("```")[1].strip("\n").splitlines():
        name = line.split()[0]
        if not line.startswith(" "):
            folder = name
        yield name if name == folder else folder + name


def _table():
    """The rows of the table of imports: folder -> the names in backticks that stand beside it."""
    for row in re.findall(r"^\| `(\w+)` \| (.*) \|$", _section("Who may import what"), re.MULTILINE):
        yield row[0], row[1]


def test_the_landmarks_stand():
    for folder, names in LANDMARKS.items():
        assert not {name for name in names if not (ROOT / folder / name).exists()}, folder


def test_the_page_draws_every_landmark():
    drawn = {PurePosixPath(path) for path in _house()}
    modules = {PurePosixPath(folder, name) for folder in ("config", "headrace") for name in LANDMARKS[folder]}
    assert modules <= drawn


def test_everything_that_the_page_draws_stands():
    for path in _house():
        found = ROOT / path
        assert found.is_dir() if path.endswith("/") else found.is_file(), path


def test_the_page_draws_every_package_of_ours():
    packages = {path.parent.relative_to(ROOT) for path in files() if path.name == "__init__.py"}
    # Deeper ones are described with what they belong to.
    packages = {package for package in packages if len(package.parts) <= 2}
    assert not {f"{package}/" for package in packages} - set(_house())


def test_every_module_that_the_page_names_exists():
    named = {name for name in re.findall(r"`([\w./]+)`", PAGE) if name.endswith(".py") or name.startswith("tests/")}
    assert named
    assert not {name for name in named if not (ROOT / name).exists()}


def test_the_table_of_imports_is_the_one_that_is_checked():
    rows = dict(_table())
    assert set(rows) == set(MAY_IMPORT)
    assert rows["headrace"].startswith("nothing else;")
    assert MAY_IMPORT["headrace"] == {"headrace"}
    assert rows["workers"].startswith("everything but `simulator` ")
    assert MAY_IMPORT["workers"] == set(FOLDERS) - {"simulator"}
    for folder in ("config", "tasks"):
        assert {*re.findall(r"`(\w+)`", rows[folder]), folder} == MAY_IMPORT[folder]
    assert tuple(re.findall(r"`([\w.]+)`", rows["simulator"])) == SIMULATOR_MAY_IMPORT
    assert MAY_IMPORT["simulator"] == {"simulator", "headrace"}
