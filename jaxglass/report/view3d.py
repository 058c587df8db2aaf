"""The rotatable 3-D view of the report: controls, caption, and the scene packed beside the script that draws it.

view3d.js is inlined; it draws with WebGL 2, or on a flat canvas where there is none. Arrays travel as base64 of the
smallest integers that hold them, coordinates in steps of the largest one / 32767.
"""

import base64
import json
from collections.abc import Iterable
from html import escape
from pathlib import Path

import numpy as np
from matplotlib.colors import to_rgb

from jaxglass.report.figures.style import ELEMENT, PURPLE
from jaxglass.report.markup import section
from jaxglass.report.run_record import RunRecord
from jaxglass.report.scene import Polyhedra, RingLoops, Scene, make_scene
from jaxglass.report.wording import number_text

SCRIPT, STYLE = (Path(__file__).with_name(f"view3d.{kind}") for kind in ("js", "css"))
RADIUS = {"Li": 0.5, "B": 0.4, "P": 0.5, "O": 0.32}  # A, small enough to see between
OTHER_RADIUS = 0.45
LIGHTER = {3: 0.45, 4: 0.0, 5: -0.35}  # by corners: towards white above 0, towards black below
RING_COLORS = (
    *("#AA4499", "#882255", "#332288", "#44AA99", "#CC6677", "#661100"),
    *("#88CCEE", "#999933", "#117733", "#DDCC77", "#6699CC"),
)  # Tol's muted colours, for 2 to 12 formers
HINT = (
    "Drag, or the arrow keys, to rotate; pinch, plus and minus to zoom, and the wheel once the picture is selected; "
    "double-tap, or 0, to start again."
)
SUBSCRIPT = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


def view_section(record: RunRecord) -> str:
    """The section with the view of the run's structure; nothing for a run without one."""
    if record.frame is None:
        return ""
    frame, cutoffs = record.frame, record.cutoffs
    scene = make_scene(frame.symbols, frame.fractional[-1], frame.cell[-1], cutoffs)
    data = json.dumps(packed(scene), separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    return section(
        "Structure in 3-D",
        f"<style>\n{STYLE.read_text(encoding='utf-8')}</style>\n"
        '<figure class="view3d" id="view3d">\n'
        '<canvas tabindex="0" role="application" aria-describedby="view3d-hint" '
        f'aria-label="{escape(_description(scene))}"></canvas>\n{_controls(scene)}'
        f'<figcaption><span id="view3d-hint">{HINT}</span> {escape(caption(scene))}</figcaption>\n</figure>\n'
        "<noscript><p>The 3-D view needs JavaScript.</p></noscript>\n"
        f'<script type="application/json" id="view3d-data">{data}</script>\n'
        f"<script>\n{SCRIPT.read_text(encoding='utf-8')}</script>",
    )


def packed(scene: Scene) -> dict:
    """The scene as the script reads it: names and colours as JSON, arrays as "type:base64"."""
    elements = list(dict.fromkeys(scene.symbols.tolist()))
    step = max(float(np.abs(scene.positions).max()), 1e-3) / 32767
    return {
        "cell": scene.cell.round(4).tolist(),
        "step": step,
        "positions": _packed(np.rint(scene.positions / step).astype("<i2")),
        "shown": scene.shown,
        "ends": scene.ends,
        "species": _packed([elements.index(s) for s in scene.symbols]),
        "elements": [
            {"name": e, "color": to_rgb(ELEMENT.get(e, PURPLE)), "radius": RADIUS.get(e, OTHER_RADIUS)}
            for e in elements
        ],
        "bonds": _packed(scene.bonds),
        "polyhedra": [{"color": _shade(kind), "faces": _packed(kind.faces)} for kind in scene.polyhedra],
        "rings": [
            {"corners": 2 * found.size, "color": to_rgb(_ring_color(found)), "loops": _packed(found.loops)}
            for found in scene.rings
        ],
    }


def caption(scene: Scene) -> str:
    """What is drawn, how much of the structure, and which cutoffs make a bond."""
    cutoffs = ", ".join(f"{pair} {number_text(cutoff, 2)} Å" for pair, cutoff in scene.cutoffs.items())
    if scene.thickness is None:
        part = f"The {scene.atoms} atoms of the last frame, moved into the cell."
    else:
        part = (
            f"{scene.shown} of {scene.atoms} atoms of the last frame: a slab of {scene.thickness:.1f} Å through the "
            "middle of the cell."
        )
    return (
        f"{part} Oxygens beyond it that end a bond are drawn too. Bonds: {cutoffs}. Polyhedra by the number of "
        "oxygens, rings by the number of formers; in brackets, how many are drawn."
    )


def _description(scene: Scene) -> str:
    return f"Rotatable 3-D view of {scene.shown} atoms with their bonds, polyhedra and rings"


def _controls(scene: Scene) -> str:
    """Checkboxes that are the legend as well, rings as a choice of one size, and two buttons."""
    names = dict.fromkeys(scene.symbols[: scene.shown].tolist())
    atoms = "".join(_box("checkbox", "atoms", e, ELEMENT.get(e, PURPLE), e, checked=True) for e in names)
    lines = _box("checkbox", "lines", "bonds", "", "bonds", True) + _box("checkbox", "lines", "cell", "", "cell", True)
    solids = "".join(
        _box("checkbox", "polyhedra", str(k), _shade(kind), f"{_name(kind)} ({kind.count})", checked=True)
        for k, kind in enumerate(scene.polyhedra)
    )
    rings = "".join(
        _box("radio", "rings", str(k), _ring_color(found), f"{found.size} ({len(found.loops)})")
        for k, found in enumerate(scene.rings)
    )
    groups = [("Atoms", atoms), ("Lines", lines), ("Polyhedra", solids)]
    if rings:
        groups.append(("Rings by size", _box("radio", "rings", "", "", "none", checked=True) + rings))
    shown = "".join(f"<fieldset><legend>{name}</legend>{boxes}</fieldset>\n" for name, boxes in groups if boxes)
    buttons = (
        '<button type="button" data-action="reset">Reset view</button>'
        '<button type="button" data-action="spin" aria-pressed="false">Spin</button>'
    )
    return f'<div class="controls" role="group" aria-label="What is shown">\n{shown}<div>{buttons}</div>\n</div>\n'


def _box(kind: str, group: str, value: str, color: str | tuple, label: str, checked: bool = False) -> str:
    """One checkbox or radio button with a swatch of its colour."""
    swatch = f'<i style="background:{_css(color)}"></i>' if color else ""
    state = " checked" if checked else ""
    return (
        f'<label><input type="{kind}" name="view3d-{group}" value="{escape(value)}"{state} autocomplete="off">'
        f"{swatch}{escape(label)}</label>"
    )


def _name(kind: Polyhedra) -> str:
    return f"{kind.element}O{str(kind.corners).translate(SUBSCRIPT)}"


def _shade(kind: Polyhedra) -> tuple[float, ...]:
    """The element's colour, lighter with three corners and darker with five."""
    lighter = LIGHTER[kind.corners]
    target = 1.0 if lighter > 0 else 0.0
    return tuple(round(c + abs(lighter) * (target - c), 3) for c in to_rgb(ELEMENT.get(kind.element, PURPLE)))


def _ring_color(rings: RingLoops) -> str:
    return RING_COLORS[rings.size - 2]


def _css(color: str | tuple) -> str:
    return "#" + "".join(f"{round(255 * c):02x}" for c in to_rgb(color))


def _packed(array: Iterable | np.ndarray) -> str:
    """ "u2:AAEC..." of the smallest unsigned type, or of 16-bit integers as they are."""
    numbers = np.asarray(array)
    if numbers.dtype != np.dtype("<i2"):
        numbers = numbers.astype(np.min_scalar_type(int(numbers.max(initial=0))).newbyteorder("<"))
    return f"{numbers.dtype.kind}{numbers.itemsize}:{base64.b64encode(numbers.tobytes()).decode('ascii')}"
