from io import BytesIO

import pytest
from PIL import Image

from headrace.count_costs import LARGER_BUDGET, WHOLE_BYTES
from headrace.errors import UnreadableDocument
from headrace.page_count import PageCount
from headrace.pages import count_pages
from tests.heic import HEIC, THREE_IN_ONE_HEIC, heic_that_says
from tests.pages.reading import CountingReader
from tests.pdfs import make_picture, picture_that_says, tiff_whose_last_page_says


def count(document, most_pages=500):
    return count_pages(CountingReader(document), len(document), most_pages=most_pages)


@pytest.mark.parametrize(
    ("document", "media_type"),
    [
        (make_picture("PNG"), "image/png"),
        (make_picture("JPEG"), "image/jpeg"),
        (make_picture("TIFF"), "image/tiff"),
        (make_picture("WEBP"), "image/webp"),
        (HEIC, "image/heic"),
    ],
)
def test_a_picture_is_one_page(document, media_type):
    assert count(document) == PageCount(1, "walked", media_type)


def test_every_page_of_a_tiff_is_counted():
    assert count(make_picture("TIFF", 7)) == PageCount(7, "walked", "image/tiff")


@pytest.mark.parametrize(("pages", "counted", "at_least"), [(5, 5, False), (6, 6, True), (9, 6, True)])
def test_counting_a_tiff_stops_one_past_the_limit(pages, counted, at_least):
    assert count(make_picture("TIFF", pages), most_pages=5) == PageCount(counted, "walked", "image/tiff", at_least)


@pytest.mark.parametrize(
    "document",
    [make_picture("PNG", 3), make_picture("WEBP", 3), make_picture("MPO", 3), THREE_IN_ONE_HEIC],
    ids=["PNG", "WebP", "JPEG", "HEIC"],
)
def test_what_holds_more_than_one_picture_and_is_no_tiff_is_one_page(document):
    assert count(document).pages == 1


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP"])
@pytest.mark.parametrize(
    ("orientation", "rotated"), [(1, False), (2, True), (6, True), (8, True), (0, False), (9, False)]
)
def test_exif_tells_whether_a_picture_lies_upright(kind, orientation, rotated):
    assert count(make_picture(kind, orientation=orientation)).rotated is rotated


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP"])
def test_a_picture_without_exif_lies_upright(kind):
    assert not count(make_picture(kind)).rotated


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_exif_that_cannot_be_read_is_no_reason_to_refuse_a_picture(kind):
    written = BytesIO()
    Image.new("RGB", (40, 20)).save(written, kind, exif=b"Exif\0\0II*\0\xff\xff\xff\x7f")
    assert count(written.getvalue()) == PageCount(1, "walked", count(make_picture(kind)).media_type)


def test_a_large_tiff_is_counted_in_blocks():
    document = make_picture("TIFF", 12, size=(600, 500))
    assert len(document) > WHOLE_BYTES
    reader = CountingReader(document)
    assert count_pages(reader, len(document), most_pages=500) == PageCount(12, "walked", "image/tiff")
    assert reader.bytes < len(document) / 2


_SCATTERED_TIFF = make_picture("TIFF", 300, size=(200, 200))


@pytest.mark.parametrize(("most_pages", "counted", "at_least"), [(500, 300, False), (260, 261, True)])
def test_a_tiff_with_more_pages_than_blocks_reach_is_counted_from_a_copy(most_pages, counted, at_least):
    reader, copies = CountingReader(_SCATTERED_TIFF), []

    def copy():
        copies.append(1)
        return BytesIO(_SCATTERED_TIFF)

    found = count_pages(reader, len(_SCATTERED_TIFF), most_pages=most_pages, copy=copy)
    assert found == PageCount(counted, "walked", "image/tiff", at_least)
    assert (reader.bytes <= LARGER_BUDGET.bytes, len(copies)) == (True, 1)


def test_without_a_copy_only_a_lower_bound_of_them_is_known():
    found = count_pages(CountingReader(_SCATTERED_TIFF), len(_SCATTERED_TIFF), most_pages=500)
    assert found.at_least
    assert 200 < found.pages < 300


def test_a_tiff_whose_limit_blocks_reach_needs_no_copy():
    found = count_pages(CountingReader(_SCATTERED_TIFF), len(_SCATTERED_TIFF), most_pages=100, copy=pytest.fail)
    assert found == PageCount(101, "walked", "image/tiff", at_least=True)


def test_a_tiff_whose_pages_form_a_loop_ends():
    document = bytearray(make_picture("TIFF", 2))
    with Image.open(BytesIO(document)) as picture:
        picture.seek(1)
        second = picture.tag_v2._offset if hasattr(picture.tag_v2, "_offset") else None
    assert second is not None
    entries = int.from_bytes(document[second : second + 2], "little")
    end = second + 2 + 12 * entries
    document[end : end + 4] = document[4:8]
    assert count(bytes(document)).pages == 2


@pytest.mark.parametrize(
    "document",
    [
        picture_that_says("PNG", 60_000, 60_000),
        picture_that_says("JPEG", 60_000, 60_000),
        picture_that_says("WEBP", 16_000, 16_000),
        heic_that_says(20_000, 20_000),
        tiff_whose_last_page_says(1, 30_000, 30_000),
        tiff_whose_last_page_says(3, 30_000, 30_000),
    ],
    ids=["PNG", "JPEG", "WebP", "HEIC", "TIFF", "the last page of a TIFF"],
)
def test_a_picture_that_would_unpack_to_gigabytes_is_refused_unread(document):
    with pytest.raises(UnreadableDocument, match="more pixels than any scan needs"):
        count(document)


@pytest.mark.parametrize(
    ("document", "name"),
    [
        (make_picture("PNG")[:12], "PNG"),
        (make_picture("JPEG")[:12], "JPEG"),
        (make_picture("TIFF")[:12], "TIFF"),
        (make_picture("WEBP")[:40], "WebP"),
        (HEIC[:200], "HEIC"),
    ],
)
def test_a_cut_off_picture_says_so(document, name):
    with pytest.raises(UnreadableDocument, match=f"{name} is damaged: page 1"):
        count(document)


def test_a_tiff_with_a_damaged_page_names_it():
    document = make_picture("TIFF", 3)
    with pytest.raises(UnreadableDocument, match="TIFF is damaged: page"):
        count(document[: len(document) * 2 // 3])


# A HEIC is read as a whole, however large.

_LARGE_HEIC = HEIC + (WHOLE_BYTES * 3).to_bytes(4, "big") + b"free" + bytes(WHOLE_BYTES * 3 - 8)


def test_a_large_heic_is_counted_from_a_copy():
    reader = CountingReader(_LARGE_HEIC)
    counted = count_pages(reader, len(_LARGE_HEIC), most_pages=500, copy=lambda: BytesIO(_LARGE_HEIC))
    assert counted == PageCount(1, "walked", "image/heic")
    assert reader.requests == 1


def test_a_large_heic_without_a_copy_says_so():
    reader = CountingReader(_LARGE_HEIC)
    with pytest.raises(UnreadableDocument, match="it has 24 MB"):
        count_pages(reader, len(_LARGE_HEIC), most_pages=500)
    assert reader.bytes <= LARGER_BUDGET.bytes
