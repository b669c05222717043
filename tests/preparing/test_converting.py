"""Pictures become upright PDFs of them, page for page, with nothing lost that could be kept."""

from io import BytesIO

import pikepdf
import pytest
from PIL import Image

from headrace.errors import UnreadableDocument
from headrace.preparing.converting import convert
from tests.heic import HEIC, heic_that_says
from tests.pdfs import picture_that_says, tiff_whose_last_page_says
from tests.preparing.pictures import drawn, red_corners, rendered, written

KINDS = {"JPEG": "image/jpeg", "PNG": "image/png", "TIFF": "image/tiff", "WEBP": "image/webp"}
# EXIF's orientation -> where the top left corner of the stored picture belongs (TIFF 6.0, page 36).
UPRIGHT = {
    1: "top left",
    2: "top right",
    3: "bottom right",
    4: "bottom left",
    5: "top left",
    6: "top right",
    7: "bottom right",
    8: "bottom left",
}


def converted(picture, kind):
    target = BytesIO()
    convert(BytesIO(picture), KINDS.get(kind, kind), target)
    return target.getvalue()


def images(pdf):
    with pikepdf.open(BytesIO(pdf)) as document:
        return [
            (image.read_raw_bytes(), str(image.Filter) if isinstance(image.Filter, pikepdf.Name) else "several")
            for page in document.pages
            for image in page.Resources.XObject.values()
        ]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("orientation", UPRIGHT)
def test_a_picture_lies_upright_whatever_its_orientation(kind, orientation):
    (page,) = rendered(converted(written(kind, drawn(), orientation=orientation), kind))
    assert red_corners(page) == [UPRIGHT[orientation]]
    assert (page.width > page.height) is (orientation <= 4)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_orientation_that_does_not_exist_is_none(kind, orientation):
    (page,) = rendered(converted(written(kind, drawn(), orientation=orientation), kind))
    assert red_corners(page) == ["top left"]


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_a_jpeg_is_embedded_byte_for_byte(orientation):
    picture = written("JPEG", drawn(), orientation=orientation)
    assert images(converted(picture, "JPEG")) == [(picture, "/DCTDecode")]


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB"])
def test_no_pixel_of_a_png_or_tiff_is_lost(mode):
    for kind in ("PNG", "TIFF"):
        picture = drawn(mode)
        with pikepdf.open(BytesIO(converted(written(kind, picture), kind))) as pdf:
            (image,) = pdf.pages[0].Resources.XObject.values()
            kept = pikepdf.PdfImage(image).as_pil_image()
        assert kept.convert("RGB").tobytes() == picture.convert("RGB").tobytes()


def test_every_page_of_a_tiff_becomes_a_page():
    pages = [drawn(), drawn("L"), drawn("1"), drawn("RGBA")]
    assert len(rendered(converted(written("TIFF", *pages), "TIFF"))) == 4
    fax = written("TIFF", drawn("1"), drawn("1"), compression="group4")
    assert len(rendered(converted(fax, "TIFF"))) == 2


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "MPO"])
def test_of_an_animation_or_a_double_picture_the_first_is_the_page(kind):
    picture = written(kind, drawn(), Image.new("RGB", (300, 200), "blue"))
    (page,) = rendered(converted(picture, "JPEG" if kind == "MPO" else kind))
    assert red_corners(page) == ["top left"]


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
def test_what_is_transparent_shows_white_paper(kind):
    (page,) = rendered(converted(written(kind, drawn("RGBA")), kind))
    assert min(page.getpixel((int(page.width * 0.42), int(page.height * 0.42)))) > 240


def test_a_palette_with_a_transparent_colour_shows_white_paper():
    picture = drawn("P")
    black = Image.new("P", (300, 200), 0)
    black.putpalette([0, 0, 0] * 256)
    (page,) = rendered(converted(written("PNG", black, transparency=0), "PNG"))
    assert page.getpixel((10, 10)) == (255, 255, 255)
    assert len(rendered(converted(written("PNG", picture), "PNG"))) == 1


@pytest.mark.parametrize(
    ("kind", "mode"), [("JPEG", "CMYK"), ("TIFF", "CMYK"), ("TIFF", "I;16"), ("PNG", "I;16"), ("PNG", "LA")]
)
def test_unusual_pixels_are_drawn_too(kind, mode):
    picture = drawn("L").convert("I").point(lambda value: value * 256).convert(mode) if mode == "I;16" else drawn(mode)
    (page,) = rendered(converted(written(kind, picture), kind))
    assert page.getpixel((page.width - 5, page.height - 5)) >= (240, 240, 240)


def test_a_heic_becomes_a_page():
    (page,) = rendered(converted(HEIC, "image/heic"))
    assert page.width > 0


def test_a_scanners_resolution_decides_the_size_of_the_page_and_a_cameras_does_not():
    scan, photo = drawn(size=(1654, 2339)), drawn(size=(1200, 800))
    sizes = [
        rendered(converted(written("JPEG", picture, dpi=dots), "JPEG"))[0].size
        for picture, dots in ((scan, (200, 200)), (photo, (1, 1)), (photo, (9000, 9000)))
    ]
    assert sizes[0] == pytest.approx((595, 842), abs=1)  # A4
    assert sizes[1:] == [pytest.approx((842, 561), abs=1)] * 2


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_picture_has_no_pdf(kind):
    picture = written(kind, drawn(size=(900, 900)))
    target = BytesIO()
    with pytest.raises(Exception):  # noqa: B017, PT011  whatever Pillow has; the child makes one word of all
        convert(BytesIO(picture[: len(picture) // 2]), KINDS[kind], target)
    assert target.getvalue() == b""


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_decompression_bomb_is_refused_before_it_is_unpacked(kind):
    with pytest.raises(UnreadableDocument, match="more pixels"):
        converted(picture_that_says(kind, 16_000, 16_000), kind)


def test_a_bomb_on_a_later_page_is_refused_too():
    with pytest.raises(UnreadableDocument, match="more pixels"):
        converted(tiff_whose_last_page_says(3, 40_000, 40_000), "TIFF")


def test_a_heic_that_is_a_bomb_is_refused():
    with pytest.raises(UnreadableDocument, match="more pixels"):
        converted(heic_that_says(16_000, 16_000), "image/heic")
