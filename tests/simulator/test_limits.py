"""What a key may do: models, pages in all, and pages a minute."""

import pytest

from simulator.pace import Pace
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
    pace = Pace(3)
    assert pace.take("a", 3, now=0) == 0
    assert not pace.refuses_sync("b", 1, now=1)
    assert pace.refuses_sync("a", 1, now=59.9)
    assert not pace.refuses_sync("a", 1, now=60)
    assert pace.take("a", 3, now=61) == 0
    assert pace.take("a", 3, now=62) == 60


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
    for name in ("models.json", "orders.json"):
        (folder / name).write_text("no")
        with pytest.raises(Exception, match=name), application("--state", str(tmp_path / "state.jsonl")):
            pass
        (folder / name).unlink()
