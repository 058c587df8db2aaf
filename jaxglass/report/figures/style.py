"""How every figure of the report looks: sized for a phone and for print, curves labelled in place.

5 inches wide, 12 pt, Okabe-Ito colours.
"""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

WIDTH = 5.0  # inches
STYLE = {
    "font.size": 12,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "lines.linewidth": 1.8,
    "legend.frameon": False,
    "savefig.dpi": 200,
    "figure.constrained_layout.use": True,
}
BLUE, ORANGE, GREEN, VERMILLION, PURPLE, GREY = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#D55E00",
    "#CC79A7",
    "#666666",
)
ELEMENT = {"Li": GREEN, "B": BLUE, "P": ORANGE, "O": VERMILLION}
Drawing = tuple[Figure, str] | None  # a figure and its caption; None where data is missing


def panels(figure: Figure, count: int) -> Sequence[Axes]:
    """`count` panels below each other with one x axis."""
    return list(figure.subplots(count, 1, sharex=True, squeeze=False)[:, 0])


def pair_color(pair: str) -> str:
    """Colour of a pair of elements: that of the one that is not oxygen; mixed pairs of cations are purple."""
    elements = set(pair.split("-"))
    cations = elements - {"O"} or elements
    return ELEMENT.get(cations.pop(), PURPLE) if len(cations) == 1 else PURPLE
