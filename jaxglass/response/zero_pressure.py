"""The glass at rest at zero pressure: the energy minimum in positions and volume, and how it follows the potential.

    y = (u, v): g(y; theta) = 0        dy/dtheta = -H^-1 dg/dtheta        (implicit function theorem)

u displacements, v the logarithm of the cell's length (`response.gradient`). The shape of the cell stays. The potential
must have a smooth cutoff (`Potential.switch`): with a sharp one there is no minimum in the strict sense.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.scipy.sparse.linalg import cg

from jaxglass.engine import twin
from jaxglass.engine.neighbors import Neighbors, complete
from jaxglass.engine.plan import Plan
from jaxglass.errors import NumericalError
from jaxglass.model.cell import inverse
from jaxglass.model.potential import Potential
from jaxglass.model.system import System
from jaxglass.response.gradient import expansion, gradient, moved, without_mean
from jaxglass.response.minimum import SKIN, Rest, relax
from jaxglass.response.moduli import static_stress
from jaxglass.response.newton import Step, trust_region_step
from jaxglass.response.preconditioner import Preconditioner, preconditioner
from jaxglass.units import GPA

ROUGH = (0.3, 0.1)  # eV/A, forces that FIRE leaves before the cell is corrected each time; Newton does the rest
STIFFNESS = 60 / GPA  # bulk modulus (eV/A^3) for that
LARGEST_MOVE = 0.3  # A, of one atom in a step: two of them stay within the skin
LONGEST, MOST = 0.5, 400  # first trust radius (sqrt(eV): the norm is weighted by the preconditioner), steps of CG
ROUNDS, PER_STEP = 80, 3  # steps of Newton's method at most; the expansion and two energies of each
ROUNDING = 1e-6  # eV, of a total energy: smaller falls are not seen


def settle(
    plan: Plan,
    potential: Potential,
    system: System,
    largest_force: float = 1e-9,
    watch: Callable[[str], Any] = lambda words: None,
) -> Rest:
    """`system` at rest at zero pressure: no force above `largest_force` (eV/A), nor dE/dv above N times that (eV).

    Raises `NumericalError` where it is not reached.
    """
    evaluations = jnp.asarray(0)
    for tolerance in ROUGH:
        rest = relax(plan, potential, system, tolerance, watch)
        evaluations += rest.evaluations
        v = jnp.trace(static_stress(rest)) / (9 * STIFFNESS)
        plan, system = rest.plan, replace(rest.system, cell=rest.system.cell * jnp.exp(-jnp.clip(v, -0.02, 0.02)))
    return newton(replace(rest, evaluations=evaluations), potential, largest_force, watch)


def newton(
    rest: Rest, potential: Potential, largest_force: float = 1e-9, watch: Callable[[str], Any] = lambda words: None
) -> Rest:
    """As `settle`, from a glass that is nearly at rest; the potential may be another."""
    plan, system, radius, evaluations = rest.plan, rest.system, LONGEST, rest.evaluations
    precondition = preconditioner(plan, potential, system, rest.near)
    for done in range(ROUNDS):
        plan, near = complete(plan, system.fractional, system.cell, plan.reach + SKIN)
        tried = _try(plan, potential, system, near, precondition, jnp.asarray(radius))
        left, evaluations = float(tried.left), evaluations + PER_STEP + tried.step.applied
        if not np.isfinite(left):
            break
        if left <= largest_force:
            return Rest(potential, system, near, tried.left, tried.energy, evaluations, precondition, plan)
        watch(f"Newton {done}: largest force {left:.1e} eV/A")
        predicted = float(tried.step.predicted)
        if float(tried.fall) >= 0.1 * predicted or predicted < ROUNDING:
            system = replace(system, fractional=tried.fractional, cell=tried.cell)
            radius = max(radius, 2 * float(tried.step.size))
        else:
            radius = 0.25 * float(tried.step.size)
            if radius < 1e-7:
                break
    raise NumericalError(f"zero pressure: forces of {left:.1e} eV/A are left after {done + 1} steps of Newton's method")


class _Tried(NamedTuple):
    """A trial: where it leads, by how much the energy falls, and energy and largest force where it began."""

    fractional: Array
    cell: Array
    fall: Array
    step: Step
    energy: Array
    left: Array


@partial(jax.jit, static_argnums=0)
def _try(
    plan: Plan, potential: Potential, system: System, near: Neighbors, precondition: Preconditioner, radius: Array
) -> _Tried:
    species, x, cell = system.species, system.fractional, system.cell
    g, hessian = expansion(plan, potential, species, x, cell, near.columns)
    left = jnp.maximum(jnp.abs(g.u).max(), jnp.abs(g.v) / len(species))
    tolerance = jnp.clip(0.1 * jnp.sqrt(left), 1e-4, 0.1)
    found = trust_region_step(g, hessian, precondition, radius, tolerance, MOST)
    short = jnp.minimum(1.0, LARGEST_MOVE / jnp.sqrt(jnp.max(jnp.sum(found.step.u**2, 1))))
    x_new, cell_new = moved(x, cell, jax.tree.map(lambda s: short * s, found.step))
    places = jnp.stack([x, x_new]), jnp.stack([cell, cell_new])  # a loop over the two: one program instead of two
    before, after = jax.lax.map(lambda place: twin.energy(plan, potential, species, place[0], place[1], near), places)
    found = found._replace(size=short * found.size, predicted=found.predicted * short * (2 - short))
    return _Tried(x_new, cell_new, before - after, found, before, left)


@jax.custom_jvp
def at_rest(rest: Rest, potential: Potential) -> tuple[Array, Array]:
    """Fractional coordinates (N, 3) and cell (3, 3) of `rest`, with the derivatives in the potential that they have as
    the minimum at zero pressure.

    The value is that of `rest` whatever the potential; forward mode; `rest` itself is a constant.
    """
    return rest.system.fractional, rest.system.cell


@at_rest.defjvp
def _(primals, tangents):
    (rest, potential), (_, change) = primals, tangents
    plan, species, index = rest.plan, rest.system.species, rest.near.columns
    x, cell = at_rest(rest, potential)
    pull = jax.jvp(lambda p: gradient(plan, p, species, x, cell, index), (potential,), (change,))[1]
    _, hessian = expansion(plan, potential, species, x, cell, index)
    pull = without_mean(jax.tree.map(jnp.negative, pull))
    y = cg(hessian, pull, tol=rest.residual, maxiter=20 * len(species), M=rest.precondition)[0]
    return (x, cell), (y.u @ inverse(cell), y.v * cell)
