"""D of random walks: its value, its error, its interval; the fit window; charge together and the Haven ratio."""

from dataclasses import replace

import numpy as np
import pytest
from systems import within
from walks import drifting, dump_lines, trajectory, walk

from jaxglass.analysis.collective import collective_diffusivity, walker_covariance
from jaxglass.analysis.diffusivity import Diffusivity, FitWindow, diffusivity, fit_window, fitted, mean_with_error
from jaxglass.analysis.msd import local_slope, mean_squared_displacement, summed_displacement
from jaxglass.analysis.paths import make_paths
from jaxglass.model.trajectory import Trajectory
from jaxglass.trajectories import read_trajectory

REPEATS = 100
COVERED = range(89, 100)  # of 100 intervals that claim 95 %
SHAPES = [(100, 400), (30, 500), (200, 120)]  # ions, frames


def D_of(whole: Trajectory) -> Diffusivity:
    return diffusivity(make_paths(whole))


@pytest.fixture(scope="module", params=SHAPES, ids=[f"{n} ions x {f} frames" for n, f in SHAPES])
def walks(request) -> list[Diffusivity]:
    """D of a hundred walks with D = 1 A^2/ps."""
    ions, frames = request.param
    return [D_of(walk(seed, ions, frames)) for seed in range(REPEATS)]


def test_intervals_of_random_walks_cover_their_D(walks):
    assert sum(found.low < 1 < found.high for found in walks) in COVERED


def test_errors_are_those_of_the_scatter(walks):
    """Mean error over standard deviation of a hundred D, which is known to 7 % itself; D has no bias."""
    values, errors = np.array([[found.value, found.error] for found in walks]).T
    within("mean, in errors", (values.mean() - 1) / (values.std() / np.sqrt(REPEATS)), 3)
    assert 0.85 < errors.mean() / values.std() < 1.35


def test_the_window_of_a_walk_is_all_it_can_be(walks):
    for found in walks:
        assert (found.window.lags[0], found.window.reason) == (1, "")
        assert abs(found.window.slope - 1) < 0.1


def test_D_is_the_slope_of_the_straight_line():
    """The mean of the contributions by atom and block is the least-squares slope of the MSD itself."""
    paths = make_paths(walk(0, 40, 203, framework=9))
    found = diffusivity(paths)
    msd = summed_displacement(paths.of(paths.atoms("Li"))) / 40
    lags = found.window.lags
    slope, offset = np.polyfit(lags * paths.spacing, msd[lags], 1)
    within("D", found.value - slope / 6, 1e-10)
    within("offset", found.offset - offset, 1e-9)


def test_a_drifting_box_changes_nothing():
    still = walk(1, 40, 200, framework=30)
    before, after = D_of(still), D_of(drifting(still, (0.05, 0.02, -0.01)))
    for name in ("value", "error", "low", "high"):
        assert getattr(after, name) == pytest.approx(getattr(before, name), rel=1e-9)


def test_images_and_unwrapped_coordinates_give_the_same(tmp_path):
    whole = walk(2, 15, 80, framework=5)
    values = []
    for name, columns in (("u.dump", "xu yu zu"), ("w.dump", "x y z ix iy iz")):
        (tmp_path / name).write_text(dump_lines(whole, columns))
        values.append(D_of(read_trajectory(tmp_path / name)).value)
    assert values[0] == pytest.approx(D_of(whole).value, rel=1e-10)
    assert values[1] == pytest.approx(values[0], rel=1e-10)


def test_motion_in_common_widens_the_error():
    """Ions that also move together are fewer than they seem: blocks differ, and the error says so."""
    rng = np.random.default_rng(3)
    alone = walk(3, 100, 400)
    common = rng.normal(0, 0.15, (400, 1, 3)).cumsum(axis=0)
    found = D_of(replace(alone, fractional=alone.fractional + common))
    assert found.blocks_differ > 10
    assert found.error > 3 * D_of(alone).error * found.value


def test_one_ion_has_no_error():
    assert np.isinf(D_of(walk(4, 1, 300)).error)


def test_a_table_without_scatter_has_none():
    assert mean_with_error(np.full((5, 4), 2.0))[:2] == (2.0, 0.0)


# --- fit window -----------------------------------------------------------------------------------


def window_of(msd: np.ndarray):
    return fit_window(msd, local_slope(msd))


def test_ballistic_and_caged_lags_are_left_out():
    """Flight up to the cage, then 6 D t on top of it: the slope is 0.9 where 6 D t is nine times the cage."""
    t = np.arange(3000.0)
    cage, D = 2.0, 0.02
    msd = cage * (1 - np.exp(-((t / 3) ** 2))) + 6 * D * t
    found = window_of(msd)
    within("start", found.lags[0] / (9 * cage / (6 * D)) - 1, 0.1)
    assert found.lags[-1] == 600
    assert 0.9 <= found.slope < 0.93


def test_a_window_that_starts_late_ends_late():
    """It is at least half as long as the lag it starts at, up to two fifths of the trajectory."""
    t = np.arange(1000.0)
    for cage, first in ((2.0, 200), (2.6, 260)):
        found = window_of(cage * (t > 0) + 6 * 0.015 * t)
        within("start", found.lags[0] / first - 1, 0.02)
        assert found.lags[-1] == np.ceil(1.5 * found.lags[0])
    assert not len(window_of(2.8 * (t > 0) + 6 * 0.015 * t).lags)


def test_intervals_of_a_late_window_cover_too():
    """Lags from 4/15 to 2/5 of a walk, the latest window there can be."""
    covered = 0
    for seed in range(REPEATS):
        paths = make_paths(walk(seed, 60, 300))
        lags = np.unique(np.rint(np.linspace(80, 120, 32)).astype(int))
        found = fitted(paths, mean_squared_displacement(paths), FitWindow(lags, 1.0))
        covered += found.low < 1 < found.high
    assert covered in COVERED


@pytest.mark.parametrize("power", [0.4, 0.8])
def test_what_is_not_diffusive_has_no_number_but_a_reason(power):
    rng = np.random.default_rng(5)
    frequency = np.arange(1, 513)[:, None, None]
    noise = rng.normal(size=(2, 512, 40, 3)) * frequency ** (-(1 + power) / 2)
    phase = 2 * np.pi * np.arange(512)[:, None] * np.arange(1, 513) / 4096
    x = np.einsum("kf,fia->kia", np.sin(phase), noise[0]) + np.einsum("kf,fia->kia", np.cos(phase), noise[1])
    whole = trajectory(3 * x, [0] * 40, 0.5)
    found = D_of(whole)
    assert np.isnan([found.value, found.error, found.low, found.high]).all()
    assert found.relative_error == np.inf
    assert "not diffusive: the log-log slope of the MSD is" in found.window.reason
    charge = collective_diffusivity(make_paths(whole), found)
    assert np.isnan([charge.value, charge.haven]).all()
    assert charge.reason == "not diffusive"


def test_atoms_at_rest_do_not_diffuse():
    still = trajectory(np.zeros((50, 3, 3)), [0, 0, 3], 0.1)
    assert D_of(still).window.reason == "not diffusive: nothing moves"


# --- charge ---------------------------------------------------------------------------------------


def test_the_sum_of_walks_diffuses_like_one_of_them():
    found = []
    for seed in range(400):
        paths = make_paths(walk(seed, 20, 400))
        found.append(collective_diffusivity(paths, diffusivity(paths)))
    values, errors = (np.array([getattr(one, name) for one in found]) for name in ("value", "error"))
    assert 370 <= sum(one.low < 1 < one.high for one in found) <= 390
    within("mean, in errors", (values.mean() - 1) / (values.std() / 20), 3)
    assert 0.8 < errors.mean() / values.std() < 1.25
    assert np.mean([abs(one.haven - 1) < 1.96 * one.haven_error for one in found]) > 0.8


def test_the_error_of_charge_does_not_fall_with_more_ions():
    few, many = (make_paths(walk(7, ions, 400)) for ions in (10, 160))
    for paths in (few, many):
        within("relative error", collective_diffusivity(paths, diffusivity(paths)).error - 0.235, 0.15)


def test_the_covariance_is_that_of_many_walkers():
    lags, frames = np.array([1, 4, 9]), 60
    rng = np.random.default_rng(8)
    curves = np.array([summed_displacement(rng.normal(size=(frames, 1, 3)).cumsum(axis=0))[lags] for _ in range(20000)])
    expected = walker_covariance(lags, frames) * 9  # (6 D dt)^2 of unit steps
    found = np.cov(curves.T)
    scale = np.sqrt(np.outer(np.diag(expected), np.diag(expected)))
    within("covariance", np.abs(found - expected).max() / scale.max(), 0.05)
    within("correlations", np.abs((found - expected) / scale).max(), 0.05)


def test_opposite_charges_in_step_have_a_haven_ratio_below_one():
    """Ions that move in pairs: the sum moves as N/2 walkers of twice the length, so H = 1/2."""
    one = walk(9, 20, 2000)
    paths = make_paths(replace(one, fractional=np.concatenate([one.fractional] * 2, axis=1), species=np.zeros(40, int)))
    found = collective_diffusivity(paths, diffusivity(paths))
    within("H, in errors", (found.haven - 0.5) / found.haven_error, 3)


def test_a_short_trajectory_has_no_haven_ratio():
    paths = make_paths(walk(10, 30, 19))
    found = collective_diffusivity(paths, diffusivity(paths))
    assert np.isnan(found.haven)
    assert "too short" in found.reason
