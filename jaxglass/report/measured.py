"""Sections of the page about what was measured beyond the comparison: scattering, links, rings and loops."""

from collections.abc import Mapping
from html import escape

from jaxglass.report.markup import section, table
from jaxglass.report.run_record import RunRecord
from jaxglass.report.wording import cutoff_text, frames_text, number_text, value_text, why_text

REGIONS = {
    "C_P": "large loops closed by a bond",
    "C_T": "O-P-O and O-B-O",
    "C_O": "three oxygens in contact",
    "B_O": "large loops closed by oxygens in contact",
    "other": "mostly triangles with Li",
}


def measured_sections(record: RunRecord) -> str:
    """Every section that the run has data for."""
    return "".join(part(record) for part in (_scattering, _links, _rings, _loops))


def _scattering(record: RunRecord) -> str:
    structure = record.structure
    effects = structure.get("convention_effects")
    if effects is None:
        return ""
    intro = f"<p>Conventions: {escape(structure['conventions'])}.</p>"
    if not effects["rows"]:
        why = escape(effects.get("reason") or "")
        return section("Scattering and its conventions", f"{intro}<p>Their effect is not known: {why}.</p>")
    intro += (
        f"<p>R<sub>χ</sub> against {escape(effects['against'])}, after one change of convention at a time. Curves "
        "compare only where all conventions are equal.</p>"
    )
    rows = [(row["change"], _percent(row["T_r"]), _percent(row["D_r"])) for row in effects["rows"]]
    return section("Scattering and its conventions", intro + table(("Change", "R of T(r)", "R of D(r)"), rows))


def _links(record: RunRecord) -> str:
    """Links between formers beside random mixing."""
    connectivity = record.structure.get("connectivity")
    if not connectivity:
        return ""
    rows = [
        (name, _share(link["share"]), _share(link["random"]), value_text(link["angle"]), why_text(link["angle"]))
        for name, link in connectivity["links"].items()
    ]
    intro = (
        "<p>A link is a pair of formers on one oxygen; mixed at random, the same numbers of link ends would give the "
        f"shares in the third column. Bonds: {escape(cutoff_text(connectivity['cutoffs']))}.</p>"
    )
    return section(
        "Links between formers", intro + table(("Link", "Share", "Random mixing", "Mean angle at O", "Note"), rows)
    )


def _rings(record: RunRecord) -> str:
    rings = record.rings
    if not rings:
        return ""
    variants = [rings, *(entry for key, entry in rings.items() if key.startswith("B-O_"))]
    rows = [(cutoff_text(entry["cutoffs"]), *_ring_cells(entry)) for entry in variants]
    intro = (
        f"<p>{escape(rings['criterion'].capitalize())} rings of up to {rings['max_size']} formers; "
        f"{frames_text(rings['frames'])}. Read the sizes beside the share of bonds that lie on no ring searched.</p>"
    )
    head = ("Bonds", "Unique rings", "Mean size (formers)", "Bonds without ring", "Dead ends", "Note")
    return section("Rings of formers", intro + table(head, rows))


def _ring_cells(rings: Mapping) -> tuple[str, ...]:
    counts = [count for count in rings["histogram"].values() if count is not None]
    return (
        number_text(float(sum(counts))) if counts else "not measured",
        value_text(rings["mean_size"]),
        _share(rings["without_ring"]),
        _share(rings["dead_ends"]),
        why_text(rings["mean_size"]),
    )


def _loops(record: RunRecord) -> str:
    loops = record.topology
    if not loops:
        return ""
    if loops.get("reason"):
        return section("Loops by persistent homology", f"<p>Not measured: {escape(loops['reason'])}.</p>")
    counts = [
        (f"Loops, {name.replace('_', ' ')}", value_text(entry), why_text(entry))
        for name, entry in loops["loops"].items()
    ]
    totals = [(f"Total APF, {mode}", value_text(entry), why_text(entry)) for mode, entry in loops["total_apf"].items()]
    regions = [
        (f"{name}: {REGIONS.get(name, '')}", _share(share["loops"]), _share(share["apf"]))
        for name, share in loops["regions"].items()
    ]
    radii = ", ".join(f"{element} {value_text(r)}" for element, r in loops["radii"].items())
    margin = f", images up to {value_text(loops['margin'])}" if loops["margin"]["value"] is not None else ""
    intro = f"<p>{loops['mode'].capitalize()} mode{margin}; {frames_text(loops['frames'])}; ball radii {radii}.</p>"
    return section(
        "Loops by persistent homology",
        intro
        + table(("Quantity", "Value", "Note"), [*counts, *totals])
        + table(("Region of the diagram", "Share of loops", "Share of the APF"), regions),
    )


def _share(entry: Mapping) -> str:
    """A share and its error in per cent."""
    if entry["value"] is None:
        return "not measured"
    return value_text({"value": 100 * entry["value"], "error": 100 * (entry["error"] or 0.0), "unit": "%"})


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %"
