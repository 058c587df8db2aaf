"""What a benchmark found, as plain records and as JSON. Times in ms per step, errors in eV/A, memory in bytes."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from jaxglass.benchmark.machine import Machine
from jaxglass.benchmark.split import Split


@dataclass(frozen=True)
class Spread:
    """Median and range of repeated timings, ms per step."""

    median: float
    low: float
    high: float


def spread(seconds: Sequence[float]) -> Spread:
    """Median and range of `seconds`, in ms."""
    low, middle, high = (float(q) for q in 1e3 * np.quantile(seconds, [0, 0.5, 1]))
    return Spread(middle, low, high)


@dataclass(frozen=True)
class Timed:
    """One program in one case: time per step, RMS force error and its settings in words."""

    time: Spread
    force_error: float
    settings: str


@dataclass(frozen=True)
class Case:
    """All programs on one configuration and the same cores; None where a program was not measured."""

    n_atoms: int
    cores: int
    jaxglass: Timed
    lammps: Timed | None
    jax_md: Timed | None

    @property
    def ratio_vs_lammps(self) -> float | None:
        """Time of LAMMPS over time of jaxglass: above 1, jaxglass is faster."""
        return None if self.lammps is None else self.lammps.time.median / self.jaxglass.time.median

    def json(self) -> dict[str, Any]:
        """Flat keys: `jaxglass_ms`, `jaxglass_low_ms`, ..., `ratio_vs_lammps`, `force_error`, ..."""
        found: dict[str, Any] = {"n_atoms": self.n_atoms, "cores": self.cores}
        for name, timed in (("jaxglass", self.jaxglass), ("lammps", self.lammps), ("jax_md", self.jax_md)):
            error = "force_error" if name == "jaxglass" else f"{name}_force_error"
            found |= {
                f"{name}_ms": timed.time.median if timed else None,
                f"{name}_low_ms": timed.time.low if timed else None,
                f"{name}_high_ms": timed.time.high if timed else None,
                error: timed.force_error if timed else None,
                f"{name}_settings": timed.settings if timed else None,
            }
        return found | {"ratio_vs_lammps": self.ratio_vs_lammps}


@dataclass(frozen=True)
class Pair:
    """Two ways of running the same atoms, timed in turn."""

    n_atoms: int
    first: Spread
    second: Spread

    @property
    def ratio(self) -> float:
        """Second over first."""
        return self.second.median / self.first.median

    def json(self, first: str, second: str) -> dict[str, Any]:
        """With the names of the two."""
        return {
            "n_atoms": self.n_atoms,
            f"{first}_ms": self.first.median,
            f"{second}_ms": self.second.median,
            f"{first}_range_ms": [self.first.low, self.first.high],
            f"{second}_range_ms": [self.second.low, self.second.high],
            "ratio": self.ratio,
        }


@dataclass(frozen=True)
class Lanes:
    """`count` glasses on `cores`: one after another, and as lanes of one program; ms per step of one glass."""

    count: int
    cores: int
    pair: Pair

    @property
    def throughput(self) -> float:
        """Steps of lanes per step one after another."""
        return 1 / self.pair.ratio

    def json(self) -> dict[str, Any]:
        """Flat keys."""
        found = self.pair.json("one_after_another", "lanes")
        return {"count": self.count, "cores": self.cores, "throughput": self.throughput} | found


@dataclass(frozen=True)
class Growth:
    """One size on one core: time per step, pieces of a step, memory."""

    n_atoms: int
    time: Spread
    split: Split
    program_bytes: int | None
    peak_bytes: int

    @property
    def us_per_atom(self) -> float:
        """Microseconds per atom and step."""
        return 1e3 * self.time.median / self.n_atoms

    def json(self) -> dict[str, Any]:
        """Flat keys."""
        return {
            "n_atoms": self.n_atoms,
            "jaxglass_ms": self.time.median,
            "low_ms": self.time.low,
            "high_ms": self.time.high,
            "us_per_atom_step": self.us_per_atom,
            "rebuild_in_forces": self.split.rebuild_in_forces,
            "list_share": self.split.list_share,
            "program_bytes": self.program_bytes,
            "program_bytes_per_atom": None if self.program_bytes is None else self.program_bytes / self.n_atoms,
            "peak_resident_bytes": self.peak_bytes,
        }


@dataclass(frozen=True)
class Startup:
    """Seconds until the first step: from nothing, with a kept program, and for compiling alone."""

    n_atoms: int
    compile_s: float
    cold_first_step_s: float
    warm_first_step_s: float


@dataclass(frozen=True)
class Benchmark:
    """Everything one `task=benchmark` found; `not_measured` says why a program or part is missing."""

    cases: tuple[Case, ...]
    cool: Split
    hot: Split
    sampling: Pair
    npt: Pair
    lanes: Lanes
    growth: tuple[Growth, ...]
    startup: Startup
    machine: Machine
    date: str
    versions: Mapping[str, str]
    not_measured: Mapping[str, str]

    def json(self) -> dict[str, Any]:
        """Content of benchmark.json."""
        return {
            "schema": 1,
            "cases": [case.json() for case in self.cases],
            "split": {
                "n_atoms": self.npt.n_atoms,
                "cores": 1,
                "at_300K": split_json(self.cool),
                "at_3000K": split_json(self.hot),
            },
            "sampling": self.sampling.json("every_72_steps", "every_10_steps"),
            "npt": self.npt.json("nvt", "npt"),
            "lanes": self.lanes.json(),
            "growth": [size.json() for size in self.growth],
            "memory": {"resident_bytes_per_atom": self.resident_per_atom},
            "startup": asdict(self.startup),
            "machine": asdict(self.machine),
            "date": self.date,
            "versions": dict(self.versions),
            "not_measured": dict(self.not_measured),
        }

    @property
    def resident_per_atom(self) -> float | None:
        """Growth of the peak resident size per atom, between the smallest and the largest size."""
        sizes = sorted(self.growth, key=lambda size: size.n_atoms)
        if len(sizes) < 2:
            return None
        return (sizes[-1].peak_bytes - sizes[0].peak_bytes) / (sizes[-1].n_atoms - sizes[0].n_atoms)


def split_json(found: Split) -> dict[str, Any]:
    """Pieces of a step and what follows from them."""
    return asdict(found) | {
        "force_ms": found.force_ms,
        "lists_ms": found.lists_ms,
        "sampling_ms": found.sampling_ms,
        "rest_ms": found.rest_ms,
        "rebuild_in_forces": found.rebuild_in_forces,
        "list_share": found.list_share,
    }
