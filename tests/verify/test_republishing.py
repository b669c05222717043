"""What was lost or damaged in the outputs is written anew out of the stored answers, and nothing is sent."""

import pytest

from headrace.ledger.records import RunFilter
from headrace.states import State
from tests.verify.conftest import pdf


def republish(installation, which=None):
    """`headrace republish`, and the workers' part of it; the runs."""
    runs = installation.ledger.standing_runs(which or RunFilter(), limit=100)
    hints = installation.ledger.republish([run.id for run in runs], by="test")
    installation.hints.hint_all(hints)
    installation.deliver_all()
    return {hint.run_id for hint in hints}


def outputs(installation):
    """Every published file but the manifests, which tell of the token."""
    return {
        key: installation.store.read("out", key) for key in installation.store.keys("out") if "/documents/" not in key
    }


def files_of(installation, name):
    return installation.keys("out", installation.run_of(name).document.object_id)


def damaged(installation, key, body=b"damaged"):
    """Other bytes under the metadata of those that were there: nothing but the bytes tells."""
    installation.store.put("out", key, body, metadata=installation.store.head("out", key).metadata)


def gone(installation, key):
    installation.store.delete("out", key)


def fail(installation, run_id):
    """The run has failed and told so, by the route of the others."""
    failed = "UPDATE runs SET state = 'failed', reason = 'bad_request', published = 1, revision = ? WHERE id = ?"
    installation.damage(failed, installation.run_of("async").revision, run_id)


@pytest.fixture
def requests(healthy):
    """Whatever is published again, no provider is asked."""
    yield
    assert [provider.requests for provider in healthy.providers.values()] == [[], []]


@pytest.mark.usefixtures("requests")
@pytest.mark.parametrize("name", ["sync", "async", "parts", "replaced", "again"])
@pytest.mark.parametrize("happens", [damaged, gone])
def test_every_file_of_a_document_is_there_again_as_it_was(healthy, name, happens):
    before = outputs(healthy)
    for key in files_of(healthy, name):
        happens(healthy, key)
    assert healthy.codes() != []
    republish(healthy)
    assert outputs(healthy) == before
    assert healthy.codes() == []


@pytest.mark.usefixtures("requests")
def test_a_row_file_and_the_manifest_that_are_gone_are_there_again(healthy):
    before = outputs(healthy)
    for part in ("/json/fields/", "/documents/"):
        (key,) = [key for key in files_of(healthy, "sync") if part in key]
        gone(healthy, key)
    republish(healthy, RunFilter(bucket="inbox", prefix="paid/sync.pdf"))
    assert outputs(healthy) == before
    assert healthy.codes() == []


@pytest.mark.usefixtures("requests")
def test_a_file_that_is_of_nobody_or_of_an_earlier_run_is_replaced(healthy):
    before = outputs(healthy)
    keys = [key for key in files_of(healthy, "sync") if "/fields/" in key]
    healthy.store.put("out", keys[0], b"whose is it?")
    head = healthy.store.head("out", keys[1])
    earlier = head.metadata | {"headrace-run": "0"}
    healthy.store.put("out", keys[1], healthy.store.read("out", keys[1]), metadata=earlier)
    assert healthy.codes() == ["file_of_another_run"] * 2
    republish(healthy)
    assert outputs(healthy) == before
    assert healthy.codes() == []


@pytest.mark.usefixtures("requests")
@pytest.mark.parametrize("name", ["rejected", "damaged"])
def test_the_manifest_of_a_document_that_failed_is_written_anew(healthy, name):
    (key,) = files_of(healthy, name)
    gone(healthy, key)
    assert healthy.codes() == ["manifest_missing"]
    republish(healthy)
    assert healthy.codes() == []


def test_rows_of_an_earlier_run_stay_beside_a_later_one_that_failed(healthy):
    document = healthy.run_of("sync").document
    (again,) = healthy.ledger.reprocess([document.id], by="test")
    fail(healthy, again.run_id)
    before = outputs(healthy)
    for key in files_of(healthy, "sync"):
        gone(healthy, key)
    assert republish(healthy, RunFilter(prefix="paid/sync.pdf")) == {f"{document.id}-1", again.run_id}
    assert outputs(healthy) == before


def test_rows_of_an_earlier_content_stay_where_the_current_one_has_none(healthy):
    first = healthy.run_of("sync")
    second = healthy.drop("paid/sync.pdf", pdf(1, "another content"))
    fail(healthy, second)
    standing = healthy.ledger.standing_runs(RunFilter(prefix="paid/sync.pdf"), limit=100)
    assert {run.id for run in standing} == {first.id, second}
    healthy.damage("UPDATE runs SET state = 'exported', reason = NULL WHERE id = ?", second)
    (standing,) = healthy.ledger.standing_runs(RunFilter(prefix="paid/sync.pdf"), limit=100)
    assert standing.id == second


def test_only_what_stands_and_is_published_is_published_again(healthy):
    runs = healthy.ledger.standing_runs(RunFilter(), limit=100)
    standing = {healthy.run_of(name).id for name in ("sync", "async", "parts", "damaged", "rejected", "given-up")}
    replaced = [run for run in runs if run.document.key == "paid/replaced.pdf"]
    assert [run.document.id for run in replaced] == [healthy.ledger.told_last("inbox", "paid/replaced.pdf")]
    assert {run.id for run in runs} == standing | {healthy.run_of("again", 2).id, replaced[0].id}
    assert len(healthy.ledger.republish([run.id for run in runs], by="test")) == len(runs)
    assert healthy.ledger.standing_runs(RunFilter(), limit=100) == []
    assert healthy.ledger.republish([run.id for run in runs], by="test") == []
    assert all(run.state in (State.EXPORTED, State.FAILED) for run in runs)


def test_pages_of_runs_come_to_all_of_them_once(healthy):
    whole = [run.id for run in healthy.ledger.standing_runs(RunFilter(), limit=100)]
    paged, after = [], None
    while page := healthy.ledger.standing_runs(RunFilter(), limit=3, after=after):
        paged += [run.id for run in page]
        after = page[-1].id
    assert paged == whole == sorted(whole)


def test_who_asked_is_in_the_history(healthy):
    run = healthy.run_of("sync")
    republish(healthy, RunFilter(prefix="paid/sync.pdf"))
    told = [entry for entry in healthy.ledger.history(run.document.id) if entry.step == "republish"]
    assert [(entry.event, entry.state, entry.detail) for entry in told] == [
        ("publish again", State.EXPORTED, "by test")
    ]
