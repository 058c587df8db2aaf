"""Elastic constants and fracture of the glass library: E, nu, G_c and K_Ic against lithium, beside the paper and SEPB.

    python -m validation.mechanics            run or continue it in outputs/mechanics (hours on two cores), then keep it
    python -m validation.mechanics RUN        the same in the folder RUN

Every glass is a study of its own (stages elastic and fracture) in a process of its own on one core; a second process
takes the other core. Kept in `validation/mechanics.json` and `.png`: every glass, means and standard errors over the
seeds of a composition, and slopes with the lithium content over all glasses. Glasses kept there with the same settings
are not run again, so the sweep can be made in parts; what is finished is kept when it is stopped.
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from jaxglass.analysis.stress_strain import toughness
from jaxglass.analysis.trend import Trend, trend_line
from validation.library import Glass
from validation.studies import kept_before, print_trends, record, results_of, run_studies, seed_by_seed

FOLDER = Path(__file__).parent
SEEDS = (0, 1, 2)
ELASTIC = {"strain_step": 2e-4, "strain_steps": 100, "equilibrate_ps": 2.0, "relax_ps": 0.05, "average_ps": 0.15}
FRACTURE = {"notch_height": 0.45, "relax_npt_ps": 10.0, "relax_nvt_ps": 2.0, "relax_ps": 0.25, "average_ps": 0.25}
STAGES = ("elastic", "fracture", "bond_switching", "report")
SETTINGS = {"elastic": ELASTIC, "fracture": FRACTURE, "supercell": [1, 2, 2]}
KEPT = FOLDER / "mechanics.json"
KINDS = ("decreased", "increased", "swapped")


@dataclass(frozen=True)
class Found:
    """One glass: what is kept of the sections of its results.json; `bond_switching[element][kind]` at every strain."""

    glass: Glass
    elastic: dict[str, Any]
    fracture: dict[str, Any]
    bond_switching: dict[str, Any]

    def switched(self, element: str, kind: str) -> np.ndarray:
        """Share of the atoms of `element` with this kind of change, at every strain step."""
        return np.array(self.bond_switching[element][kind])


@dataclass(frozen=True)
class Quantity:
    """What is read from a glass, and the paper's statement of its trend: up, down, none or, not stated, null."""

    name: str
    unit: str
    paper: str | None
    read: Callable[[Found], float | None]


def _of(section: str, key: str) -> Callable[[Found], float | None]:
    return lambda found: getattr(found, section)[key]["value"]


def _broken(element: str, kind: str) -> Callable[[Found], float]:
    return lambda found: found.switched(element, kind)[-1]


def _more_than(kind: str) -> Callable[[Found], float]:
    """By how much more borons lose bonds than have this `kind` of change, each at its largest."""
    return lambda found: found.switched("B", "decreased").max() - found.switched("B", kind).max()


def _late_rise(kind: str) -> Callable[[Found], float]:
    """Share of boron in the last tenth of the pull less that in its middle third."""

    def read(found: Found) -> float:
        shares = found.switched("B", kind)
        steps = len(shares)
        return shares[-(steps // 10) :].mean() - shares[steps // 3 : 2 * steps // 3].mean()

    return read


def work_after_the_peak(found: Found) -> float:
    """Share of the work of the pull that is done after the strongest stress."""
    curve = found.fracture["stress_strain"]
    strain, stress = (np.array(curve[name]["values"]) for name in ("strain", "stress"))
    peak = int(stress.argmax())
    return float(np.trapezoid(stress[peak:], strain[peak:]) / np.trapezoid(stress, strain))


def toughness_by_surface(found: Found) -> float:
    """K_Ic (MPa m^0.5) with the work over one face of the surface that the fracture made, not over the ligament."""
    area, release = found.fracture["crack_area"], found.fracture["energy_release"]["value"]
    E, nu = (found.elastic[key]["value"] for key in ("young_modulus", "poisson_ratio"))
    return toughness(release * area["projected"]["value"] / area["created"]["value"], E, nu)


QUANTITIES = (
    Quantity("E", "GPa", "down", _of("elastic", "young_modulus")),
    Quantity("nu", "1", None, _of("elastic", "poisson_ratio")),
    Quantity("E at rest", "GPa", None, lambda found: found.elastic["athermal"]["young_modulus"]["value"]),
    Quantity("G_c", "J/m2", None, _of("fracture", "energy_release")),
    Quantity("K_Ic", "MPa m^0.5", "down", _of("fracture", "toughness")),
    Quantity("K_Ic by the surface made", "MPa m^0.5", "down", toughness_by_surface),
    Quantity("work after the strongest stress", "1", None, work_after_the_peak),
    Quantity("strength", "GPa", None, _of("fracture", "strength")),
    Quantity("strain in two parts", "1", None, _of("fracture", "broken")),
    Quantity("B with fewer bonds, at most", "1", "down", lambda found: found.switched("B", "decreased").max()),
    Quantity("B with fewer bonds, broken", "1", "down", _broken("B", "decreased")),
    Quantity("B with more bonds, broken", "1", "down", _broken("B", "increased")),
    Quantity("B with others, broken", "1", "down", _broken("B", "swapped")),
    Quantity("B: fewer less more bonds, at most", "1", None, _more_than("increased")),
    Quantity("B: fewer bonds less others, at most", "1", None, _more_than("swapped")),
    Quantity("B with fewer bonds, late fall", "1", None, lambda found: -_late_rise("decreased")(found)),
    Quantity("B with more bonds, late rise", "1", None, _late_rise("increased")),
    Quantity("B with others, late rise", "1", None, _late_rise("swapped")),
    Quantity(
        "P not as before, at most", "1", None, lambda found: sum(found.switched("P", kind) for kind in KINDS).max()
    ),
)


def read(folder: Path) -> list[Found]:
    """Every glass that is kept with these settings, or finished in `folder`."""
    before, found = kept_before(KEPT, SETTINGS), []
    for glass in seed_by_seed(SEEDS):
        results = results_of(glass.name, folder)
        if "bond_switching" in results:
            found.append(Found(glass, **_kept(results)))
        elif glass.name in before:
            found.append(Found(glass, **before[glass.name]))
    return found


def _kept(results: dict[str, Any]) -> dict[str, Any]:
    """Of results.json what the figures and tables need."""
    fracture = ("energy_release", "toughness", "strength", "broken", "crack_area", "notch", "stress_strain")
    elastic = ("C11", "C12", "C44", "young_modulus", "poisson_ratio", "athermal")
    switched = results["bond_switching"]
    return {
        "elastic": {key: results["elastic"][key] for key in elastic},
        "fracture": {key: results["fracture"][key] for key in fracture},
        "bond_switching": {e: {kind: switched[kind][e]["values"] for kind in KINDS} for e in ("B", "P")},
    }


def trends(found: Sequence[Found]) -> list[Trend]:
    """Means over seeds and slopes of every quantity."""
    li2o = np.array([one.glass.li2o for one in found])
    return [
        trend_line(q.name, q.unit, q.paper, li2o, np.array([_number(q.read(one)) for one in found])) for q in QUANTITIES
    ]


def _number(value: float | None) -> float:
    return np.nan if value is None else float(value)


def draw(found: Sequence[Found], lines: Sequence[Trend], path: Path) -> None:
    """Stress and bonds of boron against strain, means by composition, and one panel per quantity."""
    from matplotlib.figure import Figure

    from jaxglass.report.reference import load_references

    figure = Figure(figsize=(7.5, 16.0), layout="constrained")
    panels = figure.subplots(8, 3).ravel()
    _draw_curves(panels[0], found, lambda one: np.array(one.fracture["stress_strain"]["stress"]["values"]))
    panels[0].set_title("stress along z (GPa)")
    panels[0].legend(fontsize=7, title="Li2O (mol %)", title_fontsize=7)
    for panel, kind in zip(panels[1:4], KINDS, strict=True):
        _draw_curves(panel, found, lambda one, kind=kind: one.switched("B", kind))
        panel.set_title(f"B: {kind} bonds")
    for panel, line in zip(panels[4:], lines, strict=False):
        panel.errorbar(line.li2o, line.mean, yerr=line.error, fmt="o-", ms=5, capsize=3, color="#0072B2", lw=1)
        panel.set(xlabel="Li2O (mol %)", title=line.name if line.unit == "1" else f"{line.name} ({line.unit})")
        if line.name == "K_Ic":
            points = load_references().toughness_series()
            panel.plot([p.li2o for p in points], [p.value for p in points], "ks--", ms=4, lw=0.8, label="SEPB")
            panel.legend(fontsize=7)
    for panel in panels:
        panel.title.set_fontsize(9)
        panel.tick_params(labelsize=8)
    for panel in panels[4 + len(lines) :]:
        panel.remove()
    figure.savefig(path, dpi=160, metadata={"Software": None})


def _draw_curves(panel, found: Sequence[Found], read: Callable[[Found], np.ndarray]) -> None:
    """Mean over the seeds of a composition, as far as all of them go, and each seed faintly."""
    levels = sorted({one.glass.li2o for one in found})
    for level, color in zip(levels, ("#0072B2", "#009E73", "#E69F00", "#D55E00"), strict=False):
        curves = [read(one) for one in found if one.glass.li2o == level]
        strain = 100 * np.array(max((o.fracture["stress_strain"]["strain"]["values"] for o in found), key=len))
        for curve in curves:
            panel.plot(strain[: len(curve)], curve, color=color, lw=0.4, alpha=0.4)
        shortest = min(map(len, curves))
        mean = np.mean([curve[:shortest] for curve in curves], axis=0)
        panel.plot(strain[:shortest], mean, color=color, lw=1.4, label=f"{level:.1f}")
    panel.set(xlabel="strain along z (%)")


def keep(found: Sequence[Found]) -> list[Trend]:
    """Write `mechanics.json` and `mechanics.png`."""
    lines = trends(found)
    draw(found, lines, FOLDER / "mechanics.png")
    sections = ("elastic", "fracture", "bond_switching")
    record(KEPT, SETTINGS, [(one.glass, {key: getattr(one, key) for key in sections}) for one in found], lines)
    return lines


def main(arguments: Sequence[str]) -> int:
    """Command line."""
    folder = Path(arguments[0] if arguments else "outputs/mechanics").resolve()
    settings = {f"elastic.{key}": value for key, value in ELASTIC.items()}
    settings |= {f"fracture.{key}": value for key, value in FRACTURE.items()}
    missing = [glass for glass in seed_by_seed(SEEDS) if glass.name not in kept_before(KEPT, SETTINGS)]
    try:
        run_studies(missing, STAGES, settings, folder)
    finally:
        if found := read(folder):
            print_trends(keep(found))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
