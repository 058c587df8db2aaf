"""One trajectory by other programs: MSD by tidynamics and MDAnalysis, D by kinisi.

    python -m validation.diffusion_programs FILE    an unwrapped dump or extended XYZ with times

Kinisi fits by sampling a posterior with a model of how MSD at all lags hang together; same lags, same start of the
window, which is from a tenth to a fifth of the trajectory where it is not diffusive (log-log slope below 0.9). A wide
window of a curved MSD does not do: kinisi gives short lags more weight. Compatible: the two D differ by less than three
of the larger error. A program that is not installed is left out, with the reason.
"""

import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from jaxglass.analysis.diffusivity import POINTS, Diffusivity, FitWindow, diffusivity, fitted
from jaxglass.analysis.msd import MeanSquaredDisplacement, mean_squared_displacement
from jaxglass.analysis.paths import Paths, make_paths
from jaxglass.trajectories import read_trajectory
from jaxglass.units import CM2_PER_S

TIDYNAMICS, MDANALYSIS, KINISI = 1e-9, 1e-5, 3.0  # relative, relative, errors


@dataclass(frozen=True)
class Check:
    """One comparison: `difference` must not be above `allowed`; None where the program is `missing`."""

    program: str
    difference: float | None
    allowed: float
    words: str


def compare(paths: Paths) -> list[Check]:
    """All programs on the mobile atoms of `paths`."""
    positions = paths.of(paths.atoms(paths.mobile))
    msd = mean_squared_displacement(paths)
    found = []
    for name, allowed, check in (
        ("tidynamics", TIDYNAMICS, lambda: _relative(msd.msd, tidynamics_msd(positions))),
        ("MDAnalysis", MDANALYSIS, lambda: _relative(msd.msd, mdanalysis_msd(positions))),
    ):
        try:
            found.append(Check(name, check(), allowed, "largest relative difference of the MSD"))
        except ImportError as error:
            found.append(Check(name, None, allowed, f"not installed: {error}"))
    own = diffusivity(paths, msd)
    if not len(own.window.lags):
        own = fitted(paths, msd, tenth_to_fifth(msd))
    try:
        value, error = kinisi_diffusivity(paths, own)
    except ImportError as missing:
        return [*found, Check("kinisi", None, KINISI, f"not installed: {missing}")]
    words = (
        f"D {own.value * CM2_PER_S:.4g} +- {own.error * CM2_PER_S:.2g} here, "
        f"{value * CM2_PER_S:.4g} +- {error * CM2_PER_S:.2g} cm2/s there; difference in the larger error; "
        f"log-log slope {own.window.slope:.2f}"
    )
    return [*found, Check("kinisi", abs(value - own.value) / max(error, own.error), KINISI, words)]


def tenth_to_fifth(msd: MeanSquaredDisplacement) -> FitWindow:
    """Lags from a tenth to a fifth of a trajectory, and the log-log slope of its MSD between them."""
    first, last = len(msd.msd) // 10, len(msd.msd) // 5
    slope = float(np.log(msd.msd[last] / msd.msd[first]) / np.log(last / first))
    return FitWindow(np.unique(np.rint(np.linspace(first, last, POINTS)).astype(int)), slope)


def tidynamics_msd(positions: np.ndarray) -> np.ndarray:
    """MSD (F,) of `positions` (F, n, 3)."""
    import tidynamics

    return np.mean([tidynamics.msd(np.ascontiguousarray(x)) for x in positions.transpose(1, 0, 2)], axis=0)


def mdanalysis_msd(positions: np.ndarray) -> np.ndarray:
    """The same; it keeps positions in single precision, so they are brought near the origin first."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import MDAnalysis
        from MDAnalysis.analysis.msd import EinsteinMSD

        universe = MDAnalysis.Universe.empty(positions.shape[1], trajectory=True)
        universe.load_new((positions - positions.mean(axis=0)).astype(np.float32), order="fac")
        return EinsteinMSD(universe, select="all", msd_type="xyz", fft=True).run().results.timeseries


def kinisi_diffusivity(paths: Paths, own: Diffusivity, seed: int = 1) -> tuple[float, float]:
    """Mean and standard deviation (A^2/ps) of kinisi's posterior of D, with the lags of the window of `own`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import scipp
        from ase import Atoms
        from kinisi.analyze import DiffusionAnalyzer

        images = [Atoms(paths.symbols, cell=paths.cell, scaled_positions=frame, pbc=True) for frame in paths.fractional]
        spacing = scipp.scalar(paths.spacing, unit="ps")
        lags = scipp.array(dims=["time interval"], values=own.window.lags * paths.spacing, unit="ps")
        found = DiffusionAnalyzer.from_ase(
            images, specie=paths.mobile, time_step=spacing, step_skip=scipp.scalar(1), dt=lags, progress=False
        )
        start = scipp.scalar(float(own.window.lags[0]) * paths.spacing, unit="ps")
        found.diffusion(start, progress=False, random_state=np.random.mtrand.RandomState(seed))
        samples = found.D.to(unit="angstrom^2/ps").values
    return float(samples.mean()), float(samples.std(ddof=1))


def _relative(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.abs(found[1:] / expected[1:] - 1).max())


def main(arguments: Sequence[str]) -> int:
    """Command line: 0 when every program that is installed agrees."""
    checks = compare(make_paths(read_trajectory(Path(arguments[0]))))
    for check in checks:
        shown = "left out" if check.difference is None else f"{check.difference:.2g} (at most {check.allowed:g})"
        print(f"{check.program:<12} {shown:<26} {check.words}")
    return int(any(check.difference is not None and check.difference > check.allowed for check in checks))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
