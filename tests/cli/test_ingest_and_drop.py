import json

import pytest

from headrace.states import State
from workers.cli.exits import Exit


def objects_of(result):
    return {
        one["url"].removeprefix("s3://inbox/"): (one["outcome"], one["why"])
        for one in json.loads(result.stdout)["objects"]
    }


def test_a_prefix_tells_what_is_new_known_and_no_document(headrace):
    headrace.drop("local/known.pdf")
    for key in ("local/new.pdf", "local/notes.txt", "local/folder/", "elsewhere/x.pdf"):
        headrace.store.put("inbox", key, b"x")
    result = headrace("ingest", "s3://inbox", "--json")
    assert result.exit_code == 0
    assert objects_of(result) == {
        "local/known.pdf": ("known", None),
        "local/new.pdf": ("new", None),
        "local/notes.txt": (
            "not a document",
            "its ending is not one of .pdf, .png, .jpg, .jpeg, .tif, .tiff, .webp, .heic, .heif",
        ),
        "local/folder/": ("not a document", "a folder's placeholder"),
        "elsewhere/x.pdf": ("not a document", "no route takes its place"),
    }
    assert "0 new documents, 2 known already, 3 not a document." in headrace("ingest", "s3://inbox").stdout


def test_a_new_document_is_recorded_and_its_first_step_hinted(headrace):
    headrace.store.put("inbox", "local/a.pdf", b"x")
    headrace("ingest", "s3://inbox/local/a.pdf")
    (hint,) = headrace.hints.given
    assert hint.state is State.RECEIVED
    assert headrace.ledger.run(hint.run_id).document.key == "local/a.pdf"


@pytest.mark.parametrize("key", ["local/a\0.pdf", "local/a\ud800.pdf"])
def test_a_key_that_no_ledger_keeps_is_left_out_alone(headrace, key):
    for each in (key, "local/b.pdf"):
        headrace.store.put("inbox", each, b"x")
    result = headrace("ingest", "s3://inbox/local/", "--json")
    assert result.exit_code == 0
    assert objects_of(result) == {
        key: ("not a document", "its name has a character that no S3 key has"),
        "local/b.pdf": ("new", None),
    }
    assert headrace("ingest", "s3://inbox/local/").exit_code == 0


def test_an_exact_key_means_that_object_alone(headrace):
    headrace.store.put("inbox", "local/a.pdf", b"x")
    headrace.store.put("inbox", "local/a.pdf.pdf", b"y")
    assert list(objects_of(headrace("ingest", "s3://inbox/local/a.pdf", "--json"))) == ["local/a.pdf"]
    assert len(objects_of(headrace("ingest", "s3://inbox/local/a", "--json"))) == 2


@pytest.mark.parametrize("key", ["local/notes.txt", "local/nothing.pdf"])
def test_where_no_document_is_found_it_fails(headrace, key):
    headrace.store.put("inbox", "local/notes.txt", b"x")
    result = headrace("ingest", f"s3://inbox/{key}", "--json")
    assert result.exit_code == Exit.FAILED
    assert json.loads(result.stdout)["new"] == 0


def test_files_are_dropped_below_a_prefix_under_their_own_names(headrace, tmp_path):
    for name in ("a.pdf", "b.png"):
        (tmp_path / name).write_bytes(name.encode())
    result = headrace("drop", str(tmp_path / "a.pdf"), str(tmp_path / "b.png"), "s3://inbox/local/", "--json")
    assert [one["url"] for one in json.loads(result.stdout)["dropped"]] == [
        "s3://inbox/local/a.pdf",
        "s3://inbox/local/b.png",
    ]
    assert headrace.store.read("inbox", "local/b.png") == b"b.png"


def test_one_file_may_be_dropped_under_another_key(headrace, tmp_path):
    (tmp_path / "a.pdf").write_bytes(b"x")
    assert headrace("drop", str(tmp_path / "a.pdf"), "s3://inbox/local/b.pdf").exit_code == 0
    assert headrace.store.read("inbox", "local/b.pdf") == b"x"


def test_two_files_cannot_have_one_key(headrace, tmp_path):
    (tmp_path / "x").mkdir()
    files = [tmp_path / "a.pdf", tmp_path / "x" / "a.pdf"]
    for file in files:
        file.write_bytes(b"x")
    for target in ("s3://inbox/local/", "s3://inbox/local/b.pdf"):
        assert headrace("drop", *map(str, files), target).exit_code == Exit.USAGE
    assert headrace.store.calls == []


def test_a_missing_file_is_a_usage_error(headrace, tmp_path):
    assert headrace("drop", str(tmp_path / "none.pdf"), "s3://inbox/").exit_code == Exit.USAGE
