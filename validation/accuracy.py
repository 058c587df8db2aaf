"""How wrong the potential is where nobody fitted it: crystals, and glasses off the line of the paper.

    python -m validation.accuracy            run or continue it in outputs/accuracy, then keep it
    python -m validation.accuracy RUN        the same in the folder RUN

Crystals at rest beside their measured cells (`validation.crystals`), with A_BO by the law for their composition and as
in 40LiBP; glasses of `scale=laptop` and seeds of their own beside SciGlass and NMR. E and nu of glasses are those at
rest, without temperature. Kept in `validation/accuracy.json`, which the report of the suite shows; glasses kept there
with the same settings are not made again, so that they can be made in parts.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from jaxglass.manifest import versions
from jaxglass.model.composition import compose
from jaxglass.report.reference import EXPERIMENT
from validation import crystals
from validation.at_rest import METHOD, moduli_at_rest
from validation.studies import results_of, run_jobs, same_as_before
from validation.verdict import Mean, mean_over_seeds

FOLDER = Path(__file__).parent
SEEDS, ATOMS = (0, 1, 2), 864
GLASSES = {  # key of experiment.yaml: mol % Li2O, B2O3/(B2O3 + P2O5)
    "LiPO3": (50.0, 0.0),
    "33Li2O-67B2O3": (100 / 3, 1.0),
    "20Li2O-80B2O3": (20.0, 1.0),
    "glass_30Li2O_40B2O3_30P2O5": (30.0, 4 / 7),
}
SETTINGS = {"scale": "laptop", "atoms": ATOMS, "seeds": SEEDS, "moduli": METHOD}
KEPT = FOLDER / "accuracy.json"
UNITS = {"density": "g/cm3", "young_modulus": "GPa", "poisson_ratio": "1", "n4": "1"}
BULK_MODULI = ("Li2O",)  # crystals whose atoms symmetry holds in place


@dataclass(frozen=True)
class Property:
    """One property of a glass: mean over seeds with its standard error, and the measured value."""

    glass: str
    quantity: str
    unit: str
    found: Mean
    measured: float

    @property
    def off(self) -> float:
        """Per cent."""
        return 100 * (self.found.value / self.measured - 1)


def jobs() -> dict[str, list[str]]:
    """A study for every glass and seed that was not kept before."""
    kept = made_before()
    every = {
        f"{name}-seed{seed}": [
            "stages=[melt_quench,structure]",
            *(f"glass.li2o={li2o}", f"glass.b2o3_share={share}", f"glass.n_atoms={ATOMS}", f"seed={seed}"),
        ]
        for seed in SEEDS
        for name, (li2o, share) in GLASSES.items()
    }
    return {name: job for name, job in every.items() if name not in kept}


def made_before() -> dict[str, dict[str, float]]:
    """Values of every glass of earlier runs with the same settings."""
    return same_as_before(KEPT, SETTINGS).get("made", {})


def made(folder: Path) -> dict[str, dict[str, float]]:
    """Values of every glass that was kept before or is finished in `folder`."""
    names = [f"{name}-seed{seed}" for seed in SEEDS for name in GLASSES]
    kept = made_before()
    found = {name: kept.get(name) or _of_glass(name, folder) for name in names}
    return {name: values for name, values in found.items() if values}


def properties(made: Mapping[str, Mapping[str, float]]) -> list[Property]:
    """What glasses have beside what was measured."""
    found = []
    for name in GLASSES:
        rows = [made.get(f"{name}-seed{seed}", {}) for seed in SEEDS]
        for quantity, value in measured(name).items():
            values = np.array([row[quantity] for row in rows if quantity in row], float)
            if len(values) > 1:
                found.append(Property(name, quantity, UNITS[quantity], mean_over_seeds(values), value))
    return found


def measured(name: str) -> dict[str, float]:
    """Measured values of a glass by quantity."""
    table = yaml.safe_load(EXPERIMENT.read_text())
    entry = table.get(name) or table["held_out"][name]
    found = {quantity: float(entry[quantity]["value"]) for quantity in UNITS if quantity in entry}
    n4 = table["held_out"]["Li_borate_N4"]["values"].get(f"{GLASSES[name][0]:.3g}")
    return found | ({"n4": float(n4)} if n4 is not None and GLASSES[name][1] == 1.0 else {})


def _of_glass(name: str, folder: Path) -> dict[str, float]:
    results = results_of(name, folder)
    if "structure" not in results:
        return {}
    structure = results["structure"]
    found = {"density": structure["density"]["value"], "n4": structure["n4"]["value"]}
    found |= moduli_at_rest(folder / name)
    return {key: float(value) for key, value in found.items() if value is not None and np.isfinite(value)}


def crystals_at_rest() -> list[crystals.Crystal]:
    """Every crystal with the law for its own composition; those with boron also with A_BO of 40LiBP."""
    found = []
    libp = crystals.repulsion(compose(40.0, ATOMS).counts)
    assert libp is not None
    for name in crystals.described():
        found.append(crystals.relaxed(name))
        if found[-1].a_bo is not None:
            found.append(crystals.relaxed(name, libp))
        print(f"{name}: volume {found[-1].volume:+.1f} %", flush=True)
    return found


def keep(folder: Path) -> dict[str, Any]:
    """Write `accuracy.json`."""
    values = made(folder)
    about = {
        "date": date.today().isoformat(),
        "versions": versions(),
        "settings": SETTINGS,
        "crystals": [asdict(crystal) for crystal in crystals_at_rest()],
        "bulk_moduli_GPa": {
            name: {"value": crystals.bulk_modulus(name), "measured": crystals.described()[name]["bulk_modulus_GPa"]}
            for name in BULK_MODULI
        },
        "glasses": [asdict(one) | {"off_percent": one.off} for one in properties(values)],
        "made": values,
    }
    KEPT.write_text(json.dumps(about, indent=1, allow_nan=False) + "\n")
    return about


def main(arguments: Sequence[str]) -> int:
    """Command line."""
    import jax

    jax.config.update("jax_enable_x64", True)
    folder = Path(arguments[0] if arguments else "outputs/accuracy").resolve()
    try:
        run_jobs(jobs(), folder)
    finally:
        for one in keep(folder)["glasses"]:
            print(
                f"{one['glass']:<28} {one['quantity']:<14} {one['found']['value']:.3f} +- {one['found']['error']:.3f} "
                f"{one['unit']}, measured {one['measured']:g}: {one['off_percent']:+.1f} %"
            )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
