"""Refit at fixed topology, closed loop: known parameters found again from the S(Q) that they give (C1, C2, C3, C7).

    python -m validation.refit_closed_loop                  all parts, in outputs/closed_loop
    python -m validation.refit_closed_loop RUN PART ...     parts: lm, adam, lbfgs, random, charges, noise

A glass of the library (855 atoms, 38 mol %) comes to rest from one configuration under the true parameters: that is the
target, with its density. Another glass of the same composition, held out, shows whether the parameters hold elsewhere.
The fit starts 10 % away in A and C and 1 % in rho and comes to rest from the same configuration each time. Kept in
`validation/refit_closed_loop.json`: R of D(r) over 1-8 A at every step, on the fitted and the held-out glass, and the
time.
"""

import json
import sys
import time
from collections.abc import Callable, Sequence
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

from jaxglass.analysis.agreement import r_chi_squared
from jaxglass.analysis.scattering_settings import ScatteringSettings
from jaxglass.engine.plan import Plan, largest_reach, make_plan
from jaxglass.manifest import versions
from jaxglass.model.potential import Potential
from jaxglass.model.system import System, make_system
from jaxglass.parameters import default_settings, load_parameters
from jaxglass.refit.basin import Basin
from jaxglass.refit.fit import Group, Progress, descend, nothing
from jaxglass.refit.least_squares import levenberg_marquardt
from jaxglass.refit.observables import View, curves, make_view
from jaxglass.refit.parameters import Parameter, moved, parameters
from jaxglass.refit.target import Target
from jaxglass.refit.uncertainty import information
from jaxglass.response.minimum import Rest
from jaxglass.response.stiffness import followers, relaxed_moduli
from jaxglass.response.zero_pressure import settle
from jaxglass.trajectories import read_trajectory

FOLDER = Path(__file__).parent
GLASS, HELD_OUT = "38LiBP-seed0", "38LiBP-seed1"
NAMES = ("V P-O", "rho P-O", "V B-O", "rho B-O", "V O-O", "rho O-O", "C O-O")
AWAY = {"V": 0.10, "rho": -0.01, "C": 0.10}  # of the logarithm, alternating in sign from pair to pair
SIGMA, DENSITY_SD, REST = 0.005, 0.005, 1e-7
STEPS = {"lm": 15, "adam": 60, "lbfgs": 40, "random": 200}
PARTS = ("lm", "adam", "lbfgs", "random", "charges", "noise")


@dataclass(frozen=True)
class Point:
    """A trial of a fit: R of D(r) on the fitted and the held-out glass, density error (%), seconds so far."""

    step: int
    accepted: bool
    R_D: float
    held_out: float
    density_error: float
    seconds: float


@dataclass(frozen=True)
class Loop:
    """Everything of the closed loop that does not depend on the optimiser."""

    moving: tuple[Parameter, ...]
    start: Potential
    plan: Plan
    view: View
    origin: System
    other: System
    li2o: float

    def at(self, system: System, z: np.ndarray, effort: float = REST) -> Rest:
        """`system` come to rest under `z`."""
        return settle(self.plan, moved(self.moving, self.start, self.li2o, jnp.asarray(z)), system, effort)

    def shown(self, rest: Rest) -> tuple[np.ndarray, np.ndarray, float]:
        """S, D and density of a glass at rest."""
        found = curves(self.view, rest.system.species, rest.system.fractional, rest.system.cell)
        return np.asarray(found.S), np.asarray(found.D), float(found.density)

    def misfit(self, a: np.ndarray, b: np.ndarray) -> float:
        """R of D(r) over 1-8 A."""
        r = np.asarray(self.view.transforms.r)
        inside = (r >= 1) & (r <= 8)
        return float(np.sqrt(r_chi_squared(b[inside], a[inside])))

    @cached_property
    def truth(self) -> Rest:
        """The fitted glass under the parameters that are to be found."""
        return self.at(self.origin, np.zeros(len(self.moving)))


def make_loop(names: Sequence[str] = NAMES) -> Loop:
    """The two glasses and the potential of their composition, its cutoff made smooth."""
    moving = parameters(list(names))
    systems = [_system(name) for name in (GLASS, HELD_OUT)]
    settings = {**default_settings(), "cutoff_style": "c2"}
    potential = load_parameters(settings, systems[0].elements, systems[0].counts).potential
    charges = np.asarray(potential.charges)[np.asarray(systems[0].species)]
    plan = make_plan(np.asarray(systems[0].cell), charges, potential.cutoff, 1e-6, "float64", None, 1.2)
    half = largest_reach(np.asarray(systems[0].cell))
    view = make_view(systems[0].counts, ScatteringSettings(), 0.95 * half)
    # the configuration from which everything comes to rest is one at rest under the start of the fit
    loop = Loop(moving, potential, plan, view, systems[0], systems[1], 38.07)
    away = displaced(moving)
    return replace(loop, origin=loop.at(systems[0], away).system, other=loop.at(systems[1], away).system)


def displaced(moving: Sequence[Parameter]) -> np.ndarray:
    """The start of the fit."""
    signs = {"P-O": 1, "B-O": -1, "O-O": 1}
    return np.array([signs.get(p.pair, 1) * AWAY.get(p.kind, 0.0) / p.sd for p in moving])


def _system(name: str) -> System:
    glass = read_trajectory(FOLDER / "glasses" / f"{name}.extxyz.gz")
    return make_system(glass.symbols.tolist(), glass.fractional[0], glass.cell[0])


def problem(loop: Loop, z: np.ndarray, noise: float = 0.0, seed: int = 0, bulk: bool = False) -> Group:
    """The target that z = 0 gives, and the glass at rest under `z`."""
    S, _, density = loop.shown(loop.truth)
    S = S + noise * np.random.default_rng(seed).standard_normal(len(S))
    K = None
    if bulk:
        K = float(relaxed_moduli(loop.truth, loop.truth.potential, followers(loop.truth)).bulk)
    Q = np.asarray(loop.view.transforms.Q)
    end = loop.view.count * loop.view.width
    sigma = np.full(len(Q), max(noise, SIGMA))
    target = Target(GLASS, loop.li2o, "S_q", Q, S, sigma, np.pi / end, density, DENSITY_SD, bulk=K, nuisance=False)
    rest = loop.at(loop.origin, z)
    moves = followers(rest) if bulk else None
    basin = Basin(rest, loop.origin, loop.start, loop.view, moves, jnp.asarray(loop.li2o))
    return Group(target, (basin,), nothing(len(Q)), nothing(len(Q), len(loop.moving)))


def fitted(loop: Loop, method: optax.GradientTransformationExtraArgs, steps: int, goal: float) -> list[Point]:
    """A fit by `method`, until R of D(r) falls below `goal` or the steps end."""
    start = displaced(loop.moving)
    group = problem(loop, start)
    D = loop.shown(loop.truth)[1]
    D_other = loop.shown(loop.at(loop.other, np.zeros(len(loop.moving))))[1]
    trace: list[Point] = []
    began = time.monotonic()

    class Reached(Exception):
        pass

    def watch(progress: Progress) -> None:
        rest = loop.at(loop.origin, progress.z)
        _, now, density = loop.shown(rest)
        held = loop.misfit(loop.shown(loop.at(loop.other, progress.z))[1], D_other)
        error = 100 * (density / group.target.density - 1)
        found = loop.misfit(now, D)
        trace.append(Point(progress.step, progress.accepted, found, held, error, time.monotonic() - began))
        print(f"  {progress.step}: R_D {100 * found:.3f} %, held out {100 * held:.3f} %", flush=True)
        if found < goal:
            raise Reached

    with suppress(Reached):
        descend(loop.moving, [group], start, method, steps, watch)
    return trace


def random_search(loop: Loop, trials: int, goal: float) -> list[Point]:
    """The baseline without derivatives: an adaptive Gaussian search, one glass at rest per trial."""
    random = np.random.default_rng(0)
    z = displaced(loop.moving)
    group = problem(loop, z)
    D = loop.shown(loop.truth)[1]
    trace: list[Point] = []
    began, width, best = time.monotonic(), 0.3, np.inf
    for k in range(trials):
        tried = z if k == 0 else z + width * random.standard_normal(len(z))
        try:
            S, now, density = loop.shown(loop.at(loop.origin, tried))
        except Exception as error:  # a trial without a minimum is a bad trial
            print(f"  {k}: {error}")
            continue
        residual = np.append(
            (S - group.target.y) * group.target.weight, (np.log(density / group.target.density)) / DENSITY_SD
        )
        cost = 0.5 * float(residual @ residual + tried @ tried)
        better = cost < best
        if better:
            z, best = tried, cost
        width *= 1.3 if better else 0.93  # one fifth of successes keeps it
        found = loop.misfit(now, D)
        trace.append(
            Point(k, better, found, float("nan"), 100 * (density / group.target.density - 1), time.monotonic() - began)
        )
        if better:
            print(f"  {k}: R_D {100 * found:.3f} %", flush=True)
        if better and found < goal:
            break
    return trace


def charges() -> dict[str, Any]:
    """C3: the scale of the charges free, with density and bulk modulus, and without the modulus."""
    loop = make_loop([*NAMES, "charges"])
    found = {}
    for name, bulk in (("with K", True), ("without K", False)):
        group = problem(loop, displaced(loop.moving), bulk=bulk)
        here, groups, _ = descend(
            loop.moving,
            [group],
            displaced(loop.moving),
            levenberg_marquardt(0.5),
            STEPS["lm"],
            lambda p: print(f"  {p.step}: {p.cost:.3g}", flush=True),
        )
        known = information(loop.moving, here.jacobian)
        found[name] = {
            "ln_q": float(here.z[-1] * loop.moving[-1].sd),
            "error": float(known.errors[-1]),
            "prior": loop.moving[-1].sd,
            "unknown_modes": [known.name(m) for m in known.unknown()],
            "eigenvalues": known.eigenvalues.tolist(),
        }
    return found


def noise_ladder() -> list[dict[str, float]]:
    """C7: spread of the fitted parameters over noisy targets beside what the Fisher information says."""
    loop = make_loop()
    rows = []
    zero = np.zeros(len(loop.moving))
    for sigma in (0.001, 0.005, 0.02):
        found, errors = [], None
        for seed in range(3):
            group = problem(loop, zero, noise=sigma, seed=seed)
            group = replace(group, target=replace(group.target, sigma=np.full(len(group.target.x), sigma)))
            here, _, _ = descend(loop.moving, [group], zero, levenberg_marquardt(0.5), 4)
            found.append(here.z)
            errors = np.sqrt(np.diag(information(loop.moving, here.jacobian).covariance))
        chi = np.array(found) / errors
        rows.append({"sigma": sigma, "rms_of_z_over_error": float(np.sqrt(np.mean(chi**2)))})
        print(f"  sigma {sigma}: {rows[-1]}", flush=True)
    return rows


def main(arguments: Sequence[str]) -> int:
    """Command line."""
    jax.config.update("jax_enable_x64", True)
    parts = [a for a in arguments if a in PARTS] or list(PARTS)
    path = FOLDER / "refit_closed_loop.json"
    kept = json.loads(path.read_text()) if path.exists() else {}
    methods: dict[str, Callable[[], optax.GradientTransformationExtraArgs]] = {
        "lm": lambda: levenberg_marquardt(0.5),
        "adam": lambda: optax.with_extra_args_support(optax.adam(0.1)),
        "lbfgs": lambda: optax.with_extra_args_support(optax.chain(optax.scale_by_lbfgs(), optax.scale(-1.0))),
    }
    for part in parts:
        print(part, flush=True)
        if part in methods:
            found: Any = [asdict(p) for p in fitted(make_loop(), methods[part](), STEPS[part], 0.003)]
        elif part == "random":
            found = [asdict(p) for p in random_search(make_loop(), STEPS["random"], 0.003)]
        else:
            found = charges() if part == "charges" else noise_ladder()
        kept[part] = {"date": date.today().isoformat(), "versions": versions(), "found": found}
        path.write_text(json.dumps(kept, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
