"""The lock files: every package in one version, known by its hashes, and from wherever a machine takes its packages."""

import re
import tomllib
from collections.abc import Iterable

import pytest

from tests.architecture.sources import ROOT

LOCKS = ("requirements.lock", "requirements-dev.lock")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

# name==version, perhaps for some platforms only, then its hashes.
ENTRY = re.compile(
    r"(?P<name>[a-z0-9-]+)==(?P<version>[^ ;]+)(?: ; (?P<marker>[^\\]+))? (?P<hashes>(?: *--hash=sha256:[0-9a-f]{64})+)"
)


def text_of(lock: str) -> str:
    return (ROOT / lock).read_text(encoding="utf-8")


def entries(text: str) -> list[str]:
    """Each entry as one line."""
    return [re.sub(r"\s*\\\n\s*", " ", entry) for entry in re.split(r"\n(?=\S)", text.strip())]


def pins(text: str) -> dict[tuple[str, str], str]:
    """The version of each package; one that differs by platform has an entry for each."""
    found: dict[tuple[str, str], str] = {}
    for entry in entries(text):
        match = ENTRY.fullmatch(entry)
        assert match is not None, f"not name==version with its hashes: {entry[:80]}"
        pin = (match["name"], match["marker"] or "")
        assert pin not in found, f"{match['name']} is there twice"
        found[pin] = match["version"]
    return found


def names(requirements: Iterable[str]) -> set[str]:
    return {re.sub(r"[-_.]+", "-", re.split(r"[^A-Za-z0-9._-]", one)[0]).lower() for one in requirements}


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_names_no_host(lock):
    assert "://" not in text_of(lock)


@pytest.mark.parametrize("lock", LOCKS)
def test_every_entry_has_one_version_and_a_hash(lock):
    assert pins(text_of(lock))


@pytest.mark.parametrize("broken", ["a==1", "a>=1 \\\n    --hash=sha256:" + "0" * 64, "a==1 \\\n    --hash=md5:00"])
def test_the_check_sees_an_entry_without_version_or_hash(broken):
    with pytest.raises(AssertionError, match="not name==version"):
        pins(broken + "\n")


@pytest.mark.parametrize("lock", LOCKS)
def test_there_is_one_opencv(lock):
    # Several would lie in one folder, and which of them is imported would be chance.
    assert len([name for name, _ in pins(text_of(lock)) if name.startswith("opencv")]) == 1


@pytest.mark.parametrize(
    ("lock", "wanted"),
    [
        ("requirements.lock", PROJECT["dependencies"]),
        ("requirements-dev.lock", PROJECT["dependencies"] + PROJECT["optional-dependencies"]["dev"]),
    ],
)
def test_every_dependency_is_locked(lock, wanted):
    assert not names(wanted) - {name for name, _ in pins(text_of(lock))}


def test_development_has_what_a_user_has():
    # Names and versions only: what another package wants as well may be locked for more platforms there.
    runtime, development = ({(name, version) for (name, _), version in pins(text_of(lock)).items()} for lock in LOCKS)
    assert runtime <= development
    shared = {name for name, _ in runtime}
    assert {pin for pin in development if pin[0] in shared} == runtime
