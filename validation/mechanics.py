"""Elastic constants and fracture of the glass library: E, nu, G_c and K_Ic against lithium, beside the paper and SEPB.

    python -m validation.mechanics            run or continue it in outputs/mechanics (hours on two cores), then keep it
    python -m validation.mechanics RUN        the same in the folder RUN

Every glass is a study of its own (stages elastic and fracture) in a process of its own on one core; a second process
takes the other core. Kept in `validation/mechanics.json` and `.png`: every glass, means and standard errors over the
seeds of a composition, and slopes with the lithium content over all glasses.
"""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from queue import Queue
from typing import Any

import numpy as np

from jaxglass.analysis.trend import Trend, trend_line
from jaxglass.manifest import versions
from validation.library import Glass, glasses

FOLDER = Path(__file__).parent
SEEDS = (0, 1, 2)
SETTINGS = {
    "elastic.strain_step": 2e-4,
    "elastic.strain_steps": 50,
    "elastic.relax_ps": 0.1,
    "elastic.average_ps": 0.2,
    "fracture.notch_height": 0.45,
    "fracture.relax_npt_ps": 10.0,
    "fracture.relax_nvt_ps": 2.0,
    "fracture.relax_ps": 0.25,
    "fracture.average_ps": 0.25,
}
#: key of results.json, unit, what the paper says of its trend with lithium
QUANTITIES = {
    "young_modulus": ("elastic", "GPa", "down"),
    "poisson_ratio": ("elastic", "1", None),
    "energy_release": ("fracture", "J/m2", None),
    "toughness": ("fracture", "MPa m^0.5", "down"),
    "strength": ("fracture", "GPa", None),
}


@dataclass(frozen=True)
class Found:
    """Elastic constants and fracture of one glass: sections of its results.json."""

    glass: Glass
    elastic: dict[str, Any]
    fracture: dict[str, Any]

    def value(self, quantity: str) -> float:
        """A quantity of `QUANTITIES`; NaN where there is none."""
        entry = getattr(self, QUANTITIES[quantity][0])[quantity]["value"]
        return np.nan if entry is None else float(entry)


def chosen() -> list[Glass]:
    """The glasses of the sweep, seed by seed, so that an unfinished one has all compositions."""
    return sorted((glass for glass in glasses() if glass.seed in SEEDS), key=lambda glass: (glass.seed, glass.li2o))


def run(folder: Path) -> None:
    """Run or continue every glass in `folder`, one process per core."""
    cores: Queue[int] = Queue()
    for core in sorted(os.sched_getaffinity(0)):
        cores.put(core)

    def study(glass: Glass) -> None:
        core = cores.get()
        try:
            settings = [f"{key}={value}" for key, value in SETTINGS.items()]
            command = [sys.executable, "-m", "jaxglass", "stages=[elastic,fracture,report]", f"input={glass.path}"]
            command += [f"seed={glass.seed}", "engine.cores=1", f"hydra.run.dir={folder / glass.name}", *settings]
            folder.mkdir(parents=True, exist_ok=True)
            with (folder / f"{glass.name}.log").open("a") as log:
                subprocess.run(["taskset", "-c", str(core), *command], check=True, stdout=log, stderr=log)
        finally:
            cores.put(core)

    with ThreadPoolExecutor(cores.qsize()) as pool:
        list(pool.map(study, chosen()))


def read(folder: Path) -> list[Found]:
    """Every glass that is finished in `folder`."""
    found = []
    for glass in chosen():
        path = folder / glass.name / "results.json"
        results = json.loads(path.read_text()) if path.exists() else {}
        if "elastic" in results and "fracture" in results:
            found.append(Found(glass, results["elastic"], results["fracture"]))
    return found


def trends(found: Sequence[Found]) -> list[Trend]:
    """Means over seeds and slopes of every quantity."""
    li2o = np.array([one.glass.li2o for one in found])
    return [
        trend_line(name, unit, paper, li2o, np.array([one.value(name) for one in found]))
        for name, (_, unit, paper) in QUANTITIES.items()
    ]


def draw(found: Sequence[Found], lines: Sequence[Trend], path: Path) -> None:
    """Stress-strain curves by composition, and one panel per quantity."""
    from matplotlib.figure import Figure

    from jaxglass.report.reference import load_references

    figure = Figure(figsize=(7.5, 7.0), layout="constrained")
    panels = figure.subplots(2, 3).ravel()
    levels = lines[0].li2o
    for one in found:
        curve, color = one.fracture["stress_strain"], f"C{levels.index(one.glass.li2o)}"
        label = f"{one.glass.li2o:.1f} %" if one.glass.seed == SEEDS[0] else None
        panels[0].plot(curve["strain"]["values"], curve["stress"]["values"], color=color, lw=0.8, label=label)
    panels[0].set(xlabel="strain", title="stress along z (GPa)")
    panels[0].legend(fontsize=7, title="Li2O", title_fontsize=7)
    for panel, line in zip(panels[1:], lines, strict=True):
        panel.errorbar(line.li2o, line.mean, yerr=line.error, fmt="o-", ms=5, capsize=3, color="#0072B2", lw=1)
        panel.set(xlabel="Li2O (mol %)", title=f"{line.name.replace('_', ' ')}" + _unit(line.unit))
        if line.name == "toughness":
            points = load_references().toughness_series()
            panel.plot([p.li2o for p in points], [p.value for p in points], "ks--", ms=4, lw=0.8, label="SEPB")
            panel.legend(fontsize=7)
    for panel in panels:
        panel.title.set_fontsize(9)
        panel.tick_params(labelsize=8)
    figure.savefig(path, dpi=160, metadata={"Software": None})


def _unit(unit: str) -> str:
    return "" if unit == "1" else f" ({unit})"


def keep(found: Sequence[Found]) -> list[Trend]:
    """Write `mechanics.json` and `mechanics.png`."""
    lines = trends(found)
    draw(found, lines, FOLDER / "mechanics.png")
    kept = {
        "date": date.today().isoformat(),
        "versions": versions(),
        "settings": SETTINGS,
        "glasses": [
            {"name": one.glass.name, "li2o": one.glass.li2o, "seed": one.glass.seed, **_kept(one)} for one in found
        ],
        "errors": "standard error over seeds; slopes per mol % Li2O over all glasses",
        "trends": [asdict(line) | {"found": line.found} for line in lines],
    }
    (FOLDER / "mechanics.json").write_text(json.dumps(kept, indent=1) + "\n")
    return lines


def _kept(one: Found) -> dict[str, Any]:
    fracture = {
        key: one.fracture[key]
        for key in ("energy_release", "toughness", "strength", "broken", "crack_area", "notch", "stress_strain")
    }
    elastic = {key: one.elastic[key] for key in ("C11", "C12", "C44", "young_modulus", "poisson_ratio")}
    return {"elastic": elastic, "fracture": fracture}


def main(arguments: Sequence[str]) -> int:
    """Command line."""
    folder = Path(arguments[0] if arguments else "outputs/mechanics").resolve()
    run(folder)
    for line in keep(read(folder)):
        values = "  ".join(f"{m:.4g} +- {e:.2g}" for m, e in zip(line.mean, line.error, strict=True))
        slope = f"slope {line.slope:.3g} +- {line.slope_error:.2g}: {line.found} (paper: {line.paper})"
        print(f"{line.name:16} {values} {line.unit}   {slope}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
