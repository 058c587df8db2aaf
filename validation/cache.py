"""What need not be run twice: results by the hash of everything they depend on.

A LAMMPS run depends on its input script, the files beside it, the executable, its version and its flags; a run of
jaxglass on its settings, the glasses of the library, the versions of JAX and numpy and the source of both packages. A
folder or file under its hash appears only when the run has ended: what was interrupted is made again, and nothing
else.
"""

import hashlib
import json
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache as once
from pathlib import Path
from typing import Any

import jax
import numpy as np

import jaxglass
from jaxglass import lammps
from jaxglass.config import conf_folder
from jaxglass.manifest import versions
from validation.samples import Sample

DONE = "done.json"
HASH = 16  # hexadecimal digits of a name


@dataclass(frozen=True)
class Cache:
    """Finished results in `folder`; LAMMPS runs are made `by` this program."""

    folder: Path
    by: lammps.Program

    def run(self, prepare: Callable[[Path], Sequence[str]], suffix: str = "") -> Path:
        """The folder of a finished run of the script that `prepare` returns, with the files it writes beside it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.folder, prefix="running-") as name:
            staging = Path(name)
            lines = list(prepare(staging))
            home = self.folder / f"lammps-{_digest([*lines, *_who(self.by), *self.by.options(suffix)], staging)}"
            if (home / DONE).exists():
                return home
            began = time.monotonic()
            lammps.run(lines, staging, suffix, by=self.by)
            about = {"date": date.today().isoformat(), "seconds": round(time.monotonic() - began, 1)}
            (staging / DONE).write_text(json.dumps(about | {"lammps": _version(self.by)}) + "\n")
            shutil.rmtree(home, ignore_errors=True)
            staging.rename(home)
            staging.mkdir()  # for its owner to remove
        for table in home.glob("*.table"):
            table.unlink()  # megabytes that the hash stands for
        return home

    def static(
        self, sample: Sample, kspace: str, tables: bool = True, coulomb_cutoff: float = lammps.COULOMB_CUTOFF
    ) -> lammps.LammpsEvaluation:
        """`lammps.static` of a sample."""
        leaves = [np.asarray(x) for x in jax.tree.leaves((sample.potential, sample.structure))]
        content = hashlib.sha256(b"".join(x.tobytes() for x in leaves)).hexdigest()
        settings = [kspace, str(tables), str(coulomb_cutoff), *self.by.options("")]
        key = _digest([content, *settings, *_who(self.by), source_hash()])  # the source writes tables and cutoffs

        def make() -> dict[str, np.ndarray]:
            found = lammps.static(
                sample.potential,
                *sample.structure,
                kspace=kspace,
                coulomb_cutoff=coulomb_cutoff,
                tables=tables,
                by=self.by,
            )
            return {name: np.asarray(value) for name, value in found._asdict().items()}

        found = _kept(self.folder / f"static-{key}.npz", make)
        return lammps.LammpsEvaluation(float(found["energy"]), found["forces"], found["stress"], float(found["alpha"]))

    def arrays(self, name: str, settings: Any, make: Callable[[], Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
        """What `make` returns, made once for these `settings` (JSON), versions, library and source."""
        path = self.folder / f"{name}-{_digest([name, json.dumps(settings, sort_keys=True), source_hash()])}.npz"
        return _kept(path, make)

    def directory(self, name: str, settings: Any) -> Path:
        """Where a run of jaxglass with these `settings` lives, which continues by itself."""
        return self.folder / f"{name}-{_digest([name, json.dumps(settings, sort_keys=True), source_hash()])}"


def _kept(path: Path, make: Callable[[], Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    if not path.exists():
        found = make()
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial.npz")
        np.savez_compressed(partial, **found)  # type: ignore[arg-type]
        partial.rename(path)
    with np.load(path, allow_pickle=False) as kept:
        return {key: kept[key] for key in kept.files}


@once
def source_hash() -> str:
    """SHA-256 over the source and settings of the package and of this suite, the glass library and versions."""
    package, suite, settings = Path(jaxglass.__file__).parent, Path(__file__).parent, conf_folder()
    files = [*package.rglob("*.py"), *suite.glob("*.py"), *settings.rglob("*.yaml"), *suite.glob("glasses/*")]
    files = sorted(file for file in files if file.is_file())
    found = hashlib.sha256(json.dumps(versions(), sort_keys=True).encode())
    for file in files:
        found.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return found.hexdigest()


@once
def _version(by: lammps.Program) -> str:
    return by.version


def _who(by: lammps.Program) -> tuple[str, str]:
    """The executable and its version: two builds of one release are two programs."""
    return str(Path(by.path).resolve()), _version(by)


def _digest(words: Sequence[str], folder: Path | None = None) -> str:
    found = hashlib.sha256("\n".join(words).encode())
    for file in sorted(folder.iterdir()) if folder else ():
        found.update(b"\0" + file.name.encode() + b"\0" + file.read_bytes())
    return found.hexdigest()[:HASH]
