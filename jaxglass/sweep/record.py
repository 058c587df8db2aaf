"""A job of a sweep as its directory tells it: job.json (what it is), status.json (where it is), error.json (why)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jaxglass.config import ANALYSES, Config
from jaxglass.errors import JaxglassError, Preempted
from jaxglass.simulation.directory import holder
from jaxglass.simulation.files import digest, read_json, write_json

JOB, STATUS, ERROR, LOG, RESULTS = "job.json", "status.json", "error.json", "job.log", "results.json"
STOP = ".stop"  # in the folder of the sweep: jobs that have not begun yet stay where they are
KINDS = {kind.exit_code: kind for kind in JaxglassError.__subclasses__()}


@dataclass(frozen=True)
class Job:
    """One job. `keys` were swept, `settings` are all of its settings, nested."""

    path: Path
    overrides: Sequence[str]
    keys: Sequence[str]
    settings: Mapping[str, Any]
    status: Mapping[str, Any]
    failure: Mapping[str, Any]

    @property
    def state(self) -> str:
        """queued, running, done, failed, preempted, or lost: it was running and its process is gone."""
        state = self.status.get("state", "queued")
        if state in ("new", "running"):
            return "running" if holder(self.path) else "lost" if state == "running" else "queued"
        return state

    @property
    def attempts(self) -> int:
        """How often it was begun."""
        return int(self.status.get("attempts") or 0)

    @property
    def stage(self) -> str:
        """The stage it is in or stopped in, and how far a simulation has come."""
        stage = self.status.get("stage") or ""
        saved = sorted(self.path.glob("checkpoints/*.npz"))
        return f"{stage}, step {int(saved[-1].stem)}" if stage == "melt_quench" and saved else stage

    @property
    def error(self) -> JaxglassError | None:
        """Its error, of the class that tells the exit code; None unless it failed or was stopped."""
        if self.state in ("done", "queued", "running"):
            return None
        said = self.status.get("error") or "its process is gone; run the same command to continue"
        kind = KINDS.get(self.failure.get("exit_code", 0))
        if kind is None:
            kind = JaxglassError if self.state == "failed" else Preempted
        return kind(said)

    def value(self, key: str) -> Any:
        """Its value of a dotted key; of a group of settings (scale, potential) the option chosen, or None."""
        node: Any = self.settings
        for part in key.split("."):
            node = node.get(part) if isinstance(node, Mapping) else None
        if node is None or isinstance(node, Mapping):
            chosen = [text.partition("=")[2] for text in self.overrides if text.lstrip("+").startswith(f"{key}=")]
            return chosen[-1] if chosen else None
        return ", ".join(map(str, node)) if isinstance(node, (list, tuple)) else node

    def results(self) -> Mapping[str, Any]:
        """What it has measured so far."""
        return read_json(self.path / RESULTS) or {}


def read_job(path: Path) -> Job:
    """The job in `path`."""
    job, status, failure = (read_json(path / name) or {} for name in (JOB, STATUS, ERROR))
    return Job(path, job.get("overrides", []), job.get("keys", []), job.get("settings", {}), status, failure)


def read_jobs(folder: Path) -> list[Job]:
    """Every job below `folder`, by name of its directory."""
    return [read_job(path.parent) for path in sorted(Path(folder).rglob(JOB))]


def is_done(path: Path, config: Config) -> bool:
    """Whether `path` holds this very job, finished, and its input is still the file it was."""
    status, job = read_json(path / STATUS) or {}, read_json(path / JOB) or {}
    if status.get("state") != "done" or status.get("config_hash") not in (None, config.hash):
        return False
    wanted = {"study": set(config.stages), "analyse": set(config.stages) & set(ANALYSES)}.get(config.get("task"), set())
    if not wanted <= set(status.get("finished", [])):
        return False
    return job.get("input_sha256") == input_digest(config)


def note_input(path: Path, digest: str | None) -> None:
    """Remember the input that a finished job was made from."""
    write_json(path / JOB, (read_json(path / JOB) or {}) | {"input_sha256": digest})


def input_digest(config: Config) -> str | None:
    """SHA-256 of the input file; None without one."""
    source = config.get("input")
    if not source or not Path(source).is_file():
        return None
    return digest(Path(source))
