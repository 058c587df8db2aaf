"""How often lists are renewed: chosen from the temperature, corrected from what each block measured. Host code.

A wide skin means more pairs per step, a narrow one more renewals; the balance moves with the speed of the atoms,
that is with the fourth root of the temperature. Between prunings atoms fly; between rebuilds those of a glass turn
back, so the outer list lives ever longer until the travel it sees fills its skin. All choices are functions of the
state and the last block, so a continued run makes the same ones.
"""

from dataclasses import dataclass, replace

import jax.numpy as jnp
import numpy as np

from jaxglass import units
from jaxglass.engine.plan import Plan, largest_reach
from jaxglass.errors import ConfigError
from jaxglass.model.elements import mass
from jaxglass.simulation.block import Health, Rhythm

OUTER_GAP = 1.9  # A between the skins: vibrations fit into it
MARGIN = 1.2  # travel grows from block to block; stay this factor below the skin
SMALLEST_SKIN = 0.35  # A
LARGEST_SKIN = 0.9  # A, of the inner list
PAIR_SHARE, PRUNE_COST = 0.65, 1.0  # of a force evaluation: the pair sum in it; one pruning


@dataclass(frozen=True)
class Pace:
    """Farthest travel (A): `inner` per step between prunings, `outer` within `horizon` steps of a rebuild."""

    inner: float
    outer: float
    horizon: int


def first_pace(temperature_K: float, timestep: float) -> Pace:
    """A cautious guess for steps of `timestep` ps: 6 standard deviations of the thermal speed of lithium."""
    speed = np.sqrt(max(temperature_K, 100.0) * units.BOLTZMANN / (mass("Li") * units.AMU))
    return Pace(6 * speed * timestep, 6 * speed * timestep, 1)


def slower(pace: Pace) -> Pace:
    """After a list failed: assume faster atoms, so renew more often."""
    return replace(pace, inner=1.5 * pace.inner, outer=1.5 * pace.outer)


def measured(health: Health, rhythm: Rhythm) -> Pace:
    """Travel in the block just run."""
    stride, prunes = int(rhythm.stride), int(rhythm.prunes)
    inner = max(float(health.inner_travel) / stride, 1e-5)
    if prunes == 1:
        return Pace(inner, inner * stride, stride)
    return Pace(inner, max(float(health.outer_travel), 1e-5), stride * (prunes - 1))  # seen at the last pruning


def skins(plan: Plan, cell: np.ndarray, pace: Pace) -> tuple[float, float]:
    """Inner and outer skin (A) for this pace, within what the cell allows.

    Raises `ConfigError` when the cell is too narrow for the nearest-image convention.
    """
    wanted_inner = _cheapest_skin(plan.reach, pace.inner)
    wanted_outer = wanted_inner + OUTER_GAP
    check_width(cell, plan.reach)
    outer = min(wanted_outer, 0.999 * (largest_reach(cell) - plan.reach))
    return min(wanted_inner, 0.6 * outer), outer


def _cheapest_skin(reach: float, travel: float) -> float:
    """Inner skin (A) with the least cost per step for atoms that move `travel` (A) in a step."""
    skins = np.linspace(SMALLEST_SKIN, LARGEST_SKIN, 56)
    strides = np.maximum(np.floor(skins / (2 * MARGIN * travel)), 1)
    return float(skins[np.argmin(PAIR_SHARE * (1 + skins / reach) ** 3 + PRUNE_COST / strides)])


def check_width(cell: np.ndarray, reach: float) -> None:
    """`ConfigError` when the cell (A) is too narrow for nearest images at `reach` (A) and the smallest skin."""
    margin = SMALLEST_SKIN + 0.1
    if largest_reach(cell) < reach + margin:
        raise ConfigError(
            f"the cell is {2 * largest_reach(cell):.2f} A wide, but dynamics with a cutoff of {reach:g} A needs "
            f"{2 * (reach + margin):.2f} A; use more atoms (about 600 for 8 A) or a cutoff below "
            f"{largest_reach(cell) - margin:.2f} A"
        )


def _divisor(n: int, limit: float) -> int:
    return max(d for d in range(1, n + 1) if n % d == 0 and (d <= limit or d == 1))


def choose(plan: Plan, cell: np.ndarray, pace: Pace, interval: int) -> Rhythm:
    """The rhythm of one sampling interval of `interval` steps."""
    inner, outer = skins(plan, cell, pace)
    stride = _divisor(interval, inner / (2 * MARGIN * pace.inner))
    prunes = _divisor(interval // stride, _lifetime(pace, outer - inner) / stride + 1)
    return Rhythm(
        rebuilds=jnp.asarray(interval // (stride * prunes)),
        prunes=jnp.asarray(prunes),
        stride=jnp.asarray(stride),
        outer_skin=jnp.asarray(outer),
        inner_skin=jnp.asarray(inner),
    )


def _lifetime(pace: Pace, gap: float) -> float:
    """Steps after which an outer list with `gap` (A) to the inner one would fail: travel grows at most linearly, and
    once it fills less than the gap more like a root; never more than three times what has been seen."""
    room = gap / (2 * MARGIN * pace.outer)
    return pace.horizon * (room if room < 1 or pace.horizon == 1 else min(room**2, 3.0))


def rest() -> Rhythm:
    """The rhythm of a block that does nothing."""
    none, zero = jnp.asarray(0), jnp.asarray(0.0)
    return Rhythm(none, none, none, zero, zero)


def blend(old: Pace, new: Pace) -> Pace:
    """Follow a faster pace at once, a slower one gradually."""
    remembered = 0.9 * old.outer if new.horizon >= old.horizon else 0.0
    return Pace(max(new.inner, 0.7 * old.inner + 0.3 * new.inner), max(new.outer, remembered), new.horizon)
