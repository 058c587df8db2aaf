"""The paper's pipeline at 9,720 atoms: what a cluster is told, checked here without running it.

Commands of a Hydra sweep under SLURM, validated by `task=validate_config`, and the LAMMPS input of every glass.
"""

import shlex
import subprocess
import sys
from pathlib import Path

from validation.bench import PAPER, Bench
from validation.lammps_protocols import stages_script
from validation.library import LI2O
from validation.samples import packed
from validation.verdict import Check, Finding

SETTINGS = ("scale=paper", "stages=all")
SWEEP = ("glass.li2o=38,40,42.5,45", "seed=0,1,2,3")
LAUNCHER = ("hydra/launcher=slurm_gpu", "hydra.sweep.dir=paper")
ATOMS = 9720


def commands() -> list[str]:
    """The sweep of jaxglass; LAMMPS for each glass, with SLURM's job array over the folders."""
    sweep = shlex.join(["jaxglass", "-m", *SWEEP, *SETTINGS, *LAUNCHER])
    wrapped = 'cd $(ls -d lammps/*/ | sed -n "$((SLURM_ARRAY_TASK_ID + 1))p") && srun lmp -in in.lammps'
    return [sweep, shlex.join(["sbatch", f"--array=0-{len(LI2O) - 1}", "--ntasks=16", f"--wrap={wrapped}"])]


def prepare(bench: Bench) -> Finding:
    """Write the LAMMPS inputs and `commands.sh` beside the cache; have the settings of every composition checked."""
    folder = bench.cache.folder.parent / "paper"
    inputs = [_input(folder / "lammps" / f"{li2o:g}LiBP", li2o) for li2o in LI2O]
    folder.joinpath("commands.sh").write_text("\n".join(commands()) + "\n")
    for command in commands():
        bench.say(f"  {command}")
    refused = [li2o for li2o in LI2O if not _valid(li2o)]
    return Finding(
        (
            Check("settings refused", len(refused), 0, "compositions", ", ".join(map(str, refused))),
            Check("inputs not written", len(LI2O) - sum(path.exists() for path in inputs), 0, "files", str(folder)),
        )
    )


def _input(folder: Path, li2o: float) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    sample = packed(li2o, ATOMS, PAPER.start_density, 0)
    lines = stages_script(sample.potential, sample.system, PAPER.stages(), 1, folder)
    path = folder / "in.lammps"
    path.write_text("\n".join(lines) + "\n")
    return path


def _valid(li2o: float) -> bool:
    command = [sys.executable, "-m", "jaxglass", "task=validate_config", f"glass.li2o={li2o}", *SETTINGS]
    return subprocess.run(command, capture_output=True).returncode == 0
