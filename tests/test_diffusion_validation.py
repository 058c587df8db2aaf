"""The validation of diffusion, with made-up results: what is kept and judged, without running anything long."""

import json
from dataclasses import replace

import numpy as np
import pytest
from systems import stored_glass, within
from walks import glass_with_walkers, walk

from jaxglass.analysis.diffusion import analyse_diffusion
from jaxglass.analysis.paths import make_paths
from jaxglass.analysis.results import diffusion_results
from jaxglass.units import BOLTZMANN
from validation import diffusion as sweep
from validation import diffusion_programs as programs
from validation.lammps_diffusion import Comparison, Measured, measured
from validation.studies import seed_by_seed


def test_a_sweep_is_kept_with_its_trends(tmp_path):
    """Two compositions, two seeds: Ea falls by 0.02 eV per mol %."""
    structure = stored_glass().glass
    ends = [glass.li2o for glass in seed_by_seed(sweep.SEEDS)]
    glasses = [glass for glass in seed_by_seed(sweep.SEEDS) if glass.seed < 2 and glass.li2o in (min(ends), max(ends))]
    found = []
    for k, glass in enumerate(glasses):
        energy = 0.6 if glass.li2o > 42 else 0.72
        runs = [
            analyse_diffusion(
                glass_with_walkers(structure, 4e3 * np.exp(-energy / (BOLTZMANN * T)), 10 * k + j, 250), T
            )
            for j, T in enumerate((800.0, 1000.0))
        ]
        found.append(sweep.Found(glass, json.loads(json.dumps(diffusion_results(runs, [None, None], {})))))
    lines = {line.name: line for line in sweep.keep(found, {}, tmp_path)}
    assert (lines["activation_energy"].found, lines["activation_energy"].paper) == ("down", "down")
    assert {"log10_diffusivity_800K", "log10_diffusivity_1000K", "log10_conductivity_300K"} <= set(lines)
    kept = json.loads((tmp_path / "diffusion.json").read_text())
    assert len(kept["glasses"]) == len(glasses) == 4
    assert (tmp_path / "diffusion.png").exists()


@pytest.mark.parametrize(
    ("ours", "theirs", "words"),
    [
        ((1.0, 0.1), (1.3, 0.1), "equal (2.1 sigma)"),
        ((1.0, 0.1), (2.0, 0.1), "different (7.1 sigma)"),
        ((1.0, 0.3), (1.1, 0.1), "one is known to 30% only"),
    ],
)
def test_two_programs_are_judged(ours, theirs, words):
    sides = [Measured(*side, 0.8) for side in (ours, theirs)]
    assert words in Comparison("x", 800.0, 100.0, *sides).verdict


def test_D_of_a_walk_is_measured_over_the_lags_that_both_programs_share():
    found = measured(walk(1, 100, 400))
    within("D of 1 A2/ps, in errors", (found.value / 1e-4 - 1) / (found.error / 1e-4), 3)
    within("slope", found.slope - 1, 0.1)


@pytest.mark.parametrize("module", ["tidynamics", "MDAnalysis", "kinisi"])
def test_other_programs_agree_on_a_walk(module):
    pytest.importorskip(module, exc_type=ImportError)
    paths = make_paths(replace(walk(1, 60, 300, framework=60)))
    check = next(c for c in programs.compare(paths) if c.program == module)
    assert check.difference <= check.allowed, check.words
