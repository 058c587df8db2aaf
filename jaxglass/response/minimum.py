"""The energy minimum of a glass in a fixed cell, and how it moves with the potential and the cell.

The search is FIRE with the forces of the hot path in float64. It follows forces alone: energies jump where a pair
crosses the truncated cutoff, which stops every line search, and so does Newton's method where forces jump. What the
atoms do when the potential or the cell changes by d then follows from F = 0 (implicit function theorem):

    H dx = dF,    H = -dF/dx,    dF at fixed fractional coordinates

by conjugate gradients (`response.gradient`). Cutoffs are sharp: this holds between two crossings.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.scipy.sparse.linalg import cg

from jaxglass.dynamics.ensembles import fire
from jaxglass.dynamics.state import State, start
from jaxglass.engine import twin
from jaxglass.engine.forces import energy, forces
from jaxglass.engine.kernel import Energy, Forces
from jaxglass.engine.neighbors import Neighbors, complete, excess
from jaxglass.engine.plan import Plan
from jaxglass.errors import NumericalError
from jaxglass.model.cell import inverse
from jaxglass.model.potential import Potential
from jaxglass.model.system import System
from jaxglass.pytree import pytree, static
from jaxglass.response.gradient import Gradient, expansion
from jaxglass.response.preconditioner import Preconditioner, blocks

SKIN = 0.8  # A
BLOCK, MOST_STEPS = 50, 50_000
RESIDUAL = 1e-6  # of the force that conjugate gradients leave
DERIVATIVES = 3e-7  # the same for derivatives in the potential, which are then good to a few 1e-5


@pytree
class Rest:
    """A glass at rest: the `plan`, `potential` and list `near` it was minimised with, the largest force (eV/A) that is
    left, the energy (eV), and the `evaluations` it took: of forces, energies and products with the Hessian alike.
    `precondition` shortens what follows.

    `residual`: share of a pull that conjugate gradients may leave in what follows it (`zero_pressure.at_rest`; where
    the cell is given, `RESIDUAL` at most).
    """

    potential: Potential
    system: System
    near: Neighbors
    largest_force: Array
    energy: Array
    evaluations: Array
    precondition: Preconditioner
    plan: Plan = static()
    residual: float = static(default=DERIVATIVES)


@partial(jax.jit, static_argnums=0)
def static_energy(plan: Plan, potential: Potential, system: System, near: Neighbors) -> Energy:
    """Energy (eV) and strain derivative (eV) of `system` as it stands."""
    return energy(plan, potential, system.species, system.fractional, system.cell, near)


def relax(
    plan: Plan,
    potential: Potential,
    system: System,
    largest_force: float = 1e-7,
    watch: Callable[[str], Any] = lambda words: None,
) -> Rest:
    """Minimise the positions of `system` until no force exceeds `largest_force` (eV/A); `watch` is told how far it is.

    Raises `NumericalError` when that is not reached: a pair may sit on the cutoff.
    """
    plan = replace(plan, precision="float64", shards=1)
    state, steps, done, largest = start(replace(system, momenta=jnp.zeros_like(system.momenta))), BLOCK, 0, np.inf
    plan, near = complete(plan, state.system.fractional, state.system.cell, plan.reach + SKIN)
    while largest > largest_force:
        after, over = _fire_block(plan, potential, near, state, steps)
        if float(over) > 0:
            if steps == 1:
                raise NumericalError("minimum: atoms outrun the skin of their list in a single step")
            steps = max(1, steps // 2)
            continue
        state, done, steps = after, done + steps, BLOCK
        largest = float(jnp.abs(state.forces).max())
        plan, near = complete(plan, state.system.fractional, state.system.cell, plan.reach + SKIN)
        if not np.isfinite(largest) or done > MOST_STEPS:
            raise NumericalError(f"minimum: forces of {largest:.1e} eV/A are left after {done} steps")
        watch(f"step {done}: largest force {largest:.1e} eV/A")
    found = static_energy(plan, potential, state.system, near).energy
    precondition = blocks(plan, potential, state.system, near)
    return Rest(potential, state.system, near, jnp.asarray(largest), found, jnp.asarray(done), precondition, plan)


@partial(jax.jit, static_argnums=0)
def _fire_block(plan: Plan, potential: Potential, near: Neighbors, state: State, steps: int) -> tuple[State, Array]:
    """`state` after some steps of FIRE with one list, and by how much atoms outran it (A; above 0: repeat)."""

    def force_field(fractional: Array, cell: Array) -> Forces:
        found = forces(plan, potential, state.system.species, fractional, cell, near)
        return found._replace(forces=found.forces - found.forces.mean(0))

    def step(_, carry: tuple[State, Array]) -> tuple[State, Array]:
        state, over = carry
        state = fire(force_field, state)
        return state, jnp.maximum(over, excess(near, state.system.fractional, state.system.cell, plan.reach))

    return jax.lax.fori_loop(0, steps, step, (state, jnp.asarray(-jnp.inf)))


def answer(
    plan: Plan,
    potential: Potential,
    species: Array,
    fractional: Array,
    cell: Array,
    near: Neighbors,
    precondition: Preconditioner,
    force: Array,
    residual: float = RESIDUAL,
) -> Array:
    """u (N, 3) in A with H u = `force` (N, 3) in eV/A, the mean of both taken off: a solid may move as a whole.

    Not finite, or far from solving it, where H is not positive; differentiable in all but the list.
    """
    _, hessian = expansion(plan, potential, species, fractional, cell, near.columns)
    found, _ = cg(
        lambda u: hessian(Gradient(u, jnp.zeros(()))).u,
        force - force.mean(0),
        tol=residual,
        maxiter=20 * len(force),
        M=lambda u: precondition(Gradient(u, jnp.zeros(()))).u,
    )
    return found


@jax.custom_jvp
def rest_positions(rest: Rest, potential: Potential, cell: Array) -> Array:
    """Fractional coordinates (N, 3) of `rest`, with the derivatives they have as the minimum of `potential` and `cell`.

    The value is that of `rest` whatever the arguments; derivatives of any order, forward mode; `rest` is a constant.
    """
    return rest.system.fractional


@rest_positions.defjvp
def _(primals, tangents):
    (rest, *where), (_, *change) = primals, tangents
    potential, cell = where
    x, species = rest_positions(rest, potential, cell), rest.system.species

    def force(potential: Potential, cell: Array) -> Array:
        return twin.forces(rest.plan, potential, species, x, cell, rest.near, False).forces

    pull = jax.jvp(force, tuple(where), tuple(change))[1]
    here = rest.plan, potential, species, x, cell, rest.near, rest.precondition
    return x, answer(*here, pull, min(RESIDUAL, rest.residual)) @ inverse(cell)
