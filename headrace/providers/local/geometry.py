"""Boxes and quarter turns: from a PDF's own space to pages as people see them.

A PDF measures from the bottom left, before its page is turned; boxes here are measured from the top
left of the turned page. All lengths are in pt (1/72 inch), all turns in degrees clockwise.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from headrace.prediction import Box


@dataclass(frozen=True, slots=True)
class Sheet:
    """The visible rectangle of a page in the PDF's own space, and the turn under which we look at it."""

    left: float
    bottom: float
    right: float
    top: float
    turn: int

    @property
    def size(self) -> tuple[float, float]:
        """Width and height as seen after the turn."""
        width, height = self.right - self.left, self.top - self.bottom
        return (height, width) if self.turn % 180 else (width, height)

    def box(self, left: float, bottom: float, right: float, top: float) -> Box:
        """A rectangle in the PDF's own space, as seen on the turned page."""
        unturned = Box(xmin=left - self.left, ymin=self.top - top, xmax=right - self.left, ymax=self.top - bottom)
        return turned(unturned, self.turn, self.right - self.left, self.top - self.bottom)


def turned(box: Box, turn: int, width: float, height: float) -> Box:
    """A box of a page of this width and height, after the page is turned."""
    match turn % 360:
        case 90:
            edges = (height - box.ymax, box.xmin, height - box.ymin, box.xmax)
        case 180:
            edges = (width - box.xmax, height - box.ymax, width - box.xmin, height - box.ymin)
        case 270:
            edges = (box.ymin, width - box.xmax, box.ymax, width - box.xmin)
        case _:
            return box
    return Box(xmin=edges[0], ymin=edges[1], xmax=edges[2], ymax=edges[3])


def around(boxes: Iterable[Box]) -> Box:
    """The smallest box that holds all of them; there is at least one."""
    listed = list(boxes)
    return Box(
        xmin=min(box.xmin for box in listed),
        ymin=min(box.ymin for box in listed),
        xmax=max(box.xmax for box in listed),
        ymax=max(box.ymax for box in listed),
    )


def rounded(box: Box) -> Box:
    """To hundredths of a pt: finer than any printer, and short to write."""
    return Box(xmin=round(box.xmin, 2), ymin=round(box.ymin, 2), xmax=round(box.xmax, 2), ymax=round(box.ymax, 2))


def middle(box: Box) -> tuple[float, float]:
    return (box.xmin + box.xmax) / 2, (box.ymin + box.ymax) / 2


def overlap(low: float, high: float, other_low: float, other_high: float) -> float:
    """The length that two intervals share; 0 where they only touch or are apart."""
    return max(0.0, min(high, other_high) - max(low, other_low))


def area(box: Box) -> float:
    return max(0.0, box.xmax - box.xmin) * max(0.0, box.ymax - box.ymin)


def share_inside(box: Box, other: Box) -> float:
    """How much of a box lies in another: 0 to 1."""
    own = area(box)
    if own == 0:
        return 0.0
    shared = overlap(box.xmin, box.xmax, other.xmin, other.xmax) * overlap(box.ymin, box.ymax, other.ymin, other.ymax)
    return shared / own
