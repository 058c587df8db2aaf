"""The validation of the potential: a crystal at rest against LAMMPS, pairs of glasses, rows of the report."""

import json

import numpy as np
import pytest
from systems import within

from validation import accuracy, boron_rule, crystals, potential_tables
from validation.boron_rule import RULES, UNITS, Made
from validation.library import LI2O

LI2O_EDGE, LI2O_ENERGY = 4.50657, -50.93373  # A, eV per cell: LAMMPS, ewald 1e-7, Buckingham cutoff 12 A


def test_lithium_oxide_rests_where_it_does_in_lammps():
    from ase.filters import FrechetCellFilter
    from ase.optimize import BFGS

    atoms = crystals.structure("Li2O", cutoff=12.0)
    assert BFGS(FrechetCellFilter(atoms), logfile=None, maxstep=0.05).run(1e-3, 100)
    within("edge", atoms.cell.cellpar()[0] - LI2O_EDGE, 2e-4)
    within("energy", atoms.get_potential_energy() - LI2O_ENERGY, 5e-5)


def test_every_crystal_and_every_glass_has_something_to_compare_with():
    assert set(crystals.described()) >= {"Li2O", "gLi3PO4", "BPO4", "LiBO2"}
    for name in accuracy.GLASSES:
        assert accuracy.measured(name)["density"] > 2
    assert accuracy.measured("20Li2O-80B2O3")["n4"] == 0.25


def test_rules_are_compared_pair_by_pair():
    """What differs from glass to glass drops out; what the rule adds stays."""
    rng = np.random.default_rng(0)
    found = []
    for seed in range(2):
        for li2o in LI2O:
            own = rng.normal(0, 1.0)
            for rule, added in zip(RULES, (-0.2, 0.0, 0.1), strict=True):
                found.append(Made(rule, li2o, seed, 13000.0, dict.fromkeys(UNITS, own + added)))
    rows = boron_rule.effects(found)
    assert [(row.rule, row.pairs) for row in rows] == [(r, 8) for r in ("c1", "nmr") for _ in UNITS]
    for row in rows:
        assert row.difference.value == pytest.approx({"c1": -0.2, "nmr": 0.1}[row.rule])


def test_readings_of_A_BO_lie_where_the_law_puts_them():
    values = [float(boron_rule.a_bo("nmr", li2o)) for li2o in LI2O]
    assert values == sorted(values, reverse=True)
    assert min(values) > 13500
    assert max(values) < 14500
    assert boron_rule.a_bo("c1", 40.0) == "c1"


def test_glasses_that_were_kept_are_not_made_again(tmp_path, monkeypatch):
    values = dict.fromkeys(UNITS, 1.0) | {"log10_diffusivity": None}
    glass = {"rule": "c1", "li2o": 38.0, "seed": 0, "a_bo": 12851.0, "values": values}
    monkeypatch.setattr(boron_rule, "KEPT", tmp_path / "boron_rule.json")
    monkeypatch.setattr(accuracy, "KEPT", tmp_path / "accuracy.json")
    assert len(boron_rule.jobs(1)) == len(LI2O) * len(RULES)
    boron_rule.KEPT.write_text(json.dumps({"settings": boron_rule.SETTINGS, "glasses": [glass]}))
    assert "38LiBP-c1-seed0" not in boron_rule.jobs(1)
    assert len(boron_rule.jobs(1)) == len(LI2O) * len(RULES) - 1
    [made] = boron_rule.read(tmp_path, 1)
    assert np.isnan(made.values["log10_diffusivity"])
    accuracy.KEPT.write_text(json.dumps({"settings": accuracy.SETTINGS, "made": {"LiPO3-seed0": {"density": 2.3}}}))
    assert "LiPO3-seed0" not in accuracy.jobs()
    assert accuracy.made(tmp_path) == {"LiPO3-seed0": {"density": 2.3}}
    boron_rule.KEPT.write_text(json.dumps({"settings": {}, "glasses": [glass]}))
    assert boron_rule.kept_before() == [], "other settings"


def test_tables_of_what_is_kept(tmp_path):
    for rows in (potential_tables.crystal_rows, potential_tables.glass_rows, potential_tables.effect_rows):
        assert rows(tmp_path) == []
    mean = {"value": 0.1, "error": 0.02}
    effect = {"rule": "nmr", "quantity": "n4", "unit": "1", "difference": mean, "pairs": 8}
    values = {"n4": 0.5, "density": 2.2, "young_modulus": 70.0, "log10_diffusivity": None}
    glasses = [{"rule": "nmr", "li2o": 38.0, "seed": k, "a_bo": 14000.0, "values": values} for k in range(2)]
    (tmp_path / "boron_rule.json").write_text(json.dumps({"effects": [effect], "glasses": glasses}))
    assert potential_tables.effect_rows(tmp_path) == [("c3 with N4 of NMR", "N4", "+0.100 ± 0.020", "8")]
    row = ("38", "c3 with N4 of NMR", "14000", "0.5", "2.2 g/cm3", "70 GPa", "-", "2")
    assert potential_tables.rule_rows(tmp_path) == [row]
    assert any(row[0] == "Li2O" for row in potential_tables.crystal_rows())
