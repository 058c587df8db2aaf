"""error.json: why a job of a sweep failed, for people and programs, with the traceback that its log may lack."""

import traceback
from pathlib import Path

from jaxglass.errors import JaxglassError, Preempted
from jaxglass.simulation.directory import RunDirectory
from jaxglass.simulation.files import write_json
from jaxglass.sweep.record import ERROR

BUG = 1
INTERRUPTED = 130  # by a second request to stop
NOT_BEGUN = 144  # added to the code of a refusal before the directory became the job's own


def exit_code(error: BaseException) -> int:
    """0 to 75 as in docs/errors.md; 1 for what jaxglass did not raise on purpose."""
    return error.exit_code if isinstance(error, JaxglassError) else BUG


def record_failure(path: Path, error: BaseException) -> None:
    """Write error.json and status.json of the job in `path`; nothing when another process holds the directory."""
    said = str(error) if isinstance(error, JaxglassError) else f"internal error, {type(error).__name__}: {error}"
    try:
        with RunDirectory(path) as directory:
            content = {
                "type": type(error).__name__,
                "exit_code": exit_code(error),
                "message": said,
                "attempt": directory.status.get("attempts"),
                "stage": directory.status.get("stage"),
                "traceback": "".join(traceback.format_exception(error)).splitlines(),
            }
            write_json(path / ERROR, content)
            directory.set_status(state="preempted" if isinstance(error, Preempted) else "failed", error=said)
    except JaxglassError:  # in use, or the disk refuses: what is there stays
        return
