"""A whole rebuild on a real object store, by the command as people call it."""

import json
import os
import subprocess
import sys
from datetime import timedelta

from pydantic import SecretStr

from headrace.ledger import Ledger
from headrace.states import State
from headrace.storage.s3 import S3Store, s3_client
from tests.pdfs import make_pdf
from tests.rebuilding.losing import connect
from tests.tasks.conftest import PAID
from tests.tasks.scripted import ScriptedProvider, accepted, answer

ROUTES = """
[[routes]]
name = "paid"
bucket = "inbox"
prefix = "paid/"
provider = "nanonets"
model = "m"
output = "{place}/rows"
private = "{place}/notes"
"""


def test_the_command_makes_a_ledger_anew_from_a_real_store(make_world, s3_server, s3_bucket, tmp_path, clock):
    secret = SecretStr(s3_server.secret_key)
    store = S3Store(s3_client(s3_server.endpoint, s3_server.region, s3_server.access_key, secret))
    place = f"s3://{s3_bucket}"
    route = PAID.model_copy(update={"output": f"{place}/rows", "private": f"{place}/notes"})
    provider = ScriptedProvider([answer() for _ in range(5)])
    world = make_world(provider, routes=(route,), store=store)
    runs = [world.drop(f"paid/{s3_bucket}/{name}.pdf", make_pdf(1)) for name in ("a", "b", "ü €", "d/e", "f")]
    world.deliver_all()
    provider.submits.append(accepted("job-7", 5))
    under_way = world.drop(f"paid/{s3_bucket}/long.pdf", make_pdf(5))
    while world.state(under_way) is not State.SUBMITTED:
        assert world.deliver() is not None
    before = [world.ledger.run(run) for run in runs]
    sent = len(provider.requests)

    (tmp_path / "headrace.toml").write_text(ROUTES.format(place=place))
    url = f"sqlite:///{tmp_path / 'new.db'}"
    ledger = Ledger(url, clock)
    ledger.migrate()
    ledger.close()
    rebuilt = subprocess.run(
        [sys.executable, "-m", "workers.cli.main", "rebuild", "--yes", "--json"],
        env={
            "PATH": os.environ["PATH"],
            "HEADRACE_DATA_FOLDER": str(tmp_path / "data"),
            "HEADRACE_ROUTES_FILE": str(tmp_path / "headrace.toml"),
            "HEADRACE_LEDGER_URL": url,
            "HEADRACE_BROKER_URL": "redis://127.0.0.1:1/0",
            "HEADRACE_S3_ENDPOINT": s3_server.endpoint,
            "HEADRACE_S3_REGION": s3_server.region,
            "HEADRACE_S3_ACCESS_KEY_ID": s3_server.access_key,
            "HEADRACE_S3_SECRET_ACCESS_KEY": s3_server.secret_key,
            "NANONETS_API_KEY": "the-api-key",
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert rebuilt.returncode == 0, rebuilt.stderr
    told = json.loads(rebuilt.stdout)
    assert (told["notes"], told["runs"], told["problems"]) == (6, 6 - 1, [])
    assert {one["state"]: one["runs"] for one in told["restored"]} == {"exported": 5, "admitted": 1}

    connect(world, ledger)
    after = [ledger.run(run) for run in runs]
    assert [(one.state, one.document, one.cost, one.published) for one in after] == [
        (one.state, one.document, one.cost, one.published) for one in before
    ]
    provider.polls.append(answer(5, job="job-7"))
    for _ in range(3):
        clock.pass_(timedelta(days=365))
        world.sweep()
        world.deliver_all()
    assert world.state(under_way) is State.EXPORTED
    assert len(provider.requests) == sent
    ledger.close()
