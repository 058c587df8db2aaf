"""MSD, van Hove function and non-Gaussian parameter: naive twins, other programs, drift, cells that breathe."""

import os
import subprocess
import sys
import warnings
from dataclasses import replace
from math import erf, sqrt

import numpy as np
import pytest
from systems import within
from walks import EDGE, drifting, dump_lines, trajectory, walk

from jaxglass.analysis.msd import local_slope, mean_squared_displacement, msd_of_chunks
from jaxglass.analysis.paths import CHUNK_BYTES, make_paths
from jaxglass.analysis.van_hove import van_hove
from jaxglass.errors import InputDataError
from jaxglass.model.trajectory import Trajectory
from jaxglass.trajectories import read_trajectory


def naive_msd(positions: np.ndarray) -> np.ndarray:
    """Lag by lag, over all atoms and origins."""
    frames = len(positions)
    return np.array([np.mean(np.sum((positions[m:] - positions[: frames - m]) ** 2, axis=2)) for m in range(frames)])


def msd_of(whole: Trajectory) -> dict[str, np.ndarray]:
    return mean_squared_displacement(make_paths(whole)).by_element


@pytest.mark.parametrize("frames", [10, 11, 97, 300])
def test_fft_equals_the_naive_sum(frames):
    """To 1e-10, for walks that start far from the origin."""
    positions = np.random.default_rng(frames).normal(size=(frames, 7, 3)).cumsum(axis=0) + 1e3
    found, expected = msd_of_chunks([positions[:, :2], positions[:, 2:]]), naive_msd(positions)
    assert found[0] == 0
    within("relative difference", np.abs(found[1:] / expected[1:] - 1).max(), 1e-10)


def test_chunks_change_nothing(monkeypatch):
    whole = walk(1, 23, 200, framework=5)
    expected = msd_of(whole)["Li"]
    monkeypatch.setattr("jaxglass.analysis.paths.CHUNK_BYTES", 200 * 24 * 4)
    np.testing.assert_allclose(msd_of(whole)["Li"], expected, rtol=1e-12)
    assert CHUNK_BYTES > 1 << 20


def test_ballistic_and_diffusive_slopes():
    lags = np.arange(500.0)
    for power in (2.0, 1.0, 0.3):
        slope = local_slope(lags**power)
        np.testing.assert_allclose(slope[np.isfinite(slope)], power, rtol=1e-12)
    assert np.isnan(slope[[0, 400]]).all()


def test_a_drifting_box_changes_nothing():
    still = walk(2, 30, 150, framework=40)
    moving = drifting(still, (0.03, -0.01, 0.2))
    for element, expected in msd_of(still).items():
        np.testing.assert_allclose(msd_of(moving)[element], expected, rtol=1e-9)
    there, here = make_paths(moving), make_paths(still)
    np.testing.assert_allclose(there.drift - here.drift, np.outer(still.time, [0.03, -0.01, 0.2]) * EDGE, atol=1e-9)
    assert "Li" not in make_paths(moving).symbols[30:]


def test_wrapped_coordinates_with_images_are_unwrapped_ones(tmp_path):
    """Both dumps of the same atoms; a dump of wrapped coordinates alone is refused."""
    whole = walk(3, 12, 60, framework=6)
    for name, columns in (("u.dump", "xu yu zu"), ("w.dump", "x y z ix iy iz")):
        (tmp_path / name).write_text(dump_lines(whole, columns))
        np.testing.assert_allclose(msd_of(read_trajectory(tmp_path / name))["Li"], msd_of(whole)["Li"], rtol=1e-10)
    bare = (tmp_path / "w.dump").read_text().replace("x y z ix iy iz", "x y z jx jy jz")
    (tmp_path / "bare.dump").write_text(bare)
    with pytest.raises(InputDataError, match="wrapped into the cell"):
        make_paths(read_trajectory(tmp_path / "bare.dump"))


def test_a_cell_that_breathes_moves_no_atom():
    """Atoms fixed in fractional coordinates stay where they are, however far from the origin."""
    still = trajectory(np.tile(np.random.default_rng(0).uniform(0, EDGE, (9, 3)), (40, 1, 1)), [0] * 4 + [3] * 5, 0.1)
    breath = 1 + 0.01 * np.sin(np.arange(40))
    found = msd_of(replace(still, cell=still.cell * breath[:, None, None], fractional=still.fractional + 7.0))
    within("MSD, A^2", np.abs(found["Li"]).max(), 1e-10)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"unwrapped": False}, "xu yu zu"),
        ({"time": np.full(60, np.nan)}, "analyse.timestep_fs"),
        ({"time": np.arange(60.0) ** 1.1}, "not evenly spaced: frames"),
        ({"time": np.zeros(60)}, "not evenly spaced"),
        ({"species": np.full(18, 3)}, "no Li"),
        ({"cell": np.linspace(1, 1.1, 60)[:, None, None] * 20 * np.eye(3)}, "volume of the cell changes by 2"),
    ],
)
def test_refusals(change, words):
    whole = walk(4, 12, 60, framework=6)
    with pytest.raises(InputDataError, match=words):
        make_paths(replace(whole, **change))


def test_few_frames_are_refused():
    with pytest.raises(InputDataError, match="9 frames; at least 10"):
        make_paths(walk(4, 12, 9))


# --- van Hove -------------------------------------------------------------------------------------


def test_displacements_of_a_walk_are_gaussian():
    paths = make_paths(walk(5, 400, 300, D=0.5, spacing=0.4))
    found = van_hove(paths)
    within("alpha_2 of one step", found.alpha_2[0], 0.01)
    for lag, density in zip(found.lag, found.density, strict=True):
        width = sqrt(2 * 0.5 * lag)
        within("norm", density.sum() * 0.1 - 1, 1e-9)
        edges = (np.arange(len(found.r) + 1) * 0.1) / width
        shares = np.diff([erf(x / sqrt(2)) - sqrt(2 / np.pi) * x * np.exp(-(x**2) / 2) for x in edges]) / 0.1
        within("density", np.abs(density - shares).max() / shares.max(), 0.12)


def test_two_kinds_of_walkers_are_not_gaussian():
    """Half of the ions with D, half at rest: <r^4> = 15 s^4/2, <r^2> = 3 s^2/2, so alpha_2 = 1."""
    moving, fixed = walk(6, 500, 60), walk(7, 500, 60, D=1e-12)
    both = replace(
        moving,
        fractional=np.concatenate([moving.fractional, fixed.fractional], axis=1),
        species=np.zeros(1000, int),
    )
    within("alpha_2 - 1", van_hove(make_paths(both)).alpha_2[0] - 1, 0.03)


# --- other programs -------------------------------------------------------------------------------


def test_tidynamics():
    tidynamics = pytest.importorskip("tidynamics")
    paths = make_paths(walk(8, 20, 400, framework=10))
    positions = paths.of(paths.atoms("Li"))
    expected = np.mean([tidynamics.msd(np.ascontiguousarray(positions[:, i])) for i in range(20)], axis=0)
    found = mean_squared_displacement(paths).msd
    within("relative difference", np.abs(found[1:] / expected[1:] - 1).max(), 1e-9)


def test_mdanalysis():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its imports warn of each other
        mda = pytest.importorskip("MDAnalysis")
        from MDAnalysis.analysis.msd import EinsteinMSD

        whole = walk(9, 20, 120)
        positions = (whole.fractional @ whole.cell[0]).astype(np.float32)
        universe = mda.Universe.empty(20, trajectory=True)
        universe.load_new(positions, order="fac")
        expected = EinsteinMSD(universe, select="all", msd_type="xyz", fft=True).run().results.timeseries
    found = msd_of(whole)["Li"]
    within("relative difference", np.abs(found[1:] / expected[1:] - 1).max(), 1e-5)


# --- speed ----------------------------------------------------------------------------------------

LARGE = """
import resource, time
import numpy as np
from jaxglass.analysis.msd import mean_squared_displacement
from jaxglass.analysis.paths import make_paths
from jaxglass.model.trajectory import Trajectory
rng, frames, atoms = np.random.default_rng(0), 2000, 9720
x = np.empty((frames, atoms, 3))
x[0] = rng.random((atoms, 3))
for k in range(1, frames):
    x[k] = x[k - 1] + rng.normal(0, 0.002, (atoms, 3))
species = np.repeat([0, 1, 2, 3], [1500, 1200, 1200, 5820])
cell = np.tile(48 * np.eye(3), (frames, 1, 1))
whole = Trajectory(0.72 * np.arange(frames), x, cell, species, ("Li", "B", "P", "O"))
began = time.process_time()
mean_squared_displacement(make_paths(whole))
print(time.process_time() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6)
"""


@pytest.mark.slow
def test_the_paper_s_glass_takes_seconds():
    """9,720 atoms x 2,000 frames within 10 s of one core and 2 GB, frames included."""
    one = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-c", LARGE]
    said = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, **one})
    seconds, gigabytes = map(float, said.stdout.split())
    assert seconds < 10, seconds
    assert gigabytes < 2, gigabytes
