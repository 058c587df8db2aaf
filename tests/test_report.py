"""The report: complete, self-contained, units on every number, and whole even when stages are missing."""

import itertools
import json
import re
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from matplotlib import rc_context
from matplotlib.text import Text

from jaxglass.analysis.comparison import MeasuredGlass, compare_scattering
from jaxglass.analysis.connectivity import analyse_connectivity
from jaxglass.analysis.measured_curve import MeasuredCurve
from jaxglass.analysis.results import (
    connectivity_results,
    ring_results,
    scattering_results,
    structure_results,
    topology_results,
)
from jaxglass.analysis.rings import RingSettings, analyse_rings
from jaxglass.analysis.scattering_settings import ScatteringSettings
from jaxglass.analysis.structure import analyse_structure
from jaxglass.analysis.topology import analyse_topology
from jaxglass.errors import InputDataError
from jaxglass.manifest import keep_potential
from jaxglass.model.trajectory import Trajectory
from jaxglass.report import figures
from jaxglass.report.comparison import comparison
from jaxglass.report.html import result_sentence, title_text, write_report
from jaxglass.report.reference import load_references
from jaxglass.report.run_record import RunRecord, read_run
from jaxglass.report.thermo import read_thermo
from jaxglass.report.wording import number_text, settings, value_text, without_folders

SMALLEST_FONT = 11  # pt
FIGURES = {
    *("density", "coordination", "g_r_oxygen", "angles", "g_r_cations", "history"),
    *("q_speciation", "bridge_angles", "S_q", "D_r", "rings", "persistence", "apf"),
}


def crystal() -> Trajectory:
    """A small trembling crystal with Li in the holes of BPO4."""
    x, y, z = 0.138, 0.260, 0.128
    oxygen = [(x, y, z), (-x, -y, z), (y, -x, -z), (-y, x, -z)]
    sites = [(0.5, 0, 0.25), (0, 0.5, 0.25), (0, 0, 0), *oxygen]
    unit = np.array(sites + [tuple(np.add(s, 0.5)) for s in sites])
    shifts = np.array(list(itertools.product(range(3), range(3), range(2))))
    fractional = (unit[None] + shifts[:, None]).reshape(-1, 3) / [3, 3, 2]
    cell = np.diag([13.02, 13.02, 13.3])
    tremble = 0.004 * np.random.default_rng(1).standard_normal((3, *fractional.shape))
    return Trajectory(
        time=np.arange(3.0),
        fractional=fractional + tremble,
        cell=cell * np.array([1, 1.001, 0.999])[:, None, None],
        species=np.tile([0, 1, 2, 3, 3, 3, 3], 2 * len(shifts)),
        elements=("Li", "B", "P", "O"),
    )


def measured_entries() -> dict:
    """What the stages structure and topology write of the crystal; T(r) of 5 % more density passes for measured."""
    frames, settings = crystal(), ScatteringSettings(dq=0.1, g_max=6.0, chi_max=6.0)
    own = compare_scattering(frames, settings).scattering
    line = 4 * np.pi * 1.05 * own.density * own.r
    measured = MeasuredGlass(MeasuredCurve("T_r", own.r, own.D + line, None, "/home/me/measured.txt"), 2.4)
    return {
        "structure": structure_results(analyse_structure(frames))
        | {"connectivity": connectivity_results(analyse_connectivity(frames))}
        | scattering_results(compare_scattering(frames, settings, measured)),
        "rings": ring_results(analyse_rings(frames), analyse_rings(frames, RingSettings(cutoffs={"B-O": 2.0}))),
        "topology": topology_results(analyse_topology(frames)),
    }


RESULTS = {
    "glass": {
        "li2o": 38.0,
        "requested_li2o": 38.0,
        "n_atoms": 972,
        "counts": {"Li": 152, "B": 124, "P": 124, "O": 572},
        "a_bo": {"value": 13672.5, "unit": "eV", "rule": "c3", "n4_law": 0.578},
    },
    "melt_quench": {
        "density": {"value": 2.2712, "error": 0.0043, "unit": "g/cm3"},
        "quench_rate": {"value": 50.0, "error": None, "unit": "K/ps", "reason": "a setting"},
    },
    **measured_entries(),
    "provenance": {"seed": 0, "versions": {"jax": "0.10.1"}, "plan": {"mesh": [36, 36, 36], "cutoff_A": 7.0}},
}
CONFIG = """
glass: {li2o: 38, n_atoms: 972}
potential: {file: /home/someone/private/potential.yaml, charges: {Xx: 9.75}, a_bo: "<script>alert(1)</script>"}
protocol: {quench_rate: 50.0, melt_ps: 20.0}
hydra: {run: {dir: /home/someone/outputs}}
"""
THERMO = "time_ps,stage,temperature_K,potential_energy_eV,kinetic_energy_eV,pressure_GPa,density_g_cm3,a_A\n"


def write_run(folder: Path, results: dict, everything: bool = True) -> Path:
    """A run directory with `results` and, beside it, all or nothing else."""
    folder.mkdir(exist_ok=True)
    (folder / "results.json").write_text(json.dumps(results, allow_nan=False))
    if everything:
        (folder / "config.yaml").write_text(CONFIG)
        (folder / "manifest.json").write_text(json.dumps({"versions": {"numpy": "2.4"}, "devices": ["cpu"], "seed": 0}))
        rows = [
            f"{t},{'melt' if t < 20 else 'quench'},{3000 - 40 * t},-11000,90,0.1,{2.3 - 0.001 * t},21"
            for t in range(60)
        ]
        (folder / "thermo.csv").write_text(THERMO + "\n".join(rows) + "\n")
    return folder


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> Path:
    return write_report(write_run(tmp_path_factory.mktemp("run"), RESULTS))


def test_report_is_complete_and_self_contained(report):
    page = report.read_text()
    assert {path.stem for path in (report.parent / "figures").glob("*.png")} == FIGURES
    assert page.count("<img ") == page.count('src="data:image/png;base64,') == len(FIGURES)
    outside = ("http:", "https:", "<script", "<link", "@import", "url(", "//cdn")
    assert not [mark for mark in outside if mark in page]
    assert page.count("<table") == page.count('<div class="scroll"') > 5
    assert 'name="viewport"' in page
    for wanted in (
        "38 Li₂O",
        "2.452 ± 0.02 g/cm³ (interpolated",
        "13672.5 eV",
        "c3",
        "50 K/ps",
        "one seed",
        "972 atoms",
        "Scattering and its conventions",
        "revised Lorch",
        "measured.txt",
        "5.1 % (38 mol %)",
        "Links between formers",
        "Rings of formers",
        "Loops by persistent homology",
        "C_P: large loops",
    ):
        assert wanted.lower() in page.lower(), wanted


def test_text_is_escaped_and_folders_are_not_shown(report):
    page = report.read_text()
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "potential.yaml" in page
    assert "9.75" not in page  # of a charge that the file replaces
    assert "/home" not in page
    assert str(report.parent) not in page


def test_every_row_has_its_unit_and_never_a_guess(report):
    rows = comparison(read_run(report.parent), load_references())
    units = {"Density": "g/cm³", "B-O bond": "Å", "P-O bond": "Å", "Li-O bond": "Å", "O-B-O angle": "°"}
    units["R_χ of D(r)"] = units["R_χ of T(r)"] = "%"
    for row in rows:
        assert row.run.endswith(units.get(row.quantity, "")), row
        assert "not available" in row.paper or row.quantity.startswith("R_χ")
    names = [row.quantity for row in rows]
    assert names.count("N4, four-fold B") == names.count("CN(B)") == 2
    assert {"Density", "CN(P)", "CN(Li)"} <= set(names)
    assert "5-8 %" in rows[0].note
    assert "below experiment" in rows[0].note or "above experiment" in rows[0].note


STAGES = list(RESULTS)


@pytest.mark.parametrize("kept", [[], *([stage] for stage in STAGES), STAGES[:2]])
def test_missing_stages_are_left_out(tmp_path, kept):
    page = write_report(write_run(tmp_path, {stage: RESULTS[stage] for stage in kept}, everything=False)).read_text()
    assert ("Bond cutoffs" in page) == ("structure" in kept)
    assert ("How the glass was made" in page) == ("melt_quench" in kept)
    assert ("Boron-oxygen repulsion" in page) == ("glass" in kept)
    for title, stage in (("Links between", "structure"), ("Rings of formers", "rings"), ("Loops by", "topology")):
        assert (title in page) == (stage in kept)
    assert "nan" not in page.lower().split("base64")[0]


def test_values_that_are_missing_show_their_reason(tmp_path):
    absent = {"value": None, "error": None, "unit": "1", "reason": "no B in this structure"}
    single = {"value": 2.3, "error": None, "unit": "g/cm3", "reason": "one frame cannot give an error"}
    results = {
        "glass": {"li2o": None, "n_atoms": 12, "counts": {"Li": 8, "O": 4}, "a_bo": None},
        "structure": {"density": single, "n4": absent, "coordination": {"B": absent}},
        "elastic": {"young_modulus": {"value": 71.3, "error": 2.2, "unit": "GPa"}},
    }
    page = write_report(write_run(tmp_path, results, everything=False)).read_text()
    for wanted in (
        "not measured",
        "no B in this structure",
        "one frame cannot give an error",
        "71.3 ± 2.2 GPa",
    ):
        assert wanted in page
    assert "none for this composition" in page


def test_unreadable_runs_are_refused(tmp_path):
    with pytest.raises(InputDataError, match=r"no results\.json"):
        write_report(tmp_path)
    (tmp_path / "results.json").write_text("{")
    with pytest.raises(InputDataError, match="not JSON"):
        write_report(tmp_path)


def test_title_and_sentence():
    record = RunRecord(RESULTS, {}, {}, None)
    assert title_text(record) == "Glass 38 Li₂O – 31 B₂O₃ – 31 P₂O₅ (mol %)"
    assert result_sentence(record, load_references()).startswith("972 atoms: a density of ")
    assert title_text(RunRecord({"glass": {"counts": {"Si": 4, "O": 8}}}, {}, {}, None)) == "Structure Si4 O8"


def test_figure_text_is_legible(report):
    record = read_run(report.parent)
    drawings = (
        partial(figures.density_figure, references=load_references()),
        figures.coordination_figure,
        partial(figures.pair_figure, with_oxygen=True),
        figures.angle_figure,
        figures.history_figure,
        figures.speciation_figure,
        figures.bridge_figure,
        figures.structure_factor_figure,
        figures.correlation_figure,
        figures.ring_figure,
        figures.diagram_figure,
        figures.apf_figure,
    )
    with rc_context(figures.STYLE):
        drawn = [draw(record) for draw in drawings]
    for figure, caption in drawn:
        assert caption.endswith(".")
        assert min(text.get_fontsize() for text in figure.findobj(Text)) >= SMALLEST_FONT
        assert all(
            re.search(r"\(|neighbours|bridging oxygens|formers|g\(r\)|%|^$", axes.get_xlabel()) for axes in figure.axes
        )


def test_references():
    table = load_references()
    assert (table.density(40).value, table.density(40).interpolated) == (2.449, False)
    assert (table.density(38).value, table.density(38).interpolated) == (2.452, True)
    assert table.density(42.5).value == 2.441
    assert table.density(47.5).value == pytest.approx(2.4255)
    assert table.density(60) is None
    assert "SciGlass (ODbL)" in table.density(40).source
    assert table.density(40).uncertainty == 0.02
    phosphate = table.bond_length("P-O")
    assert (phosphate.low, phosphate.high, phosphate.mean, phosphate.unit) == (1.51, 1.60, 1.54, "Angstrom")
    assert "Table S1" in table.paper_lacks()
    assert table.paper_atoms() == 9720


def test_thermo_by_header_names(tmp_path):
    file = tmp_path / "thermo.csv"
    file.write_text("stage,density_g_cm3,time_ps,temperature_K\nmelt,2.3,0,3000\nmelt,,1,2990\nquench,2.2,2,\n")
    thermo = read_thermo(file)
    assert thermo.time.tolist() == [0, 1, 2]
    assert [(s.stage, s.start, s.end) for s in thermo.spans()] == [("melt", 0, 1), ("quench", 1, 2)]
    assert np.isnan(thermo.column("density_g_cm3")[1])
    assert thermo.column("pressure_GPa") is None
    file.write_text("time_ps,stage\n")
    assert read_thermo(file) is None
    assert read_thermo(tmp_path / "none.csv") is None


def test_wording():
    assert value_text({"value": 2.27123, "error": 0.0043, "unit": "g/cm3"}) == "2.2712 ± 0.0043 g/cm³"
    assert value_text({"value": 4.0, "error": 0.0, "unit": "1"}) == "4"
    assert value_text({"value": 109.47, "error": None, "unit": "degree"}) == "109.5°"
    assert value_text({"value": 2.0, "error": 1e-6, "unit": "Angstrom"}) == "2.0000 ± less than 0.0001 Å"
    assert value_text({"value": None, "error": None, "unit": "1"}) == "not measured"
    assert value_text({"value": 0.02, "error": 0.05, "unit": "GPa"}) == "0.020 ± 0.050 GPa"
    assert number_text(1.59e-7) == "1.590e-07"
    assert number_text(float("nan")) == "not available"
    assert dict(settings({"a": {"quench_rate": 50.0, "cutoffs": {"B-O": 1.8}, "list": [1, 2], "none": None}})) == {
        "a.quench_rate": "50 K/ps",
        "a.cutoffs.B-O": "1.8 Å",
        "a.list": "1, 2",
        "a.none": "not set",
    }


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("/home/me/run/potential.yaml", "potential.yaml"),
        ("file=/a/b.yaml, /c/d/e.xyz", "file=b.yaml, e.xyz"),
        ("C:\\Users\\me\\x.yaml", "x.yaml"),
        ("~/runs/x.yaml", "x.yaml"),
        ("/data/runs/", "(folder)"),
        ("g/cm3 and 1/Angstrom and K/ps", "g/cm3 and 1/Angstrom and K/ps"),
        ("doi 10.1016/j.jssc.2003.12.034", "doi 10.1016/j.jssc.2003.12.034"),
    ],
)
def test_folders_of_the_machine_are_cut(text, shown):
    assert without_folders(text) == shown


def test_the_potential_that_was_used_stands_in_the_settings(tmp_path):
    """The keys of a potential file are used in place of the settings', and a copy of it stays with the run."""
    (tmp_path / "results.json").write_text("{}")
    (tmp_path / "config.yaml").write_text("potential: {file: mine.yaml, cutoff: 14.0, cutoff_style: truncated}")
    (tmp_path / "mine.yaml").write_text("{charges: {Li: 0.6}, buckingham: {}, cutoff_style: c2}")
    keep_potential({"file": tmp_path / "mine.yaml"}, tmp_path)
    found = read_run(tmp_path).config["potential"]
    assert (found["cutoff"], found["cutoff_style"], found["charges"]) == (14.0, "c2", {"Li": 0.6})
