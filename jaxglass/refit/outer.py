"""The outer loop of a refit: fresh glasses decide, steps at fixed topology propose.

    1  quench fresh glasses of every target under z                     (`refit.sampling`)
    2  keep z if 1/2 |r|^2 of what they show has not risen by more than its noise, else return to the best z
    3  now and then: J_topo by regression over quenches at jittered z   (`refit.topology`)
    4  a few accepted steps at fixed topology from there                (`refit.fit`)

Every number that is reported comes from step 1. Each iteration is kept in `iterations/` as soon as it ends and its
glasses in `ensembles/`, so that an interrupted refit continues with what it has.
"""

from collections.abc import Callable, Sequence
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
    """One round: `z`, what fresh glasses of every target show, the `cost` of it with its `noise`, whether z was
    kept, and the trust radius afterwards."""

    number: int
    z: np.ndarray
    fresh: tuple[Fresh, ...]
    cost: float
    noise: float
    kept: bool
    radius: float

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
        plain = {key: getattr(self, key) for key in ("number", "cost", "noise", "kept")}
        return plain | {"radius": _numbers([self.radius])[0], "z": self.z.tolist(), "fresh": fresh}


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
    radius = float(_array([values["radius"]])[0])
    cost, noise, kept = (values[key] for key in ("cost", "noise", "kept"))
    return Iteration(values["number"], np.array(values["z"]), tuple(fresh), cost, noise, kept, radius)


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
    """1/2 |r|^2 of fresh glasses, prior rows included, and its standard error by leaving each glass out in turn."""

    def cost(some: Sequence[Sample]) -> float:
        found = {one.target: one.shown for one in fresh_glasses(some, targets)}
        rows = [np.asarray(z)] + [_fitted(t, found[t.name]) for t in targets if not t.hold_out]
        return 0.5 * float(np.sum(np.concatenate(rows) ** 2))

    fitted = [s for s in samples if not next(t for t in targets if t.name == s.start.target).hold_out]
    left_out = []
    for sample in fitted:
        others = [s for s in samples if s is not sample]
        if any(s.start.target == sample.start.target for s in others):
            left_out.append(cost(others))
    n = len(left_out)
    noise = np.sqrt((n - 1) / n * np.sum((np.array(left_out) - np.mean(left_out)) ** 2)) if n > 1 else 0.0
    return cost(samples), float(noise)


def _fitted(target: Target, shown: Shown) -> np.ndarray:
    """Rows of the curve and the density alone: moduli are those of glasses at rest."""
    return replace(target, bulk=None, shear=None).residual(shown)


def refit(problem: Problem, watch: Callable[[str], Any]) -> list[Iteration]:
    """All iterations, those already in the folder first. The best is the one of lowest cost among those kept."""
    done = read_iterations(problem.folder)
    z = next_z(problem.folder, done)
    z = np.zeros(len(problem.moving)) if z is None else z
    for number in range(len(done), problem.outer_steps + 1):
        samples = quenched(problem, problem.starts, z, f"{number:03d}")
        targets = with_noise(problem, samples, done)
        cost, noise = cost_and_noise(z, samples, targets)
        best = best_of(done)
        radius = done[-1].radius if done else float("nan")
        kept = best is None or bool(cost <= best.cost + np.hypot(noise, best.noise))
        iteration = Iteration(number, z, fresh_glasses(samples, targets), cost, noise, kept, radius)
        watch(_line(iteration, problem))
        if number == problem.outer_steps or radius < SMALLEST_RADIUS:
            done.append(_keep(problem, iteration, None))
            break
        at = iteration if kept else best
        assert at is not None
        if not kept:
            samples = quenched(problem, problem.starts, at.z, f"{at.number:03d}")
        groups = grouped(problem, samples, [target for target in targets if not target.hold_out], at.z)
        if problem.estimator != "implicit" and number % problem.topology_every == 0:
            groups = with_topology(problem, groups, at.z, number, watch)
        state = problem.optimiser.init(jnp.asarray(at.z))
        if np.isfinite(radius) and isinstance(state, TrustRegion):
            state = state._replace(radius=jnp.asarray(radius if kept else radius / 4))
        found, _, state = descend(
            problem.moving, groups, at.z, problem.optimiser, problem.inner_steps, lambda p: watch(_inner(p)), state
        )
        radius = radius_of(state)
        done.append(_keep(problem, replace(iteration, radius=radius), found.z))
        z = found.z
    return done


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


def grouped(problem: Problem, samples: Sequence[Sample], targets: Sequence[Target], z: np.ndarray) -> list[Group]:
    """The first `resting` fresh glasses of every target at rest, and what temperature and the other glasses add."""
    groups = []
    for target in targets:
        mine = [sample for sample in samples if sample.start.target == target.name]
        basins = tuple(at_rest(problem, sample, target) for sample in mine[: problem.resting])
        plain = Group(target, basins, nothing(len(target.x)), nothing(len(target.x), len(problem.moving)))
        each = [show(target.quantity, problem.moving, basin, jnp.asarray(z)) for basin in basins]
        here = jax.tree.map(lambda *parts: np.mean(parts, axis=0), *each)
        fresh = fresh_glasses(mine, [target])[0].shown
        zero = np.asarray(0.0)
        offset = Shown(fresh.curve - here.curve, fresh.ln_density - here.ln_density, zero, zero)
        groups.append(replace(plain, offset=offset))
    return groups


def at_rest(problem: Problem, sample: Sample, target: Target) -> Basin:
    """A fresh glass at rest under its own potential; from there, not from its thermal motion, it goes to others."""
    rest = at_rest_for_steps(problem.rest_plan, sample.potential, sample.system)
    moves = followers(rest) if target.needs_moduli else None
    li2o = jnp.asarray(sample.start.li2o)
    return Basin(rest, rest.system, sample.start.potential, problem.view(target), moves, li2o)


def with_topology(
    problem: Problem, groups: Sequence[Group], z: np.ndarray, number: int, watch: Callable[[str], Any]
) -> list[Group]:
    """The groups with J_topo from quenches at jittered parameters, the same points for every target.

    What the exact derivative explains of them is taken from the glasses that are at rest already: between glasses it
    differs little, and each of its own would cost as much as a step.
    """
    here = model(problem.moving, groups, z, z)
    directions = information(problem.moving, here.jacobian).modes[:DIRECTIONS]
    points = jittered(z, problem.jitter, problem.topology_quenches, number)
    starts, potentials, offsets = [], [], []
    for group in groups:
        mine = [start for start in problem.starts if start.target == group.target.name]
        for m, point in enumerate(points):
            start = replace(mine[m % len(mine)], seed=mine[m % len(mine)].seed + 1_000_003 * (1 + m // 2))
            starts.append(start)
            potentials.append(moved(problem.moving, start.potential, start.li2o, jnp.asarray(point)))
            offsets.append(point - z)
    watch(f"topology: {len(starts)} quenches at jittered parameters")
    folder = problem.folder / "ensembles" / f"{number:03d}-jittered"
    samples = problem.quench(starts, potentials, folder)
    found = []
    for group, exact in zip(groups, here.slopes, strict=True):
        slope = np.concatenate([np.asarray(exact.curve), np.asarray(exact.ln_density)[:, None]], 1)
        if problem.estimator == "ensemble":
            slope = np.zeros_like(slope)
        observed, moves = [], []
        for sample in (sample for sample in samples if sample.start.target == group.target.name):
            observed.append(np.append(sample.shown.curve, sample.shown.ln_density))
            moves.append(offsets[sample.number])
        answer = regress(np.array(observed), slope, np.array(moves), directions).jacobian
        zero = np.zeros(len(problem.moving))
        found.append(replace(group, topology=Shown(answer[:, :-1], answer[:, -1], zero, zero)))
    return found


def best_of(done: Sequence[Iteration]) -> Iteration | None:
    """The kept iteration of lowest cost."""
    return min((one for one in done if one.kept), key=lambda one: one.cost, default=None)


def _keep(problem: Problem, iteration: Iteration, following: np.ndarray | None) -> Iteration:
    path = problem.folder / "iterations" / f"{iteration.number:03d}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, iteration.as_json() | {"next_z": None if following is None else following.tolist()})
    return iteration


def read_iterations(folder: Path) -> list[Iteration]:
    """Those that have ended, in order."""
    files = sorted((folder / "iterations").glob("*.json"))
    return [iteration_from(values) for values in map(read_json, files) if values is not None]


def next_z(folder: Path, done: Sequence[Iteration]) -> np.ndarray | None:
    """Where the iteration after the last one is to be."""
    if not done:
        return None
    values = read_json(folder / "iterations" / f"{done[-1].number:03d}.json") or {}
    return None if values.get("next_z") is None else np.array(values["next_z"])


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
