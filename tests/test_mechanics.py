"""Curves of stress and strain: slopes, moduli, work of fracture; the protocols and the runs that follow them."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk
from ase.io import read, write
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from systems import within

from jaxglass.analysis.crack import is_separated
from jaxglass.analysis.elasticity import isotropic
from jaxglass.analysis.stress_strain import energy_release, slope, toughness
from jaxglass.config import check_config, conf_folder
from jaxglass.engine.energy import evaluate
from jaxglass.errors import ConfigError, NumericalError
from jaxglass.evaluate import voigt
from jaxglass.mechanics.fracture_results import with_moduli
from jaxglass.parameters import default_settings, load_parameters
from jaxglass.protocols.elastic import DIRECTIONS, ElasticProtocol, deformation
from jaxglass.protocols.fracture import FractureProtocol
from jaxglass.study import run_study
from jaxglass.units import GPA

ELASTIC = ElasticProtocol(1e-3, 4, 300.0, 0.1, 0.05, 0.1, 1.0, 0.1)
FRACTURE = FractureProtocol(0.1, 0.4, 300.0, 0.3, 0.1, 0.1, 0.1, "isotropic", 10, 0.5, 1.0, 0.1, 1.0)


def test_a_triangular_curve_gives_half_its_rectangle():
    """Stress rises to 5 GPa and falls to 0 while the cell grows from 40 to 60 A: area = base height / 2."""
    length = np.linspace(40, 60, 41)
    stress = 5 * (1 - np.abs(length - 50) / 10)
    # (30 A 20 A / 300 A^2) 50 GPa A = 100 GPa A = 10 J/m2
    within("G_c", energy_release(length, stress, 30.0 * 20.0, 300.0) - 10.0, 1e-12)
    # K^2 = G E/(1 - nu^2): 10 J/m2 with 90 GPa and nu = 0.6 is 1.40625e12 Pa^2 m
    within("K_Ic", toughness(10.0, 90.0, 0.6) - 1.1858541225631423, 1e-12)
    assert toughness(-1.0, 90.0, 0.2) == 0.0


def test_moduli_that_come_later_complete_the_toughness():
    fracture = {"energy_release": {"value": 10.0, "reason": "one crack"}, "toughness": {"value": None}}
    elastic = {"young_modulus": {"value": 90.0, "error": 1.0}, "poisson_ratio": {"value": 0.2, "error": 0.01}}
    found = with_moduli(fracture, elastic)
    assert found["toughness"]["value"] == pytest.approx(toughness(10.0, 90.0, 0.2))
    assert found["energy_release"] == fracture["energy_release"]


def test_slopes_have_the_errors_of_their_residuals():
    """Of 2000 noisy lines, the slopes scatter as their standard errors say; correlated noise counts for less."""
    strain, rng = 1e-3 * np.arange(60), np.random.default_rng(5)
    found = [slope(strain, 70 * strain + 0.3 + rng.normal(0, 0.05, 60)) for _ in range(2000)]
    values, errors = np.array([f.value for f in found]), np.array([f.error for f in found])
    expected = 0.05 / np.sqrt(np.sum((strain - strain.mean()) ** 2))
    within("mean slope, in errors", (values.mean() - 70) / (expected / np.sqrt(2000)), 4)
    within("scatter", values.std() / expected - 1, 0.06)
    assert 0.9 < errors.mean() / expected < 1.4  # g >= 1 can only widen it
    assert np.mean([f.at_zero for f in found]) == pytest.approx(0.3, abs=2e-3)
    walk = np.convolve(rng.normal(0, 0.05, 69), np.ones(10) / np.sqrt(10), "valid")
    assert slope(strain, walk).error > 1.5 * slope(strain, rng.permutation(walk)).error


def test_isotropic_constants_follow_equations_10_to_12():
    """E = 76 GPa, nu = 0.24: C11 = E (1 - nu)/((1 + nu)(1 - 2 nu)), C44 = E/(2 (1 + nu))."""
    E, nu = 76.0, 0.24
    C11, C44 = E * (1 - nu) / ((1 + nu) * (1 - 2 * nu)), E / (2 * (1 + nu))
    spread = np.array([3.0, -1.0, -2.0])
    slopes = np.concatenate([C11 + spread, C44 + 0.5 * spread])
    errors = np.array([1.0, 2.0, 2.0, 1.0, 1.0, 1.0])
    found = isotropic(slopes, errors)
    within("E", found.young_modulus.value - E, 1e-10)
    within("nu", found.poisson_ratio.value - nu, 1e-12)
    within("C12", found.C12.value - nu * E / ((1 + nu) * (1 - 2 * nu)), 1e-10)
    within("error of C11", found.C11.error - 1.0, 1e-12)
    rng = np.random.default_rng(1)
    drawn = [isotropic(slopes + rng.normal(0, errors), errors) for _ in range(4000)]
    for name in ("C12", "young_modulus", "poisson_ratio"):
        scatter = np.std([getattr(d, name).value for d in drawn])
        within(f"error of {name}", scatter / getattr(found, name).error - 1, 0.08)
    with pytest.raises(NumericalError, match="not those of a stable solid"):
        isotropic(np.array([10.0, 10, 10, 9, 9, 9]), errors)


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_the_steps_of_a_direction_add_up_to_its_strain(direction):
    stages = ELASTIC.stages(direction)
    total = np.eye(3)
    for stage in stages:
        if stage.stretch is not None:
            total = np.array(stage.stretch) @ total
    within("F", np.abs(total - deformation(direction, ELASTIC.strains[-1])).max(), 1e-15)
    assert [s.name for s in stages if s.name.startswith("average")] == [f"average_{k:03d}" for k in range(5)]


def test_the_steps_of_a_fracture_are_shares_of_the_first_length():
    length = 1.0
    for k in range(1, 5):
        minimise, relax, average = FRACTURE.step(k)
        length *= minimise.stretch[2][2]
        within("length", length - (1 + 0.1 * k), 1e-14)
        assert minimise.ensemble == "minimise"
        assert relax.velocity_seed == k
        assert average.record
    with pytest.raises(ConfigError, match="must be isotropic or orthorhombic"):
        FractureProtocol(**(FRACTURE.__dict__ | {"coupling": "cubic"})).relaxation()


LIBRARY = Path(__file__).parents[1] / "validation" / "glasses"
SETTINGS = (
    *("scale=smoke", "stages=[fracture,bond_switching]", "seed=3", "engine.cores=1"),
    *("fracture.notch_width=0.6", "fracture.notch_height=0.5"),  # of one small cell
    *("fracture.supercell=[1,1,1]", "fracture.strain_step=0.1", "fracture.largest_strain=0.4"),
    *("fracture.relax_npt_ps=0.1", "fracture.relax_nvt_ps=0.05", "fracture.relax_ps=0.05", "fracture.average_ps=0.05"),
    f"input={LIBRARY / '38LiBP-seed0.extxyz.gz'}",
)


def fracture(path: Path) -> dict:
    """Results of a small study of a glass of the library; continues what is in `path`."""
    with initialize_config_dir(str(conf_folder()), version_base=None):
        settings = OmegaConf.to_container(compose("config", overrides=list(SETTINGS)), resolve=True)
    run_study(check_config(settings), path, "")
    return json.loads((path / "results.json").read_text())


class Killed(BaseException):
    """Nothing catches it, as nothing catches a kill."""


@pytest.mark.slow
def test_a_fracture_killed_at_any_strain_step_continues_to_the_same_curve(tmp_path, monkeypatch):
    whole = fracture(tmp_path / "whole")
    assert len(whole["fracture"]["stress_strain"]["strain"]["values"]) == 5
    for step in range(5):
        calls = []

        def strike(*arguments, at=step, calls=calls):
            calls.append(arguments)
            if len(calls) == at + 1:
                raise Killed
            return is_separated(*arguments)

        with monkeypatch.context() as patch:
            patch.setattr("jaxglass.mechanics.fracture.is_separated", strike)
            with pytest.raises(Killed):
                fracture(tmp_path / f"{step}")
        assert fracture(tmp_path / f"{step}") == whole


@pytest.mark.slow
def test_snapshots_open_elsewhere_and_carry_the_virial(tmp_path):
    results = fracture(tmp_path)
    images = read(tmp_path / "fracture" / "steps.extxyz.gz", ":", format="extxyz")
    assert [image.info["strain"] for image in images] == results["fracture"]["stress_strain"]["strain"]["values"]
    assert results["bond_switching"]["frames"] == len(images)
    potential = load_parameters(default_settings(), ("Li", "B", "P", "O"), results["glass"]["counts"]).potential
    charges = np.array(potential.charges)
    charges[3] = results["fracture"]["notch"]["oxygen_charge"]["value"]
    potential = replace(potential, charges=charges)
    for image in images[::2]:
        assert len(image) == results["fracture"]["notch"]["n_atoms"]
        species = np.array([potential.elements.index(s) for s in image.get_chemical_symbols()])
        exact = evaluate(potential, species, image.get_scaled_positions(), np.asarray(image.cell)).stress
        found = image.arrays["virial"].sum(0) / image.get_volume()
        # the mesh and, in the file, eight decimals
        within("stress of the frame against the exact sum, GPa", np.abs(found - voigt(exact)).max() * GPA, 0.02)


@pytest.mark.slow
def test_a_crystal_near_zero_kelvin_is_as_stiff_as_at_rest(tmp_path):
    """Li2O at 5 K: the slopes of the stage are those of its Hessian, which tests/test_response.py checks by itself."""
    crystal = bulk("CaF2", "fluorite", a=4.5, cubic=True).repeat(4)
    crystal.set_chemical_symbols(["O" if s == "Ca" else "Li" for s in crystal.get_chemical_symbols()])
    write(tmp_path / "Li2O.extxyz", crystal, format="extxyz")
    with initialize_config_dir(str(conf_folder()), version_base=None):
        overrides = ["scale=smoke", "stages=[elastic]", "engine.cores=1", f"input={tmp_path / 'Li2O.extxyz'}"]
        overrides += ["elastic.temperature=5", "elastic.equilibrate_ps=0.3", "elastic.average_ps=0.2"]
        settings = OmegaConf.to_container(compose("config", overrides=overrides), resolve=True)
    run_study(check_config(settings), tmp_path / "run", "")
    found = json.loads((tmp_path / "run" / "results.json").read_text())["elastic"]
    for name in ("C11", "C44"):
        at_rest = found["athermal"][name]["value"]
        within(name, found[name]["value"] - at_rest, 0.02 * at_rest + 3 * found[name]["error"])
        within(f"error of {name}", found[name]["error"], 0.02 * at_rest)
