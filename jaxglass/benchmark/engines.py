"""The programs that take turns: each advances a block and says how long a step took."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from jaxglass import lammps
from jaxglass.benchmark.configuration import Configuration
from jaxglass.benchmark.protocol import Child, pinned
from jaxglass.model.potential import Potential
from jaxglass.simulation.lane import INTERVAL

SCAN = 150_000  # atoms x steps of one run of the scan for LAMMPS's fastest settings
COULOMB_BITS = 12  # table of the screened Coulomb force: LAMMPS's default, used while it is timed


class Engine(Protocol):
    """A program on one configuration, pinned to its cores."""

    def block(self, steps: int) -> float:
        """Seconds per step of whole NVT steps at 300 K, list rebuilds included."""
        ...

    def force_error(self) -> float:
        """RMS force error (eV/A) against the exact Ewald sum, with the settings that are timed."""
        ...

    def settings(self) -> str:
        """What it chose, in words."""
        ...


class Jaxglass:
    """jaxglass in a process of its own."""

    def __init__(self, child: Child, steps: int):
        """Compile and let the rhythm of the lists settle in blocks of `steps`."""
        self.child = child
        child.ask("settle", "nvt", steps, INTERVAL)

    def block(self, steps: int) -> float:
        """Seconds per step of whole NVT steps at 300 K, with an energy every INTERVAL steps."""
        return float(self.child.ask("block", "nvt", steps, INTERVAL))

    def force_error(self) -> float:
        """RMS force error (eV/A) against the exact Ewald sum."""
        return float(self.child.ask("force_error"))

    def settings(self) -> str:
        """Precision, cutoff, mesh and devices."""
        return str(self.child.ask("settings"))


class StockJaxMd:
    """jax-md's own parts in a process of their own."""

    def __init__(self, child: Child):
        """Compile."""
        self.child = child
        child.ask("block", 20)

    def block(self, steps: int) -> float:
        """Seconds per step."""
        return float(self.child.ask("block", steps))

    def force_error(self) -> float:
        """RMS force error (eV/A) against the exact Ewald sum."""
        return float(self.child.ask("force_error"))

    def settings(self) -> str:
        """Cutoff, mesh and list."""
        return str(self.child.ask("settings"))


class Lammps:
    """`lmp` with the settings that are fastest for it, one MPI rank per core."""

    def __init__(self, potential: Potential, configuration: Configuration, cores: Sequence[int], ranks: int):
        """Scan for the fastest settings."""
        self.potential, self.configuration, self.cores = potential, configuration, cores
        steps = max(40, min(200, SCAN // configuration.n_atoms))
        with pinned(cores):
            self.best = lammps.fastest_settings(potential, *configuration.structure, ranks, steps)

    def block(self, steps: int) -> float:
        """Seconds per step of one `lmp` run, set-up not counted."""
        with pinned(self.cores):
            return lammps.nvt_timing(self.potential, *self.configuration.structure, self.best, steps, sample=INTERVAL)

    def force_error(self) -> float:
        """RMS force error (eV/A) against the exact Ewald sum."""
        found = lammps.static(
            self.potential,
            *self.configuration.structure,
            kspace=lammps.PPPM,
            coulomb_cutoff=self.best.coulomb_cutoff,
            tables=False,
            coulomb_bits=COULOMB_BITS,
        )
        return self.configuration.force_error(found.forces)

    def settings(self) -> str:
        """Cutoff, skin, suffix and ranks."""
        best = self.best
        suffix = f", /{best.suffix}" if best.suffix else ""
        ranks = f", {best.ranks} MPI ranks" if best.ranks > 1 else ""
        return f"{lammps.PPPM}, coulomb {best.coulomb_cutoff:g} A, skin {best.skin:g} A{suffix}{ranks}"


def jaxglass_child(folder: Path, n_atoms: int, cores: Sequence[int], count: int, cache: Path | None = None) -> Child:
    """A process that times jaxglass on FOLDER/N_ATOMS.npz; `cache` replaces the folder of compiled programs."""
    environment = {} if cache is None else {"JAX_COMPILATION_CACHE_DIR": str(cache)}
    label = f"jaxglass ({n_atoms} atoms, {count} core{'s' if count > 1 else ''})"
    return Child("jaxglass.benchmark.worker", [str(folder), str(n_atoms), str(count)], cores, label, environment)


def jax_md_child(folder: Path, n_atoms: int, cores: Sequence[int]) -> Child:
    """A process that times jax-md on the same atoms."""
    label = f"jax-md ({n_atoms} atoms)"
    return Child("jaxglass.benchmark.stock_jax_md", [str(folder), str(n_atoms)], cores, label)
