"""The real SeaweedFS: a key without the right to write delays an export, and a scan finds what is gone from folders."""

import json
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from pydantic import SecretStr

from headrace.document import Document, object_id
from headrace.states import Reason, State
from headrace.storage.s3 import S3Store, s3_client
from headrace.storage.scanning import Progress, Scan
from tests.pdfs import make_pdf
from tests.servers import running
from tests.tasks.scripted import answer
from tests.tasks.world import INBOX
from workers.stack.servers import S3_REGION, Seaweed

READER, READERS_SECRET = "reader-of-the-tests", "secret-of-the-reader"


@dataclass(frozen=True)
class SeaweedWithReader(Seaweed):
    """Takes a second key, which may read and list and nothing else."""

    def command(self, log):
        command = super().command(log)
        path = self.folder / "identities.json"
        known = json.loads(path.read_text())
        known["identities"].append(
            {
                "name": "reader",
                "credentials": [{"accessKey": READER, "secretKey": READERS_SECRET}],
                "actions": ["Read", "List"],
            }
        )
        path.write_text(json.dumps(known))
        return command


@dataclass
class StoreOfTwoKeys:
    """A store whose key somebody changes."""

    owner: S3Store
    reader: S3Store
    may_write: bool = field(default=True)

    def __getattr__(self, name):
        return getattr(self.owner if self.may_write else self.reader, name)


@pytest.fixture(scope="module")
def seaweed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("seaweed")

    def make(port):
        return SeaweedWithReader(folder, port, access_key="owner-of-the-tests", secret_key="secret-of-the-owner")

    with running(make, 10, folder / "log") as server:
        yield server


@pytest.fixture
def store(seaweed):
    def of(key, secret):
        return S3Store(s3_client(seaweed.endpoint, S3_REGION, key, SecretStr(secret)))

    return StoreOfTwoKeys(of(seaweed.access_key, seaweed.secret_key), of(READER, READERS_SECRET))


def test_an_export_without_the_right_to_write_waits_visibly_and_goes_on_with_it(make_world, provider, store):
    world = make_world(provider, store=store)
    provider.submits.append(answer())
    run = world.drop("paid/a.pdf", make_pdf(1))
    while world.state(run) is not State.PREDICTED:
        assert world.deliver() is not None
    store.may_write = False
    world.deliver_all()
    there = world.ledger.run(run)
    assert (there.state, there.reason) == (State.PREDICTED, Reason.STORAGE_REFUSED)
    assert "403" in there.detail
    store.may_write = True
    world.clock.pass_(timedelta(minutes=10))
    world.sweep()
    world.deliver_all()
    assert world.state(run) is State.EXPORTED
    assert len(provider.requests) == 1


def test_a_scan_finds_what_is_missing_and_what_is_gone_in_the_real_order_of_folders(make_world, provider, store):
    world = make_world(provider, store=store)
    keys = [f"scan/{name}.pdf" for name in ("a", "a-b", "a/1", "a/2", "a.b/1", "a b/x/1", "b", "z/1", "z-1")]
    for key in keys:
        store.put(INBOX, key, b"%PDF")
    for key in keys[::2]:
        head = store.head(INBOX, key)
        world.ledger.record([Document(INBOX, key, head.etag, last_modified=head.last_modified)])
    removed = keys[0:8:4]
    for key in removed:
        store.delete(INBOX, key)
    scan = Scan(store, world.ledger, INBOX, "scan/", lambda key: key.endswith(".pdf"))
    *_, last = scan.steps(Progress())
    assert (last.progress.found.new, last.progress.found.gone) == (4, len(removed))
    assert set(world.ledger.gone([object_id(INBOX, key) for key in keys])) == {object_id(INBOX, k) for k in removed}
