"""The section of the report about a refit: what fresh glasses show before and after, and what the data tell."""

from html import escape
from typing import Any

from jaxglass.report.markup import section, table
from jaxglass.report.run_record import RunRecord
from jaxglass.report.wording import number_text, value_text

SHOWN = (
    ("N4", "n4"),
    ("density error", "density_error"),
    ("E at rest", "young_modulus"),
    ("K at rest", "bulk_modulus"),
    ("ν at rest", "poisson_ratio"),
)


def refit_section(record: RunRecord) -> str:
    """Tables of a refit; nothing for other runs."""
    found = record.results.get("refit")
    if not found:
        return ""
    return section("Before and after", _targets(found)) + section("What the data tell", _information(found))


def refit_sentence(found: dict[str, Any]) -> str:
    """What came out, in one sentence."""
    parts = [
        f"{t['name']}{' (held out)' if t['hold_out'] else ''} "
        f"{100 * t['before']['R_T']['value']:.1f} to {100 * t['after']['R_T']['value']:.1f} %"
        for t in found["targets"]
    ]
    return f"R of T(r) of fresh glasses, before and after: {', '.join(parts)}."


def _targets(found: dict[str, Any]) -> str:
    rows = []
    for target in found["targets"]:
        name = target["name"] + (", held out" if target["hold_out"] else "")
        for label, side in (("before", target["before"]), ("after", target["after"])):
            floor = side["noise_floor"]
            noise = floor.get("reason") or f"{100 * floor['R_T']:.2f} / {100 * floor['R_D']:.2f} %"
            misfit = f"{100 * side['R_T']['value']:.2f} / {100 * side['R_D']['value']:.2f} %"
            rows.append((name, label, misfit, noise, *(value_text(side[key]) for _, key in SHOWN)))
    head = ("Glass", "Potential", "R of T(r) / D(r)", "Noise floor", *(title for title, _ in SHOWN))
    scale = found["scale"]
    words = (
        f"Fresh glasses of each potential: {scale['glasses']} of {scale['atoms']} atoms in all, cooled at "
        f"{number_text(scale['quench_rate_K_per_ps'])} K/ps; the potential is one for that rate. Its Buckingham "
        "part ends with a C2 switch: it is not to be used truncated. Noise floor: R between two such sets of "
        "glasses of one potential, from the scatter of single ones; against a measurement without such noise 0.71 "
        f"of it. R is {scale['R_chi']}. Moduli and N4 were not fitted unless they were given."
    )
    return table(head, rows) + f'<p class="muted">{escape(words)}</p>' + _trend(found["density_trend"])


def _trend(found: dict[str, Any] | None) -> str:
    """How the density depends on lithium; nothing for one composition."""
    if found is None:
        return ""
    return table(("Density over mol % Li₂O", "Slope"), [(name, value_text(one)) for name, one in found.items()])


def _profiles(found: list[dict[str, Any]]) -> str:
    """Intervals of the least known directions; nothing where none was profiled."""
    if not found:
        return ""
    rows = [(one["direction"], *(_width(one[key]) for key in ("laplace", "below", "above"))) for one in found]
    return table(("Least known direction", "Half width by Laplace", "By profile, below", "above"), rows)


def _width(value: float | None) -> str:
    return "no glass at rest there" if value is None else number_text(value, 2)


def _information(found: dict[str, Any]) -> str:
    known = found["information"]
    rows = [
        (words, number_text(value, 3), "prior" if value < 1 else "data")
        for value, words in zip(known["eigenvalues"], known["modes"], strict=True)
    ]
    effective = number_text(known["effective_parameters"], 3)
    words = (
        f"{effective} of {len(rows)} directions are known from the data. Changes of logarithms relative to the "
        "largest, information in units of the prior's. Intervals are at fixed topology and leave out what the form of "
        "the potential cannot do; a small misfit alone does not show that the potential is right."
    )
    if known.get("null_modes"):
        words += " Without any effect on these data: " + "; ".join(known["null_modes"]) + "."
    shown = table(("Direction", "Information", "Known from"), rows)
    changes = [(p["name"], value_text(p["ln_change"]), number_text(p["prior_sd"])) for p in found["parameters"]]
    parameters = table(("Parameter", "Change of the logarithm", "Prior width"), changes)
    return parameters + shown + _profiles(found["profiles"]) + f'<p class="muted">{escape(words)}</p>'
