"""The glass library: 4 compositions x 4 seeds, made once and used by every study of trends.

    python -m validation.library            make it in outputs/library (about an hour on two free cores), then keep it
    python -m validation.library RUN        keep the glasses of an ensemble that has been run

Making continues where it was stopped. Kept in `validation/glasses/`: one compressed extended XYZ per glass (positions,
momenta, cell) and `glasses.json` with its SHA-256, composition, seed, density, settings, versions and date. `glasses()`
reads them and refuses a file that does not match its hash.
"""

import gzip
import hashlib
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from jaxglass.errors import InputDataError

FOLDER = Path(__file__).parent / "glasses"
LI2O, SEEDS = (38.0, 40.0, 42.5, 45.0), (0, 1, 2, 3)


@dataclass(frozen=True)
class Glass:
    """A glass of the library; `path` is a gzipped extended XYZ, density in g/cm3, energy-free."""

    name: str
    li2o: float
    seed: int
    n_atoms: int
    density: float
    n4: float
    sha256: str

    @property
    def path(self) -> Path:
        """Where it is kept."""
        return FOLDER / f"{self.name}.extxyz.gz"

    def atoms(self):
        """As ASE atoms."""
        import ase.io

        return ase.io.read(self.path, format="extxyz")


def glasses() -> list[Glass]:
    """All glasses of the library; `InputDataError` for one that is missing or not what it was."""
    kept = [Glass(**entry) for entry in json.loads((FOLDER / "glasses.json").read_text())["glasses"]]
    for glass in kept:
        if not glass.path.exists() or _hash(glass.path) != glass.sha256:
            raise InputDataError(f"{glass.path.name}: missing or changed since it was made; check it out again")
    return kept


def make(run: Path) -> None:
    """Make or continue the ensemble in `run`."""
    lists = [f"glass.li2o=[{','.join(map(str, LI2O))}]", f"seed=[{','.join(map(str, SEEDS))}]"]
    command = [sys.executable, "-m", "jaxglass", "task=ensemble", *lists, f"hydra.run.dir={run}"]
    subprocess.run(command, check=True)


def keep(run: Path) -> list[Glass]:
    """Copy the finished glasses of the ensemble `run` into the library, with their settings."""
    lanes = json.loads((run / "results.json").read_text())["lanes"]
    unfinished = [lane["directory"] for lane in lanes if lane["state"] != "done"]
    if unfinished:
        raise InputDataError(f"{run}: not finished: {', '.join(unfinished)}")
    FOLDER.mkdir(exist_ok=True)
    kept = [_keep_one(run / lane["directory"], lane) for lane in lanes]
    about = {
        "made": date.today().isoformat(),
        "settings": _physics(yaml.safe_load((run / "config.yaml").read_text())),
        "versions": json.loads((run / lanes[0]["directory"] / "manifest.json").read_text())["versions"],
        "config_hash": json.loads((run / "status.json").read_text())["config_hash"],
        "glasses": [asdict(glass) for glass in kept],
    }
    (FOLDER / "glasses.json").write_text(json.dumps(about, indent=1) + "\n")
    return kept


def _keep_one(folder: Path, lane: dict[str, Any]) -> Glass:
    results = json.loads((folder / "results.json").read_text())
    name = f"{results['glass']['label']}-seed{lane['seed']}"
    content = gzip.compress((folder / "glass.extxyz").read_bytes(), mtime=0)
    (FOLDER / f"{name}.extxyz.gz").write_bytes(content)
    return Glass(
        name,
        results["glass"]["li2o"],
        lane["seed"],
        results["glass"]["n_atoms"],
        results["melt_quench"]["density"]["value"],
        results["structure"]["n4"]["value"],
        hashlib.sha256(content).hexdigest(),
    )


def _physics(settings: dict[str, Any]) -> dict[str, Any]:
    return {key: settings[key] for key in ("glass", "seed", "protocol", "potential", "engine", "structure")}


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def main(arguments: Sequence[str]) -> None:
    """Command line."""
    run = Path(arguments[0]) if arguments else Path("outputs/library")
    if not arguments:
        make(run)
    for glass in keep(run):
        print(f"{glass.name:<16} {glass.li2o:6.2f} mol %  {glass.density:.3f} g/cm3  N4 {glass.n4:.3f}")


if __name__ == "__main__":
    main(sys.argv[1:])
