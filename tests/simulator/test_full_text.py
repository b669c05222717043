"""A full text needs no model, costs as much, and holds words with their boxes."""

import json

from tests.pdfs import make_pdf
from tests.simulator.in_process import application
from tests.simulator.process import served_folder

TWO = make_pdf(2)


def test_a_file_becomes_text_and_words_page_by_page():
    with application() as running:
        for path in ("OCR/FullText", "OCR/FullText/"):
            answer = running.ask(
                "POST",
                path,
                files=[("file", ("a.pdf", TWO)), ("file", ("b.pdf", make_pdf(1)))],
                data={"request_metadata": json.dumps({"headrace": f"key{len(path)}"})},
            ).json()
            assert [(file["filename"], len(file["page_data"])) for file in answer["result"]] == [
                ("a.pdf", 2),
                ("b.pdf", 1),
            ]
            page = answer["result"][0]["page_data"][1]
            assert page["page"] == 1
        first = answer["result"][0]["page_data"][0]
        assert set(first["words"][0]) == {"text", "xmin", "ymin", "xmax", "ymax"}
        assert {word["text"] for word in first["words"]} == set(first["raw_text"].split())
        assert running.bill()["pages"] == 6
        assert running.bill()["submissions"]["key12"]["billed"] == 1


def test_links_become_text_and_bad_ones_are_told(tmp_path):
    (tmp_path / "a.pdf").write_bytes(TWO)
    with application("--full-text", "results") as running, served_folder(tmp_path) as served:
        data = {"urls": [f"{served}/a.pdf", f"{served}/missing.pdf"]}
        answer = running.ask("POST", "OCR/FullText", data=data)
        assert answer.status_code == 202
        good, bad = answer.json()["results"]
        assert (len(good["page_data"]), bad["page_data"]) == (2, [])
        assert bad["message"].startswith("Failure")


def test_a_page_that_failed_has_no_text():
    with application() as running:
        running.order(do="fail", pages=[1])
        pages = running.ask("POST", "OCR/FullText", files={"file": TWO}).json()["result"][0]["page_data"]
        assert [page["page"] for page in pages] == [1]
        running.order(do="blank", pages=[1])
        pages = running.ask("POST", "OCR/FullText", files={"file": TWO}).json()["result"][0]["page_data"]
        assert (pages[0]["raw_text"], pages[0]["words"]) == ("", [])


def test_a_call_without_a_document_or_a_key_is_refused():
    with application("--key", "mine") as running:
        assert running.ask("POST", "OCR/FullText", files={"file": TWO}).status_code == 401
        assert running.ask("POST", "OCR/FullText", key="mine").status_code == 400
