"""A job of a sweep, seen from the process that Hydra's launcher gives it: start the child, pass on signals, wait.

Every launcher calls this, also those that isolate jobs themselves: the basic launcher and joblib end with the first
`sys.exit` or kill, jax keeps its number of devices and its precision for the life of a process, and a process without
jax can hand signals on while the child is busy.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from socket import gethostname
from types import FrameType
from typing import Any

import jaxglass
from jaxglass.config import check_config
from jaxglass.errors import JaxglassError, Preempted, ResourceError
from jaxglass.simulation.signals import StopRequest, signal_name
from jaxglass.sweep.failure import INTERRUPTED, NOT_BEGUN, record_failure
from jaxglass.sweep.record import ERROR, KINDS, LOG, STOP, input_digest, is_done, note_input, read_job
from jaxglass.sweep.share import Share
from jaxglass.sweep.slots import cores_here, gpus_here, slot


@dataclass(frozen=True)
class Order:
    """Settings, nested and as YAML, the directory of the job and the folder of the sweep."""

    values: Mapping[str, Any]
    yaml: str
    path: Path
    sweeps: Path


def run_job(order: Order, share: Share) -> None:
    """Do the job unless it is done; raises the typed error that its directory then also holds."""
    config = check_config(order.values)
    if is_done(order.path, config):
        return
    if (order.sweeps / STOP).exists():
        raise Preempted("the sweep was stopped before this job began; run the same command to continue")
    _refuse_hopeless(order.path, config.get("sweep.max_attempts"))
    digest, began = input_digest(config), time.monotonic()
    with _resources(order.sweeps / ".slots" / gethostname(), share) as (cores, environment), Forwarding() as stop:
        code = _child(order, cores, environment, stop)
        error = _failure(order.path, code) if code else None  # before a request that came reaches whoever waits above
        took = time.monotonic() - began
        print(f"sweep: {order.path.name}: {error or 'done'} ({took:.0f} s; {LOG})", file=sys.stderr, flush=True)
    if error:
        raise error
    note_input(order.path, digest)


def _refuse_hopeless(path: Path, most: int | None) -> None:
    job = read_job(path)
    if most is not None and job.state in ("failed", "lost") and job.attempts >= most:
        said = f"failed {job.attempts} times, sweep.max_attempts={most}: left alone; last: {job.status.get('error')}"
        print(f"sweep: {path.name}: {said}", file=sys.stderr, flush=True)
        raise JaxglassError(said)


@contextmanager
def _resources(folder: Path, share: Share) -> Iterator[tuple[list[int] | None, dict[str, str]]]:
    """Cores and environment of the child, reserved as long as it runs."""
    with ExitStack() as stack:
        environment = _environment()
        cores = None
        if share.cores:
            cores = [int(core) for core in stack.enter_context(slot(folder / "cores", cores_here(), share.cores))]
        if share.gpus:
            gpus = stack.enter_context(slot(folder / "GPUs", gpus_here(), share.gpus))
            environment["CUDA_VISIBLE_DEVICES"] = ",".join(gpus)
        yield cores, environment


def _environment() -> dict[str, str]:
    """This process's, so that the child finds the same jaxglass."""
    root = Path(jaxglass.__file__).parent.parent
    if root.name in ("site-packages", "dist-packages"):
        return dict(os.environ)
    known = os.environ.get("PYTHONPATH")
    return os.environ | {"PYTHONPATH": os.pathsep.join([str(root), *([known] if known else [])])}


def _child(order: Order, cores: list[int] | None, environment: Mapping[str, str], stop: "Forwarding") -> int:
    """Exit code of the child; its output goes to job.log, requests to `stop` go to it."""
    content = {
        "values": order.values,
        "yaml": order.yaml,
        "path": str(order.path),
        "cores": cores,
        "parent": os.getpid(),
    }
    with _log(order.path) as log:
        child = subprocess.Popen(
            [sys.executable, "-m", "jaxglass.sweep.child"],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            env=environment,
            start_new_session=True,  # Ctrl-C reaches it once, through us
        )
        stop.give_to(child)
        child.communicate(json.dumps(content).encode())
        return child.returncode


def _log(path: Path):
    try:
        path.mkdir(parents=True, exist_ok=True)
        return open(path / LOG, "ab")
    except OSError as error:
        raise ResourceError(f"cannot write {path / LOG}: {error.strerror} (errno {error.errno})") from error


class Forwarding(StopRequest):
    """Requests to stop are the child's business; they reach it once it is there."""

    def __init__(self) -> None:
        """No child yet."""
        super().__init__()
        self._child: subprocess.Popen[bytes] | None = None

    def give_to(self, child: "subprocess.Popen[bytes]") -> None:
        """Pass requests on to `child`, also one that came before it was started."""
        self._child = child
        if self.number:
            child.send_signal(self.number)

    def _receive(self, number: int, _frame: FrameType | None) -> None:
        self.name, self.number = signal_name(number), number
        if self._child is not None:
            self._child.send_signal(number)


def _failure(path: Path, code: int) -> JaxglassError:
    """The error of a child that ended with `code`; where it could not tell, its directory is told now."""
    if code > NOT_BEGUN:
        return KINDS.get(code - NOT_BEGUN, JaxglassError)(_last_line(path / LOG).removeprefix("jaxglass: "))
    if code > 0 and (path / ERROR).exists():
        return read_job(path).error or JaxglassError(f"exit code {code}")
    error: JaxglassError
    if code in (-signal.SIGTERM, INTERRUPTED):
        error = Preempted("stopped at once, without a new checkpoint; run the same command to continue")
    elif code < 0:
        name = signal.Signals(-code).name
        hint = "; the machine may be short of memory" if code == -signal.SIGKILL else ""
        error = ResourceError(f"killed by {name}{hint}; run the same command to continue")
    else:
        error = JaxglassError(f"ended with exit code {code} and no error; {LOG} ends: {_last_line(path / LOG)}")
    record_failure(path, error)
    return error


def _last_line(path: Path) -> str:
    lines = path.read_text(errors="replace").split("\n") if path.exists() else []
    return next((line.strip()[:300] for line in reversed(lines) if line.strip()), "(empty)")
