"""Steps of a refit at fixed topology: the same glasses, at rest under every trial potential.

    model of target t:   M_t(z) = mean over its glasses of [shown at rest (z)] + offset_t + J_topo,t (z - z_0)

`offset` is what temperature adds (fresh glasses at 300 K minus the same at rest), J_topo how the topology answers; both
are zero in a fit of given glasses. Every step is tried: with a trust region it is accepted only where the whitened
residual, prior rows included, really falls.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxglass.engine.plan import Plan
from jaxglass.errors import ConfigError, NumericalError
from jaxglass.model.potential import Potential
from jaxglass.model.system import System
from jaxglass.refit.basin import Basin, Shown, changed_bonds, linearised, mean_of, show
from jaxglass.refit.least_squares import TrustRegion, resized
from jaxglass.refit.observables import check_reach
from jaxglass.refit.parameters import Parameter, check_splice, moved
from jaxglass.refit.target import Target
from jaxglass.response.minimum import Rest
from jaxglass.response.zero_pressure import settle

REST_FORCE = 1e-5  # eV/A, left in a glass at rest; where a pair leaves the Coulomb sum forces jump by 1e-6
RESIDUAL = 1e-4  # of derivatives: a step needs no better ones, and each costs half as much
SHARP = 1e-8  # of derivatives that tell a direction without any effect from one with a small one
WORTH = 1e-3  # of 1/2 |r|^2: a step that promises less is not tried


@dataclass(frozen=True)
class Group:
    """The glasses that stand for one target, and what fresh glasses add to them at rest; J_topo leads with
    parameters. Where the glasses do not follow the potential (`exact` false), J_topo is all that answers."""

    target: Target
    basins: tuple[Basin, ...]
    offset: Shown
    topology: Shown
    exact: bool = True


@dataclass(frozen=True)
class Model:
    """Values and Jacobians (`slopes`, a leading axis of parameters) of every group at `z`, means over glasses, and the
    whitened least-squares problem of those that are fitted."""

    z: np.ndarray
    values: tuple[Shown, ...]
    slopes: tuple[Shown, ...]
    residual: np.ndarray
    jacobian: np.ndarray

    @property
    def cost(self) -> float:
        """1/2 |r|^2."""
        return 0.5 * float(np.sum(self.residual**2))


@dataclass(frozen=True)
class Progress:
    """One accepted or refused step: what its glasses show (`values` of the model), the `evaluations` that it took to
    bring them to rest (those of the Jacobian come on top), and the share of bonds that are not those of the start."""

    step: int
    z: np.ndarray
    cost: float
    accepted: bool
    radius: float
    values: tuple[Shown, ...]
    evaluations: int
    changed_bonds: float


def nothing(points: int, parameters: int | None = None) -> Shown:
    """An offset or a Jacobian of zeros."""
    lead = () if parameters is None else (parameters,)
    return Shown(np.zeros((*lead, points)), np.zeros(lead), np.zeros(lead), np.zeros(lead))


def at_rest_for_steps(plan: Plan, potential: Potential, system: System) -> Rest:
    """`system` at rest as well as the steps of a fit need it, and its derivatives likewise."""
    return replace(settle(plan, potential, system, REST_FORCE), residual=RESIDUAL)


def sharp(groups: Sequence[Group]) -> list[Group]:
    """The same glasses with derivatives that are exact enough to say what the data cannot see."""
    return [
        replace(group, basins=tuple(basin.at(replace(basin.rest, residual=SHARP)) for basin in group.basins))
        for group in groups
    ]


def at_rest_under(moving: Sequence[Parameter], groups: Sequence[Group], z: np.ndarray) -> list[Group]:
    """Every glass at rest under `z`, from the atoms that it always starts from: the same `z` gives the same glass.

    `NumericalError` or `ConfigError` where that does not exist.
    """
    found = []
    for group in groups:
        basins = []
        for basin in group.basins:
            potential = moved(moving, basin.start, basin.li2o, jnp.asarray(z))
            check_splice(potential)
            if group.exact:
                rest = at_rest_for_steps(basin.rest.plan, potential, basin.origin)
                check_reach(basin.view, np.asarray(rest.system.cell)[None])
                basin = basin.at(rest)
            basins.append(basin)
        found.append(replace(group, basins=tuple(basins)))
    return found


def model(moving: tuple[Parameter, ...], groups: Sequence[Group], z: np.ndarray, z_0: np.ndarray) -> Model:
    """M_t at `z`, where the groups are at rest, and its Jacobian."""
    values, each, rows, slopes = [], [], [np.asarray(z, float)], [np.eye(len(z))]
    for group in groups:
        found = [_linearised(moving, group, basin, z) for basin in group.basins]
        value, slope = (mean_of(parts) for parts in zip(*found, strict=True))
        value = jax.tree.map(lambda v, o, t: v + o + (z - z_0) @ t, value, group.offset, group.topology)
        slope = jax.tree.map(np.add, slope, group.topology)
        values.append(value)
        each.append(slope)
        if not group.target.hold_out:
            rows.append(group.target.residual(value))
            slopes.append(group.target.slope(slope))
    return Model(np.asarray(z, float), tuple(values), tuple(each), np.concatenate(rows), np.concatenate(slopes))


def _linearised(moving: tuple[Parameter, ...], group: Group, basin: Basin, z: np.ndarray) -> tuple[Shown, Shown]:
    """What a glass shows at `z` and its exact derivatives, none where it does not follow."""
    quantity, points = group.target.quantity, len(group.target.x)
    if group.exact:
        return linearised(quantity, moving, basin, jnp.asarray(z))
    return show(quantity, moving, basin, jnp.asarray(z)), nothing(points, len(z))


def descend(
    moving: tuple[Parameter, ...],
    groups: Sequence[Group],
    z_0: np.ndarray,
    optimiser: optax.GradientTransformationExtraArgs,
    steps: int,
    watch: Callable[[Progress], Any] = lambda progress: None,
    state: Any = None,
) -> tuple[Model, list[Group], Any]:
    """At most `steps` steps from `z_0`, where the groups are at rest; within a trust region as many more as it takes
    until one is accepted or the region is too small for any."""
    groups, here = list(groups), model(moving, groups, z_0, z_0)
    state = optimiser.init(jnp.asarray(z_0)) if state is None else state
    watch(Progress(0, here.z, here.cost, True, radius_of(state), here.values, *_of_glasses(groups)))
    k, went = 0, False
    while k < steps or (not went and isinstance(state, TrustRegion)):
        k += 1
        slope = here.jacobian.T @ here.residual
        step, after = optimiser.update(
            jnp.asarray(slope), state, jnp.asarray(here.z), jacobian=here.jacobian, residual=here.residual
        )
        guarded = isinstance(after, TrustRegion)
        if guarded and not float(after.predicted) >= WORTH:  # nor where it is not a number
            break
        z = here.z + np.asarray(step)
        try:
            tried = at_rest_under(moving, groups, z)
            there = model(moving, tried, z, z_0)
            fall = here.cost - there.cost if np.isfinite(there.cost) else -np.inf
        except (NumericalError, ConfigError):
            tried, there, fall = groups, here, -np.inf
        state = resized(after, fall, float(np.linalg.norm(step))) if guarded else after
        accepted = bool(fall > 0 or (not guarded and np.isfinite(fall)))
        if accepted:
            groups, here, went = tried, there, True
        watch(Progress(k, z, there.cost, accepted, radius_of(state), there.values, *_of_glasses(tried)))
        if guarded and radius_of(state) < 1e-5:
            break
    return here, groups, state


def _of_glasses(groups: Sequence[Group]) -> tuple[int, float]:
    """Evaluations of all glasses together, and the mean share of their bonds that have changed."""
    basins = [basin for group in groups for basin in group.basins]
    return sum(int(basin.rest.evaluations) for basin in basins), float(np.mean([changed_bonds(b) for b in basins]))


def radius_of(state: Any) -> float:
    """The trust radius of an optimiser that has one, else nan."""
    return float(state.radius) if isinstance(state, TrustRegion) else float("nan")
