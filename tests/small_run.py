"""A small run in its own process, for tests that kill it: python small_run.py DIRECTORY [seconds per block]."""

import sys
import time
from pathlib import Path

import numpy as np

from jaxglass.runtime import configure

configure()

from jaxglass.engine.plan import Plan, make_plan  # noqa: E402
from jaxglass.model.potential import Potential, make_potential  # noqa: E402
from jaxglass.model.system import System, make_system  # noqa: E402
from jaxglass.protocols.packing import push_apart  # noqa: E402
from jaxglass.simulation import run as loop  # noqa: E402
from jaxglass.simulation.directory import RunDirectory  # noqa: E402
from jaxglass.simulation.stage import Stage  # noqa: E402

STAGES = [
    Stage("prepare", "minimise", 120, force_tolerance=1e-6),
    Stage("hot", "nvt", 300, (2500.0, 1500.0), draw_velocities=1.0),
    Stage("cool", "npt", 420, (1500.0, 900.0), record=True),
]


def small_system() -> tuple[System, Potential, Plan]:
    """216 ions of Li2O with a 6 A cutoff."""
    cell = np.eye(3) * 13.6
    places = push_apart(np.repeat([False, True], [144, 72]), np.random.default_rng(5).random((216, 3)), cell)
    system = make_system(["Li"] * 144 + ["O"] * 72, places, cell)
    potential = make_potential(
        ("Li", "O"),
        {"Li": 0.6, "O": -1.2},
        {"Li-O": {"A": 41051.938, "rho": 0.15116, "C": 0.0}, "O-O": {"A": 2029.2204, "rho": 0.343645, "C": 192.58}},
        cutoff=6.0,
    )
    charges = np.asarray(potential.charges)[np.asarray(system.species)]
    return system, potential, make_plan(cell, charges, 6.0, accuracy=1e-4, volume_margin=1.2)


def small_run(path: Path, stages: list[Stage] | None = None) -> loop.Finished:
    """Run the stages in `path`, a checkpoint after every block of at most 60 steps."""
    loop.CHECKPOINT_SECONDS = 0.0
    loop.SAMPLES_PER_BLOCK = 1
    with RunDirectory(path) as directory:
        return loop.run(directory, stages or STAGES, *small_system(), seed=7)


if __name__ == "__main__":
    pause = float(sys.argv[2]) if len(sys.argv) > 2 else 0.0
    show = loop.Progress.show

    def slowly(*arguments, **keywords):
        """So that the killer has time to strike between blocks."""
        show(*arguments, **keywords)
        time.sleep(pause)

    loop.Progress.show = slowly
    small_run(Path(sys.argv[1]))
