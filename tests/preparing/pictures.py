"""Pictures with a red corner, so that it shows how they lie, and how a PDF of them looks."""

from io import BytesIO

import pypdfium2
from PIL import Image, ImageDraw

RED = (255, 0, 0)
_ORIENTATION = 0x0112
CORNERS = {
    "top left": (0.02, 0.02),
    "top right": (0.98, 0.02),
    "bottom left": (0.02, 0.98),
    "bottom right": (0.98, 0.98),
}


def drawn(mode="RGB", size=(300, 200)):
    """A white picture whose top left corner is red; with transparency its middle has none of the white."""
    picture = Image.new("RGB", size, "white")
    ImageDraw.Draw(picture).rectangle((0, 0, size[0] // 5, size[1] // 5), fill=RED)
    if mode == "RGBA":
        picture = picture.convert("RGBA")
        picture.paste((0, 0, 0, 0), (size[0] // 3, size[1] // 3, size[0] // 2, size[1] // 2))
    return picture.convert(mode)


def written(kind, *pictures, orientation=None, **more):
    """The bytes of one or more pictures in one file of Pillow's format `kind`."""
    if orientation is not None:
        exif = Image.Exif()
        exif[_ORIENTATION] = orientation
        more["exif"] = exif
    if len(pictures) > 1:
        more |= {"save_all": True, "append_images": pictures[1:]}
    file = BytesIO()
    pictures[0].save(file, kind, **more)
    return file.getvalue()


def rendered(pdf):
    """Each page as a picture, as a provider would draw it."""
    with pypdfium2.PdfDocument(pdf) as document:
        return [page.render(scale=1).to_pil().convert("RGB") for page in document]


def red_corners(page):
    """Where a page is red."""
    width, height = page.size
    colours = {name: page.getpixel((int(x * width), int(y * height))) for name, (x, y) in CORNERS.items()}
    return [name for name, (red, green, _) in colours.items() if red > 180 and green < 90]
