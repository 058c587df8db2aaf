"""The 3-D view: complete polyhedra, closed rings, atoms in the cell, a page that fetches nothing, and hands on it."""

import base64
import json
import re
from pathlib import Path

import numpy as np
import pytest
from browser import CHROMIUM, browser_page
from structures import boron_phosphate, frames, molecule, supercell
from systems import ELEMENTS, Glass

from jaxglass.analysis.bonds import CUTOFFS, FORMER_CUTOFFS, find_bonds
from jaxglass.analysis.coordination import coordination_numbers
from jaxglass.analysis.rings import RingSettings, ring_statistics
from jaxglass.report.html import write_report
from jaxglass.report.scene import LARGEST_RING, Scene, make_scene
from jaxglass.report.view3d import packed
from jaxglass.structures import read_frame, write_last_frame

HANDS = Path(__file__).with_name("data") / "view3d_hands.js"
LARGEST_SECTION = 150_000  # characters, for 1,008 atoms
FORMERS = {pair: CUTOFFS[pair] for pair in ("B-O", "P-O")}


@pytest.fixture
def atoms(glass: Glass):
    """Symbols, fractional coordinates and cell of the stored glass, as if the atoms had wandered."""
    species, fractional, cell = glass.glass
    wandered = np.asarray(fractional) + np.random.default_rng(2).integers(-2, 3, (len(species), 3))
    return np.array([ELEMENTS[s] for s in species]), wandered, np.asarray(cell)


@pytest.fixture
def scene(atoms) -> Scene:
    return make_scene(*atoms, CUTOFFS)


@pytest.fixture
def run_dir(atoms, tmp_path) -> Path:
    (tmp_path / "results.json").write_text("{}")
    write_last_frame(tmp_path / "glass.extxyz", frames(*atoms))
    return tmp_path


def fractional(scene: Scene) -> np.ndarray:
    return scene.positions @ np.linalg.inv(scene.cell) + 0.5


def numbers(text: str) -> np.ndarray:
    kind, code = text.split(":")
    return np.frombuffer(base64.b64decode(code), f"<{kind}")


def test_every_atom_is_shown_once_and_inside_the_cell(atoms, scene):
    home = fractional(scene)[: scene.shown]
    assert scene.shown == len(atoms[0])
    assert home.min() > -1e-12
    assert home.max() < 1
    np.testing.assert_array_equal(scene.symbols[: scene.shown], atoms[0])
    np.testing.assert_allclose(home - atoms[1], np.rint(home - atoms[1]), atol=1e-9)
    assert scene.thickness is None


def test_bonds_reach_their_own_image(atoms, scene):
    bonds = find_bonds(*atoms, CUTOFFS)
    first, second = scene.bonds.T
    length = np.linalg.norm(scene.positions[second] - scene.positions[first], axis=1)
    np.testing.assert_allclose(np.sort(length), np.sort(bonds.length), atol=1e-9)
    assert first.max() < scene.shown
    assert scene.bonds.max() + 1 == scene.ends > scene.shown
    assert set(scene.symbols[second]) == {"O"}


def test_polyhedra_are_those_of_the_coordination_numbers(atoms, scene):
    bonds = find_bonds(*atoms, CUTOFFS)
    for element in ("B", "P"):
        found = dict(zip(*np.unique(coordination_numbers(bonds, element), return_counts=True), strict=True))
        drawn = {kind.corners: kind.count for kind in scene.polyhedra if kind.element == element}
        assert drawn == {corners: n for corners, n in found.items() if corners in (3, 4, 5)}
    faces = {3: 1, 4: 4, 5: 6}
    for kind in scene.polyhedra:
        assert len(kind.faces) <= faces[kind.corners] * kind.count
        assert kind.corners == 5 or len(kind.faces) == faces[kind.corners] * kind.count
        assert set(scene.symbols[kind.faces].ravel()) == {"O"}
        edges = scene.positions[kind.faces] - scene.positions[np.roll(kind.faces, 1, axis=1)]
        assert np.linalg.norm(edges, axis=2).max() < 2 * CUTOFFS[f"{kind.element}-O"]


def test_a_flat_square_has_faces_too():
    around = [(0, 0, 0), (1.4, 0, 0), (-1.4, 0, 0), (0, 1.4, 0), (0, -1.4, 0)]
    (kind,) = make_scene(*molecule(["B", *"OOOO"], np.array(around) + 5, 10 * np.eye(3)), CUTOFFS).polyhedra
    assert (kind.corners, kind.count) == (4, 1)
    assert set(kind.faces.ravel()) == {1, 2, 3, 4}


def test_rings_close_and_none_is_lost(atoms, scene):
    bonds = find_bonds(*atoms, CUTOFFS)
    expected = ring_statistics(bonds, RingSettings(cutoffs=FORMERS, max_size=LARGEST_RING))
    sizes = dict(zip(expected.sizes.tolist(), expected.unique.tolist(), strict=True))
    assert {ring.size: len(ring.loops) for ring in scene.rings} == {n: count for n, count in sizes.items() if count}
    assert scene.rings
    for ring in scene.rings:
        corners = scene.positions[ring.loops]
        assert np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2).max() < max(FORMER_CUTOFFS.values())
        middle = fractional(scene)[ring.loops].mean(axis=1)
        assert middle.min() > -1e-9
        assert middle.max() < 1 + 1e-9


def test_a_unit_cell_shows_what_its_supercell_shows():
    one = make_scene(*boron_phosphate(), CUTOFFS)
    eight = make_scene(*supercell(*boron_phosphate(), 2), CUTOFFS)
    counts = [[(k.element, k.corners, k.count * n) for k in s.polyhedra] for s, n in ((one, 8), (eight, 1))]
    assert counts[0] == counts[1] == [("B", 4, 16), ("P", 4, 16)]
    assert [(r.size, 8 * len(r.loops)) for r in one.rings] == [(r.size, len(r.loops)) for r in eight.rings]


def test_of_a_large_structure_a_slab_is_drawn_whole(atoms, scene):
    slab = make_scene(*atoms, CUTOFFS, largest=200)
    assert 190 < slab.shown <= 200
    assert slab.atoms == len(atoms[0])
    height = fractional(slab)[: slab.shown, 2]
    width = slab.cell[2, 2]  # of this orthorhombic cell
    assert np.ptp(height) * width < slab.thickness < np.ptp(height) * width + 1
    inside = np.abs(fractional(scene)[:, 2] - 0.5) < slab.thickness / width / 2
    assert len(slab.bonds) == inside[scene.bonds[:, 0]].sum()
    drawn, whole = (sum(len(ring.loops) for ring in s.rings) for s in (slab, scene))
    assert 0 < drawn < whole


@pytest.mark.parametrize("kind", ["no bond", "no former", "no oxygen"])
def test_structures_without_a_network(kind):
    symbols, cutoffs = {"no bond": ("BO", CUTOFFS), "no former": ("LiO", {"Li-O": 2.4}), "no oxygen": ("BP", CUTOFFS)}[
        kind
    ]
    names = re.findall("[A-Z][a-z]?", symbols)
    found = make_scene(*molecule(names, np.array([(0.1, 1, 1), (3, 3, 3)]), 9 * np.eye(3)), cutoffs)
    assert (found.shown, found.ends, len(found.bonds)) == (2, 2, 0)
    assert found.polyhedra == found.rings == ()
    assert json.loads(json.dumps(packed(found)))["shown"] == 2


def test_packing_keeps_every_number(scene):
    data = json.loads(json.dumps(packed(scene)))
    positions = numbers(data["positions"]).reshape(-1, 3) * data["step"]
    assert np.abs(positions - scene.positions).max() < 0.001
    names = np.array([element["name"] for element in data["elements"]])
    np.testing.assert_array_equal(names[numbers(data["species"])], scene.symbols)
    np.testing.assert_array_equal(numbers(data["bonds"]).reshape(-1, 2), scene.bonds)
    for kind, sent in zip(scene.polyhedra, data["polyhedra"], strict=True):
        np.testing.assert_array_equal(numbers(sent["faces"]).reshape(-1, 3), kind.faces)
    for ring, sent in zip(scene.rings, data["rings"], strict=True):
        np.testing.assert_array_equal(numbers(sent["loops"]).reshape(-1, sent["corners"]), ring.loops)


def view_markup(page: str) -> str:
    start = page.index('<figure class="view3d"')
    return page[start : page.index("</section>", start)]


def test_the_page_fetches_nothing_and_stays_small(atoms, tmp_path):
    (tmp_path / "results.json").write_text("{}")
    write_last_frame(tmp_path / "glass.extxyz", frames(*supercell(*atoms, (2, 1, 1))))
    page = write_report(tmp_path).read_text()
    outside = (
        "http:",
        "https:",
        "<link",
        "@import",
        "url(",
        "import(",
        "fetch(",
        "XMLHttpRequest",
        "src=",
        "innerHTML",
    )
    assert not [mark for mark in outside if mark in page]
    assert len(view_markup(page)) < LARGEST_SECTION
    assert page.count("<script") == page.count("</script>") == 2
    assert "1008 atoms" in page


def test_every_control_has_a_name_and_the_legend_counts(scene, run_dir):
    markup = view_markup(write_report(run_dir).read_text())
    labels = re.findall(r"<label><input [^>]*>(?:<i style=\"background:#[0-9a-f]{6}\"></i>)?([^<]+)</label>", markup)
    assert len(labels) == markup.count("<input ")
    for kind in scene.polyhedra:
        assert f"{kind.element}O{'₀₁₂₃₄₅'[kind.corners]} ({kind.count})" in labels
    for ring in scene.rings:
        assert f"{ring.size} ({len(ring.loops)})" in labels
    assert re.search(r'<canvas tabindex="0" role="\w+" [^>]*aria-label="[^"]+"', markup)
    assert "B-O 1.8 Å" in markup


def test_the_cutoffs_of_the_run_make_the_bonds(atoms, run_dir):
    cutoffs = {"B-O": 2.1, "P-O": 1.7}
    entries = {pair: {"value": cutoff, "error": None, "unit": "Angstrom"} for pair, cutoff in cutoffs.items()}
    (run_dir / "results.json").write_text(json.dumps({"structure": {"cutoffs": entries}}))
    markup = view_markup(write_report(run_dir).read_text())
    written = read_frame(run_dir / "glass.extxyz")
    wide = make_scene(written.symbols, written.fractional[0], written.cell[0], cutoffs)
    data = json.loads(re.search(r'id="view3d-data">(.*?)</script>', markup, re.DOTALL).group(1))
    assert len(numbers(data["bonds"])) == 2 * len(wide.bonds) != 2 * len(find_bonds(*atoms, CUTOFFS).center)


def test_a_run_without_a_structure_has_no_view(tmp_path):
    (tmp_path / "results.json").write_text("{}")
    assert "view3d" not in write_report(tmp_path).read_text()


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
@pytest.mark.parametrize(
    ("painter", "width", "flag"),
    [("webgl2", 400, "--enable-unsafe-swiftshader"), ("2d", 1400, "--disable-3d-apis")],
    ids=["webgl2", "2d"],
)
def test_hands_on_in_a_browser(run_dir, painter, width, flag):
    """The page in headless Chromium: what each control and gesture does to the picture, as view3d_hands.js saw it."""
    report = write_report(run_dir)
    with browser_page(run_dir / "browser", flag) as page:
        page.open(report, width, 900)
        seen = page.run(HANDS.read_text())
        assert page.problems() == []
    assert seen["painter"] == painter
    assert seen["width"] <= width
    pictures = seen["pictures"]
    changing = ("drag", "arrow", "wheel", "pinch", "plus", "lithium", "oxygen", "bonds", "cell", "polyhedra", "rings")
    start = pictures["start"]
    assert {name: pictures[name] != start for name in changing} == dict.fromkeys(changing, True)
    assert len({pictures[name] for name in changing}) == len(changing)
    same = ("still", "wheel past", "reset", "double tap", "zero", "all back")
    assert {name: pictures[name] == start for name in same} == dict.fromkeys(same, True)
    assert pictures["no atoms"] == pictures["no atoms, no bonds"] != start
    assert pictures["spin 1"] != pictures["spin 2"]
