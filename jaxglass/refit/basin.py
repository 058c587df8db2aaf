"""One glass at rest and what it shows: the forward model of a refit and its exact derivatives at fixed topology."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxglass.analysis.bonds import FORMER_CUTOFFS, find_bonds
from jaxglass.model.potential import Potential
from jaxglass.model.system import System
from jaxglass.pytree import pytree
from jaxglass.refit.estimate import Estimate
from jaxglass.refit.observables import View, curve_of, curves
from jaxglass.refit.parameters import Parameter, moved
from jaxglass.response.minimum import Rest
from jaxglass.response.stiffness import Moduli, followers, relaxed_moduli
from jaxglass.response.zero_pressure import at_rest

Values = Array | np.ndarray


@pytree
class Basin:
    """A glass at rest under z: `start` the potential at z = 0 of its composition `li2o`, `view` how it is looked at,
    `origin` the atoms that every potential lets come to rest: what is at rest is a function of z, whatever came before.

    `followers` (6, N, 3) where moduli are wanted, else None.
    """

    rest: Rest
    origin: System
    start: Potential
    view: View
    followers: Array | None
    li2o: Array

    def at(self, rest: Rest) -> "Basin":
        """The same glass at rest elsewhere."""
        return replace(self, rest=rest, followers=None if self.followers is None else followers(rest))

    def moduli(self) -> Moduli:
        """K and G of the glass where it is at rest."""
        moves = followers(self.rest) if self.followers is None else self.followers
        return relaxed_moduli(self.rest, self.rest.potential, moves)


def changed_bonds(basin: Basin) -> float:
    """Bonds between formers and oxygen that were broken or formed on the way from `origin`, over those at `origin`.

    The exact derivatives hold at fixed topology: what a glass shows beyond a few of a thousand is another glass.
    """
    before, after = (_bonded(system) for system in (basin.origin, basin.rest.system))
    return len(before ^ after) / max(1, len(before))


def _bonded(system: System) -> set[tuple[int, int]]:
    x, cell = np.asarray(system.fractional), np.asarray(system.cell)
    present = {pair: d for pair, d in FORMER_CUTOFFS.items() if pair.split("-")[0] in system.elements}
    bonds = find_bonds(np.array(system.symbols), x, cell, present)
    return set(zip(bonds.center.tolist(), bonds.ligand.tolist(), strict=True))


class Shown(NamedTuple):
    """What is compared with measurements: the `curve` (P,), the logarithm of the density (atoms per A^3) and of K and G
    (GPa; NaN where they are not computed)."""

    curve: Values
    ln_density: Values
    ln_bulk: Values
    ln_shear: Values

    @property
    def row(self) -> np.ndarray:
        """The curve and the logarithm of the density, (P + 1,), or (K, P + 1) where axes lead."""
        return np.concatenate([self.curve, np.asarray(self.ln_density)[..., None]], -1)


@partial(jax.jit, static_argnums=(0, 1))
def show(quantity: str, moving: tuple[Parameter, ...], basin: Basin, z: Array) -> Shown:
    """What the glass shows at `z`, in a neighbourhood of where it is at rest: value and forward derivatives."""
    potential = moved(moving, basin.start, basin.li2o, z)
    x, cell = at_rest(basin.rest, potential)
    seen = curves(basin.view, basin.rest.system.species, x, cell)
    K = G = jnp.asarray(jnp.nan)
    if basin.followers is not None:
        K, G = relaxed_moduli(basin.rest, potential, basin.followers)
    return Shown(curve_of(seen, quantity), jnp.log(seen.density), jnp.log(K), jnp.log(G))


def mean_shown(quantity: str, moving: tuple[Parameter, ...], basins: Sequence[Basin], z: np.ndarray) -> Shown:
    """What several glasses show at `z`, where they are at rest."""
    return mean_of([show(quantity, moving, basin, jnp.asarray(z)) for basin in basins])


def mean_of(found: Sequence[Shown]) -> Shown:
    """The mean of every part."""
    return jax.tree.map(lambda *parts: np.mean(parts, axis=0), *found)


@partial(jax.jit, static_argnums=(0, 1))
def linearised(quantity: str, moving: tuple[Parameter, ...], basin: Basin, z: Array) -> tuple[Shown, Shown]:
    """The value at `z` and its Jacobian, a leading axis of parameters: one linear system for each.

    One after another: all at once take three times as long on a CPU.
    """
    along = partial(show, quantity, moving, basin)
    value = along(z)
    return value, jax.lax.map(lambda e: jax.jvp(along, (z,), (e,))[1], jnp.eye(len(z)))


def implicit(quantity: str, moving: tuple[Parameter, ...], basin: Basin, z: Array) -> Estimate:
    """Curve and logarithm of the density of one glass at rest, with exact derivatives at fixed topology."""
    value, slope = linearised(quantity, moving, basin, z)
    return Estimate(value.row, slope.row, np.zeros_like(value.row), np.zeros_like(slope.row))
