"""Only the process that reads documents loads what that takes; it is hundreds of megabytes."""

import os
import subprocess
import sys

import pytest

from tests.architecture.sources import ROOT, files, module_name

HEAVY = {"camelot", "cv2", "img2pdf", "numpy", "pandas", "pi_heif", "pikepdf", "PIL", "playa", "pypdf", "pypdfium2"}
ROUTES = """
[[routes]]
name = "free"
bucket = "inbox"
prefix = "in/"
provider = "local"
output = "s3://out/rows"
private = "s3://out/private"
"""


def loaded(script, **environment):
    """Which heavy packages a fresh interpreter has loaded after a script."""
    told = f"{script}\nimport sys\nprint(sorted({HEAVY!r} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", told],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize(
    "modules",
    [
        "headrace.providers.local",
        ", ".join(module_name(path) for path in files("tasks")),
        "workers.factory",
        "workers.listener",
    ],
)
def test_importing_loads_nothing_heavy(modules):
    assert loaded(f"import {modules}") == "[]"


def test_a_local_provider_says_what_it_can_and_loads_nothing_heavy():
    script = "from headrace.providers.local import LocalProvider; assert LocalProvider().capabilities.media_types"
    assert loaded(script) == "[]"


def test_a_whole_worker_that_knows_a_local_route_loads_nothing_heavy(tmp_path):
    """Its app, every task, and the provider that the route step asks for its capabilities."""
    (tmp_path / "headrace.toml").write_text(ROUTES, encoding="utf-8")
    script = (
        "from workers.app import app\n"
        "app.loader.import_default_modules()\n"
        "assert {'headrace.route', 'headrace.submit', 'headrace.poll', 'headrace.export'} <= set(app.tasks)\n"
        "(route,) = app.services.routes.routes\n"
        "assert not app.services.provider(route.lane).capabilities.paid\n"
        "app.services.exporter, app.services.hints\n"
    )
    found = loaded(
        script,
        HEADRACE_ROUTES_FILE=str(tmp_path / "headrace.toml"),
        HEADRACE_BROKER_URL="redis://127.0.0.1:1/0",
        HEADRACE_LEDGER_URL=f"sqlite:///{tmp_path}/ledger.db",
    )
    assert found == "[]"


def test_the_check_sees_a_heavy_package():
    assert loaded("import numpy") == "['numpy']"
