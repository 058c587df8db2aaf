"""The outer loop of a refit: fresh glasses decide, steps at fixed topology propose.

    1  quench fresh glasses of every target under z                     (`refit.sampling`)
    2  keep z if 1/2 |r|^2 of what they show has not risen by more than its noise, else try a quarter of the way
    3  now and then: J_topo by regression over quenches at jittered z   (`refit.topology`)
    4  a few accepted steps at fixed topology from there                (`refit.fit`)

until no step promises anything, or twice in a row less than the noise. Every number that is reported comes from step 1.
Each iteration is kept in `iterations/` as soon as it ends and its glasses in `ensembles/`, so that an interrupted refit
continues with what it has.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import optax

from jaxglass.engine.plan import Plan
from jaxglass.errors import ConfigError, NumericalError
from jaxglass.refit.basin import Basin, Shown, mean_shown
from jaxglass.refit.cost import cost_and_noise, moduli_cost, with_noise
from jaxglass.refit.fit import Group, Progress, at_rest_for_steps, descend, model, nothing, radius_of
from jaxglass.refit.iteration import Iteration, best_of, continued, fresh_glasses, keep, read_iterations
from jaxglass.refit.least_squares import TrustRegion
from jaxglass.refit.misfit import density_error, misfits
from jaxglass.refit.observables import View
from jaxglass.refit.parameters import Parameter, check_splice, moved
from jaxglass.refit.sampling import Quench, Sample, Start, jittered
from jaxglass.refit.target import Target
from jaxglass.refit.topology import DIRECTIONS, regress, shrunk
from jaxglass.refit.uncertainty import information
from jaxglass.response.stiffness import followers

SMALLEST_RADIUS = 1e-3


@dataclass(frozen=True)
class Problem:
    """Everything that a refit is given: parameters, targets, the glasses to quench for each, how they are quenched and
    the plan in which they come to rest."""

    moving: tuple[Parameter, ...]
    targets: tuple[Target, ...]
    starts: tuple[Start, ...]
    quench: Quench
    rest_plan: Plan
    estimator: str
    optimiser: optax.GradientTransformationExtraArgs
    outer_steps: int
    inner_steps: int
    resting: int
    topology_quenches: int
    topology_every: int
    jitter: float
    folder: Path

    def potentials(self, starts: Sequence[Start], z: np.ndarray):
        """The potential of every start under `z`; `ConfigError` where a core splice is lost."""
        found = [moved(self.moving, start.potential, start.li2o, jnp.asarray(z)) for start in starts]
        for potential in found:
            check_splice(potential)
        return found

    def view(self, target: Target) -> View:
        """How the glasses of a target are looked at."""
        return self.quench.views[target.name]


def refit(problem: Problem, watch: Callable[[str], Any]) -> list[Iteration]:
    """All iterations, those already in the folder first; where they ended because no more rounds were allowed and now
    more are, it goes on from the last. The result is the last one kept."""
    done = read_iterations(problem.folder)
    z, topology = continued(problem.folder, done, len(problem.moving))
    if z is None and done[-1].number < problem.outer_steps and np.isnan(done[-1].promise):
        z = done.pop().z  # no steps were taken from there
    first: list[Sample] = []
    while z is not None and len(done) <= problem.outer_steps:
        number, best = len(done), best_of(done)
        try:
            samples = quenched(problem, problem.starts, z, f"{number:03d}")
            first = first or (quenched(problem, problem.starts, done[0].z, "000") if done else samples)
            targets = with_noise(problem.targets, first)
            groups = grouped(problem, samples, [t for t in targets if not t.hold_out], z, topology)
        except (NumericalError, ConfigError) as error:
            if best is None:
                raise
            watch(f"iteration {number}: refused; {error}")
            z = _refused(problem, done, Iteration(number, z, (), np.inf, 0.0, False, float("nan")), best, topology)
            continue
        cost, noise = cost_and_noise(z, samples, targets)
        of_moduli = moduli_cost(problem.moving, groups, z)
        cost, noise = cost + of_moduli[0], float(np.hypot(noise, of_moduli[1]))
        kept = best is None or bool(cost <= best.cost + np.hypot(noise, best.noise))
        # after a round that was kept the glasses are others: how short the last steps were there says nothing of them
        radius = done[-1].radius if done and not done[-1].kept else float("nan")
        iteration = Iteration(number, z, fresh_glasses(samples, targets), cost, noise, kept, radius)
        watch(_line(problem, iteration, groups))
        if number == problem.outer_steps:
            done.append(keep(problem.folder, iteration, None, topology))
            break
        if not kept:
            assert best is not None
            z = _refused(problem, done, iteration, best, topology)
            continue
        if problem.estimator != "implicit" and (not topology or topology_due(done, problem.topology_every)):
            try:
                topology = answers(problem, groups, z, number, watch)
                groups = [replace(group, topology=topology[group.target.name]) for group in groups]
            except NumericalError as error:
                if problem.estimator == "ensemble" and not topology:
                    raise  # nothing else says where to go
                watch(f"topology: not asked, what is known of it is kept; {error}")
        state = problem.optimiser.init(jnp.asarray(z))
        if np.isfinite(radius) and isinstance(state, TrustRegion):
            state = state._replace(radius=jnp.asarray(radius))
        steps: list[Progress] = []

        def step(progress: Progress, steps: list[Progress] = steps) -> None:
            steps.append(progress)
            watch(_inner(progress))

        found, _, state = descend(problem.moving, groups, z, problem.optimiser, problem.inner_steps, step, state)
        iteration = replace(iteration, radius=radius_of(state), promise=steps[0].cost - found.cost)
        if np.array_equal(found.z, z):
            watch("ended: no step from here lowers the cost")
            z = None
        elif _settled([*done, iteration]):
            watch("ended: the steps of two rounds promised less than the noise of their costs")
            z = None
        else:
            z = found.z
        done.append(keep(problem.folder, iteration, z, topology))
    return done


def topology_due(done: Sequence[Iteration], every: int) -> bool:
    """Whether J_topo is renewed if the round after `done` is kept; only rounds that were kept are counted."""
    return sum(one.kept for one in done) % every == 0


def _settled(done: Sequence[Iteration]) -> bool:
    """Whether the steps of the last two rounds promised less than the noise of their costs."""
    return len(done) > 1 and all(one.kept and one.promise < one.noise for one in done[-2:])


def _refused(
    problem: Problem, done: list[Iteration], iteration: Iteration, best: Iteration, topology: Mapping[str, Shown]
) -> np.ndarray | None:
    """Keep a round that was refused; a quarter of the way from the best z is next, unless that is nowhere."""
    way = (iteration.z - best.z) / 4
    radius = float(np.linalg.norm(way))
    z = best.z + way if radius > SMALLEST_RADIUS else None
    done.append(keep(problem.folder, replace(iteration, radius=radius), z, topology))
    return z


def quenched(problem: Problem, starts: Sequence[Start], z: np.ndarray, name: str) -> list[Sample]:
    """Fresh glasses under `z`; those of a finished ensemble are read."""
    return problem.quench(starts, problem.potentials(starts, z), problem.folder / "ensembles" / name)


def grouped(
    problem: Problem,
    samples: Sequence[Sample],
    targets: Sequence[Target],
    z: np.ndarray,
    topology: Mapping[str, Shown] | None = None,
) -> list[Group]:
    """The first `resting` fresh glasses of every target that come to rest, what temperature and the other glasses add,
    and the J_topo that is known."""
    groups = []
    for target in targets:
        mine = [sample for sample in samples if sample.start.target == target.name]
        basins = resting(problem, mine, target)
        here = mean_shown(target.quantity, problem.moving, basins, z)
        fresh, zero = fresh_glasses(mine, [target])[0].shown, np.asarray(0.0)
        offset = Shown(fresh.curve - here.curve, fresh.ln_density - here.ln_density, zero, zero)
        known = (topology or {}).get(target.name, nothing(len(target.x), len(problem.moving)))
        groups.append(Group(target, basins, offset, known, exact=problem.estimator != "ensemble"))
    return groups


def resting(problem: Problem, samples: Sequence[Sample], target: Target) -> tuple[Basin, ...]:
    """As many glasses as are wanted at rest, in order; one that finds no rest is passed over.

    `NumericalError` where none is left.
    """
    found: list[Basin] = []
    reason = "no glass"
    for sample in samples:
        try:
            found.append(at_rest(problem, sample, target))
        except NumericalError as error:
            reason = str(error)
        if len(found) == problem.resting:
            break
    if not found:
        raise NumericalError(f"refit: no glass of {target.name} comes to rest; {reason}")
    return tuple(found)


def at_rest(problem: Problem, sample: Sample, target: Target) -> Basin:
    """A fresh glass at rest under its own potential; from there, not from its thermal motion, it goes to others."""
    rest = at_rest_for_steps(problem.rest_plan, sample.potential, sample.system)
    moves = followers(rest) if target.needs_moduli else None
    li2o = jnp.asarray(sample.start.li2o)
    return Basin(rest, rest.system, sample.start.potential, problem.view(target), moves, li2o)


def answers(
    problem: Problem, groups: Sequence[Group], z: np.ndarray, number: int, watch: Callable[[str], Any]
) -> dict[str, Shown]:
    """J_topo of every target from quenches at jittered parameters, the same points for all of them; slopes that the
    noise could have made are shrunk.

    What the exact derivative explains of them is taken from the glasses that are at rest already: between glasses it
    differs little, and each of its own would cost as much as a step. Opposite points quench the same melt.
    """
    here = model(problem.moving, groups, z, z)
    directions = np.eye(len(z))
    if problem.estimator != "ensemble":
        directions = information(problem.moving, here.jacobian).modes[:DIRECTIONS]
    starts, potentials, offsets = [], [], []
    for m, point in enumerate(jittered(z, problem.jitter, problem.topology_quenches, number)):
        some = []
        for group in groups:
            own = [start for start in problem.starts if start.target == group.target.name]
            start = own[m // 2 % len(own)]
            some.append(replace(start, seed=start.seed + 1_000_003 * (1 + m // 2)))
        try:
            potentials += problem.potentials(some, point)
        except ConfigError as error:
            watch(f"topology: point {m} left out; {error}")
            continue
        starts += some
        offsets += [point - z] * len(some)
    watch(f"topology: {len(starts)} quenches at jittered parameters")
    samples = problem.quench(starts, potentials, problem.folder / "ensembles" / f"{number:03d}-jittered")
    found = {}
    for group, whole in zip(groups, here.slopes, strict=True):
        explained = whole.row - group.topology.row
        mine = [sample for sample in samples if sample.start.target == group.target.name]
        observed = np.array([sample.shown.row for sample in mine])
        moves = np.array([offsets[sample.number] for sample in mine])
        answer, zero = regress(observed, explained, moves, directions), np.zeros(len(z))
        parts = np.s_[:, :-1], np.s_[:, -1:]  # the curve; the density
        curve, ln_density = (shrunk(answer.jacobian[part], answer.jacobian_error[part]) for part in parts)
        found[group.target.name] = Shown(curve, ln_density[:, 0], zero, zero)
    return found


def _line(problem: Problem, iteration: Iteration, groups: Sequence[Group]) -> str:
    """Cost; per target R and density of its fresh glasses and, unless held out, E of the first of them at rest."""
    verdict = "kept" if iteration.kept else "refused"
    young = {group.target.name: float(group.basins[0].moduli().young) for group in groups}
    shares = []
    for one, target in zip(iteration.fresh, problem.targets, strict=True):
        R_D, _ = misfits(problem.view(target), target, one.shown)
        share = f"{one.target} R of D(r) {100 * R_D:.1f} %, density {density_error(target, one.shown):+.2f} %"
        shares.append(share + (f", E {young[one.target]:.0f} GPa" if one.target in young else ""))
    cost = f"cost {iteration.cost:.4g} +- {iteration.noise:.2g}, {verdict}"
    return f"iteration {iteration.number}: {'; '.join([cost, *shares])}"


def _inner(progress: Progress) -> str:
    verdict = "accepted" if progress.accepted else "refused"
    bonds = f"{100 * progress.changed_bonds:.1f} % of the bonds changed"
    return f"  step {progress.step}: cost {progress.cost:.4g}, {verdict}, radius {progress.radius:.2g}, {bonds}"
