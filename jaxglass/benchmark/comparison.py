"""One configuration on some cores: every program advances a block in turn, several times round."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from jaxglass import lammps
from jaxglass.benchmark.configuration import Configuration
from jaxglass.benchmark.engines import Engine, Jaxglass, Lammps, StockJaxMd, jax_md_child, jaxglass_child
from jaxglass.benchmark.protocol import cores_for
from jaxglass.benchmark.record import Case, Timed, spread
from jaxglass.benchmark.settings import Settings
from jaxglass.errors import JaxglassError
from jaxglass.simulation.lane import INTERVAL

LARGEST_JAX_MD = 1500  # atoms: beyond, a row would take longer than the rest of the benchmark
INSTALL = "pip install 'jaxglass[validation]'"
Say = Callable[[str], None]


@dataclass(frozen=True)
class Effort:
    """How much is timed: repeats, steps of one block of about a thousand atoms."""

    repeats: int
    steps: int

    def block(self, n_atoms: int) -> int:
        """Steps of one block of `n_atoms`: fewer for large systems, at least one sampling interval."""
        wanted = min(self.steps, 4000 * self.steps // n_atoms)
        return max(INTERVAL, wanted // INTERVAL * INTERVAL)


class Comparison:
    """What can be compared here, and why the rest cannot: `missing`, program -> reason."""

    def __init__(self, folder: Path, settings: Settings, effort: Effort, say: Say):
        """Look for LAMMPS and jax-md; one line says what to install where one is missing."""
        self.folder, self.settings, self.effort, self.say = folder, settings, effort, say
        self.missing: dict[str, str] = {}
        reason = lammps.available()
        if reason:
            self._miss("lammps", reason)
        if find_spec("jax_md") is None:
            self._miss("jax_md", f"not installed ({INSTALL})")

    def case(self, configuration: Configuration, count: int) -> Case:
        """All programs on `count` cores, in turn."""
        n, cores = configuration.n_atoms, cores_for(count)
        steps = self.effort.block(n)
        self.say(f"{n} atoms, {_cores(count)}: compiling; looking for the fastest settings of LAMMPS")
        with ExitStack() as stack:
            child = stack.enter_context(jaxglass_child(self.folder, n, cores, count))
            engines: dict[str, Engine] = {"jaxglass": Jaxglass(child, steps)}
            other = self._lammps(configuration, count)
            if other:
                engines["lammps"] = other
            stock = self._jax_md(configuration, count, stack)
            if stock:
                engines["jax_md"] = stock
            self.say(
                f"{n} atoms, {_cores(count)}: {self.effort.repeats} x {steps} steps of {', '.join(engines)} in turn"
            )
            times: dict[str, list[float]] = {name: [] for name in engines}
            for _ in range(self.effort.repeats):
                for name, engine in engines.items():
                    times[name].append(engine.block(steps))
            timed = {name: Timed(spread(times[name]), e.force_error(), e.settings()) for name, e in engines.items()}
        return Case(n, count, timed["jaxglass"], timed.get("lammps"), timed.get("jax_md"))

    def _lammps(self, configuration: Configuration, count: int) -> Lammps | None:
        if "lammps" in self.missing:
            return None
        if count > 1 and lammps.mpi_launcher() is None:
            self._miss(f"lammps on {count} cores", f"no mpiexec beside Python or on PATH ({INSTALL})")
            return None
        potential = self.settings.potential(configuration.system)
        try:
            return Lammps(potential, configuration, cores_for(count), count)
        except lammps.LammpsError as error:
            self._miss(f"lammps on {_cores(count)}, {configuration.n_atoms} atoms", str(error))
            return None

    def _jax_md(self, configuration: Configuration, count: int, stack: ExitStack) -> StockJaxMd | None:
        """jax-md on one core and a small configuration; a failure of its own is a reason, not an error."""
        if "jax_md" in self.missing or count > 1 or configuration.n_atoms > LARGEST_JAX_MD:
            return None
        try:
            return StockJaxMd(stack.enter_context(jax_md_child(self.folder, configuration.n_atoms, cores_for(1))))
        except JaxglassError as error:
            self._miss("jax_md", str(error))
            return None

    def _miss(self, what: str, reason: str) -> None:
        self.missing[what] = reason
        self.say(f"{what.replace('_', '-')} not measured: {reason}")


def _cores(count: int) -> str:
    return f"{count} core" + ("s" if count > 1 else "")
