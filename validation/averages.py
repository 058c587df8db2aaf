"""Averages at constant temperature, and at constant temperature and pressure, over replicas of one melt.

A glass of the library is molten for some picoseconds, once; from there replicas start, each with velocities of its own
and these the same in both programs. A pair of replicas is one sample: the same for a third of a picosecond, then two of
the futures of one start. What differs from start to start drops out, however slowly the network of a melt changes, and
the spread of the differences is their error. Blocks of one long run are no such samples: they gave the potential
energy, which drifts over picoseconds, half of its error. NPT at 5 GPa, near the pressure of the melt at the density of
the glass, so that nothing has to expand first.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

import jax.numpy as jnp
import numpy as np

from jaxglass.simulation.stage import Stage
from validation.bench import Bench, Control
from validation.lammps_protocols import TABLED, read_samples, stages_script
from validation.sampled_run import SampledRun
from validation.samples import Sample, heated, library_glass
from validation.verdict import MOST_ERRORS, Check, Finding, as_rare, mean_over_seeds, pairs_agree

KELVIN, PRESSURE = 3000.0, 5.0  # K, GPa
EVERY = 8  # steps: the kinetic energy forgets itself in about ten
SETTLE_PS, AVERAGE_PS = 0.5, 1.5  # of a replica
REPLICAS = 12  # of jaxglass at least: fewer do not know the temperature well enough
TOO_HOT = 1.01  # the negative control
LARGEST_ERROR = 0.25e-2  # of the temperature: 1 % is then four errors
UNITS = {"potential_energy": "eV", "pressure": "GPa", "density": "g/cm3", "temperature": "K"}


def temperature(bench: Bench) -> Finding:
    """The kinetic temperature of jaxglass against the one that was asked for."""
    mean = mean_over_seeds(_ours(bench, "nvt")["temperature"])
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


def of_lammps(ensemble: str) -> Callable[[Bench], list[Future]]:
    """The replicas of LAMMPS in the ensemble nvt or npt, started ahead."""

    def ahead(bench: Bench) -> list[Future]:
        molten(bench)
        return [bench.ahead(_theirs, ensemble, seed) for seed in range(bench.sizes.replicas)]

    return ahead


def molten(bench: Bench) -> Sample:
    """The melt from which every replica starts."""
    glass, steps = library_glass(), _steps(bench.sizes.melt_ps)

    def make() -> dict[str, np.ndarray]:
        run = SampledRun(heated(glass, KELVIN, 1), "nvt", KELVIN)
        run.sampled(steps, EVERY)
        return {"fractional": np.asarray(run.system.fractional)}

    found = bench.cache.arrays("melt", {"kelvin": KELVIN, "steps": steps}, make)
    return replace(glass, system=replace(glass.system, fractional=jnp.asarray(found["fractional"])))


def replicas(bench: Bench) -> int:
    """Of jaxglass: a partner for each of LAMMPS, and enough for the error of the temperature."""
    return max(REPLICAS, bench.sizes.replicas)


def _compared(bench: Bench, ensemble: str, quantities: Sequence[str]) -> Finding:
    pending = of_lammps(ensemble)(bench)
    ours, theirs = _ours(bench, ensemble), [one.result() for one in pending]
    count = len(theirs)
    return Finding(
        tuple(
            pairs_agree(
                name.replace("_", " "),
                UNITS[name],
                ours[name][:count],
                [replica[name] for replica in theirs],
                as_rare(count - 1),
            )
            for name in quantities
        )
    )


def _ours(bench: Bench, ensemble: str) -> dict[str, np.ndarray]:
    """Mean of every quantity in each replica, (R,)."""
    kelvin = KELVIN * (TOO_HOT if bench.control is Control.TEMPERATURE else 1.0)
    melt = molten(bench)

    def make() -> dict[str, np.ndarray]:
        run = SampledRun(melt, ensemble, kelvin, PRESSURE)
        found = []
        for seed in range(replicas(bench)):
            run.begin(heated(melt, KELVIN, seed).system)
            run.sampled(_steps(SETTLE_PS), EVERY)
            found.append(run.sampled(_steps(AVERAGE_PS), EVERY))
        return {name: np.array([replica[name].mean() for replica in found]) for name in UNITS}

    settings = {"ensemble": ensemble, "kelvin": kelvin, "melt": bench.sizes.melt_ps, "pressure": PRESSURE}
    settings |= {"replicas": replicas(bench), "settle": SETTLE_PS, "average": AVERAGE_PS, "every": EVERY}
    return bench.cache.arrays(ensemble, settings, make)


def _theirs(bench: Bench, ensemble: str, seed: int) -> dict[str, float]:
    """The same of one replica of LAMMPS."""
    sample = heated(molten(bench), KELVIN, seed)
    stages = [
        Stage(name, ensemble, _steps(length), (KELVIN, KELVIN), PRESSURE)
        for name, length in (("settle", SETTLE_PS), ("average", AVERAGE_PS))
    ]

    def script(folder: Path) -> list[str]:
        return stages_script(sample.potential, sample.system, stages, 1, folder, every=EVERY)

    found = read_samples(bench.cache.run(script, TABLED.suffix), "average")
    return {name: float(found[name].mean()) for name in UNITS}


def _steps(ps: float) -> int:
    return round(1000 * ps)
