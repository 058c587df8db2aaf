"""The section `refit` of results.json: before and after by fresh glasses, held-out apart, parameters with intervals."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import jax
import numpy as np

from jaxglass.analysis.results.entries import finite, measurement_entry
from jaxglass.analysis.statistics import Measurement
from jaxglass.refit.basin import Basin
from jaxglass.refit.cost import with_noise
from jaxglass.refit.fit import Group, Model, model, sharp
from jaxglass.refit.iteration import Fresh, Iteration, continued, error_of_mean, fresh_glasses
from jaxglass.refit.misfit import CHI, density_error, misfits
from jaxglass.refit.observables import View
from jaxglass.refit.outer import Problem, grouped, quenched
from jaxglass.refit.profile import Profile, profile
from jaxglass.refit.sampling import Sample
from jaxglass.refit.setup import Prepared
from jaxglass.refit.target import Target
from jaxglass.refit.uncertainty import NULL, Information, information

MODULI = {"bulk_modulus": "GPa", "shear_modulus": "GPa", "young_modulus": "GPa", "poisson_ratio": "1"}
SEEDS_ERROR = "standard error over fresh glasses of different seeds"


def refit_results(prepared: Prepared, done: Sequence[Iteration], last: Iteration) -> dict[str, Any]:
    """Everything of a finished refit; `last` is the iteration whose potential it gives."""
    problem = prepared.problem
    samples = {one.number: quenched(problem, problem.starts, one.z, f"{one.number:03d}") for one in (done[0], last)}
    targets = with_noise(problem.targets, samples[0])
    topology = {} if problem.estimator == "ensemble" else continued(problem.folder, done, len(problem.moving))[1]
    groups = {number: grouped(problem, samples[number], targets, done[number].z, topology) for number in samples}
    fitted = [replace(group, exact=True) for group in groups[last.number] if not group.target.hold_out]
    here = model(problem.moving, sharp(fitted), last.z, last.z)
    known = information(problem.moving, here.jacobian)
    least_known = range(len(problem.moving))[::-1][: prepared.settings.profiles]
    profiles = [profile(problem.moving, fitted, here, known, mode) for mode in least_known]
    sides = [[_side(problem, group, samples[number]) for group in groups[number]] for number in (0, last.number)]
    return {
        "targets": [_target(*found) for found in zip(targets, *sides, strict=True)],
        "parameters": _parameters(problem, known, last.z),
        "information": {
            "eigenvalues": known.eigenvalues.tolist(),
            "modes": [known.name(m) for m in range(len(known.eigenvalues))],
            "effective_parameters": known.effective,
            "directions": known.modes.tolist(),
            "unknown_modes": [known.name(m) for m in known.unknown()],
            "null_modes": _null_modes(problem, fitted, here),
            "covariance": known.covariance.tolist(),
            "about": "eigenvalues of the data in units of the prior: below 1 the data say less than the prior; "
            f"null_modes have less than {NULL:g} by the exact derivatives; directions and covariance in z, "
            "widths of the priors",
        },
        "profiles": [_profile(known, one) for one in profiles],
        "density_trend": _density_trends(targets, sides),
        "iterations": [_iteration(problem, targets, one) for one in done],
        "result": last.number,
        "scale": {
            "atoms": len(problem.starts[0].system.species),
            "glasses": len(problem.starts),
            "rounds": problem.outer_steps,
            "quench_rate_K_per_ps": _rate(problem),
            "estimator": problem.estimator,
            "cutoff": "c2 switch",
            "R_chi": f"over {_range(problem, targets[0])} A, both curves {_taper(problem, targets[0])}",
        },
    }


def _null_modes(problem: Problem, fitted: Sequence[Group], here: Model) -> list[str]:
    """What no data of glasses at rest can see; J_topo, a regression, sees noise there."""
    rows = [
        group.target.slope(jax.tree.map(np.subtract, slope, group.topology))
        for group, slope in zip(fitted, here.slopes, strict=True)
    ]
    known = information(problem.moving, np.concatenate([np.eye(len(problem.moving)), *rows]))
    return [known.name(m) for m in known.null()]


def _iteration(problem: Problem, targets: Sequence[Target], one: Iteration) -> dict[str, Any]:
    """A round: its cost, and R and density of its fresh glasses."""
    shown = [
        {"name": target.name, "R_D": R_D, "R_T": R_T, "density_error_percent": density_error(target, fresh.shown)}
        for target, fresh in zip(targets, one.fresh, strict=False)  # none where a round made no glasses
        for R_D, R_T in [misfits(problem.view(target), target, fresh.shown)]
    ]
    numbers = {"number": one.number, "cost": finite(one.cost), "noise": one.noise, "kept": one.kept}
    return numbers | {"z": one.z.tolist(), "targets": shown}


def _profile(known: Information, found: Profile) -> dict[str, Any]:
    """Half widths as changes of the logarithm of the parameter that leads the direction."""
    unit = max(abs(known.modes[found.mode] * np.array([p.sd for p in known.moving])))
    widths = {key: finite(unit * getattr(found, key)) for key in ("laplace", "below", "above")}
    return {"direction": known.name(found.mode), **widths, "unit": "1"}


def _density_trends(targets: Sequence[Target], sides: Sequence[Sequence[dict[str, Any]]]) -> dict[str, Any] | None:
    """How the density depends on lithium, measured and of fresh glasses; None for one composition."""
    if len(targets) < 2:
        return None
    li2o = [target.li2o for target in targets]
    known = [Measurement(one["measured_density"], 0.0, "g/cm3") for one in sides[0]]
    found = [[Measurement(one["density"]["value"], one["density"]["error"], "g/cm3") for one in side] for side in sides]
    lines = {"measured": known, "before": found[0], "after": found[1]}
    return {name: measurement_entry(density_trend(li2o, line)) for name, line in lines.items()}


def density_trend(li2o: Sequence[float], densities: Sequence[Measurement]) -> Measurement:
    """Slope (g/cm3 per mol % Li2O) of a straight line through `densities`, with their standard errors."""
    x, y, error = (np.array(v, float) for v in (li2o, [d.value for d in densities], [d.error for d in densities]))
    line = (x - x.mean()) / np.sum((x - x.mean()) ** 2)
    return Measurement(float(line @ y), float(np.sqrt(line**2 @ error**2)), "g/cm3 per mol %", SEEDS_ERROR)


def _rate(problem: Problem) -> float:
    quench = next(stage for stage in problem.quench.stages if stage.temperature[0] != stage.temperature[1])
    return abs(quench.temperature[0] - quench.temperature[1]) / (quench.steps * quench.timestep)


def _target(target: Target, before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": target.name,
        "li2o": finite(target.li2o),
        "hold_out": target.hold_out,
        "x": target.x.tolist(),
        "measured": target.y.tolist(),
        "quantity": target.quantity,
        "before": before,
        "after": after,
    }


def _side(problem: Problem, group: Group, all_samples: Sequence[Sample]) -> dict[str, Any]:
    """Fresh glasses of one potential against the measurement."""
    target, view = group.target, problem.view(group.target)
    samples = [sample for sample in all_samples if sample.start.target == target.name]
    [fresh] = fresh_glasses(samples, [target])
    each = [misfits(view, target, s.shown) for s in samples]
    R_D, R_T = misfits(view, target, fresh.shown)
    density = float(np.exp(fresh.shown.ln_density))
    system = samples[0].system
    grams = float(system.density * system.volume) / len(system.species)  # g/cm3 of one atom per A^3
    percent, spread = 100 / target.density, density * float(fresh.error.ln_density)
    return {
        "curve": np.asarray(fresh.shown.curve).tolist(),
        "R_D": {"value": R_D, "spread_of_single_glasses": _spread([e[0] for e in each]), "unit": "1"},
        "R_T": {"value": R_T, "spread_of_single_glasses": _spread([e[1] for e in each]), "unit": "1"},
        "noise_floor": noise_floor(view, target, samples, fresh),
        "measured_density": grams * target.density,
        "density": _entry(grams * density, grams * spread, "g/cm3"),
        "density_error": _entry(percent * (density - target.density), percent * spread, "%"),
        "n4": _entry(fresh.n4, fresh.n4_error, "1"),
        **_moduli(group.basins),
        "glasses": fresh.glasses,
    }


def noise_floor(view: View, target: Target, samples: Sequence[Sample], fresh: Fresh) -> dict[str, Any]:
    """R between two sets of n glasses of one potential: R^2 = (2/n) sum_r var(D)/sum_r D^2, var over the `samples`,
    whose mean is `fresh`. Against a measurement that has no noise of glasses it is R/sqrt(2).
    """
    count = len(samples)
    if count < 2:
        return {"R_D": None, "R_T": None, "reason": "one glass"}
    mean = replace(target, y=np.asarray(fresh.shown.curve), density=float(np.exp(fresh.shown.ln_density)))
    about_mean = np.array([misfits(view, mean, sample.shown) for sample in samples])
    R_D, R_T = np.sqrt(2 / count * np.sum(about_mean**2, 0) / (count - 1))
    about = "between two such sets of glasses of one potential, from the scatter of single glasses"
    return {"R_D": float(R_D), "R_T": float(R_T), "about": about}


def _spread(values: Sequence[float]) -> float | None:
    """Standard deviation over glasses; None for one."""
    return float(np.std(values, ddof=1)) if len(values) > 1 else None


def _range(problem: Problem, target: Target) -> str:
    """Of r, that R_chi is taken over: `CHI`, or what there is of it."""
    view = problem.view(target)
    r = np.asarray(view.transforms.r)
    low, high = max(CHI[0], float(r[0])), min(CHI[1], float(r[-1]), view.count * view.width)
    return f"{low:.3g}-{high:.3g}"


def _taper(problem: Problem, target: Target) -> str:
    """How far out the curves go, and how they end."""
    view, seen = problem.view(target), target.quantity
    return f"({seen}) of a g(r) that ends at {view.count * view.width:.2f} A"


def _entry(value: float, error: float | np.ndarray, unit: str) -> dict[str, Any]:
    return measurement_entry(Measurement(float(value), float(error), unit, SEEDS_ERROR))


def _moduli(basins: Sequence[Basin]) -> dict[str, Any]:
    """K, G, E and nu at rest, means over the glasses: not fitted unless they were given."""
    found = []
    for basin in basins:
        moduli = basin.moduli()
        found.append((float(moduli.bulk), float(moduli.shear), float(moduli.young), float(moduli.poisson)))
    values, errors = np.mean(found, 0), error_of_mean(np.array(found))
    return {name: _entry(v, e, unit) for (name, unit), v, e in zip(MODULI.items(), values, errors, strict=True)}


def _parameters(problem: Problem, known: Information, z: np.ndarray) -> list[dict[str, Any]]:
    return [
        {
            "name": p.name,
            "ln_change": {"value": float(p.sd * value), "error": float(error), "unit": "1"},
            "prior_sd": p.sd,
            "reason": "Laplace: data, scatter of the glasses, prior, J_topo as far as it is known; "
            "see docs/refit.md for what it leaves out",
        }
        for p, value, error in zip(problem.moving, z, known.errors, strict=True)
    ]
