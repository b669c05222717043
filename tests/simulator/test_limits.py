"""What a key may do: models, pages in all, and pages a minute."""

import pytest

from simulator.pace import Arrival, Pace, busiest_minute, busiest_second
from simulator.rates import Rate
from tests.pdfs import make_pdf
from tests.simulator.in_process import application

ONE, TWO, THREE = make_pdf(1), make_pdf(2), make_pdf(3)


def test_a_forbidden_model_is_refused_in_every_call():
    with application("--forbid", "secret", "--forbid", "other") as running:
        assert running.upload(ONE, model="secret").status_code == 403
        assert running.ask("GET", "OCR/Model/other").status_code == 403
        assert running.ask("GET", "Inferences/Model/secret/ImageLevelInferences").status_code == 403
        assert running.upload(ONE).status_code == 200
        assert running.bill()["requests"] == 1


def test_each_key_has_its_pages_and_no_more(tmp_path):
    options = ("--quota-pages", "3", "--state", str(tmp_path / "state.jsonl"))
    with application(*options) as running:
        assert running.upload(TWO).status_code == 200
        refused = running.upload(TWO, query="?async=true")
        assert (refused.status_code, refused.json()["code"]) == (402, 402)
        assert running.upload(ONE).status_code == 200
        assert running.ask("POST", "OCR/FullText", files={"file": ONE}).status_code == 402
        assert running.ask("POST", "OCR/Model/demo/LabelFile/", key="another", files={"file": ONE}).status_code == 200
    with application(*options) as running:
        assert running.upload(ONE).status_code == 402
        assert running.bill()["pages"] == 4


def test_too_many_pages_a_minute_are_refused_without_a_word_about_when_to_come_back():
    with application("--pages-per-minute", "3") as running:
        assert running.upload(THREE).status_code == 200
        refused = running.upload(ONE)
        assert refused.status_code == 429
        assert "Retry-After" not in refused.headers
        assert running.upload(ONE, query="?async=true").status_code == 200


def test_the_pace_forgets_after_a_minute():
    pace, rate = Pace(), Rate(pages_per_minute=3)
    lane, other = ("key", "a"), ("key", "b")
    pace.take(lane, Arrival(0, 3))
    assert pace.slower_by(rate, lane, 0) == 0
    assert not pace.is_above(rate, other, Arrival(1, 1))
    assert pace.is_above(rate, lane, Arrival(59.9, 1))
    assert not pace.is_above(rate, lane, Arrival(60, 1))
    pace.take(lane, Arrival(61, 3))
    assert pace.slower_by(rate, lane, 61) == 0
    pace.take(lane, Arrival(62, 3))
    assert pace.slower_by(rate, lane, 62) == 60


def test_a_second_has_its_requests():
    pace, rate, lane = Pace(), Rate(requests_per_second=2), ("key", "a")
    pace.take(lane, Arrival(0, 1))
    assert not pace.is_above(rate, lane, Arrival(0.5, 1))
    pace.take(lane, Arrival(0.5, 1))
    assert pace.is_above(rate, lane, Arrival(0.9, 1))
    assert not pace.is_above(rate, lane, Arrival(1.0, 1))


def test_the_busiest_minute_is_found_wherever_it_begins():
    arrivals = [Arrival(0, 2), Arrival(50, 3), Arrival(59, 4), Arrival(61, 1), Arrival(200, 8)]
    assert busiest_minute(arrivals, 9) == (9, 59, 0)
    assert busiest_minute(arrivals, 8) == (9, 59, 1), "the large one came alone"
    assert busiest_minute(arrivals, 7) == (9, 59, 2)
    assert busiest_minute([], 1) == (0, 0, 0)


def test_the_busiest_second_counts_requests():
    arrivals = [Arrival(0, 9), Arrival(0.9, 9), Arrival(1.0, 9), Arrival(1.1, 9)]
    assert busiest_second(arrivals, 2.5) == (3, 1.1, 1)


def test_all_above_a_rate_can_be_ordered_to_be_refused_with_a_word_about_when_to_come_back():
    with application() as running:
        running.allow(pages_per_minute=3, above="refused", retry_after=20)
        assert running.upload(THREE, query="?async=true").status_code == 200
        refused = running.upload(ONE, query="?async=true")
        assert (refused.status_code, refused.headers["Retry-After"]) == (429, "20")
        assert running.upload(ONE, model="other").status_code == 200
        lanes = {lane["model"]: lane for lane in running.rate()["lanes"]}
        assert (lanes["demo"]["refused"], lanes["demo"]["busiest_minute"]["pages"]) == (1, 3)
        assert not running.rate()["passed"]


def test_what_is_only_noted_is_taken_and_told():
    options = ("--pages-per-minute", "3", "--requests-per-second", "1000", "--above", "noted")
    with application(*options) as running:
        assert [running.upload(TWO).status_code for _ in range(2)] == [200, 200]
        told = running.rate()
        assert told["passed"]
        assert told["lanes"][0]["busiest_minute"].items() >= {"pages": 4, "allowed": 3, "passed": 1}.items()
        assert told["lanes"][0]["busiest_second"].items() >= {"allowed": 1000, "passed": 0}.items()


def test_a_rate_holds_from_when_it_is_ordered_and_for_its_model(tmp_path):
    state = ("--state", str(tmp_path / "state.jsonl"), "--pages-per-minute", "100")
    with application(*state) as running:
        assert running.upload(THREE).status_code == 200
        running.allow(pages_per_minute=1, model="demo", above="noted")
    with application(*state) as running:
        assert running.upload(ONE).status_code == 200
        assert running.upload(ONE, model="other").status_code == 200
        told = running.rate()
        assert [lane["busiest_minute"]["pages"] for lane in told["lanes"]] == [1, 1]
        assert [lane["busiest_minute"]["allowed"] for lane in told["lanes"]] == [1, 100]
        assert not told["passed"]


def test_a_restart_remembers_what_came_within_the_minute(tmp_path):
    state = ("--state", str(tmp_path / "state.jsonl"), "--pages-per-minute", "3")
    with application(*state) as running:
        assert running.upload(THREE).status_code == 200
    with application(*state) as running:
        assert running.upload(ONE).status_code == 429


@pytest.mark.parametrize("rate", [{}, {"pages_per_minute": 0}, {"pages_per_minute": 1, "above": "ignored"}])
def test_a_rate_that_makes_no_sense_is_refused(rate):
    with application() as running:
        refused = running.allow(**rate)
        assert refused.status_code == 400
        assert "pydantic" not in refused.text


@pytest.mark.parametrize("body", [{"categories": ["total"]}, {"categories": ["total", "date"], "model_type": "ocr"}])
def test_a_created_model_is_there_and_not_live(tmp_path, body):
    state = ("--state", str(tmp_path / "state.jsonl"))
    with application(*state) as running:
        created = running.ask("POST", "OCR/Model/", json=body).json()
        assert (created["state"], [category["name"] for category in created["categories"]]) == (0, body["categories"])
    with application(*state) as running:
        model = created["model_id"]
        assert running.ask("GET", f"OCR/Model/{model}").json() == created
        assert created in running.ask("GET", "OCR/Model/").json()["models"]
        assert running.upload(ONE, model=model).status_code == 400
        assert running.ask("GET", f"Inferences/Model/{model}/ImageLevelInferences").json()["unmoderated_images"] == []
        assert running.bill()["requests"] == 0


@pytest.mark.parametrize("body", [b"", b"[]", b'{"categories": []}', b'{"categories": [""]}', b'{"categories": "a"}'])
def test_a_model_without_categories_is_not_created(body):
    with application() as running:
        assert running.ask("POST", "OCR/Model", content=body).status_code == 400
        assert len(running.ask("GET", "OCR/Model").json()["models"]) == 1


def test_models_are_listed_as_an_object_or_bare(tmp_path):
    models = tmp_path / "models.toml"
    models.write_text('[[models]]\nid = "mine"\n[[models.fields]]\nlabel = "po"\n[[models]]\nid = "yours"\n')
    with application("--models", str(models)) as running:
        listed = running.ask("GET", "OCR/Model/").json()["models"]
        assert [(model["model_id"], model["state"]) for model in listed] == [("mine", 5), ("yours", 5)]
        assert running.ask("GET", "OCR/Model/mine").json() == listed[0]
        assert running.ask("GET", "OCR/Model/theirs").status_code == 404
        assert running.ask("GET", "OCR/Model/", key="").status_code == 401
    with application("--models", str(models), "--model-list", "list") as running:
        assert running.ask("GET", "OCR/Model/").json() == listed


def test_models_that_cannot_be_read_back_are_named(tmp_path):
    folder = tmp_path / "state.jsonl.files"
    folder.mkdir()
    for name in ("models.json", "orders.json", "rates.json"):
        (folder / name).write_text("no")
        with pytest.raises(Exception, match=name), application("--state", str(tmp_path / "state.jsonl")):
            pass
        (folder / name).unlink()
