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

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxglass.analysis.agreement import r_chi_squared
from jaxglass.analysis.results.entries import finite
from jaxglass.engine.plan import Plan
from jaxglass.errors import ConfigError, NumericalError
from jaxglass.refit.basin import Basin, Shown, show
from jaxglass.refit.fit import Group, Progress, at_rest_for_steps, descend, model, nothing, radius_of
from jaxglass.refit.least_squares import TrustRegion
from jaxglass.refit.observables import View
from jaxglass.refit.parameters import Parameter, check_splice, moved
from jaxglass.refit.sampling import Quench, Sample, Start, jittered
from jaxglass.refit.target import Target
from jaxglass.refit.topology import regress
from jaxglass.refit.uncertainty import information
from jaxglass.response.stiffness import followers
from jaxglass.simulation.files import read_json, write_json

DIRECTIONS = 6  # of the Fisher information, along which the topology is asked
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


@dataclass(frozen=True)
class Fresh:
    """Fresh glasses of one target: the mean of what they show, its standard error over them, N4 and its error."""

    target: str
    shown: Shown
    error: Shown
    n4: float
    n4_error: float
    glasses: int


@dataclass(frozen=True)
class Iteration:
    """One round: `z`, what fresh glasses of every target show, the `cost` of it with its `noise`, whether z was kept,
    the trust radius afterwards, and by how much the steps from there were to lower the cost (`promise`).

    Where too few glasses could be made, `fresh` is empty and the cost infinite.
    """

    number: int
    z: np.ndarray
    fresh: tuple[Fresh, ...]
    cost: float
    noise: float
    kept: bool
    radius: float
    promise: float = float("nan")

    def as_json(self) -> dict[str, Any]:
        """For the file of the iteration; what is not a number is null."""
        fresh = [
            {
                "target": one.target,
                "glasses": one.glasses,
                "n4": _numbers([one.n4, one.n4_error]),
                "curve": _numbers(one.shown.curve),
                "curve_error": _numbers(one.error.curve),
                "ln_density": _numbers([one.shown.ln_density, one.error.ln_density]),
            }
            for one in self.fresh
        ]
        numbers = {key: finite(getattr(self, key)) for key in ("cost", "noise", "radius", "promise")}
        return {"number": self.number, "kept": self.kept, **numbers, "z": self.z.tolist(), "fresh": fresh}


def _numbers(values) -> list[float | None]:
    return [finite(v) for v in np.asarray(values, float)]


def _array(values: Sequence[float | None]) -> np.ndarray:
    return np.array([np.nan if v is None else v for v in values])


def iteration_from(values: dict[str, Any]) -> Iteration:
    """The inverse of `Iteration.as_json`."""
    nan = np.asarray(np.nan)
    fresh = []
    for one in values["fresh"]:
        density, error = _array(one["ln_density"])
        shown = Shown(_array(one["curve"]), density, nan, nan)
        n4, n4_error = _array(one["n4"])
        errors = Shown(_array(one["curve_error"]), error, nan, nan)
        fresh.append(Fresh(one["target"], shown, errors, float(n4), float(n4_error), one["glasses"]))
    cost, noise, radius, promise = (
        float(v) for v in _array([values[k] for k in ("cost", "noise", "radius", "promise")])
    )
    cost = cost if fresh else np.inf
    return Iteration(
        values["number"], np.array(values["z"]), tuple(fresh), cost, noise, values["kept"], radius, promise
    )


def fresh_glasses(samples: Sequence[Sample], targets: Sequence[Target]) -> tuple[Fresh, ...]:
    """Means over the glasses of every target."""
    found = []
    for target in targets:
        mine = [sample for sample in samples if sample.start.target == target.name]
        shown = jax.tree.map(lambda *parts: np.mean(parts, axis=0), *(s.shown for s in mine))
        count = len(mine)
        spread = jax.tree.map(lambda *parts: error_of_mean(np.array(parts)), *(s.shown for s in mine))
        n4 = np.array([s.n4 for s in mine])
        found.append(Fresh(target.name, shown, spread, float(n4.mean()), float(error_of_mean(n4)), count))
    return tuple(found)


def error_of_mean(values: np.ndarray) -> np.ndarray:
    """Standard error of the mean over the first axis; nan for one value."""
    return (
        np.std(values, axis=0, ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.full(values.shape[1:], np.nan)
    )


def cost_and_noise(z: np.ndarray, samples: Sequence[Sample], targets: Sequence[Target]) -> tuple[float, float]:
    """1/2 |r|^2 of fresh glasses, prior rows included, and its standard error by leaving each glass of each target out
    in turn."""

    def cost(some: Sequence[Sample]) -> float:
        found = {one.target: one.shown for one in fresh_glasses(some, targets)}
        rows = [np.asarray(z)] + [_fitted(t, found[t.name]) for t in targets if not t.hold_out]
        return 0.5 * float(np.sum(np.concatenate(rows) ** 2))

    variance = 0.0
    for target in targets:
        mine = [sample for sample in samples if sample.start.target == target.name]
        if not target.hold_out and len(mine) > 1:
            left_out = np.array([cost([s for s in samples if s is not sample]) for sample in mine])
            variance += (len(mine) - 1) / len(mine) * np.sum((left_out - left_out.mean()) ** 2)
    return cost(samples), float(np.sqrt(variance))


def _fitted(target: Target, shown: Shown) -> np.ndarray:
    """Rows of the curve and the density alone: moduli are those of glasses at rest."""
    return replace(target, bulk=None, shear=None).residual(shown)


def refit(problem: Problem, watch: Callable[[str], Any]) -> list[Iteration]:
    """All iterations, those already in the folder first. The best is the one of lowest cost among those kept."""
    done = read_iterations(problem.folder)
    z, topology = continued(problem, done)
    while z is not None and len(done) <= problem.outer_steps:
        number, best = len(done), best_of(done)
        try:
            samples = quenched(problem, problem.starts, z, f"{number:03d}")
        except (NumericalError, ConfigError) as error:
            if best is None:
                raise
            watch(f"iteration {number}: refused; {error}")
            z = _refused(problem, done, Iteration(number, z, (), np.inf, 0.0, False, float("nan")), best)
            continue
        targets = with_noise(problem, samples, done)
        groups = grouped(problem, samples, [t for t in targets if not t.hold_out], z, topology)
        cost, noise = cost_and_noise(z, samples, targets)
        cost += moduli_cost(problem, groups, z)
        kept = best is None or bool(cost <= best.cost + np.hypot(noise, best.noise))
        radius = done[-1].radius if done else float("nan")
        iteration = Iteration(number, z, fresh_glasses(samples, targets), cost, noise, kept, radius)
        watch(_line(iteration, problem))
        if number == problem.outer_steps:
            done.append(_keep(problem, iteration, None, topology))
            break
        if not kept:
            assert best is not None
            z = _refused(problem, done, iteration, best)
            continue
        if problem.estimator != "implicit" and (not topology or number % problem.topology_every == 0):
            topology = answers(problem, groups, z, number, watch)
            groups = [replace(group, topology=topology[group.target.name]) for group in groups]
        state = problem.optimiser.init(jnp.asarray(z))
        if np.isfinite(radius) and isinstance(state, TrustRegion):
            state = state._replace(radius=jnp.asarray(radius))
        steps: list[Progress] = []

        def step(progress: Progress, steps: list[Progress] = steps) -> None:
            steps.append(progress)
            watch(_inner(progress))

        found, _, state = descend(problem.moving, groups, z, problem.optimiser, problem.inner_steps, step, state)
        iteration = replace(iteration, radius=radius_of(state), promise=steps[0].cost - found.cost)
        z = None if np.array_equal(found.z, z) or _settled([*done, iteration]) else found.z
        done.append(_keep(problem, iteration, z, topology))
    return done


def _settled(done: Sequence[Iteration]) -> bool:
    """Whether the steps of the last two rounds promised less than the noise of their costs."""
    return len(done) > 1 and all(one.kept and one.promise < one.noise for one in done[-2:])


def _refused(problem: Problem, done: list[Iteration], iteration: Iteration, best: Iteration) -> np.ndarray | None:
    """Keep a round that was refused; a quarter of the way from the best z is next, unless that is nowhere."""
    way = (iteration.z - best.z) / 4
    radius = float(np.linalg.norm(way))
    z = best.z + way if radius > SMALLEST_RADIUS else None
    _, topology = continued(problem, done)
    done.append(_keep(problem, replace(iteration, radius=radius), z, topology))
    return z


def moduli_cost(problem: Problem, groups: Sequence[Group], z: np.ndarray) -> float:
    """1/2 |r|^2 of the moduli that were measured, by glasses at rest; 0 where none was."""
    cost = 0.0
    for group in groups:
        if group.target.needs_moduli:
            each = [show(group.target.quantity, problem.moving, basin, jnp.asarray(z)) for basin in group.basins]
            mean = jax.tree.map(lambda *parts: np.mean(parts, axis=0), *each)
            cost += 0.5 * float(np.sum(group.target.moduli(mean) ** 2))
    return cost


def quenched(problem: Problem, starts: Sequence[Start], z: np.ndarray, name: str) -> list[Sample]:
    """Fresh glasses under `z`; those of a finished ensemble are read."""
    return problem.quench(starts, problem.potentials(starts, z), problem.folder / "ensembles" / name)


def with_noise(problem: Problem, samples: Sequence[Sample], done: Sequence[Iteration]) -> tuple[Target, ...]:
    """The targets, whose sigma holds the noise of the mean over the glasses of the first ensemble."""
    first = done[0].fresh if done else fresh_glasses(samples, problem.targets)
    return tuple(
        replace(target, sigma=np.hypot(target.sigma, np.nan_to_num(np.asarray(fresh.error.curve))))
        for target, fresh in zip(problem.targets, first, strict=True)
    )


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
        each = [show(target.quantity, problem.moving, basin, jnp.asarray(z)) for basin in basins]
        here = jax.tree.map(lambda *parts: np.mean(parts, axis=0), *each)
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
    for group, known, exact in zip(groups, [group.topology for group in groups], here.slopes, strict=True):
        slope = jax.tree.map(lambda whole, part: np.asarray(whole - part), exact, known)
        explained = np.concatenate([slope.curve, slope.ln_density[:, None]], 1)
        mine = [sample for sample in samples if sample.start.target == group.target.name]
        observed = np.array([np.append(sample.shown.curve, sample.shown.ln_density) for sample in mine])
        moves = np.array([offsets[sample.number] for sample in mine])
        answer, zero = regress(observed, explained, moves, directions).shrunk, np.zeros(len(z))
        found[group.target.name] = Shown(answer[:, :-1], answer[:, -1], zero, zero)
    return found


def best_of(done: Sequence[Iteration]) -> Iteration | None:
    """The kept iteration of lowest cost."""
    return min((one for one in done if one.kept), key=lambda one: one.cost, default=None)


def _keep(
    problem: Problem, iteration: Iteration, following: np.ndarray | None, topology: Mapping[str, Shown]
) -> Iteration:
    path = problem.folder / "iterations" / f"{iteration.number:03d}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    rest = {
        "next_z": None if following is None else following.tolist(),
        "topology": {
            name: {"curve": np.asarray(one.curve).tolist(), "ln_density": np.asarray(one.ln_density).tolist()}
            for name, one in topology.items()
        },
    }
    write_json(path, iteration.as_json() | rest)
    return iteration


def read_iterations(folder: Path) -> list[Iteration]:
    """Those that have ended, in order."""
    files = sorted((folder / "iterations").glob("*.json"))
    return [iteration_from(values) for values in map(read_json, files) if values is not None]


def continued(problem: Problem, done: Sequence[Iteration]) -> tuple[np.ndarray | None, dict[str, Shown]]:
    """Where the iteration after the last one is to be (None: it was the last) and the J_topo known by then."""
    zero = np.zeros(len(problem.moving))
    if not done:
        return zero, {}
    values = read_json(problem.folder / "iterations" / f"{done[-1].number:03d}.json") or {}
    z = values.get("next_z")
    topology = {
        name: Shown(np.array(one["curve"]), np.array(one["ln_density"]), zero, zero)
        for name, one in values.get("topology", {}).items()
    }
    return None if z is None else np.array(z), topology


def _line(iteration: Iteration, problem: Problem) -> str:
    verdict = "kept" if iteration.kept else "refused"
    shares = ", ".join(
        f"{one.target} R {_misfit(target, one):.1f} %, density {_density_error(target, one):+.2f} %"
        for one, target in zip(iteration.fresh, problem.targets, strict=True)
    )
    return f"iteration {iteration.number}: cost {iteration.cost:.4g} +- {iteration.noise:.2g}, {verdict}; {shares}"


def _misfit(target: Target, fresh: Fresh) -> float:
    """R_chi of the curve in %."""
    return 100 * float(np.sqrt(r_chi_squared(target.y, np.asarray(fresh.shown.curve))))


def _density_error(target: Target, fresh: Fresh) -> float:
    """In %."""
    return 100 * float(np.exp(fresh.shown.ln_density) / target.density - 1)


def _inner(progress: Progress) -> str:
    verdict = "accepted" if progress.accepted else "refused"
    bonds = f"{100 * progress.changed_bonds:.1f} % of the bonds changed"
    return f"  step {progress.step}: cost {progress.cost:.4g}, {verdict}, radius {progress.radius:.2g}, {bonds}"
