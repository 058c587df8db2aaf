"""Time per NVT step of LAMMPS and jaxglass: one core, the same glass, whole steps with their list rebuilds.

    python -m validation.speed --atoms 972

Both programs run in turn, several times, at 300 K with 1 fs. LAMMPS gets the Coulomb cutoff, skin and style
suffix that are fastest for it. Errors are RMS force differences from the exact Ewald sum of the starting
structure.
"""

import argparse
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np

from jaxglass import units
from jaxglass.dynamics.ensembles import Control
from jaxglass.dynamics.state import State, start
from jaxglass.engine.energy import evaluate
from jaxglass.engine.plan import Plan, make_plan
from jaxglass.model.composition import compose
from jaxglass.model.potential import Potential
from jaxglass.model.system import maxwell_boltzmann
from jaxglass.parameters import default_settings, load_parameters
from jaxglass.protocols.packing import random_packing
from jaxglass.simulation import rhythm as rhythms
from jaxglass.simulation.block import first_forces, run_block
from validation import lammps

LI2O, DENSITY, TEMPERATURE = 40.0, 2.3, 300.0  # mol %, g/cm3, K
INTERVAL, SAMPLES = 60, 4  # steps between samples, samples per block


@dataclass(frozen=True)
class Comparison:
    """Seconds per step of every repeat and RMS force errors (eV/A)."""

    atoms: int
    lammps: np.ndarray
    jaxglass: np.ndarray
    lammps_error: float
    jaxglass_error: float
    settings: lammps.Timing
    plan: Plan

    @property
    def ratio(self) -> float:
        """Median time of LAMMPS over median time of jaxglass: above 1, jaxglass is faster."""
        return float(np.median(self.lammps) / np.median(self.jaxglass))


class Run:
    """An NVT run that keeps its lists valid, block by block."""

    def __init__(self, plan: Plan, potential: Potential, state: State, temperature: float, timestep: float):
        """Prepare forces and a first, cautious pace."""
        self.plan, self.potential, self.timestep = plan, potential, timestep
        self.control = Control(*map(jnp.asarray, (timestep, temperature, temperature, 1.0, 0.0, 0.1, 1.0)))
        self.pace = rhythms.first_pace(temperature, timestep)
        self.state = first_forces(plan, potential, state).state

    def block(self) -> float:
        """Advance by INTERVAL x SAMPLES steps; seconds per step of the attempt that was valid."""
        while True:
            rhythm = rhythms.choose(self.plan, np.asarray(self.state.system.cell), self.pace, INTERVAL)
            began = time.perf_counter()
            found = jax.block_until_ready(
                run_block(self.plan, "nvt", self.potential, self.control, rhythm, jnp.asarray(SAMPLES), self.state)
            )
            seconds = (time.perf_counter() - began) / (INTERVAL * SAMPLES)
            health = jax.device_get(found.health)
            full = health.outer_rows > self.plan.lists.outer or health.inner_rows > self.plan.lists.inner
            if full:
                lists = self.plan.lists
                self.plan = replace(self.plan, lists=replace(lists, outer=lists.outer + 64, inner=lists.inner + 64))
            elif max(health.outer_excess, health.inner_excess) > 0 or health.coarse:
                self.pace = rhythms.slower(self.pace)
            else:
                self.state = found.state
                self.pace = rhythms.blend(self.pace, rhythms.measured(health, rhythm))
                return seconds


def relaxed_glass(atoms: int, blocks: int = 6) -> tuple[Plan, Potential, State]:
    """A random packing, melted for some hundred steps and cooled to 300 K: near enough to a glass to time."""
    composition = compose(LI2O, atoms)
    system = random_packing(composition, DENSITY, seed=1)
    potential = load_parameters(default_settings(), system.elements, composition.counts).potential
    charges = np.asarray(potential.charges)[np.asarray(system.species)]
    plan = make_plan(np.asarray(system.cell), charges, potential.cutoff)
    state = start(maxwell_boltzmann(system, 1000.0, 1))
    for temperature, timestep in ((3000.0, 0.0002), (3000.0, 0.0005), (1000.0, 0.001), (TEMPERATURE, 0.001)):
        run = Run(plan, potential, state, temperature, timestep)
        for _ in range(blocks if temperature == TEMPERATURE else 2):
            run.block()
        plan, state = run.plan, start(run.state.system)
    return plan, potential, state


def compare(atoms: int, repeats: int, steps: int) -> Comparison:
    """Interleaved repeats of both programs on one configuration."""
    plan, potential, state = relaxed_glass(atoms)
    potential = replace(potential, coulomb_constant=jnp.asarray(units.COULOMB_LAMMPS))
    structure = tuple(np.asarray(x) for x in (state.system.species, state.system.fractional, state.system.cell))
    best = lammps.nvt_timing(potential, *structure, TEMPERATURE, steps)[0]
    run = Run(plan, potential, state, TEMPERATURE, 0.001)
    while run.block() and int(run.state.step) < 5 * INTERVAL * SAMPLES:  # compile, and let the rhythm settle
        pass
    times = []
    for _ in range(repeats):
        theirs = lammps.nvt_timing(
            potential, *structure, TEMPERATURE, steps, [best.coulomb_cutoff], [best.skin], [best.suffix]
        )[0].seconds
        blocks = max(1, round(steps / (INTERVAL * SAMPLES)))
        times.append((theirs, float(np.mean([run.block() for _ in range(blocks)]))))
    exact = evaluate(potential, *structure).forces
    pppm = lammps.static(
        potential, *structure, kspace="pppm 1.0e-5", coulomb_cutoff=best.coulomb_cutoff, tables=False
    ).forces
    ours = first_forces(run.plan, potential, state).state.forces
    columns = np.array(times).T
    return Comparison(
        len(exact), columns[0], columns[1], _rms(pppm - exact), _rms(np.asarray(ours) - exact), best, run.plan
    )


def describe(found: Comparison) -> str:
    """The comparison as a few lines of text."""
    mesh = found.plan.mesh
    return "\n".join(
        [
            f"{found.atoms} atoms, NVT {TEMPERATURE:g} K, 1 fs, one core, {len(found.lammps)} repeats each",
            _line("LAMMPS", found.lammps, found.lammps_error)
            + f"   pppm 1e-5, coulomb {found.settings.coulomb_cutoff:g} A, skin {found.settings.skin:g} A"
            + (f", /{found.settings.suffix}" if found.settings.suffix else ""),
            _line("jaxglass", found.jaxglass, found.jaxglass_error)
            + f"   {found.plan.precision}, coulomb {found.plan.coulomb_cutoff:g} A, mesh {mesh.shape}"
            + f" order {mesh.order}",
            f"ratio LAMMPS / jaxglass {found.ratio:.2f}",
        ]
    )


def _line(name: str, seconds: np.ndarray, error: float) -> str:
    low, middle, high = 1e3 * np.quantile(seconds, [0, 0.5, 1])
    return f"{name:9s} {middle:7.3f} ms/step ({low:.3f}-{high:.3f})   RMS force error {error:.1e} eV/A"


def _rms(difference: np.ndarray) -> float:
    return float(np.sqrt((difference**2).sum(1).mean()))


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--atoms", type=int, default=972)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--steps", type=int, default=480)
    options = parser.parse_args(arguments)
    reason = lammps.available()
    if reason:
        parser.exit(1, f"LAMMPS cannot run: {reason}\n")
    os.sched_setaffinity(0, {0})  # before JAX starts its threads; LAMMPS inherits it
    jax.config.update("jax_enable_x64", True)
    print(describe(compare(options.atoms, options.repeats, options.steps)))


if __name__ == "__main__":
    main()
