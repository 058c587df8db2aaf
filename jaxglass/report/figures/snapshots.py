"""The glass while it is pulled apart: pictures of chosen strain steps, and all of them as an animation.

Seen along the crack front (x), the pull (z) upwards. Boron is coloured by what became of its bonds since the first
frame.
"""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from jaxglass.analysis.bond_switching import KINDS, bond_switching
from jaxglass.model.trajectory import Trajectory
from jaxglass.report.figures.style import BLUE, GREY, ORANGE, PURPLE, VERMILLION, WIDTH, Drawing
from jaxglass.report.run_record import RunRecord

BORON = {"decreased": VERMILLION, "increased": BLUE, "swapped": PURPLE, "unchanged": "#B8CBE0"}
OTHERS = {"Li": ("#9FD5B5", 0.5), "P": (ORANGE, 0.9), "O": ("#D9D9D9", 0.35)}  # colour, radius in A
BORON_RADIUS = 0.9
PICTURES = 4
FRAMES, FRAME_WIDTH, MILLISECONDS = 40, 2.4, 160  # of the animation: at most so many, inches, per frame


def snapshot_figure(record: RunRecord) -> Drawing:
    """The unstrained glass, the largest stress, half-way from there to the end, and the end."""
    frames, strain = record.strained, record.strain(None if record.strained is None else len(record.strained.time))
    if frames is None or strain is None:
        return None
    stress = np.array(record.fracture["stress_strain"]["stress"]["values"])
    peak, last = int(stress.argmax()), len(stress) - 1
    chosen = sorted({0, peak, (peak + last) // 2, last})
    switching = bond_switching(frames).codes
    top, side = float(frames.cell[:, 2, 2].max()), float(frames.cell[0, 1, 1])
    figure = Figure(figsize=(WIDTH, 0.4 + 0.95 * WIDTH / len(chosen) * top / side))
    axes = figure.subplots(1, len(chosen), sharey=True, squeeze=False)[0]
    for panel, k in zip(axes, chosen, strict=True):
        _draw(panel, frames, switching[k], k, top)
        panel.set_title(f"{100 * strain[k]:.0f} %", fontsize=11)
    return figure, (
        "The notched glass at these strains, seen along the crack front. Orange: P; green: Li; grey: O. Boron: "
        "red with fewer bonds than unstrained, blue with more, purple with other partners, pale unchanged."
    )


def write_animation(record: RunRecord, path: Path) -> str | None:
    """All strain steps as GIF at `path`; its caption, None where there is nothing to show."""
    from PIL import Image

    frames, strain = record.strained, record.strain(None if record.strained is None else len(record.strained.time))
    if frames is None or strain is None or len(strain) < 2:
        return None
    switching = bond_switching(frames).codes
    chosen = np.unique(np.linspace(0, len(strain) - 1, FRAMES).round().astype(int))
    top = float(frames.cell[:, 2, 2].max())
    images = [_image(frames, switching[k], k, top, f"strain {100 * strain[k]:.0f} %") for k in chosen]
    palette = images[len(images) // 2].quantize(64)
    flat = [Image.Image.quantize(image, palette=palette, dither=Image.Dither.NONE) for image in images]
    flat[0].save(path, save_all=True, append_images=flat[1:], duration=MILLISECONDS, loop=0, optimize=True)
    return "The same glass, step by step."


def _image(frames: Trajectory, codes: np.ndarray, k: int, top: float, title: str):
    from PIL import Image

    width = float(frames.cell[0, 1, 1])
    figure = Figure(figsize=(FRAME_WIDTH, 0.35 + FRAME_WIDTH * min(2.2, top / width)), dpi=110)
    canvas = FigureCanvasAgg(figure)
    panel = figure.subplots()
    _draw(panel, frames, codes, k, top)
    panel.set_title(title, fontsize=9)
    canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3])


def _draw(panel: Axes, frames: Trajectory, codes: np.ndarray, k: int, top: float) -> None:
    """Atoms of frame `k` from the back to the front, the middle of the cell at height 0."""
    cell, symbols = np.diag(frames.cell[k]), frames.symbols
    x, y, z = ((frames.fractional[k] - np.floor(frames.fractional[k])) * cell).T
    color = np.array([OTHERS.get(s, (GREY, 0.5))[0] for s in symbols], dtype=object)
    radius = np.array([BORON_RADIUS if s == "B" else OTHERS.get(s, (GREY, 0.5))[1] for s in symbols])
    boron = symbols == "B"
    color[boron] = np.array([BORON[kind] for kind in KINDS], dtype=object)[codes[boron]]
    order = np.argsort(x)
    panel.set(xlim=(0, cell[1]), ylim=(-top / 2, top / 2), aspect="equal", xticks=[], yticks=[])
    panel.spines[:].set_visible(False)
    box = panel.get_window_extent().height * 72 / panel.figure.dpi  # points; the height shows `top`
    points = min(box / top, panel.get_window_extent().width * 72 / panel.figure.dpi / cell[1])
    sizes = (2 * radius * points) ** 2
    panel.scatter(y[order], (z - cell[2] / 2)[order], s=sizes[order], c=list(color[order]), lw=0, rasterized=True)
