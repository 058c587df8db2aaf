"""Section of the page about the motion of lithium."""

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np

from jaxglass.report.markup import section, table
from jaxglass.report.run_record import RunRecord
from jaxglass.report.wording import interval_text, number_text, value_text, why_text

LINE = {
    "activation_energy": "Ea of D",
    "activation_energy_of_conductivity": "Ea of σ near 333 K",
    "diffusivity_300K": "D at 300 K, 95 %",
    "conductivity_300K": "σ at 300 K, 95 %",
    "conductivity_293K": "σ at 20 °C, 95 %",
}
LIMITS = (
    "The error of D is that of one glass, from the spread over its atoms and time blocks; seeds differ by more.",
    "300 K lies far below the temperatures of the runs{growth}. D at those temperatures and Ea are the direct results, "
    "σ at room temperature is one in decades.",
    "Nernst-Einstein takes every ion as independent. The Haven ratio, where it is known, says how far that is wrong.",
    "All temperatures were run in the volume of the glass at 300 K; the paper does not say in which.",
    "A glass cooled within picoseconds is looser than a real one, and its lithium faster.",
)


def transport_section(record: RunRecord) -> str:
    """Diffusion at every temperature, the line through them, hops between rings, and what none of it can show."""
    diffusion = record.diffusion
    if not diffusion:
        return ""
    head = ("T", "Run (ps)", "D", "Fit window (ps)", "Log-log slope", "σ", "Haven ratio", "Note")
    rows = [_row(diffusion, name) for name in diffusion["diffusivity"]]
    line = [(words, *_cells(diffusion[key])) for key, words in LINE.items()]
    hops = [_hop_row(name, jumps) for name, jumps in diffusion["jumps"].items()]
    drift = ", ".join(f"{_name(name)} {value_text(entry)}" for name, entry in diffusion["drift"].items())
    known = [float(name.removesuffix("K")) for name in diffusion["diffusivity"] if name.endswith("K")]
    growth = growth_text(known) if len(set(known)) > 1 else ""
    limits = "".join(f"<li>{escape(text.format(growth=growth))}</li>" for text in LIMITS)
    return section(
        "Diffusion of lithium",
        f"<p>Drift of the network that was taken off, at most: {escape(drift)}.</p>"
        + table(head, rows)
        + table(("Quantity", "Value", "Note"), line)
        + table(("T", "Hops", "To larger rings", "To smaller", "To equal", "p", "Time without ring", "Note"), hops)
        + f"<ul>{limits}</ul>",
    )


def growth_text(temperatures: Sequence[float]) -> str:
    """What an error of 10 % in D at each of two `temperatures` (K) or more becomes at 300 K.

    On a straight line of ln D over x = 1/T the variance is sum_i (w_i 0.1)^2, with the weights w_i =
    1/n + (x_300 - <x>)(x_i - <x>)/sum (x - <x>)^2.
    """
    x = 1 / np.array(temperatures)
    away = x - x.mean()
    weights = 1 / len(x) + (1 / 300 - x.mean()) * away / np.sum(away**2)
    return f": an error of 10 % in each D is a factor of {np.exp(0.1 * np.linalg.norm(weights)):.2g} there"


def _row(diffusion: Mapping, name: str) -> tuple[str, ...]:
    window, D = diffusion["fit_window"][name], diffusion["diffusivity"][name]
    start, end, slope = (window[key]["value"] for key in ("start", "end", "slope_at_start"))
    notes = [diffusion["ended"][name], why_text(diffusion["haven_ratio"][name]) if D["value"] is not None else ""]
    return (
        _name(name),
        number_text(diffusion["length"][name]["value"]),
        value_text(D),
        "none" if start is None else f"{number_text(start, 3)}-{number_text(end, 3)}",
        number_text(slope, 2),
        value_text(diffusion["conductivity"][name]),
        value_text(diffusion["haven_ratio"][name]),
        "; ".join(note for note in [*notes, "" if D["value"] else why_text(D)] if note),
    )


def _hop_row(name: str, jumps: Mapping) -> tuple[str, ...]:
    if jumps["hops"]["value"] is None:
        return (_name(name), "not measured", "", "", "", "", "", why_text(jumps["hops"]))
    return (
        _name(name),
        str(jumps["hops"]["value"]),
        *(str(jumps[key]["value"]) for key in ("to_larger", "to_smaller", "to_same")),
        number_text(jumps["p_value"]["value"], 2),
        f"{100 * jumps['time_without_ring']['value']:.0f} %",
        jumps["p_value"].get("reason") or "",
    )


def _cells(entry: Mapping) -> tuple[str, str]:
    shown = interval_text(entry) if "interval" in entry else value_text(entry)
    return shown, why_text(entry)


def _name(name: str) -> str:
    return f"{name.removesuffix('K')} K" if name.endswith("K") else "not given"
