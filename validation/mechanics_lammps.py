"""Mechanics beside LAMMPS: the same glasses, potential and strain steps in both programs.

    python -m validation.mechanics_lammps [elastic] [quasistatic] [fracture]      all three unless named

| comparison | both start from | agreement |
|---|---|---|
| elastic | a glass of the library | C11 and C44, each known to 8 %, within 3 combined errors |
| quasistatic | one notched cell at rest | stress along z within 1 % of its rise, up to a rearrangement |
| fracture | notched cells of four seeds | mean difference of G_c, pair by pair, known to 10 %, within errors |

The first is of two averages over the same strain steps with other velocities, the second has no chance in it: forces
left at rest (3e-4 eV/A) and the meshes (1e-6 relative) are far below 1 %. Rearranged is a step in which an atom moves
more than 0.3 A beside the affine motion, in either program. G_c of one crack scatters by tens of per cent: only the
mean over pairs compares. Runs are kept in outputs/mechanics_lammps and continued; results in
`validation/mechanics_lammps.json`.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from jaxglass.analysis.crack import is_separated, measure_crack
from jaxglass.analysis.elasticity import Isotropic, isotropic
from jaxglass.analysis.stress_strain import energy_release, slope
from jaxglass.config import Config
from jaxglass.manifest import versions
from jaxglass.protocols.elastic import DIRECTIONS, ElasticProtocol
from jaxglass.runtime import available_cores
from validation import lammps_protocols
from validation.library import Glass, glasses
from validation.studies import config_of
from validation.verdict import Check, Finding, Mean, Verdict, as_rare, mean_over_seeds, means_agree, pairs_agree

RESULT = Path(__file__).parent / "mechanics_lammps.json"
FOLDER = Path("outputs/mechanics_lammps")
SMALL = "38LiBP-seed0"
SEEDS = tuple(f"38LiBP-seed{seed}" for seed in range(4))
ELASTIC = {"strain_step": 4e-4, "strain_steps": 50, "equilibrate_ps": 2.0, "relax_ps": 0.05, "average_ps": 0.15}
FRACTURE = {
    "fracture.supercell": "[1,2,1]",
    "fracture.notch_height": 0.45,
    "fracture.strain_step": 0.02,
    "fracture.largest_strain": 0.8,
    "fracture.relax_npt_ps": 3.0,
    "fracture.relax_nvt_ps": 1.0,
    "fracture.relax_ps": 0.25,
    "fracture.average_ps": 0.25,
}
STRAINS = 1e-3 * np.arange(2, 15)  # of the cell as cut, which rearranges once before 0.2 % as it comes to rest
AT_REST, ACCURACY = 3e-4, 1e-6  # eV/A; relative to the force of two unit charges at 1 A
REARRANGED = 0.3  # A
LARGEST_ERROR, LARGEST_ERROR_OF_PAIRS = 0.08, 0.1  # relative: of C11 and C44, of the mean difference of G_c
TOLERANCE = 0.01  # of the rise of the stress


@dataclass(frozen=True)
class Compared:
    """One number of both programs with its standard error."""

    quantity: str
    unit: str
    jaxglass: float
    jaxglass_error: float
    lammps: float
    lammps_error: float

    @property
    def errors_apart(self) -> float:
        """Difference in combined standard errors."""
        return abs(self.jaxglass - self.lammps) / float(np.hypot(self.jaxglass_error, self.lammps_error))

    @property
    def check(self) -> Check:
        """Whether they agree."""
        ours, theirs = Mean(self.jaxglass, self.jaxglass_error), Mean(self.lammps, self.lammps_error)
        return means_agree(self.quantity, self.unit, ours, theirs)

    @property
    def larger_error(self) -> float:
        """The larger of the relative errors."""
        return max(self.jaxglass_error / abs(self.jaxglass), self.lammps_error / abs(self.lammps))


def judged(name: str, found: Mapping[str, Any]) -> Finding:
    """What an entry of `mechanics_lammps.json` says: the one verdict, here and in the suite."""
    if name == "quasistatic":
        checks = [Check("stress along z", found["largest_difference"], TOLERANCE, "of its rise")]
    elif name == "fracture":
        ours, theirs = found["jaxglass"], found["lammps"]
        apart = mean_over_seeds(np.asarray(ours) - np.asarray(theirs))
        checks = [
            pairs_agree("G_c", "J/m2", ours, theirs, as_rare(len(ours) - 1)),
            Check("error of the difference", apart.error / np.mean(theirs), LARGEST_ERROR_OF_PAIRS, "relative"),
        ]
    else:
        rows = [
            Compared(
                *(row[key] for key in ("quantity", "unit", "jaxglass", "jaxglass_error", "lammps", "lammps_error"))
            )
            for row in found["compared"]
        ]
        worst = max(row.larger_error for row in rows)
        checks = [*(row.check for row in rows), Check("largest error", worst, LARGEST_ERROR, "relative")]
    return Finding(tuple(checks), kept=found.get("date", ""))


def elastic(folder: Path) -> dict[str, Any]:
    """C11 and C44 of one glass at 300 K by both programs."""
    glass = _glass(SMALL)
    overrides = _overrides({f"elastic.{key}": value for key, value in ELASTIC.items()})
    run = _jaxglass("elastic", glass, folder / "elastic" / "jaxglass", overrides)
    config = config_of(overrides)
    protocol = ElasticProtocol(**config.get("elastic"))
    potential, system = _sample(config, glass)

    def theirs(direction: str) -> np.ndarray:
        kept = folder / "elastic" / f"lammps-{direction}.npy"
        if not kept.exists():
            where = folder / "elastic" / f"lammps-{direction}"
            np.save(kept, lammps_protocols.elastic_stress(potential, system, protocol, direction, 1, where))
        return np.load(kept)

    with ThreadPoolExecutor(available_cores()) as pool:
        curves = list(pool.map(theirs, DIRECTIONS))
    slopes = [slope(protocol.strains, curve) for curve in curves]
    found = isotropic(np.array([s.value for s in slopes]), np.array([s.error for s in slopes]))
    ours = json.loads((run / "results.json").read_text())["elastic"]
    rows = [_compared(name, ours, found) for name in ("C11", "C44")]
    return {
        "glass": glass.name,
        "settings": protocol.__dict__,
        "compared": [asdict(row) | {"errors_apart": row.errors_apart} for row in rows],
    }


def _compared(name: str, ours: dict[str, Any], theirs: Isotropic) -> Compared:
    other = getattr(theirs, name)
    return Compared(name, "GPa", ours[name]["value"], ours[name]["error"], other.value, other.error)


def quasistatic(folder: Path) -> dict[str, Any]:
    """The athermal tensile curve of one notched cell by both programs."""
    fine = {"engine.precision": "float64", "engine.coulomb_accuracy": ACCURACY}
    config = config_of(_overrides(FRACTURE | fine | {"fracture.supercell": "[1,1,1]"}))
    glass = _glass(SMALL)
    ours = _our_quasistatic(config, glass, folder / "quasistatic")
    theirs = _their_quasistatic(config, glass, ours, folder / "quasistatic")
    jumps = np.maximum(_largest_jump(ours.fractional, ours.cell), _largest_jump(theirs.fractional, theirs.cell))
    last = int(np.argmax(jumps > REARRANGED)) if (jumps > REARRANGED).any() else len(STRAINS) - 1
    rise = np.abs(ours.stress[: last + 1] - ours.stress[0]).max()
    apart = np.abs(ours.stress - theirs.stress) / rise
    return {
        "glass": glass.name,
        "n_atoms": ours.fractional.shape[1],
        "strain": STRAINS.tolist(),
        "jaxglass_GPa": ours.stress.tolist(),
        "lammps_GPa": theirs.stress.tolist(),
        "largest_jump_A": [0.0, *jumps.tolist()],
        "compared_up_to": float(STRAINS[last]),
        "largest_difference": float(apart[: last + 1].max()) if last else np.inf,  # rearranged at once: not compared
    }


def _our_quasistatic(config: Config, glass: Glass, folder: Path) -> lammps_protocols.Curve:
    kept = folder / "jaxglass.npz"
    if kept.exists():
        return _read_curve(kept)
    import jax.numpy as jnp

    from jaxglass.evaluate import voigt
    from jaxglass.mechanics.glass import plan_for
    from jaxglass.response.minimum import relax
    from jaxglass.response.moduli import static_stress
    from jaxglass.units import GPA

    notched, parameters = _notched(config, glass)
    plan = plan_for(config, notched.system, parameters, 1.3)
    system = relax(plan, notched.potential, notched.system, AT_REST).system
    stress, fractional, cells, before = [], [], [], 0.0
    for strain in STRAINS:
        along = (1 + strain) / (1 + before)
        system = replace(system, cell=system.cell * jnp.asarray([1.0, 1.0, along])[None, :])
        rest = relax(plan, notched.potential, system, AT_REST)
        system, before = rest.system, strain
        stress.append(voigt(np.asarray(static_stress(rest)))[2] * GPA)
        fractional.append(np.asarray(system.fractional))
        cells.append(np.asarray(system.cell))
    cell = np.array(cells)
    curve = lammps_protocols.Curve(np.array(stress), cell[:, 2, 2], np.array(fractional), cell)
    return _keep_curve(curve, kept)


def _their_quasistatic(
    config: Config, glass: Glass, ours: lammps_protocols.Curve, folder: Path
) -> lammps_protocols.Curve:
    kept = folder / "lammps.npz"
    if kept.exists():
        return _read_curve(kept)
    import jax.numpy as jnp

    notched, _ = _notched(config, glass)
    start = replace(notched.system, fractional=jnp.asarray(ours.fractional[0]), cell=jnp.asarray(ours.cell[0]))
    where = folder / "lammps"
    return _keep_curve(
        lammps_protocols.quasistatic_curve(notched.potential, start, STRAINS, AT_REST, ACCURACY, where), kept
    )


def _largest_jump(fractional: np.ndarray, cell: np.ndarray) -> np.ndarray:
    """Largest displacement (A) of an atom beside the affine motion and the drift, from each step to the next, (n,)."""
    step = np.diff(fractional, axis=0)
    step -= np.round(step)
    step -= step.mean(1, keepdims=True)
    return np.linalg.norm(step @ cell[1:], axis=2).max(1)


def fracture(folder: Path) -> dict[str, Any]:
    """G_c of four notched cells by both programs, each until it is in two parts."""
    with ThreadPoolExecutor(available_cores()) as pool:
        pairs = list(pool.map(lambda name: _fracture_pair(_glass(name), folder / "fracture"), SEEDS))
    ours, theirs = np.array(pairs).T
    return {
        "glasses": SEEDS,
        "settings": FRACTURE,
        "jaxglass": ours.tolist(),
        "lammps": theirs.tolist(),
    }


def _fracture_pair(glass: Glass, folder: Path) -> tuple[float, float]:
    """G_c (J/m2) of one notched cell: jaxglass, LAMMPS."""
    overrides = _overrides(FRACTURE)
    run = _jaxglass("fracture", glass, folder / f"jaxglass-{glass.name}", overrides)
    ours = json.loads((run / "results.json").read_text())["fracture"]
    kept = folder / f"lammps-{glass.name}.npz"
    config = config_of(overrides)
    if not kept.exists():
        from jaxglass.mechanics.fracture import protocol_of

        notched, _ = _notched(config, glass)
        protocol, where = protocol_of(config.get("fracture")), folder / f"lammps-{glass.name}"
        curve = lammps_protocols.fracture_curve(
            notched.potential, notched.system, protocol, protocol.largest_strain, glass.seed, where
        )
        _keep_curve(curve, kept)
    return ours["energy_release"]["value"], _energy_release(_read_curve(kept))


def _energy_release(curve: lammps_protocols.Curve) -> float:
    """G_c (J/m2) as jaxglass reads it: up to the first step in two parts, over the ligament of the first frame."""
    parted = [is_separated(x, cell) for x, cell in zip(curve.fractional, curve.cell, strict=True)]
    last = parted.index(True) if True in parted else len(parted) - 1
    section = float(curve.cell[0, 0, 0] * curve.cell[0, 1, 1])
    ligament = measure_crack(curve.fractional[0], curve.cell[0]).ligament
    return energy_release(curve.length[: last + 1], curve.stress[: last + 1], section, ligament)


def _glass(name: str) -> Glass:
    return next(glass for glass in glasses() if glass.name == name)


def _overrides(settings: dict[str, Any]) -> list[str]:
    return [f"{key}={value}" for key, value in settings.items()]


def _sample(config: Config, glass: Glass):
    """Potential and system of a glass of the library."""
    found = _read(config, glass)
    return found.parameters.potential, found.system


def _notched(config: Config, glass: Glass):
    """The notched supercell of a glass of the library, and its parameters."""
    from jaxglass.mechanics.fracture import notched_glass

    found = _read(config, glass)
    notched = notched_glass(found, config.get("fracture"))
    return notched, replace(found.parameters, potential=notched.potential)


def _read(config: Config, glass: Glass):
    from jaxglass.mechanics.glass import glass_from
    from jaxglass.runtime import configure

    configure("cpu", 1)
    return glass_from(config, glass.path)


def _jaxglass(stage: str, glass: Glass, folder: Path, overrides: Sequence[str]) -> Path:
    """Run or continue one stage on one core in a process of its own; the run directory."""
    command = [sys.executable, "-m", "jaxglass", f"stages=[{stage}]", f"input={glass.path}", f"seed={glass.seed}"]
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "log.txt").open("a") as log:
        command += ["engine.cores=1", f"hydra.run.dir={folder.resolve()}", *overrides]
        subprocess.run(command, check=True, stdout=log, stderr=log)
    return folder


def _keep_curve(curve: lammps_protocols.Curve, path: Path) -> lammps_protocols.Curve:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, **curve.__dict__)
    return curve


def _read_curve(path: Path) -> lammps_protocols.Curve:
    with np.load(path, allow_pickle=False) as kept:
        return lammps_protocols.Curve(**{key: kept[key] for key in ("stress", "length", "fractional", "cell")})


COMPARISONS: dict[str, Callable[[Path], dict[str, Any]]] = {
    "elastic": elastic,
    "quasistatic": quasistatic,
    "fracture": fracture,
}


def main(names: Sequence[str]) -> int:
    """Run the named comparisons, keep and print their results; 1 when one of all that are kept does not pass."""
    kept = json.loads(RESULT.read_text()) if RESULT.exists() else {}
    for name in names or COMPARISONS:
        kept[name] = {"date": date.today().isoformat(), "versions": versions()} | COMPARISONS[name](FOLDER)
        RESULT.write_text(json.dumps(kept, indent=1) + "\n")
        found = judged(name, kept[name])
        print(f"{name}: {found.verdict}; {found.words}")
    return 0 if all(judged(name, found).verdict is Verdict.PASS for name, found in kept.items()) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
