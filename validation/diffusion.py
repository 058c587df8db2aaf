"""Diffusion in the glass library: D(T), Ea and sigma(300 K) against lithium, beside Cho 2006 and Kumar 2004.

    python -m validation.diffusion                       run or continue it in outputs/diffusion, then keep it
    python -m validation.diffusion RUN [key=value ...]   the same in the folder RUN, with other settings

Every glass is a study of its own (stage diffusion) in a process of its own on one core; a second process takes the
other core. Kept in `validation/diffusion.json` and `.png`: every glass, means and standard errors over the seeds of a
composition, and slopes with the lithium content over all glasses. Glasses kept there with the same settings are not
run again, so the sweep can be made in parts.

The temperatures are hotter than the paper's 700-800 K, where the MSD of these glasses needs more than a nanosecond to
become diffusive: twelve glasses cannot have that in 90 minutes on two cores. Up to 1200 K the network stays solid (see
docs/diffusion.md), but a log-log slope of 0.9 takes more than 200 ps in some glasses even there. All runs therefore
have one length, and a slope of 0.8 is enough (the stage asks for 0.9): D is that of lags from some 6 ps to a fifth of
the run (later where the slope is reached late), an upper bound of its limit, more so where it is colder, so that Ea is
a lower bound. With days:

    python -m validation.diffusion RUN 'diffusion.temperatures=[700,750,800]' diffusion.longest_ps=5000 \
        diffusion.chunk_ps=1000 diffusion.relative_error=0.05 diffusion.smallest_slope=0.9
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from jaxglass.analysis.trend import Trend, trend_line
from validation.library import Glass
from validation.studies import kept_before, print_trends, record, results_of, run_studies, seed_by_seed

FOLDER = Path(__file__).parent
SEEDS = (0, 1, 2)
SETTINGS = {
    "diffusion.temperatures": "[1000,1100,1200]",
    "diffusion.equilibrate_ps": "2.0",
    "diffusion.chunk_ps": "26.0",
    "diffusion.longest_ps": "104.0",
    "diffusion.relative_error": "0.01",
    "diffusion.frame_ps": "0.36",
    "diffusion.smallest_slope": "0.8",
}
COLDEST = "1000K"
B_MSD, P_MSD, TO_LARGER = "MSD of B over that of Li", "MSD of P over that of Li", "hops to larger less to smaller rings"
#: unit and what the paper says of the trend with lithium
QUANTITIES = {
    "activation_energy": ("eV", "down"),
    "log10_conductivity_300K": ("log10 S/cm", "up"),
    "log10_conductivity_293K": ("log10 S/cm", "up"),
    B_MSD: ("1", None),
    P_MSD: ("1", None),
    TO_LARGER: ("1", None),
}


@dataclass(frozen=True)
class Found:
    """Diffusion in one glass: the section of its results.json."""

    glass: Glass
    diffusion: Mapping[str, Any]

    def value(self, quantity: str) -> float:
        """A quantity of `QUANTITIES`, or log10 of D (cm2/s) at a temperature ("800K"); NaN where there is none."""
        if quantity.startswith("log10_conductivity"):
            entry = self.diffusion[quantity.removeprefix("log10_")].get("log10") or {}
            return float(entry.get("value", np.nan))
        if quantity in (B_MSD, P_MSD):  # at 2/5 of the run at the lowest temperature
            late = self.diffusion.get("late_msd_A2", {}).get(COLDEST)
            return float(late["B" if quantity == B_MSD else "P"] / late["Li"]) if late else np.nan
        if quantity == TO_LARGER:  # over all hops between rings, at the lowest temperature
            jumps = self.diffusion.get("jumps", {}).get(COLDEST)
            up, down, every = (
                jumps[key]["value"] if jumps else 0 for key in ("to_larger", "to_smaller", "between_rings")
            )
            return float((up - down) / every) if every else np.nan
        if quantity in QUANTITIES:
            value = self.diffusion[quantity]["value"]
            return np.nan if value is None else float(value)
        value = self.diffusion["diffusivity"].get(quantity, {}).get("value")
        return float(np.log10(value)) if value else np.nan


STAGES = ("diffusion", "report")
LATE = 0.4  # of the run


def read(folder: Path, some: Sequence[Glass], before: Mapping[str, Mapping[str, Any]] | None = None) -> list[Found]:
    """Every glass that is finished in `folder`, or was kept `before`."""
    found = []
    for glass in some:
        results = results_of(glass.name, folder)
        if "diffusion" in results:
            found.append(Found(glass, _kept(results["diffusion"])))
        elif before and glass.name in before:
            found.append(Found(glass, before[glass.name]))
    return found


def trends(found: Sequence[Found]) -> list[Trend]:
    """Means over seeds and slopes of every quantity that three glasses of two compositions have."""
    names = list(dict.fromkeys(name for one in found for name in one.diffusion["diffusivity"]))
    wanted = QUANTITIES | {name: ("log10 cm2/s", "up") for name in names}
    lines = []
    for name, (unit, paper) in wanted.items():
        values, li2o = np.array([one.value(name) for one in found]), np.array([one.glass.li2o for one in found])
        known = np.isfinite(values)
        if known.sum() > 3 and len(np.unique(li2o[known])) > 1:
            shown = f"log10_diffusivity_{name}" if name in names else name
            lines.append(trend_line(shown, unit, paper, li2o, values))
    return lines


def draw(found: Sequence[Found], lines: Sequence[Trend], path: Path) -> None:
    """D against 1/T, Ea and sigma at 20 degC against lithium."""
    from matplotlib.figure import Figure

    from jaxglass.report.reference import load_references

    references, by_name = load_references(), {line.name: line for line in lines}
    figure = Figure(figsize=(9.0, 3.4), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    levels = sorted({one.glass.li2o for one in found})
    for one in found:
        known = {n: e["value"] for n, e in one.diffusion["diffusivity"].items() if e["value"]}
        T = np.array([float(name.removesuffix("K")) for name in known])
        label = f"{one.glass.li2o:.1f} %" if one.glass.seed == SEEDS[0] else None
        color = f"C{levels.index(one.glass.li2o)}"
        left.semilogy(1e3 / T, list(known.values()), "o-", color=color, ms=3, lw=0.8, label=label)
    left.set(xlabel="1000/T (1/K)", title="D of Li (cm2/s)")
    left.legend(fontsize=7, title="Li2O", title_fontsize=7)
    for panel, name, points, who in (
        (middle, "activation_energy", references.activation_energy_series(), "Kumar 2004 (of sigma)"),
        (right, "log10_conductivity_293K", references.conductivity_series(), "Cho 2006"),
    ):
        logarithm = name.startswith("log10")
        values = [np.log10(p.value) if logarithm else p.value for p in points]
        panel.plot([p.li2o for p in points], values, "ks--", ms=4, lw=0.8, label=who)
        if name in by_name:
            line = by_name[name]
            panel.errorbar(line.li2o, line.mean, yerr=line.error, fmt="o-", ms=5, capsize=3, color="#0072B2", lw=1)
        panel.set(xlabel="Li2O (mol %)", title="log10 sigma at 20 degC (S/cm)" if logarithm else "Ea of D (eV)")
        panel.legend(fontsize=7)
    for panel in (left, middle, right):
        panel.title.set_fontsize(9)
        panel.tick_params(labelsize=8)
    figure.savefig(path, dpi=160, metadata={"Software": None})


def keep(found: Sequence[Found], settings: Mapping[str, str], folder: Path = FOLDER) -> list[Trend]:
    """Write `diffusion.json` and `diffusion.png` into `folder`."""
    lines = trends(found)
    draw(found, lines, folder / "diffusion.png")
    record(folder / "diffusion.json", settings, [(one.glass, one.diffusion) for one in found], lines)
    return lines


def _kept(diffusion: Mapping[str, Any]) -> dict[str, Any]:
    """What stays of a glass: no curves."""
    keys = ("ended", "length", "fit_window", "diffusivity", "conductivity", "haven_ratio", "activation_energy")
    keys += ("diffusivity_300K", "conductivity_300K", "conductivity_293K", "arrhenius", "drift")
    jumps = {
        name: {key: value for key, value in found.items() if key not in ("changes", "by_size")}
        for name, found in diffusion["jumps"].items()
    }
    late = {name: _late(curves, diffusion["length"][name]["value"]) for name, curves in diffusion["msd"].items()}
    return {key: diffusion[key] for key in keys} | {"jumps": jumps, "late_msd_A2": late}


def _late(curves: Mapping[str, Any], length: float) -> dict[str, float]:
    """MSD of every element at the lag nearest to 2/5 of the run: whether the network stays where it is."""
    lag = np.array(curves["lag"]["values"])
    place = int(np.argmin(np.abs(lag - LATE * length)))
    elements = (name for name in curves if name not in ("lag", "collective", "slope"))
    return {"lag_ps": float(lag[place])} | {name: curves[name]["values"][place] for name in elements}


def main(arguments: Sequence[str]) -> int:
    """Command line."""
    changes = dict(argument.split("=", 1) for argument in arguments if "=" in argument)
    names = [argument for argument in arguments if "=" not in argument]
    folder, settings = Path(names[0] if names else "outputs/diffusion").resolve(), SETTINGS | changes
    some, before = seed_by_seed(SEEDS), kept_before(FOLDER / "diffusion.json", settings)
    try:
        run_studies([glass for glass in some if glass.name not in before], STAGES, settings, folder)
    finally:
        if found := read(folder, some, before):
            print_trends(keep(found, settings))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
