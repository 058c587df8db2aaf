"""Refit of quenched glasses, closed loop (C4, C5): the potential found again from S(Q) of glasses that it made.

    python -m validation.refit_quench               run or continue it in outputs/refit_quench, then keep it
    python -m validation.refit_quench RUN [ESTIMATOR [RADIATION]] [truth_seed=100] [key=value ...]

The truth is the shipped potential with `TRUTH` changed; 8 glasses of each composition, quenched from seeds that the fit
does not use (from `truth_seed` on; another one, with another `seed=` of the fit, repeats the experiment), give S(Q),
density and N4. `task=refit` starts from the shipped potential, is told 38, 40 and 45 mol % and
never sees 42.5. In the end the fitted potential quenches glasses from the seeds of the truth, too: N4 is compared pair
by pair, and the true one glasses from seeds that nobody used, as eight densities know their mean to 0.4 %. The
radiation is neutron (of 7Li and 11B, as such samples are made) or xray, which hardly sees boron. Kept
under the estimator (hybrid, or implicit, which is blind to N4), the radiation and the seed of the truth in
`validation/refit_quench.json`: the section `refit` of the results beside the truth. Estimators in one folder share the
truth.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import yaml

from jaxglass.analysis.scattering import Scattering, analyse_scattering, scattering_pairs
from jaxglass.analysis.scattering_settings import ScatteringSettings
from jaxglass.manifest import versions
from jaxglass.model.trajectory import Trajectory
from jaxglass.parameters import default_settings, load_parameters
from jaxglass.refit.export import potential_file
from jaxglass.refit.misfit import r_chi
from jaxglass.refit.parameters import moved, parameters
from jaxglass.simulation.directory import RunDirectory
from jaxglass.study import read_trajectory
from validation.verdict import Mean, mean_over_seeds

FOLDER = Path(__file__).parent
LI2O, HELD_OUT = (
    (37.9, 40.3, 42.65, 44.9),
    42.65,
)  # the nearest to 38, 40, 42.5 and 45 with one number of atoms near 650
ATOMS, SEEDS, TRUTH_SEED = 642, 8, 100
TRUTH = {"A_BO": 0.05, "slope": 0.02, "V P-O": -0.10, "V O-O": 0.08}  # of the logarithms
SCATTERERS = {"xray": {}, "neutron": {"Li": "Li-7", "B": "B-11"}}
PROTOCOL = {"melt_ps": 3.0, "quench_rate": 450.0, "relax_nvt_ps": 0.5, "relax_npt_ps": 2.5}
REFIT = {
    "seeds": SEEDS,
    "outer_steps": 4,
    "inner_steps": 3,
    "topology_quenches": 16,
    "topology_every": 5,  # once
    "jitter": 0.5,
    "sigma": 0.005,
    "density_sd": 0.0025,  # as eight glasses know it
}


def truth_file(folder: Path) -> Path:
    """The potential that makes the measured glasses."""
    settings = {**default_settings(), "cutoff_style": "c2"}
    counts = {"Li": 40, "B": 30, "P": 30, "O": 140}
    moving = parameters(list(TRUTH))
    z = np.array([TRUTH[p.name] / p.sd for p in moving])
    start = load_parameters(settings, tuple(counts), counts).potential
    path = folder / "truth.yaml"
    potential_file(path, settings, moving, start, moved(moving, start, 40.0, jnp.asarray(z)), z)
    return path


def command(*arguments: str) -> None:
    """One call of the program; it continues what it finds."""
    subprocess.run([sys.executable, "-m", "jaxglass", *arguments], check=True)


@dataclass(frozen=True)
class Glass:
    """Glasses of one composition: means of their curves and the standard error of S(Q) for each radiation, densities
    (g/cm3) and N4 of every seed."""

    li2o: float
    curves: dict[str, Scattering]
    error: dict[str, np.ndarray]
    densities: np.ndarray
    n4: np.ndarray


def glasses(made: Path, potential: Path, first: int) -> list[Glass]:
    """Glasses of every composition under `potential` from `SEEDS` seeds, `first` and the next, in the folder `made`."""
    seeds = range(first, first + SEEDS)
    command(
        *("task=ensemble", f"glass.li2o=[{','.join(map(str, LI2O))}]", f"seed=[{','.join(map(str, seeds))}]"),
        *(f"glass.n_atoms={ATOMS}", f"potential.file={potential}", "stages=[melt_quench,structure]"),
        *(f"protocol.{key}={value}" for key, value in PROTOCOL.items()),
        f"hydra.run.dir={made}",
    )
    found = []
    for li2o in LI2O:
        trajectories, densities, shares = [], [], []
        for lane in sorted(path for path in made.iterdir() if path.name.startswith(f"{li2o:g}LiBP")):
            with RunDirectory(lane) as directory:
                trajectories.append(read_trajectory(directory))
                results = directory.results()
            densities.append(results["melt_quench"]["density"]["value"])
            shares.append(results["structure"]["n4"]["value"])
        both = {kind: mean_curves(trajectories, kind) for kind in SCATTERERS}
        curves, errors = ({kind: one[k] for kind, one in both.items()} for k in (0, 1))
        found.append(Glass(li2o, curves, errors, np.array(densities), np.array(shares)))
    return found


def mean_curves(trajectories: Sequence[Trajectory], radiation: str) -> tuple[Scattering, np.ndarray]:
    """Means of the curves of several glasses, and the standard error of S(Q)."""
    settings = ScatteringSettings(radiation=radiation, scatterers=SCATTERERS[radiation], r_window="none")
    curves = [analyse_scattering(scattering_pairs(one, settings), settings) for one in trajectories]
    S, D, T = (np.array([getattr(one, name) for one in curves]) for name in ("S", "D", "T"))
    error = np.std(S, axis=0, ddof=1) / np.sqrt(len(curves))
    return replace(curves[0], S=S.mean(0), D=D.mean(0), T=T.mean(0)), error


def targets(folder: Path, truth: Sequence[Glass], radiation: str) -> str:
    """refit.targets: a file with S(Q) for every composition, and its density."""
    entries = []
    for glass in truth:
        path = folder / f"S_{radiation}_{glass.li2o:g}.txt"
        curves = glass.curves[radiation]
        columns = np.column_stack([curves.Q, curves.S, glass.error[radiation]])
        np.savetxt(path, columns, "%.8g", header="Q (1/A), S, error")  # the same file whatever the number of cores
        density = float(glass.densities.mean())
        entries.append({"file": str(path), "li2o": glass.li2o, "density": density, "hold_out": glass.li2o == HELD_OUT})
    return yaml.safe_dump(entries, default_flow_style=True, width=10_000).strip()


def number(arguments: Sequence[str], name: str, default: int) -> int:
    """The one of NAME=NUMBER among `arguments`."""
    return int(next((a.split("=")[1] for a in arguments if a.startswith(f"{name}=")), default))


def changed(changes: Sequence[str]) -> dict[str, Any]:
    """Settings of the section refit among `changes` of the command line."""
    pairs = (change.removeprefix("refit.").split("=", 1) for change in changes if change.startswith("refit."))
    return {key: yaml.safe_load(value) for key, value in pairs}


def kept(glass: Glass) -> dict[str, Any]:
    """What is kept of the glasses of a composition."""
    means = {"density": mean_over_seeds(glass.densities), "n4": mean_over_seeds(glass.n4)}
    return {
        "li2o": glass.li2o,
        **{name: asdict(mean) for name, mean in means.items()},
        "n4_of_seeds": glass.n4.tolist(),
    }


def without_curves(results: dict[str, Any]) -> dict[str, Any]:
    """The section `refit` without its curves, which are most of it."""
    for target in results["targets"]:
        for one in (target, target["before"], target["after"]):
            for name in ("x", "measured", "curve"):
                one.pop(name, None)
    return results


def compared(fitted: Sequence[Glass], truth: Sequence[Glass], again: Sequence[Glass]) -> list[dict[str, Any]]:
    """Glasses under the fitted potential beside those under the true one, from common seeds, which took no part in the
    fit: R of D(r) and T(r) over 1-8 A for each radiation, with the same between the truth and the truth `again` from
    other seeds (`floor`), and differences of the density (%) and of N4, pair by pair."""
    found = []
    for one, true, other in zip(fitted, truth, again, strict=True):
        R = {
            f"{what}_{name}_{kind}": r_chi(curves.r, getattr(true.curves[kind], name), getattr(side.curves[kind], name))
            for kind, curves in true.curves.items()
            for name in ("D", "T")
            for what, side in (("R", one), ("floor", other))
        }
        density = mean_over_seeds(100 * (one.densities - true.densities) / true.densities.mean())
        n4 = mean_over_seeds(one.n4 - true.n4)
        found.append({"li2o": true.li2o, **R, "density_error_percent": asdict(density), "n4_difference": asdict(n4)})
    return found


def density_errors(
    targets: Sequence[dict[str, Any]], twins: Sequence[Glass], truth: Sequence[Glass], again: Sequence[Glass]
) -> list[dict[str, Any]]:
    """Density (%) of the glasses of the fitted potential, the `twins` and, where the fit was not told it, those of the
    fit, against that of all of the true one."""
    found = []
    for target, twin, one, other in zip(targets, twins, truth, again, strict=True):
        fit, more = target["after"]["density"], mean_over_seeds(twin.densities)
        fitted, error = more.value, more.error
        if target["hold_out"]:
            fitted, error = (fit["value"] + more.value) / 2, np.hypot(fit["error"], more.error) / 2
        true = mean_over_seeds(np.concatenate([one.densities, other.densities]))
        off = Mean(100 * (fitted / true.value - 1), 100 * float(np.hypot(error, true.error)) / true.value)
        found.append({"li2o": one.li2o, "error_percent": asdict(off), "true": asdict(true)})
    return found


def _line(target: dict[str, Any], side: str, true: dict[str, Any]) -> str:
    one = target[side]
    R_T, R_D, floor = (100 * x for x in (one["R_T"]["value"], one["R_D"]["value"], one["noise_floor"]["R_D"]))
    n4 = f"N4 {one['n4']['value']:.3f} +- {one['n4']['error']:.3f}"
    n4 += f" (true {true['n4']['value']:.3f} +- {true['n4']['error']:.3f})"
    name = target["name"] + (" held out" if target["hold_out"] else "")
    density = f"density {one['density_error']['value']:+.2f} %"
    return f"{name} {side}: R_T {R_T:.2f} %, R_D {R_D:.2f} % (floor {floor:.2f} %), {density}, {n4}"


def main(arguments: Sequence[str]) -> int:
    """Command line."""
    jax.config.update("jax_enable_x64", True)
    truth_seed = number(arguments, "truth_seed", TRUTH_SEED)
    changes = [a for a in arguments if "=" in a and not a.startswith("truth_seed=")]
    names = [a for a in arguments if "=" not in a]
    folder = Path(names[0] if names else "outputs/refit_quench").resolve()
    estimator = names[1] if len(names) > 1 else "hybrid"
    radiation = names[2] if len(names) > 2 else "neutron"
    name = f"{estimator}_{radiation}"
    scatterers = ",".join(f"{element}:{isotope}" for element, isotope in SCATTERERS[radiation].items())
    folder.mkdir(parents=True, exist_ok=True)
    truth = glasses(folder / "truth", truth_file(folder), truth_seed)
    command(
        *("task=refit", f"refit.kind={radiation}", f"scattering.scatterers={{{scatterers}}}", "refit.quantity=S_q"),
        *(f"refit.targets={targets(folder, truth, radiation)}", f"glass.n_atoms={ATOMS}"),
        f"refit.estimator={estimator}",
        "refit.parameters=[" + ",".join(f'"{name}"' for name in TRUTH) + "]",
        *(f"refit.{key}={value}" for key, value in REFIT.items()),
        *(f"protocol.{key}={value}" for key, value in PROTOCOL.items()),
        *changes,
        f"hydra.run.dir={folder / name}",
    )
    fitted = glasses(folder / f"{name}-twins", folder / name / "potential.yaml", truth_seed)
    again = glasses(folder / "truth-again", folder / "truth.yaml", truth_seed + SEEDS)
    differences = np.concatenate([one.n4 - true.n4 for one, true in zip(fitted, truth, strict=True)])
    results = json.loads((folder / name / "results.json").read_text())["refit"]
    about = {
        "date": date.today().isoformat(),
        "versions": versions(),
        "settings": {
            "atoms": ATOMS,
            "radiation": radiation,
            "truth_seed": truth_seed,
            "seed": number(changes, "seed", 0),
            "protocol": PROTOCOL,
            "refit": REFIT | changed(changes),
        },
        "truth": {"parameters": TRUTH, "glasses": [kept(glass) for glass in truth]},
        "common_seeds": compared(fitted, truth, again),
        "n4_difference": asdict(mean_over_seeds(differences)),
        "density_of_all": density_errors(results["targets"], fitted, truth, again),
        "refit": without_curves(results),
    }
    path = FOLDER / "refit_quench.json"
    every = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps(every | {f"{name}_{truth_seed}": about}, indent=1) + "\n")
    for target, true in zip(results["targets"], about["truth"]["glasses"], strict=True):
        for side in ("before", "after"):
            print(_line(target, side, true))
    for one in about["common_seeds"]:
        print("common seeds:", json.dumps(one))
    for one in about["density_of_all"]:
        print("density, all glasses:", json.dumps(one))
    print(f"N4, fitted minus true, {len(differences)} pairs:", json.dumps(about["n4_difference"]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
