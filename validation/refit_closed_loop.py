"""Refit at fixed topology, closed loop: known parameters found again from the S(Q) that they give (C1, C2, C3, C6, C7).

    python -m validation.refit_closed_loop             all parts, one after another
    python -m validation.refit_closed_loop PART ...    parts: lm, adam, random, charges, noise

A glass of the library (855 atoms, 38 mol %) comes to rest from one configuration under the true parameters, those that
are shipped: that is the target, with its density. Another glass of the same composition, held out, shows whether the
parameters hold elsewhere. The fit starts at z = 0, the middle of its priors, 10 % away in V and C and 1 % in rho, and
comes to rest from the same configuration each time. Others are given ten (Adam) or five times the evaluations with
which Levenberg-Marquardt (part lm, which goes first) came to an R of D(r) of 1 %. Kept in
`validation/refit_closed_loop.json`: R of D(r) over 1-8 A at every step, on the fitted and the held-out glass,
evaluations and time.
"""

import json
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxglass.analysis.scattering import differential_correlation
from jaxglass.analysis.scattering_settings import ScatteringSettings
from jaxglass.engine.plan import Plan, largest_reach, make_plan
from jaxglass.errors import NumericalError
from jaxglass.manifest import versions
from jaxglass.model.potential import Potential
from jaxglass.model.system import System, make_system
from jaxglass.parameters import default_settings, load_parameters
from jaxglass.refit.basin import Basin
from jaxglass.refit.fit import Group, Progress, at_rest_for_steps, descend, model, nothing, sharp
from jaxglass.refit.least_squares import levenberg_marquardt
from jaxglass.refit.misfit import r_chi
from jaxglass.refit.observables import View, curves, make_view
from jaxglass.refit.parameters import Parameter, moved, parameters
from jaxglass.refit.setup import optimiser
from jaxglass.refit.target import Target
from jaxglass.refit.uncertainty import information
from jaxglass.response.gradient import expansion, gradient, without_mean
from jaxglass.response.minimum import Rest
from jaxglass.response.newton import along, dot
from jaxglass.response.stiffness import followers, relaxed_moduli
from jaxglass.trajectories import read_trajectory

FOLDER = Path(__file__).parent
GLASS, HELD_OUT = "38LiBP-seed0", "38LiBP-seed1"
NAMES = ("V P-O", "rho P-O", "V B-O", "rho B-O", "V O-O", "rho O-O", "C O-O")
EVERY = (*NAMES, "C P-O", "C B-O", "V Li-O", "rho Li-O", "charges")
AWAY = {"V": 0.10, "rho": -0.01, "C": 0.10, "charges": 0.03}  # of the logarithm, alternating in sign over pairs
CHARGES_SD = 0.1  # prior of the logarithm of the charges' scale, where it is free
SIGMA, DENSITY_SD = 0.005, 0.005
STEPS = {"lm": 15, "adam": 200, "random": 1000}
GOAL, CLOSE = 0.003, 0.01  # R of D(r) that ends Levenberg-Marquardt, and the one that methods are compared at
TIMES = {"adam": 10, "random": 5}  # evaluations of Levenberg-Marquardt after which the others are given up
NOISES = {0.001: 4, 0.005: 20, 0.02: 4}  # sigma of S(Q), and how many targets
NOISE_STEPS, NOISE_RADIUS, NINETY = 4, 2.0, 1.645  # the radius: most of the way in a step
SUCCESS, FAILURE = 1.3, 0.93  # of the width of the random search: one fifth of successes keeps it
PARTS = ("lm", "adam", "random", "charges", "noise")


@dataclass(frozen=True)
class Point:
    """A trial of a fit: R of D(r) on the fitted and, where it was looked at, the held-out glass, density error (%),
    evaluations and seconds so far. An evaluation is one of energy and forces or one product with the Hessian."""

    step: int
    accepted: bool
    R_D: float
    held_out: float | None
    density_error: float
    evaluations: int
    seconds: float


@dataclass(frozen=True)
class Loop:
    """Everything of the closed loop that does not depend on the optimiser: `start` is the potential at z = 0, `origin`
    and `other` the configurations from which the fitted and the held-out glass come to rest."""

    moving: tuple[Parameter, ...]
    start: Potential
    true: np.ndarray
    plan: Plan
    view: View
    origin: System
    other: System
    li2o: float

    def at(self, system: System, z: np.ndarray) -> Rest:
        """`system` come to rest under `z`."""
        return at_rest_for_steps(self.plan, moved(self.moving, self.start, self.li2o, jnp.asarray(z)), system)

    def shown(self, rest: Rest) -> tuple[np.ndarray, np.ndarray, float]:
        """S, D and density of a glass at rest."""
        found = curves(self.view, rest.system.species, rest.system.fractional, rest.system.cell)
        return np.asarray(found.S), np.asarray(found.D), float(found.density)

    def D(self, S: np.ndarray) -> np.ndarray:
        """D(r) of S(Q)."""
        return np.asarray(differential_correlation(self.view.transforms, S))

    def misfit(self, a: np.ndarray, b: np.ndarray) -> float:
        """R of D(r) over 1-8 A."""
        return r_chi(np.asarray(self.view.transforms.r), b, a)

    @cached_property
    def truth(self) -> Rest:
        """The fitted glass under the parameters that are to be found."""
        return self.at(self.origin, self.true)


def make_loop(names: Sequence[str] = NAMES) -> Loop:
    """The two glasses and the potential of their composition, its cutoff made smooth, moved to the start of the fit."""
    moving = parameters(list(names), {"charges": CHARGES_SD} if "charges" in names else {})
    systems = [_system(name) for name in (GLASS, HELD_OUT)]
    settings = {**default_settings(), "cutoff_style": "c2"}
    potential = load_parameters(settings, systems[0].elements, systems[0].counts).potential
    charges = np.asarray(potential.charges)[np.asarray(systems[0].species)]
    plan = make_plan(np.asarray(systems[0].cell), charges, potential.cutoff, 1e-6, "float64", None, 1.2)
    half = largest_reach(np.asarray(systems[0].cell))
    view = make_view(systems[0].counts, ScatteringSettings(), 0.95 * half)
    away, li2o = displaced(moving), 38.07
    start = moved(moving, potential, li2o, jnp.asarray(away))
    # the configuration from which everything comes to rest is one at rest under the start of the fit
    loop = Loop(moving, start, -away, plan, view, systems[0], systems[1], li2o)
    here = zero(loop)
    return replace(loop, origin=loop.at(systems[0], here).system, other=loop.at(systems[1], here).system)


def displaced(moving: Sequence[Parameter]) -> np.ndarray:
    """From the truth to the start of the fit."""
    signs = {"P-O": 1, "B-O": -1, "O-O": 1}
    return np.array([signs.get(p.pair, 1) * AWAY.get(p.kind, 0.0) / p.sd for p in moving])


def _system(name: str) -> System:
    glass = read_trajectory(FOLDER / "glasses" / f"{name}.extxyz.gz")
    return make_system(glass.symbols.tolist(), glass.fractional[0], glass.cell[0])


def problem(loop: Loop, rest: Rest, bulk: bool = False) -> Group:
    """The target that the truth gives, and the glass `rest` under the parameters that a fit begins with."""
    S, _, density = loop.shown(loop.truth)
    K = float(relaxed_moduli(loop.truth, loop.truth.potential, followers(loop.truth)).bulk) if bulk else None
    Q = np.asarray(loop.view.transforms.Q)
    resolution = np.pi / (loop.view.count * loop.view.width)
    sigma = np.full(len(Q), SIGMA)
    target = Target(GLASS, loop.li2o, "S_q", Q, S, sigma, resolution, density, DENSITY_SD, bulk=K, nuisance=False)
    moves = followers(rest) if bulk else None
    basin = Basin(rest, loop.origin, loop.start, loop.view, moves, jnp.asarray(loop.li2o))
    return Group(target, (basin,), nothing(len(Q)), nothing(len(Q), len(loop.moving)))


def noisy(target: Target, sigma: float, random: np.random.Generator) -> Target:
    """The target as a measurement finds it: S(Q) with errors `sigma`, one for every independent point, and density."""
    target = replace(target, sigma=np.full(len(target.x), sigma))
    S = target.y + random.standard_normal(len(target.x)) / target.weight
    return replace(target, y=S, density=target.density * float(np.exp(target.density_sd * random.standard_normal())))


def fitted(
    loop: Loop,
    method: optax.GradientTransformationExtraArgs,
    steps: int,
    per_step: int,
    goal: float,
    most: float,
    held_out: bool,
) -> list[Point]:
    """A fit by `method` until R of D(r) falls below `goal` or the steps or `most` evaluations are used up.

    `per_step`: evaluations of the derivatives of one step. The glass that is `held_out` may be looked at where a step
    was accepted: it takes as long as the fitted one and is not counted.
    """
    group = problem(loop, loop.at(loop.origin, zero(loop)))
    D, D_other = (loop.shown(loop.at(system, loop.true))[1] for system in (loop.origin, loop.other))
    trace: list[Point] = []
    began = time.monotonic()

    class Ended(Exception):
        pass

    def watch(progress: Progress) -> None:
        seconds = time.monotonic() - began
        found = loop.misfit(loop.D(progress.values[0].curve), D)
        held = None
        if held_out and progress.accepted:
            held = loop.misfit(loop.shown(loop.at(loop.other, progress.z))[1], D_other)
        error = 100 * float(np.exp(progress.values[0].ln_density) / group.target.density - 1)
        used = (trace[-1].evaluations if trace else 0) + progress.evaluations + per_step
        trace.append(Point(progress.step, progress.accepted, found, held, error, used, seconds))
        shown = "" if held is None else f", held out {100 * held:.3f} %"
        print(f"  {progress.step}: R_D {100 * found:.3f} %{shown}, {used} evaluations", flush=True)
        if found < goal or used > most:
            raise Ended

    with suppress(Ended):
        descend(loop.moving, [group], zero(loop), method, steps, watch)
    return trace


def zero(loop: Loop) -> np.ndarray:
    """The start of a fit."""
    return np.zeros(len(loop.moving))


def products(loop: Loop) -> int:
    """Products with the Hessian that the answers of a glass to all parameters take: conjugate gradients as `at_rest`
    has them, written out to be counted."""
    rest = loop.at(loop.origin, zero(loop))
    plan, species, system = rest.plan, rest.system.species, rest.system
    where = species, system.fractional, system.cell, rest.near.columns

    @jax.jit
    def count(direction: jax.Array) -> jax.Array:
        def pull(z: jax.Array):
            return gradient(plan, moved(loop.moving, loop.start, loop.li2o, z), *where)

        force = without_mean(jax.jvp(pull, (jnp.asarray(zero(loop)),), (direction,))[1])
        _, hessian = expansion(plan, rest.potential, *where)
        enough = rest.residual**2 * dot(force, force)

        def search(state):
            r, p, rz, applied = state
            Hp = hessian(p)
            r = along(r, -rz / dot(p, Hp), Hp)
            z = rest.precondition(r)
            after = dot(r, z)
            return r, along(z, after / rz, p), after, applied + 1

        z = rest.precondition(force)
        first = force, z, dot(force, z), jnp.asarray(0)
        return jax.lax.while_loop(lambda state: dot(state[0], state[0]) > enough, search, first)[3]

    return sum(int(count(direction)) for direction in jnp.eye(len(loop.moving)))


def random_search(loop: Loop, trials: int, goal: float, most: float) -> list[Point]:
    """The baseline without derivatives: an adaptive Gaussian search, one glass at rest per trial."""
    random = np.random.default_rng(0)
    z = zero(loop)
    target = problem(loop, loop.truth).target
    D = loop.shown(loop.truth)[1]
    trace: list[Point] = []
    began, width, best, used = time.monotonic(), 0.3, np.inf, 0
    for k in range(trials):
        tried = z if k == 0 else z + width * random.standard_normal(len(z))
        try:
            rest = loop.at(loop.origin, tried)
        except NumericalError as error:  # a bad trial, whose evaluations are not counted, in favour of the search
            print(f"  {k}: {error}")
            width *= FAILURE
            continue
        S, now, density = loop.shown(rest)
        used += int(rest.evaluations)
        residual = np.append((S - target.y) * target.weight, (np.log(density / target.density)) / DENSITY_SD)
        cost = 0.5 * float(residual @ residual + tried @ tried)
        better = cost < best
        if better:
            z, best = tried, cost
        width *= SUCCESS if better else FAILURE
        found, off = loop.misfit(now, D), 100 * (density / target.density - 1)
        trace.append(Point(k, better, found, None, off, used, time.monotonic() - began))
        if better:
            print(f"  {k}: R_D {100 * found:.3f} %, {used} evaluations", flush=True)
        if (better and found < goal) or used > most:
            break
    return trace


def charges() -> dict[str, Any]:
    """C3: every parameter free, the scale of the charges among them, with density and bulk modulus; and without the
    modulus, where all energies may grow together."""
    loop = make_loop(EVERY)
    here = zero(loop)

    def watch(progress: Progress) -> None:
        off = CHARGES_SD * (progress.z - loop.true)[-1]
        print(f"  {progress.step}: cost {progress.cost:.3g}, ln q off by {off:.4f}", flush=True)

    found = {}
    for name, bulk in (("with K", True), ("without K", False)):
        group = problem(loop, loop.at(loop.origin, here), bulk=bulk)
        end, groups, _ = descend(loop.moving, [group], here, levenberg_marquardt(0.5), STEPS["lm"], watch)
        known = information(loop.moving, model(loop.moving, sharp(groups), end.z, here).jacobian)
        found[name] = {
            "ln_q_off": float((end.z - loop.true)[-1] * CHARGES_SD),
            "error": float(known.errors[-1]),
            "prior": CHARGES_SD,
            "unknown_modes": [known.name(m) for m in known.unknown()],
            "null_modes": [known.name(m) for m in known.null()],
            "eigenvalues": known.eigenvalues.tolist(),
        }
        print(f"  {name}: {found[name]}", flush=True)
    return found


def noise_ladder() -> list[dict[str, Any]]:
    """C6, C7: fits to noisy targets beside the Fisher information: the spread along its modes, which are independent of
    each other, over their errors, and how many of the 90 % intervals of the parameters hold the truth.

    The middle of the priors lies off the truth as the priors say. A fit starts at the truth, from where noise and
    priors lead it away: this is about the intervals round a fit that has converged, not about finding it (C1).
    """
    loop, rows = make_loop(), []
    plain = problem(loop, loop.truth)
    for sigma, count in NOISES.items():
        chi, along = [], []
        for seed in range(count):
            random = np.random.default_rng(seed)
            true = random.standard_normal(len(loop.moving))
            middle = moved(loop.moving, loop.truth.potential, loop.li2o, jnp.asarray(-true))
            basin = replace(plain.basins[0], start=middle)
            group = replace(plain, target=noisy(plain.target, sigma, random), basins=(basin,))
            here, _, _ = descend(loop.moving, [group], true, levenberg_marquardt(NOISE_RADIUS), NOISE_STEPS)
            told = information(loop.moving, here.jacobian)
            chi.append((here.z - true) / np.sqrt(np.diag(told.covariance)))
            along.append(told.modes @ (here.z - true) * np.sqrt(told.eigenvalues + 1))
        known = {"fits": count, "rms_of_modes_over_error": float(np.sqrt(np.mean(np.square(along))))}
        known["covered_by_90_percent"] = float(np.mean(np.abs(chi) < NINETY))
        rows.append(
            {
                "sigma": sigma,
                **known,
                "z_over_error": np.array(chi).tolist(),
                "modes_over_error": np.array(along).tolist(),
            }
        )
        print(f"  sigma {sigma}: {known}", flush=True)
    return rows


def main(arguments: Sequence[str]) -> int:
    """Command line."""
    jax.config.update("jax_enable_x64", True)
    parts = [a for a in arguments if a in PARTS] or list(PARTS)
    path = FOLDER / "refit_closed_loop.json"
    kept = json.loads(path.read_text()) if path.exists() else {}
    for part in parts:
        print(part, flush=True)
        if part in ("charges", "noise"):
            found: Any = charges() if part == "charges" else noise_ladder()
        else:
            loop, most = make_loop(), np.inf if part == "lm" else TIMES[part] * reached(kept["lm"]["found"])
            goal = GOAL if part == "lm" else CLOSE
            if part == "random":
                points = random_search(loop, STEPS[part], goal, most)
            else:  # an adjoint gives a gradient for the price of one parameter
                each = products(loop) // (1 if part == "lm" else len(loop.moving))
                points = fitted(loop, optimiser(part, 0.5, 0.1), STEPS[part], each, goal, most, held_out=part == "lm")
            found = [asdict(point) for point in points]
        kept[part] = {"date": date.today().isoformat(), "versions": versions(), "found": found}
        path.write_text(json.dumps(kept, indent=1) + "\n")
    return 0


def reached(points: Sequence[Mapping[str, Any]], goal: float = CLOSE) -> float:
    """Evaluations until R of D(r) fell below `goal`; infinite where it never did."""
    return next((point["evaluations"] for point in points if point["R_D"] < goal), float("inf"))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
