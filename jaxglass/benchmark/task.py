"""task=benchmark: make the configurations, time everything, write benchmark.json and the figure, print the table."""

import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from jaxglass.benchmark.comparison import Comparison, Effort, Say
from jaxglass.benchmark.configuration import Configuration, load
from jaxglass.benchmark.machine import this_machine
from jaxglass.benchmark.profile import LANE_ATOMS, Profile
from jaxglass.benchmark.protocol import Child, cores_for
from jaxglass.benchmark.record import Benchmark
from jaxglass.benchmark.settings import settings_of
from jaxglass.benchmark.table import table
from jaxglass.config import Config
from jaxglass.errors import ConfigError
from jaxglass.manifest import versions
from jaxglass.runtime import available_cores, check_compiler, configure
from jaxglass.simulation.directory import RunDirectory
from jaxglass.simulation.files import write_json


def run_benchmark(config: Config, path: Path, config_yaml: str) -> None:
    """Time LAMMPS, jax-md and jaxglass with the `benchmark` section of `config`, in `path`."""
    configure("cpu")
    check_compiler()
    with RunDirectory(path) as directory:
        directory.claim(config.hash, config_yaml)
        found = benchmark(config, directory.path / "configurations")
        write_json(directory.path / "benchmark.json", found.json())
        from jaxglass.benchmark.figure import write_figure

        write_figure(found, directory.path / "figures" / "benchmark.png")
        directory.set_status(state="done")
    print(table(found))
    print(f"benchmark: {path / 'benchmark.json'}")


def benchmark(config: Config, folder: Path) -> Benchmark:
    """Measure; `folder` keeps the configurations."""
    began, clock = datetime.now(UTC), time.monotonic()

    def say(line: str) -> None:
        print(f"{time.monotonic() - clock:5.0f} s  {line}", file=sys.stderr, flush=True)

    machine, settings = this_machine(), settings_of(config)
    effort = Effort(int(config.get("benchmark.repeats")), int(config.get("benchmark.steps")))
    counts = [int(count) for count in config.get("benchmark.cores")]
    possible = [count for count in counts if count <= available_cores()]
    if not possible:
        raise ConfigError(f"benchmark.cores = {counts}: this process may use {available_cores()}")
    if machine.busy:
        say(f"the machine is busy (load {machine.load_average}): expect a wide spread")
    atoms = [int(n) for n in config.get("benchmark.atoms")]
    growth = [int(n) for n in config.get("benchmark.growth") or ()]
    folder.mkdir(exist_ok=True)
    settings.save(folder)
    made = _configurations(folder, list(dict.fromkeys([*atoms, *growth, LANE_ATOMS])), set(atoms), say)
    comparison, profile = Comparison(folder, settings, effort, say), Profile(folder, effort, say)
    for count in sorted(set(counts) - set(possible)):
        comparison.missing[f"{count} cores"] = f"this process may use {available_cores()}"
    cases = tuple(comparison.case(made[n], count) for n in atoms for count in possible)
    first = made[atoms[0]].n_atoms
    cool, hot = profile.splits(first)
    sampling, npt = profile.pairs(first)
    lanes = profile.lanes(made[LANE_ATOMS].n_atoms)
    startup = profile.startup(first)
    sizes = profile.growth([made[n].n_atoms for n in growth])
    return Benchmark(
        cases,
        cool,
        hot,
        sampling,
        npt,
        lanes,
        sizes,
        startup,
        machine,
        began.isoformat(timespec="seconds"),
        versions(),
        comparison.missing,
    )


def _configurations(folder: Path, sizes: list[int], exact: set[int], say: Say) -> dict[int, Configuration]:
    """The configuration for every size asked for, in `folder` too; exact forces for those in `exact`."""
    made = {}
    cores = cores_for(available_cores())
    with Child("jaxglass.benchmark.preparation", [str(folder)], cores, "nothing yet (making the atoms)") as child:
        for n in sizes:
            say(f"making {n} atoms: melt, cool" + (", exact forces" if n in exact else ""))
            n_made = child.ask("make", n, "exact" if n in exact else "plain")
            made[n] = load(folder / f"{n_made}.npz")
    return made
