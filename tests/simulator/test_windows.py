"""A window of a model's whole past is made while it is sent: nobody holds all of it."""

import json
import time
import tracemalloc

import httpx
import pytest

from headrace.prediction import Field, Page
from simulator.bodies import Shown, stored
from simulator.journal import File
from simulator.kept_pages import KeptPages, keep
from simulator.streaming import Entries, Listing, pieces
from simulator.variants import Variants
from tests.pdfs import make_pdf
from tests.simulator.in_process import application

PAGES = 100
MOST_BYTES = 500 * 1024


def test_pieces_are_the_json_of_the_whole():
    body = {
        "a": 1,
        "list": Listing([{"inner": Listing([1, "ü\n"])}, {}]),
        "map": Entries([("x", {"y": None}), ('"', [])]),
        "empty": Listing([]),
        "none": Entries([]),
    }
    expected = {
        "a": 1,
        "list": [{"inner": [1, "ü\n"]}, {}],
        "map": {"x": {"y": None}, '"': []},
        "empty": [],
        "none": {},
    }
    assert json.loads(b"".join(pieces(body))) == expected


def test_a_piece_leaves_before_the_rest_is_made():
    made = []

    def items():
        for number in range(100):
            made.append(number)
            yield "x" * 10_000

    stream = pieces({"list": Listing(items())})
    next(stream)
    assert len(made) < 10
    assert sum(map(len, stream)) > 900_000


def test_a_long_window_takes_little_memory(tmp_path):
    path = tmp_path / "pages.jsonl"
    fields = tuple(Field(label=f"label {number}", text="x" * 1_000) for number in range(20))
    keep(path, (Page(number=number, fields=fields) for number in range(1, PAGES + 1)))
    file = File(
        id="0a1b2c3d-0a1b-4c2d-8e3f-0a1b2c3d4e5f",
        model="demo",
        name="a.pdf",
        suffix=".pdf",
        metadata="",
        asynchronous=False,
        pages=tuple(range(PAGES)),
        page_ids=tuple(map(str, range(PAGES))),
        accepted_at=0,
        ready_at=0,
    )
    shown = Shown(file, KeptPages(path), Variants(), range(PAGES)[::-1])
    tracemalloc.start()
    try:
        sent = sum(len(piece) for piece in pieces(stored([shown] * 2, Variants())))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert sent > 8 * MOST_BYTES
    assert peak < MOST_BYTES


def test_a_window_counts_what_it_lists_and_leaves_out_what_waits():
    with application("--moderated", "0.5", "--async-seconds", "60") as running:
        for pages in range(1, 9):
            running.upload(make_pdf(pages))
        running.upload(make_pdf(9), query="?async=true")
        today = int(time.time() // 86_400)
        days = {"start_day_interval": today - 1, "current_batch_day": today + 1}
        window = running.ask("GET", "Inferences/Model/demo/ImageLevelInferences", params=days).json()
    for name in ("moderated_images", "unmoderated_images"):
        assert len(window[name]) == window[f"{name}_count"] > 0
    listed = window["moderated_images"] + window["unmoderated_images"]
    assert len({page["id"] for page in listed}) == len(listed) == sum(range(1, 9))
    assert {page["url"] for page in listed} < set(window["signed_urls"])


def listed(running):
    """The names of the files in the window of today, the oldest first."""
    today = int(time.time() // 86_400)
    days = {"start_day_interval": today - 1, "current_batch_day": today + 1}
    window = running.ask("GET", "Inferences/Model/demo/ImageLevelInferences", params=days).json()
    return [page["original_file_name"] for page in reversed(window["unmoderated_images"])]


def test_a_lag_keeps_a_file_out_of_windows_and_only_there():
    with application("--listing-lag", "600") as running:
        live = running.predicted(make_pdf(1))
        assert listed(running) == []
        assert running.stored(live[0]["request_file_id"])["unmoderated_images_count"] == 1
        running.order(do="lag", seconds=0)
        running.upload(make_pdf(1), name="early.pdf")
        assert listed(running) == ["early.pdf"]


def test_a_lag_outlasts_a_restart_and_ends(tmp_path):
    state = ("--state", str(tmp_path / "state.jsonl"))
    with application(*state) as running:
        running.order(do="lag", seconds=600)
        running.upload(make_pdf(1), name="late.pdf")
        running.order(do="lag", seconds=0.3)
        running.upload(make_pdf(1), name="soon.pdf")
    with application(*state) as running:
        end = time.monotonic() + 10
        while listed(running) != ["soon.pdf"] and time.monotonic() < end:
            time.sleep(0.02)
        assert listed(running) == ["soon.pdf"]


def test_a_window_can_lack_what_it_is_ordered_to_lack_once():
    names = ["a.pdf", "b.pdf", "c.pdf"]
    with application() as running:
        for name in names:
            running.upload(make_pdf(1), name=name)
        running.order(do="omit", on="window", file="b.pdf")
        running.order(do="omit", on="window")
        assert [listed(running) for _ in range(3)] == [["a.pdf", "c.pdf"], ["a.pdf"], names]


def test_a_window_can_break_off_once(running):
    running.upload(make_pdf(3), model="breaking")
    path = "Inferences/Model/breaking/ImageLevelInferences"
    assert running.order(do="break", on="window", model="breaking").is_success
    with pytest.raises(httpx.RemoteProtocolError):
        running.ask("GET", path)
    assert running.ask("GET", path).json()["unmoderated_images_count"] == 3


def test_what_is_about_windows_is_ordered_for_windows():
    with application() as running:
        for order in ({"do": "omit"}, {"do": "break", "on": "fetch"}, {"do": "lag", "on": "window"}):
            assert running.order(**order).status_code == 400
