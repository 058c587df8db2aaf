"""The share of the machine that a job of a sweep has: cores and GPUs of its own, as the launcher or the user says.

Hydra's launchers start jobs but divide nothing: two jobs at once would each use every core and the same GPU.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jaxglass.runtime import available_cores


@dataclass(frozen=True)
class Share:
    """Numbers of cores and GPUs that a job has for itself; None: all that this process has."""

    cores: int | None = None
    gpus: int | None = None


def share_of(launcher: Mapping[str, Any], sweep: Mapping[str, Any]) -> Share:
    """What a job may use under Hydra's `launcher`; the settings `sweep.*_per_job` win."""
    return Share(sweep.get("cores_per_job") or _cores(launcher), sweep.get("gpus_per_job"))


def _cores(launcher: Mapping[str, Any]) -> int | None:
    """Cores per job as the launcher is set; None under the basic one and SLURM, which runs one job per allocation."""
    kind = str(launcher.get("_target_", "")).rsplit(".", 1)[-1]
    if kind == "JoblibLauncher":
        at_once, here = int(launcher.get("n_jobs") or 1), available_cores()
        return max(1, here // at_once) if at_once > 0 else 1
    if kind == "LocalLauncher":
        return launcher.get("cpus_per_task")
    if kind == "RayLauncher":
        found = ((launcher.get("ray") or {}).get("remote") or {}).get("num_cpus")
        return int(found) if found and found >= 1 else None
    return None
