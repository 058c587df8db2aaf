"""The tables of docs/refit.md from the kept closed loops; `validation.doc_tables` writes them there."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from validation.refit_closed_loop import reached
from validation.report import markdown_table

FOLDER = Path(__file__).parent


def read(name: str) -> dict[str, Any]:
    """A kept result."""
    return json.loads((FOLDER / name).read_text())


def closed_loop() -> str:
    """C1, C2, C3, C6, C7."""
    kept = read("refit_closed_loop.json")
    found = {name: part["found"] for name, part in kept.items()}
    steps = [point for point in found["lm"] if point["accepted"]]
    used = [b["evaluations"] - a["evaluations"] for a, b in zip(found["lm"], found["lm"][1:], strict=False)]
    misfits = ", ".join(f"{100 * point['R_D']:.2g}" for point in steps[1:])
    rows = [
        (
            "C1 R of D(r), Levenberg-Marquardt",
            "0.6 % in 8 steps, 0.3 % in 15",
            f"{_percent(steps[0])}, then {misfits} %",
        ),
        ("C1 the same of a glass that was held out", "1 %", f"{100 * steps[-1]['held_out']:.2f} %"),
        ("one step: forces, energies, products with the Hessian", "3,000", f"{min(used):,} to {max(used):,}"),
    ]
    goal = reached(found["lm"])
    rows += [
        ("C2 Adam, whitened: evaluations to R of D(r) = 1 %", f"5 times {goal:,}", _evaluations(found["adam"], goal)),
        ("C2 random search: the same", f"5 times {goal:,}", _evaluations(found["random"], goal)),
    ]
    for name, one in found.get("charges", {}).items():
        wanted = "error 0.03, truth in two errors" if name == "with K" else "reported as unknown"
        rows.append((f"C3 twelve parameters, the scale of the charges among them, {name}", wanted, _charges(one)))
    middle = next(row for row in found["noise"] if row["sigma"] == 0.005)
    spreads = ", ".join(f"{row['rms_of_modes_over_error']:.2f}" for row in found["noise"])
    sigmas = ", ".join(str(row["sigma"]) for row in found["noise"])
    covered = f"{100 * middle['covered_by_90_percent']:.1f} %"
    rows += [
        (f"C6 90 % intervals of {middle['fits']} noisy targets, sigma {middle['sigma']}", "hold 80 to 97 %", covered),
        (f"C7 spread along the modes over what the information says, sigma {sigmas}", "within a factor 1.5", spreads),
    ]
    return markdown_table(("check", "target", "found"), rows)


def _percent(point: Mapping[str, Any]) -> str:
    return f"{100 * point['R_D']:.1f} %"


def _evaluations(points: Sequence[Mapping[str, Any]], goal: float) -> str:
    needed = reached(points)
    if needed < float("inf"):
        return f"{needed:,.0f}: {needed / goal:.1f} times"
    last = points[-1]["evaluations"]
    return f"not after {last:,}: more than {last / goal:.1f} times; {_best(points)}"


def _best(points: Sequence[Mapping[str, Any]]) -> str:
    return f"R of D(r) {100 * min(point['R_D'] for point in points):.1f} % at best"


def _charges(one: Mapping[str, Any]) -> str:
    null = "".join(f", one of them without any effect on the data: {mode}" for mode in one["null_modes"])
    unknown = f"{len(one['unknown_modes'])} directions known from the priors alone{null}"
    return f"ln q off by {one['ln_q_off']:+.3f}, error {one['error']:.3f} (prior {one['prior']:g}); {unknown}"


def requenched() -> str:
    """C4, C5: one table for every estimator, radiation and truth, and what repeated fits say together."""
    kept = read("refit_quench.json")
    fits = [name.rsplit("_", 1)[0] for name in kept]
    together = [_together(fit, kept) for fit in dict.fromkeys(fits) if fits.count(fit) > 1]
    return "\n\n".join([*(_requench(name, one) for name, one in kept.items()), *together])


def _together(fit: str, kept: Mapping[str, Any]) -> str:
    """N4 and density of the fits that differ in their seeds alone."""
    some = [one for name, one in kept.items() if name.startswith(fit)]
    n4 = [one["n4_difference"] for one in some]
    pairs = sum(_pairs(one) for one in some)
    densities = [row["error_percent"] for one in some for row in one.get("density_of_all", ())]
    pulls = [_pull(p, one["truth"]["parameters"]) for one in some for p in one["refit"]["parameters"]]
    rms = math.sqrt(fmean(pull**2 for pull in pulls))
    estimator, radiation = fit.split("_")
    return (
        f"All {len(some)} fits `{estimator}` with {_particles(radiation)}: N4 over {pairs} pairs "
        f"{_mean(n4, 100)} points; density over {len(densities)} compositions {_mean(densities)} %; "
        f"(found - true)/error of the {len(pulls)} parameters has an rms of {rms:.1f}."
    )


def _mean(entries: Sequence[Mapping[str, float]], scale: float = 1.0) -> str:
    """Mean of values with errors of their own."""
    value = scale * fmean(entry["value"] for entry in entries)
    error = scale * math.sqrt(sum(entry["error"] ** 2 for entry in entries)) / len(entries)
    return f"{value:+.1f} ± {error:.1f}"


def _pull(parameter: Mapping[str, Any], true: Mapping[str, float]) -> float:
    found = parameter["ln_change"]
    return (found["value"] - true[parameter["name"]]) / found["error"]


def _pairs(one: Mapping[str, Any]) -> int:
    return sum(len(true["n4_of_seeds"]) for true in one["truth"]["glasses"])


def _particles(radiation: str) -> str:
    return "neutrons" if radiation == "neutron" else "X-rays"


def _requench(name: str, one: Mapping[str, Any]) -> str:
    settings, results = one["settings"], one["refit"]
    protocol, refit = settings["protocol"], settings["refit"]
    estimator, radiation, truth_seed = name.split("_")
    rows = []
    for target, true, common in zip(results["targets"], one["truth"]["glasses"], one["common_seeds"], strict=True):
        before, after = target["before"], target["after"]
        density, difference = after["density_error"], common["n4_difference"]
        measured = true["density"]  # of eight glasses, too
        error = math.hypot(density["error"], 100 * measured["error"] / measured["value"])
        rows.append(
            (
                f"{target['li2o']:g}" + (", held out" if target["hold_out"] else ""),
                f"{_misfit(before, 'R_D', 1)}, {_misfit(after, 'R_D', 1)} %",
                f"{100 * after['noise_floor']['R_D']:.1f} %",
                f"{_misfit(before, 'R_T', 2)}, {_misfit(after, 'R_T', 2)} %",
                f"{100 * after['noise_floor']['R_T']:.2f} %",
                _whole(common, radiation),
                f"{density['value']:+.2f} ± {error:.2f} %",
                ", ".join(f"{n4['value']:.3f}" for n4 in (before["n4"], after["n4"], true["n4"])),
                f"{100 * difference['value']:+.1f} ± {100 * difference['error']:.1f}",
            )
        )
    n4, pairs = one["n4_difference"], _pairs(one)
    changes = ", ".join(
        f"{p['name']} {100 * p['ln_change']['value']:+.1f} ± {100 * p['ln_change']['error']:.1f} "
        f"({100 * one['truth']['parameters'][p['name']]:+.0f})"
        for p in results["parameters"]
    )
    costs = ", ".join(f"{i['cost']:.0f}" for i in results["iterations"] if i["cost"] is not None)
    head = (
        "mol % Li2O", "R of D(r) before, after", "floor", "R of T(r)", "floor", "new seeds, whole g(r) (floor)",
        "density", "N4 before, after, true", "N4 of common seeds, points",
    )  # fmt: skip
    return "\n".join(
        [
            f"`{estimator}`, {_particles(radiation)}, {one['date']}: "
            f"{settings['atoms']} atoms, {refit['seeds']} seeds of each composition, "
            f"{protocol['quench_rate']:g} K/ps, seeds of the truth from {truth_seed} on, "
            f"of the fit from {settings.get('seed', 0)} on; cost of the rounds {costs}.",
            "",
            markdown_table(head, rows),
            "",
            f"Found, in per cent of ln (true): {changes}. N4 over {pairs} pairs of common seeds: "
            f"{100 * n4['value']:+.1f} ± {100 * n4['error']:.1f} points." + _densities(one.get("density_of_all", ())),
            "",
            _held_out(one),
        ]
    )


def _held_out(one: Mapping[str, Any]) -> str:
    """What C4 asks of the composition that the fit has not seen."""
    place, target = next((k, t) for k, t in enumerate(one["refit"]["targets"]) if t["hold_out"])
    after, n4 = target["after"], one["common_seeds"][place]["n4_difference"]
    floors = after["R_D"]["value"] / after["noise_floor"]["R_D"]
    if after["noise_floor"]["about"].startswith("half against half"):
        R = "R of D(r) beside the floor is not judged: that floor came from two halves and scatters by a third"
    else:
        R = f"R of D(r) {floors:.2f} times its floor (1.5: {_met(floors <= 1.5)})"
    of_all = one.get("density_of_all")
    density = (of_all[place]["error_percent"] if of_all else after["density_error"])["value"]
    off, allowed = 100 * n4["value"], max(2.0, 200 * n4["error"])
    words = (
        f"{R}; density {density:+.2f} % (0.5 %: {_met(abs(density) <= 0.5)}); "
        f"N4 {off:+.1f} points (2 points or 2 errors, {allowed:.1f}: {_met(abs(off) <= allowed)})."
    )
    return f"C4, {target['li2o']:g} mol %, held out: {words}"


def _met(reached: bool) -> str:
    return "met" if reached else "missed"


def _densities(rows: Sequence[Mapping[str, Any]]) -> str:
    if not rows:
        return ""
    errors = ", ".join(f"{row['error_percent']['value']:+.2f} ± {row['error_percent']['error']:.2f}" for row in rows)
    return f" Density of glasses that the fit was not told: {errors} %."


def _whole(common: Mapping[str, Any], radiation: str) -> str:
    """R of D(r) of glasses from new seeds, and that of two sets of the true potential where it was taken."""
    floor = common.get(f"floor_D_{radiation}")
    return f"{100 * common[f'R_D_{radiation}']:.1f} %" + (f" ({100 * floor:.1f} %)" if floor else "")


def _misfit(side: Mapping[str, Any], name: str, digits: int) -> str:
    return f"{100 * side[name]['value']:.{digits}f}"
