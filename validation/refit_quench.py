"""Refit of quenched glasses, closed loop (C4): the potential found again from S(Q) of glasses that it made.

    python -m validation.refit_quench               run or continue it in outputs/refit_quench, then keep it
    python -m validation.refit_quench RUN [key=value ...]

The truth is the shipped potential with `TRUTH` changed; 8 glasses of each composition, quenched from seeds that the fit
does not use, give S(Q), density and N4. `task=refit` starts from the shipped potential, is told 38, 40 and 45 mol % and
never sees 42.5. Kept in `validation/refit_quench.json`: the section `refit` of its results beside the truth.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import yaml

from jaxglass.analysis.scattering import analyse_scattering, scattering_pairs
from jaxglass.analysis.scattering_settings import ScatteringSettings
from jaxglass.manifest import versions
from jaxglass.parameters import default_settings, load_parameters
from jaxglass.refit.export import potential_file
from jaxglass.refit.parameters import moved, parameters
from jaxglass.simulation.directory import RunDirectory
from jaxglass.study import read_trajectory

FOLDER = Path(__file__).parent
LI2O, HELD_OUT = (38.0, 40.0, 42.5, 45.0), 42.5
ATOMS, SEEDS, TRUE_SEEDS = 651, 8, range(100, 108)
TRUTH = {"A_BO": 0.05, "slope": 0.02, "V P-O": -0.10, "V O-O": 0.08}  # of the logarithms
PROTOCOL = {"melt_ps": 3.0, "quench_rate": 300.0, "relax_nvt_ps": 1.0, "relax_npt_ps": 3.0}
REFIT = {
    "seeds": SEEDS,
    "outer_steps": 5,
    "inner_steps": 4,
    "topology_quenches": 12,
    "sigma": 0.005,
    "density_sd": 0.005,
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


def true_glasses(folder: Path) -> list[dict[str, Any]]:
    """Targets: a file with S(Q) for every composition, its density and N4."""
    made = folder / "truth"
    command(
        *("task=ensemble", f"glass.li2o=[{','.join(map(str, LI2O))}]", f"seed=[{','.join(map(str, TRUE_SEEDS))}]"),
        *(f"glass.n_atoms={ATOMS}", f"potential.file={truth_file(folder)}", "stages=[melt_quench,structure]"),
        *(f"protocol.{key}={value}" for key, value in PROTOCOL.items()),
        f"hydra.run.dir={made}",
    )
    settings = ScatteringSettings(r_window="none")
    targets = []
    for li2o in LI2O:
        curves, densities, shares = [], [], []
        for lane in sorted(path for path in made.iterdir() if path.name.startswith(f"{li2o:g}LiBP")):
            with RunDirectory(lane) as directory:
                trajectory, results = read_trajectory(directory), directory.results()
            found = analyse_scattering(scattering_pairs(trajectory, settings), settings)
            curves.append(found.S)
            densities.append(results["melt_quench"]["density"]["value"])
            shares.append(results["structure"]["n4"]["value"])
        path = folder / f"S_{li2o:g}.txt"
        error = np.std(curves, axis=0, ddof=1) / np.sqrt(len(curves))
        np.savetxt(path, np.column_stack([found.Q, np.mean(curves, axis=0), error]), header="Q (1/A), S, error")
        spread = float(np.std(shares, ddof=1) / np.sqrt(len(shares)))
        targets.append(
            {
                "li2o": li2o,
                "file": str(path),
                "density": float(np.mean(densities)),
                "n4": float(np.mean(shares)),
                "n4_error": spread,
            }
        )
    return targets


def _line(target: dict[str, Any], side: str, true: dict[str, Any]) -> str:
    one = target[side]
    R_T, R_D, floor = (100 * x for x in (one["R_T"]["value"], one["R_D"]["value"], one["noise_floor"]["R_D"]))
    n4 = f"N4 {one['n4']['value']:.3f} +- {one['n4']['error']:.3f} (true {true['n4']:.3f} +- {true['n4_error']:.3f})"
    name = target["name"] + (" held out" if target["hold_out"] else "")
    density = f"density {one['density_error']['value']:+.2f} %"
    return f"{name} {side}: R_T {R_T:.2f} %, R_D {R_D:.2f} % (floor {floor:.2f} %), {density}, {n4}"


def main(arguments: Sequence[str]) -> int:
    """Command line."""
    names = [a for a in arguments if "=" not in a]
    folder = Path(names[0] if names else "outputs/refit_quench").resolve()
    folder.mkdir(parents=True, exist_ok=True)
    truth = true_glasses(folder)
    entries = [
        {"file": t["file"], "li2o": t["li2o"], "density": t["density"], "hold_out": t["li2o"] == HELD_OUT}
        for t in truth
    ]
    listed = yaml.safe_dump(entries, default_flow_style=True, width=10_000).strip()
    command(
        *("task=refit", "refit.kind=xray", "refit.quantity=S_q", f"refit.targets={listed}", f"glass.n_atoms={ATOMS}"),
        "refit.parameters=[" + ",".join(f'"{name}"' for name in TRUTH) + "]",
        *(f"refit.{key}={value}" for key, value in REFIT.items()),
        *(f"protocol.{key}={value}" for key, value in PROTOCOL.items()),
        *(a for a in arguments if "=" in a),
        f"hydra.run.dir={folder / 'refit'}",
    )
    results = json.loads((folder / "refit" / "results.json").read_text())["refit"]
    about = {
        "date": date.today().isoformat(),
        "versions": versions(),
        "settings": {"protocol": PROTOCOL, "refit": REFIT},
    }
    kept = about | {"truth": {"parameters": TRUTH, "glasses": truth}, "refit": results}
    (FOLDER / "refit_quench.json").write_text(json.dumps(kept, indent=1) + "\n")
    for target, true in zip(results["targets"], truth, strict=True):
        for side in ("before", "after"):
            print(_line(target, side, true))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
