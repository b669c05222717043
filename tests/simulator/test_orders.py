"""Orders and dice: what happens to which call, kept over a restart, and the same for the same seed."""

import httpx
import pytest

from simulator.chances import Chances, Rates
from simulator.options import read_options
from simulator.orders import Order
from tests.pdfs import make_pdf
from tests.simulator.in_process import application
from tests.simulator.process import simulator

TWO = make_pdf(2)
WINDOW = "Inferences/Model/demo/ImageLevelInferences"


def test_an_approved_file_has_all_its_pages_among_the_moderated_ones():
    with application() as running:
        running.order(do="approve")
        live = running.predicted(TWO)
        stored = running.stored(live[0]["request_file_id"])
        assert (stored["moderated_images_count"], stored["unmoderated_images"]) == (2, [])
        page = next(page for page in stored["moderated_images"] if page["page"] == 0)
        assert (page["is_moderated"], page["approval_status"]) == (True, "approved")
        predicted, moderated = page["predicted_boxes"], page["moderated_boxes"]
        assert [box["id"] for box in moderated] == [box["id"] for box in predicted if box["label"] != "not_found"]
        assert {box["status"] for box in moderated} == {"moderated"}
        assert moderated[0]["ocr_text"] == f"{predicted[0]['ocr_text']} (corrected)"
        by_page = running.ask("GET", f"Inferences/Model/demo/ImageLevelInferences/{live[0]['id']}").json()["result"][0]
        assert by_page["moderated_boxes"] == moderated
        assert running.stored_after(TWO)["moderated_images_count"] == 0


def test_a_file_that_waits_is_not_approved_yet():
    with application("--async-seconds", "60", "--pending", "pages") as running:
        running.order(do="approve")
        page = running.upload(TWO, query="?async=true").json()["result"][0]["result"][0]
        stored = running.stored(page["request_file_id"])
        assert (stored["moderated_images_count"], stored["unmoderated_images_count"]) == (0, 2)


def test_orders_outlast_a_restart(tmp_path):
    state = ("--state", str(tmp_path / "state.jsonl"))
    with application(*state) as running:
        running.order(do="answer", status=402, times=2)
        assert running.upload(TWO).status_code == 402
        left = running.orders()
    with application(*state) as running:
        assert running.orders() == left == [{"do": "answer", "status": 402}]
        assert [running.upload(TWO).status_code for _ in range(2)] == [402, 200]
    with application(*state) as running:
        assert running.orders() == []


def test_an_order_may_last_for_some_time_however_many_calls_meet_it():
    with application() as running:
        running.order(do="answer", status=401, for_seconds=3600)
        assert [running.upload(TWO).status_code for _ in range(3)] == [401, 401, 401]
        assert [order["for_seconds"] for order in running.orders()] == [3600]
    order = Order(do="cut", for_seconds=5, until=10.0)
    assert [order.is_over(now) for now in (9.9, 10.0)] == [False, True]


def test_a_refusal_may_say_when_to_come_back():
    with application() as running:
        running.order(do="answer", status=429, retry_after=7)
        assert running.upload(TWO).headers["Retry-After"] == "7"
        running.order(do="answer", status=429)
        assert "Retry-After" not in running.upload(TWO).headers


@pytest.mark.parametrize(
    ("on", "path"),
    [
        ("window", WINDOW),
        ("models", "OCR/Model/demo"),
        ("models", "OCR/Model/"),
        ("fetch", "Inferences/Model/demo/InferenceRequestFiles/GetPredictions/{file}"),
        ("fetch", f"{WINDOW}/{{page}}"),
        ("fetch", "Inferences/Model/demo/InferenceRequest/{file}/page/{page}"),
    ],
)
def test_every_free_call_can_meet_a_fault(on, path):
    with application("--dialect", "openapi") as running:
        page = running.predicted(TWO)[0]
        asked = path.format(file=page["request_file_id"], page=page["id"])
        for status, body, start in ((502, "html", b"<"), (429, "json", b"{"), (200, "empty", b"")):
            running.order(do="answer", on=on, status=status, body=body)
            faulty = running.ask("GET", asked)
            assert (faulty.status_code, faulty.content[:1]) == (status, start)
        running.order(do="slow", on=on, seconds=0.01)
        assert running.ask("GET", asked).json().get("code") is None


def met(running, uploads):
    """What becomes of each upload of the same document: a status, or a cut."""
    for _ in range(uploads):
        try:
            yield running.upload(TWO).status_code
        except (httpx.RemoteProtocolError, httpx.ReadError):
            yield "cut"


def test_the_same_uploads_meet_the_same_faults_after_each_start():
    found = []
    for _ in range(2):
        with simulator("--fault-rate", "0.7", "--seed", "6") as running:
            found.append((list(met(running, 8)), running.bill()["requests"]))
    assert found[0] == found[1]
    outcomes, requests = found[0]
    assert {200, "cut"} < set(outcomes)
    assert 0 < requests < 8


def test_faults_come_by_the_seed():
    rates = Rates(faults=0.5)
    drawn = [Chances(3, rates).fault("submit", "digest", turn) for turn in range(40)]
    assert drawn == [Chances(3, rates).fault("submit", "digest", turn) for turn in range(40)]
    assert drawn != [Chances(4, rates).fault("submit", "digest", turn) for turn in range(40)]
    assert 10 < sum(fault is None for fault in drawn) < 30
    assert len({fault.model_dump_json() for fault in drawn if fault is not None}) == 6
    assert Chances(3, Rates(faults=1)).fault("fetch", "digest", 1) is not None
    assert Chances(3, Rates()).fault("submit", "digest", 1) is None


def test_pages_fail_by_the_seed_and_by_the_turn_of_the_content():
    def failed(*options):
        with application(*options) as running:
            turns = [running.predicted(make_pdf(20)) for _ in range(3)]
            return [[page["page"] for page in pages if page["message"] == "Failure"] for pages in turns]

    first = failed("--fail-pages", "0.3")
    assert first == failed("--fail-pages", "0.3")
    assert first != failed("--fail-pages", "0.3", "--seed", "1")
    assert first[0] != first[1]
    assert failed("--fail-pages", "1") == [list(range(20))] * 3


def test_files_are_approved_at_the_rate_that_was_asked_for():
    with application("--moderated", "1") as running:
        assert running.stored_after(TWO)["moderated_images_count"] == 2


def test_awkward_has_rates_of_its_own_unless_they_are_given():
    assert read_options(["--awkward"]).rates == Rates(fail_pages=0.05, moderated=0.2, faults=0)
    given = read_options(["--awkward", "--fail-pages", "0", "--moderated", "1", "--fault-rate", "0.1"])
    assert given.rates == Rates(fail_pages=0, moderated=1, faults=0.1)
    assert read_options([]).rates == Rates()
