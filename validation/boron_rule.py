"""What the choice of A_BO does: N4, density, E and D of lithium by rule and composition.

    python -m validation.boron_rule              run or continue it in outputs/boron_rule, then keep it
    python -m validation.boron_rule RUN [SEEDS]  the same in the folder RUN with so many seeds (2)

The paper does not give A_BO (docs/potential.md). Three readings: c1 (no silica: K = 0), c3 (the default: formers other
than boron count as silica does), and nmr, the law of c3 with the share of four-fold boron that NMR finds instead of the
one that Dell, Bray and Xiao predict. The same melts under each rule: differences are paired by composition and seed. D
is the slope of the MSD at 1200 K over the lags that 72 ps allow, which compares rules and is no limit; E is that of the
glass at rest. Kept in `validation/boron_rule.json`, which the report of the suite shows; glasses kept there with the
same settings are not made again, so the sweep can be made in parts.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

import numpy as np

from jaxglass.manifest import versions
from jaxglass.model.boron import repulsion_law
from jaxglass.model.composition import compose
from validation.at_rest import METHOD, moduli_at_rest
from validation.library import LI2O
from validation.studies import results_of, run_jobs, same_as_before
from validation.verdict import Mean, mean_over_seeds

FOLDER = Path(__file__).parent
ATOMS, KELVIN = 855, 1200
NMR_N4 = 0.95  # Kumar 2004: tetrahedral boron only, except in glasses rich in Li2O; sodium analogues 0.85 to 1
RULES, DEFAULT = ("c1", "c3", "nmr"), "c3"
DIFFUSION = {
    "temperatures": f"[{KELVIN}]",
    "equilibrate_ps": 2.0,
    "chunk_ps": 72.0,
    "longest_ps": 72.0,
    "smallest_slope": 0.7,
}
SETTINGS = {"scale": "laptop", "atoms": ATOMS, "nmr_n4": NMR_N4, "diffusion": DIFFUSION, "moduli": METHOD}
KEPT = FOLDER / "boron_rule.json"
UNITS = {"n4": "1", "density": "g/cm3", "young_modulus": "GPa", "log10_diffusivity": "log10 cm2/s"}


@dataclass(frozen=True)
class Made:
    """One glass of a rule: values of `UNITS`, NaN where there is none."""

    rule: str
    li2o: float
    seed: int
    a_bo: float
    values: Mapping[str, float]

    @property
    def name(self) -> str:
        """Of its run directory."""
        return _name(self.rule, self.li2o, self.seed)


@dataclass(frozen=True)
class Effect:
    """A quantity under a `rule` minus that under the default, mean of all pairs with its standard error."""

    rule: str
    quantity: str
    unit: str
    difference: Mean
    pairs: int


def a_bo(rule: str, li2o: float) -> str:
    """potential.a_bo for a rule and a composition."""
    if rule != "nmr":
        return rule
    counts = compose(li2o, ATOMS).counts
    return f"{repulsion_law(counts['Li'] / counts['B'], 2 * counts['P'] / counts['B'], NMR_N4):.2f}"


def jobs(seeds: int) -> dict[str, list[str]]:
    """A study for every composition, rule and seed; every composition has all rules before the next seed begins."""
    diffusion = [f"diffusion.{key}={value}" for key, value in DIFFUSION.items()]
    kept = {made.name for made in kept_before()}
    every = {
        _name(rule, li2o, seed): [
            "stages=[melt_quench,structure,diffusion]",
            *(f"glass.li2o={li2o}", f"glass.n_atoms={ATOMS}", f"seed={seed}", f"potential.a_bo={a_bo(rule, li2o)}"),
            *diffusion,
        ]
        for seed in range(seeds)
        for li2o in LI2O
        for rule in RULES
    }
    return {name: job for name, job in every.items() if name not in kept}


def kept_before() -> list[Made]:
    """Glasses of earlier runs with the same settings."""
    glasses = same_as_before(KEPT, SETTINGS).get("glasses", ())
    return [
        Made(**one | {"values": {k: np.nan if v is None else v for k, v in one["values"].items()}}) for one in glasses
    ]


def read(folder: Path, seeds: int) -> list[Made]:
    """Every glass that was kept before or is finished in `folder`."""
    found = kept_before()
    kept = {made.name for made in found}
    for seed in range(seeds):
        for li2o in LI2O:
            for rule in RULES:
                name = _name(rule, li2o, seed)
                results = results_of(name, folder)
                if name not in kept and "diffusion" in results:
                    D = results["diffusion"]["diffusivity"][f"{KELVIN}K"]["value"]
                    values = {
                        "n4": results["structure"]["n4"]["value"],
                        "density": results["structure"]["density"]["value"],
                        "young_modulus": moduli_at_rest(folder / name)["young_modulus"],
                        "log10_diffusivity": np.log10(D) if D else np.nan,
                    }
                    found.append(Made(rule, li2o, seed, results["glass"]["a_bo"]["value"], values))
    return found


def effects(found: Sequence[Made]) -> list[Effect]:
    """Every rule against the default, pair by pair."""
    known = {(made.rule, made.li2o, made.seed): made.values for made in found}
    rows = []
    for rule in RULES:
        if rule == DEFAULT:
            continue
        for quantity, unit in UNITS.items():
            pairs = np.array(
                [
                    values[quantity] - known[(DEFAULT, li2o, seed)][quantity]
                    for (other, li2o, seed), values in known.items()
                    if other == rule and (DEFAULT, li2o, seed) in known
                ]
            )
            pairs = pairs[np.isfinite(pairs)]
            if len(pairs) > 1:
                rows.append(Effect(rule, quantity, unit, mean_over_seeds(pairs), len(pairs)))
    return rows


def keep(found: Sequence[Made]) -> list[Effect]:
    """Write `boron_rule.json`."""
    rows = effects(found)
    glasses = [
        asdict(made) | {"values": {k: float(v) if np.isfinite(v) else None for k, v in made.values.items()}}
        for made in found
    ]
    about = {
        "date": date.today().isoformat(),
        "versions": versions(),
        "settings": SETTINGS,
        "glasses": glasses,
        "effects": [asdict(row) for row in rows],
    }
    KEPT.write_text(json.dumps(about, indent=1, allow_nan=False) + "\n")
    return rows


def _name(rule: str, li2o: float, seed: int) -> str:
    return f"{li2o:g}LiBP-{rule}-seed{seed}"


def main(arguments: Sequence[str]) -> int:
    """Command line."""
    import jax

    jax.config.update("jax_enable_x64", True)
    folder = Path(arguments[0] if arguments else "outputs/boron_rule").resolve()
    seeds = int(arguments[1]) if len(arguments) > 1 else 2
    try:
        run_jobs(jobs(seeds), folder)
    finally:
        for row in keep(read(folder, seeds)):
            change = f"{row.difference.value:+.4g} +- {row.difference.error:.2g} {row.unit}"
            print(f"{row.rule} minus {DEFAULT}: {row.quantity:<18} {change} ({row.pairs} pairs)")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
