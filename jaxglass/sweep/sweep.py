"""A sweep from start to end: plan, launch what is not done, then the table and the report of what there is.

The same command again launches what is missing or has failed. A failure stops nothing but its own job; the sweep ends
with the first one in the order of the plan, so that its exit code tells.
"""

import os
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from jaxglass.errors import ConfigError, JaxglassError, Preempted
from jaxglass.simulation.directory import holder
from jaxglass.simulation.signals import StopRequest, signal_name
from jaxglass.sweep.outcome import write_outcome
from jaxglass.sweep.plan import Compose, Point, plan_points, write_jobs
from jaxglass.sweep.record import STOP, Job, is_done, read_job

PATIENCE = 60.0  # s that running jobs have for their checkpoints when the sweep is stopped
SUBMITIT = ("LocalLauncher", "SlurmLauncher")
HERE = ("BasicLauncher", "JoblibLauncher")  # launchers whose jobs live and die with the sweep


def run_sweep(
    overrides: Sequence[Sequence[str]], keys: Sequence[str], compose: Compose, launch: Callable[[Any], Any]
) -> None:
    """Run every point given by `overrides`, which differ in `keys`.

    `compose` makes Hydra's configuration of one, `launch` runs a list of them. Raises `ConfigError` before anything is
    launched, `Preempted` when the sweep was stopped, in the end the first error of a job.
    """
    if not overrides:
        raise ConfigError("the sweep has no points: one of the swept keys has no values")
    hydra = compose(list(overrides[0])).hydra
    folder = Path(str(hydra.sweep.dir)).resolve()
    points = plan_points(overrides, compose, folder)
    write_jobs(points, keys)
    (folder / STOP).unlink(missing_ok=True)
    missing = [point for point in points if not is_done(point.directory, point.config)]
    print(f"sweep: {len(points)} jobs, {len(points) - len(missing)} already done; {folder}", flush=True)
    stopped = _launch(missing, folder, launch, str(hydra.launcher._target_).rsplit(".", 1)[-1]) if missing else ""
    write_outcome(folder)
    _raise_first([read_job(point.directory) for point in points], stopped, folder)


def _launch(points: Sequence[Point], folder: Path, launch: Callable[[Any], Any], launcher: str) -> str:
    """Launch all; the name of the signal that stopped it, or an empty string.

    Whatever a launcher raises is left aside: the directories tell what became of every job.
    """
    if launcher in SUBMITIT:  # it keeps pickles there, which run code when they are read: nobody else may write them
        (folder / ".submitit").mkdir(mode=0o700, exist_ok=True)
    orders = [point.order(folder) for point in points]
    try:
        with Interrupt(folder, [point.directory for point in points], launcher in HERE) as stop:
            launch(orders)
    except KeyboardInterrupt:
        return stop.name or "SIGINT"
    except Exception as error:
        print(f"sweep: {launcher}: {type(error).__name__}: {str(error)[:300]}", flush=True)
    return ""


def _raise_first(jobs: Sequence[Job], stopped: str, folder: Path) -> None:
    """The first failure, else the first stop; nothing when all is done."""
    errors = [(job, error) for job in jobs if (error := job.error)]
    failed = [(job, error) for job, error in errors if not isinstance(error, Preempted)]
    hint = f"jaxglass task=sweep_status hydra.sweep.dir={_shown(folder)} tells all, the same command runs them again"
    if stopped:
        raise Preempted(f"sweep stopped by {stopped}; run the same command to continue")
    for chosen, word in ((failed, "failed"), (errors, "stopped")):
        if chosen:
            job, error = chosen[0]
            raise type(error)(f"{len(chosen)} of {len(jobs)} jobs {word}; {job.path.name}: {error}; {hint}")
    queued = [job for job in jobs if job.state != "done"]
    if queued:
        raise JaxglassError(f"{len(queued)} of {len(jobs)} jobs were not run; {hint}")


def _shown(folder: Path) -> str:
    here = Path.cwd()
    return str(folder.relative_to(here) if here in folder.parents else folder)


class Interrupt(StopRequest):
    """A request to stop the sweep: running jobs of this machine write their checkpoints, no other one begins."""

    def __init__(self, folder: Path, directories: Sequence[Path], ours: bool) -> None:
        """`ours`: the jobs run below this process."""
        super().__init__()
        self._folder, self._directories, self._ours = folder, directories, ours

    def _receive(self, number: int, _frame: FrameType | None) -> None:
        again, self.name, self.number = bool(self.name), signal_name(number), 0
        if self._ours and not again:
            (self._folder / STOP).touch()
            self._stop_jobs()
        raise KeyboardInterrupt

    def _stop_jobs(self) -> None:
        """Ask every job that runs to stop, and wait for its checkpoint."""
        held = [h for directory in self._directories if (h := holder(directory))]
        for process in held:
            number = process.rpartition(" ")[2]
            if number.isdigit() and int(number) != os.getpid():
                try:
                    os.kill(int(number), signal.SIGTERM)
                except OSError:
                    continue
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end and any(map(holder, self._directories)):
            time.sleep(0.1)
