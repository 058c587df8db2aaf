"""Averages at constant temperature, and at constant temperature and pressure, from the same atoms.

A melt at 3000 K: it forgets the glass it starts as within some picoseconds (the potential energy still rose by 0.03 %
from 3 to 6 ps), so that the means of two runs of twenty have errors that mean something. At 300 K they do not, as a
glass stays where it is. NPT at 5 GPa, near the pressure of the melt at the density of the glass, so that nothing has
to expand first. Errors: twenty blocks, each longer than the period of a Nose-Hoover thermostat of 0.1 ps, 2 pi
tau/sqrt(2) = 0.44 ps: shorter ones take its swings for independent. Ten blocks were too few: the temperature of 855
atoms over 9 ps is uncertain by 8 K (from 33 ps), which ten blocks once took for 4 K.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path

import numpy as np

from jaxglass.simulation.stage import Stage
from validation.bench import Bench, Control
from validation.lammps_protocols import TABLED, read_samples, stages_script
from validation.sampled_run import SampledRun
from validation.samples import heated, library_glass
from validation.verdict import MOST_ERRORS, Check, Finding, blocked_mean, means_agree

KELVIN, PRESSURE = 3000.0, 5.0  # K, GPa
EVERY = 8  # steps: the kinetic energy forgets itself in about ten
TOO_HOT = 1.01  # the negative control
LARGEST_ERROR = 0.25e-2  # of the temperature: 1 % is then four errors
UNITS = {"potential_energy": "eV", "pressure": "GPa", "density": "g/cm3", "temperature": "K"}


def temperature(bench: Bench) -> Finding:
    """The kinetic temperature of jaxglass against the one that was asked for."""
    mean = blocked_mean(_ours(bench, "nvt")["temperature"])
    words = f"{mean.value:.1f} +- {mean.error:.1f} K, asked for {KELVIN:g} K"
    sigma = abs(mean.value - KELVIN) / mean.error
    return Finding(
        (
            Check("temperature", sigma, MOST_ERRORS, "standard errors", words),
            Check("error of the temperature", mean.error / KELVIN, LARGEST_ERROR, "relative"),
        )
    )


def nvt(bench: Bench) -> Finding:
    """Temperature, potential energy and pressure at the density of the glass."""
    return _compared(bench, "nvt", ("temperature", "potential_energy", "pressure"))


def npt(bench: Bench) -> Finding:
    """Temperature, potential energy, pressure and density."""
    return _compared(bench, "npt", ("temperature", "potential_energy", "pressure", "density"))


def of_lammps(ensemble: str) -> Callable[[Bench], Future]:
    """What LAMMPS finds in the ensemble nvt or npt, started ahead."""
    return lambda bench: bench.ahead(_theirs, ensemble)


def _compared(bench: Bench, ensemble: str, quantities: Sequence[str]) -> Finding:
    pending = of_lammps(ensemble)(bench)
    ours, theirs = _ours(bench, ensemble), pending.result()
    return Finding(
        tuple(
            means_agree(name.replace("_", " "), UNITS[name], blocked_mean(ours[name]), blocked_mean(theirs[name]))
            for name in quantities
        )
    )


def _steps(bench: Bench) -> tuple[int, int]:
    return round(1000 * bench.sizes.settle_ps), round(1000 * bench.sizes.average_ps)


def _ours(bench: Bench, ensemble: str) -> dict[str, np.ndarray]:
    kelvin = KELVIN * (TOO_HOT if bench.control is Control.TEMPERATURE else 1.0)
    settle, average = _steps(bench)

    def make() -> dict[str, np.ndarray]:
        run = SampledRun(heated(library_glass(), KELVIN, 1), ensemble, kelvin, PRESSURE)
        run.sampled(settle, EVERY)
        return run.sampled(average, EVERY)

    settings = {"ensemble": ensemble, "kelvin": kelvin, "settle": settle, "average": average, "every": EVERY}
    return bench.cache.arrays(ensemble, settings | {"pressure": PRESSURE}, make)


def _theirs(bench: Bench, ensemble: str) -> dict[str, np.ndarray]:
    sample = heated(library_glass(), KELVIN, 2)
    settle, average = _steps(bench)
    stages = [
        Stage(name, ensemble, steps, (KELVIN, KELVIN), PRESSURE)
        for name, steps in (("settle", settle), ("average", average))
    ]

    def script(folder: Path) -> list[str]:
        return stages_script(sample.potential, sample.system, stages, 1, folder, every=EVERY)

    return read_samples(bench.cache.run(script, TABLED.suffix), "average")
