"""The table of the report: this run beside the paper's simulation and experiment, with the bias to expect.

The numbers of the notes are properties of the potential (docs/potential.md). Where the paper's value is not
public the table says so.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from jaxglass.report.reference import Point, Reference, ReferenceRange, ReferenceTable
from jaxglass.report.run_record import RunRecord
from jaxglass.report.wording import interval_text, value_text, why_text, with_unit

NONE = "none"
DENSITY_BIAS = "5-8 % too low with this potential: no three-body terms; the paper names the cooling rate."
N4_BIAS = "Well below NMR is expected of this potential; N4 depends strongly on A(B-O)."
LENGTHS = {
    "B-O": (
        ["B-O_in_BO4", "B-O_in_BO3"],
        "Expected: BO4 0.05 Å and BO3 0.04 Å too long; the mean depends on N4.",
    ),
    "P-O": (["P-O"], "Expected: 0.04 Å too short."),
    "Li-O": (["Li-O"], "Grows with the cutoff."),
}
NUMBERS = {
    "P": "Phosphorus stays four-fold in this potential.",
    "Li": "The first Li-O shell is broad: the number depends on the cutoff. Small runs give 3.2-3.5.",
}
ANGLES = {"O-B-O": "Ideal: 109.47° in BO4, 120° in BO3.", "O-P-O": "Ideal: 109.47° in PO4."}
SHARES = {
    "free": ("share with no former", ""),
    "non_bridging": ("share with one former", "Rises with Li2O."),
    "bridging": ("share with two formers", ""),
    "tricluster": ("share with three or more", "About none expected."),
}


@dataclass(frozen=True)
class Row:
    """One line of the table, as plain text; `detail` narrows the quantity, `why` explains a gap."""

    quantity: str
    detail: str
    run: str
    why: str
    paper: str
    experiment: str
    note: str


def comparison(record: RunRecord, references: ReferenceTable) -> list[Row]:
    """Every quantity that this run measured, beside the paper and experiment."""
    parts: list[Callable[[RunRecord, ReferenceTable], list[Row]]] = [
        _density,
        _four_fold,
        _coordination,
        _bond_lengths,
        _angles,
        _oxygen,
        _agreement,
        _mechanics,
        _transport,
    ]
    return [row for part in parts for row in part(record, references)]


def reference_text(reference: Reference | None) -> str:
    """ "2.452 ± 0.02 g/cm³ (interpolated; source)"."""
    if reference is None:
        return "none for this composition"
    error = f" ± {reference.uncertainty:g}" if reference.uncertainty else ""
    how = "interpolated; " if reference.interpolated else ""
    return f"{with_unit(f'{reference.value:.3f}{error}', reference.unit)} ({how}{reference.source})"


def deviation_text(value: float, reference: float) -> str:
    """ "7.4 % below experiment"."""
    percent = 100 * (value / reference - 1)
    return f"{abs(percent):.1f} % {'below' if percent < 0 else 'above'} experiment"


def _row(quantity: str, detail: str, entry: Mapping, paper: str, experiment: str, note: str) -> Row:
    return Row(quantity, detail, value_text(entry), why_text(entry), paper, experiment, note)


def _density(record: RunRecord, references: ReferenceTable) -> list[Row]:
    entry = record.density
    if entry is None:
        return []
    measured = references.density(record.li2o) if record.li2o is not None else None
    note = DENSITY_BIAS
    if measured is not None:
        difference = deviation_text(entry["value"], measured.value)
        near = abs(entry["value"] / measured.value - 1) < 0.02
        note = f"{difference}. {note}{' Within 2 % is suspicious: check the run.' if near else ''}"
    paper = f"not available (Table S1); {references.paper_trend('density')} with Li2O"
    return [_row("Density", "", entry, paper, reference_text(measured), note)]


def _four_fold(record: RunRecord, references: ReferenceTable) -> list[Row]:
    statement, source = references.boron_statement()
    paper = "not available (no value per composition in the text)"
    rows: list[Row] = []
    for key, entry in record.structure.items():
        if key == "n4" or key.startswith("n4_"):
            experiment = "as above" if rows else f"{statement} ({source})"
            note = "The same with a wider cutoff." if rows else N4_BIAS
            rows.append(_row("N4, four-fold B", _cutoff_of(record, key), entry, paper, experiment, note))
    return rows


def _coordination(record: RunRecord, references: ReferenceTable) -> list[Row]:
    found = record.structure.get("coordination") or {}
    elements = list(dict.fromkeys(key.partition("_")[0] for key in found))
    rows = []
    for key in sorted(found, key=lambda key: elements.index(key.partition("_")[0])):
        element, entry = key.partition("_")[0], found[key]
        paper, experiment, note = "not available", NONE, NUMBERS.get(element, "")
        if element == "B":
            trend = references.paper_trend("boron_coordination")
            paper, experiment, note = (
                f"value not available; {trend} with Li2O",
                "no number; see N4",
                "Follows N4.",
            )
        limit = (entry.get("cutoff") or {}).get("value")
        detail = f"{element}-O below {limit:.1f} Å" if limit else ""
        rows.append(_row(f"CN({element})", detail, entry, paper, experiment, note))
    return rows


def _bond_lengths(record: RunRecord, references: ReferenceTable) -> list[Row]:
    rows = []
    for pair, entry in (record.structure.get("bond_lengths") or {}).items():
        names, note = LENGTHS.get(pair, ([], ""))
        known = [_range_text(name, references.bond_length(name)) for name in names]
        experiment = f"{'; '.join(known)} (crystals)" if known else NONE
        rows.append(_row(f"{pair} bond", "mean within the cutoff", entry, "not available", experiment, note))
    return rows


def _angles(record: RunRecord, references: ReferenceTable) -> list[Row]:
    return [
        _row(f"{name} angle", "mean", entry, "not available", NONE, ANGLES.get(name, ""))
        for name, entry in (record.structure.get("angles") or {}).items()
    ]


def _oxygen(record: RunRecord, references: ReferenceTable) -> list[Row]:
    shares = record.structure.get("oxygen") or {}
    rows = [
        _row(f"{name.replace('_', '-').capitalize()} O", meaning, shares[name], "not available", NONE, note)
        for name, (meaning, note) in SHARES.items()
        if name in shares
    ]
    if "edge_sharing" in record.structure:
        entry, note = record.structure["edge_sharing"], "Under 1 % expected."
        rows.append(_row("Shared edges", "share of B and P", entry, "not available", NONE, note))
    return rows


def _agreement(record: RunRecord, references: ReferenceTable) -> list[Row]:
    """R_chi of D(r), which the paper gives, and of T(r), where a measured curve was given."""
    found = record.structure.get("r_chi") or {}
    papers = {"D_r": f"{references.paper_r_chi():g} % (38 mol %)", "T_r": "not stated"}
    note = "One convention more or less is worth as much: see the table of conventions."
    rows = []
    for key, paper in papers.items():
        entry = found.get(key) or {}
        if entry.get("value") is not None:
            shown = value_text({"value": 100 * entry["value"], "error": None, "unit": "%"})
            name = f"R_χ of {key[0]}(r)"
            rows.append(Row(name, "against the measured curve", shown, why_text(entry), paper, "0", note))
    return rows


def _mechanics(record: RunRecord, references: ReferenceTable) -> list[Row]:
    """E, nu, G_c and K_Ic."""
    rows = []
    for name, key in (("Young's modulus", "young_modulus"), ("Poisson ratio", "poisson_ratio")):
        if key in record.elastic:
            trend = f"{references.paper_trend(key)} with Li2O" if key == "young_modulus" else "not available"
            rows.append(_row(name, "300 K, finite strain", record.elastic[key], trend, NONE, ""))
            at_rest = (record.elastic.get("athermal") or {}).get(key)
            if at_rest:
                rows.append(_row(name, "at rest, exact", at_rest, "not available", NONE, "Stiffer than at 300 K."))
    if record.fracture:
        measured = references.toughness(record.li2o) if record.li2o is not None else None
        experiment = f"{measured:g} MPa m^0.5 (SEPB, the paper)" if measured else NONE
        trend = f"{references.paper_trend('fracture_toughness')} with Li2O"
        release, toughness = record.fracture["energy_release"], record.fracture["toughness"]
        rows.append(_row("G_c", "work over ligament", release, "not available", NONE, ""))
        rows.append(_row("K_Ic", "plane strain", toughness, trend, experiment, "One crack: see the spread of seeds."))
    return rows


def _transport(record: RunRecord, references: ReferenceTable) -> list[Row]:
    """Activation energy and conductivity at 20 degrees."""
    diffusion = record.diffusion
    if not diffusion:
        return []

    def measured(points: list[Point], unit: str, who: str) -> str:
        near = sorted(points, key=lambda point: abs(point.li2o - (record.li2o or 0.0)))[:2]
        shown = "; ".join(f"{point.value:.3g} at {point.li2o:g}" for point in sorted(near, key=lambda p: p.li2o))
        return f"{with_unit(shown, 'mol %')}, {unit} ({who})" if record.li2o is not None else NONE

    energy, sigma = diffusion["activation_energy_of_conductivity"], diffusion["conductivity_293K"]
    falls, rises = (references.paper_trend(key) for key in ("activation_energy", "conductivity"))
    kumar = measured(references.activation_energy_series(), "eV", "Kumar 2004, 20-100 °C, SciGlass")
    cho = measured(references.conductivity_series(), "S/cm", "Cho 2006, SciGlass")
    shown = interval_text(sigma)
    note = "Extrapolated from the temperatures of the runs: judge it in decades."
    return [
        _row("Ea of σ", "slope near 333 K", energy, f"{falls} with Li2O", kumar, "That of D is 0.03 eV higher."),
        Row("σ at 20 °C", "Nernst-Einstein, Z = 1", shown, why_text(sigma), f"{rises} with Li2O", cho, note),
    ]


def _cutoff_of(record: RunRecord, key: str) -> str:
    """The B-O cutoff behind `n4` or `n4_2.0`."""
    limit = key.partition("_")[2] or (record.structure.get("cutoffs") or {}).get("B-O", {}).get("value")
    return f"B-O below {float(limit):.1f} Å" if limit else ""


def _range_text(name: str, reference: ReferenceRange) -> str:
    where = name.partition("_in_")[2]
    mean = f", mean {reference.mean:.2f}" if reference.mean else ""
    span = with_unit(f"{reference.low:.2f}-{reference.high:.2f}", reference.unit)
    return f"{where} {span}{mean}".strip()
