"""One job of a sweep in a process of its own: python -m jaxglass.sweep.child, its order as JSON on standard input.

Nothing that goes wrong here can reach the other jobs: an exception, `sys.exit`, a crash of a library, a kill.
"""

import ctypes
import json
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jaxglass.config import Config, check_config
from jaxglass.errors import ConfigError, JaxglassError
from jaxglass.simulation.directory import RunDirectory
from jaxglass.sweep.failure import INTERRUPTED, NOT_BEGUN, exit_code, record_failure
from jaxglass.sweep.record import ERROR
from jaxglass.tasks import Call, run_task

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main() -> int:
    """Do the job; its exit code."""
    order = json.load(sys.stdin)
    path = Path(order["path"])
    _stop_with_parent(order["parent"])
    _stay_on(order["cores"])
    try:
        config = check_config(order["values"])
        _begin(path, config)
    except JaxglassError as error:  # the directory is someone else's: leave it as it is
        return NOT_BEGUN + _say(error)
    try:
        run_task(Call(config, order["yaml"], path, path.parent))
        with RunDirectory(path) as directory:
            directory.set_status(state="done", error=None)
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:
        record_failure(path, error)
        return _say(error)
    return 0


def _begin(path: Path, config: Config) -> None:
    """Count the attempt; `ConfigError` when the directory holds another run."""
    with RunDirectory(path) as directory:
        status: Mapping[str, Any] = directory.status
        if status.get("config_hash") not in (None, config.hash):
            raise ConfigError(f"{path} holds another run (settings {status['config_hash']}, now {config.hash})")
        (path / ERROR).unlink(missing_ok=True)
        directory.set_status(state="running", error=None, attempts=int(status.get("attempts") or 0) + 1)


def _say(error: Exception) -> int:
    import traceback

    if not isinstance(error, JaxglassError):
        traceback.print_exception(error)
    print(f"jaxglass: {error}", file=sys.stderr, flush=True)
    return exit_code(error)


def _stop_with_parent(parent: int) -> None:
    """When the process that launched it is gone, a job writes its checkpoint and ends, rather than run on unseen."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if os.getppid() != parent:
            sys.exit(INTERRUPTED)


def _stay_on(cores: list[int] | None) -> None:
    """Use these cores only; must come before jax is imported."""
    if cores and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cores)


if __name__ == "__main__":
    sys.exit(main())
