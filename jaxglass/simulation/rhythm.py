"""How often lists are renewed: chosen from the temperature, corrected from what each block measured. Host code.

A wide skin means more pairs per step, a narrow one more renewals; the balance moves with the speed of the atoms, that
is with the root of the temperature. The pace (A) is how far the fastest atom goes in a step, on average between two
renewals. All choices are functions of the state and the last block, so a continued run makes the same ones.
"""

import jax.numpy as jnp
import numpy as np

from jaxglass import units
from jaxglass.engine.plan import LARGEST_SKIN, Plan, largest_reach
from jaxglass.errors import ConfigError
from jaxglass.model.elements import mass
from jaxglass.simulation.block import Health, Rhythm

MARGIN = 1.2  # travel grows from block to block; stay this factor below the skin
SMALLEST_SKIN = 0.25  # A
PAIR_SHARE = 0.65  # of a force evaluation


def first_pace(temperature_K: float, timestep: float) -> float:
    """A cautious guess for steps of `timestep` ps: 6 standard deviations of the thermal speed of lithium."""
    speed = np.sqrt(max(temperature_K, 100.0) * units.BOLTZMANN / (mass("Li") * units.AMU))
    return float(6 * speed * timestep)


def slower(pace: float) -> float:
    """After a list failed: assume faster atoms, so renew more often."""
    return 1.5 * pace


def measured(health: Health, rhythm: Rhythm) -> float:
    """Pace of the block just run."""
    return max(float(health.travel) / int(rhythm.stride), 1e-5)


def blend(old: float, new: float) -> float:
    """Follow a faster pace at once, a slower one gradually."""
    return max(new, 0.7 * old + 0.3 * new)


def check_width(cell: np.ndarray, reach: float) -> None:
    """`ConfigError` when the cell (A) is too narrow for nearest images at `reach` (A) and the smallest skin."""
    margin = SMALLEST_SKIN + 0.1
    if largest_reach(cell) < reach + margin:
        raise ConfigError(
            f"the cell is {2 * largest_reach(cell):.2f} A wide, but dynamics with a cutoff of {reach:g} A needs "
            f"{2 * (reach + margin):.2f} A; use more atoms (about 600 for 8 A) or a cutoff below "
            f"{largest_reach(cell) - margin:.2f} A"
        )


def renewal_cost(volume: float) -> float:
    """Of one list, in force evaluations: 0.8 at 972 atoms, 1.2 at 7,776 and 2 at 62,208 on a machine with small caches;
    glasses have about the same number of atoms per A^3.
    """
    return 0.8 * max(volume / 12_000.0, 1.0) ** 0.2


def choose(plan: Plan, cell: np.ndarray, pace: float, interval: int) -> Rhythm:
    """The rhythm with the least cost per step for one sampling interval of `interval` steps: of all strides that
    divide it, each with the skin it needs; within what the cell allows.

    Raises `ConfigError` when the cell is too narrow for the nearest-image convention.
    """
    check_width(cell, plan.reach)
    widest = min(LARGEST_SKIN, 0.999 * (largest_reach(cell) - plan.reach))
    strides = np.array([stride for stride in range(1, interval + 1) if interval % stride == 0])
    skins = np.maximum(2 * MARGIN * pace * strides, SMALLEST_SKIN)
    cost = PAIR_SHARE * (1 + skins / plan.reach) ** 3 + renewal_cost(abs(np.linalg.det(cell))) / strides
    best = int(np.argmin(np.where((skins <= widest) | (strides == 1), cost, np.inf)))
    stride, skin = int(strides[best]), float(min(skins[best], widest))
    return Rhythm(jnp.asarray(interval // stride), jnp.asarray(stride), jnp.asarray(skin))


def rest() -> Rhythm:
    """The rhythm of a block that does nothing."""
    none = jnp.asarray(0)
    return Rhythm(none, none, jnp.asarray(0.0))
