"""The run directory: the only interface between protocols, analyses and reports."""

import fcntl
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from jaxglass.errors import CheckpointError, ConfigError, ResourceError
from jaxglass.simulation.archive import read_archive
from jaxglass.simulation.files import read_json, sync_directory, write_atomic, write_json

LEAST_FREE = 20_000_000  # bytes: two checkpoints and a segment of some thousand atoms
MOST_NAMED = 5  # settings in a message
BOOKKEEPING = {".lock", "config.yaml", "status.json", "manifest.json", "potential.yaml"}  # no result is among them


def leaves(node: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted names and values of nested mappings."""
    if isinstance(node, Mapping):
        for key, inner in node.items():
            yield from leaves(inner, f"{name}.{key}" if name else str(key))
    else:
        yield name, node


def holder(path: Path) -> str | None:
    """Who holds the lock of run directory `path`, as "process 4711"; None when nobody does."""
    try:
        with open(Path(path) / ".lock") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError:
                return lock.read().strip() or "another process"
    except OSError:
        return None
    return None


class RunDirectory:
    """Paths and small files of one run; holds a lock for as long as it is open (use as a context manager)."""

    def __init__(self, path: Path):
        """Create and lock `path`; `ResourceError` when another process holds it or the disk refuses."""
        self.path = Path(path)
        try:
            for folder in (self.path, self.path / "checkpoints", self.path / "trajectory"):
                folder.mkdir(parents=True, exist_ok=True)
            self._lock = open(self.path / ".lock", "a+")  # noqa: SIM115 - held until close
        except OSError as error:
            raise ResourceError(
                f"cannot use run directory {self.path}: {error.strerror} (errno {error.errno})"
            ) from error
        free = shutil.disk_usage(self.path).free
        if free < LEAST_FREE:
            self._lock.close()
            raise ResourceError(
                f"run directory {self.path}: {free / 1e6:.0f} MB are free on this disk, {LEAST_FREE / 1e6:.0f} MB are "
                "needed to begin; free space or choose another"
            )
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._lock.seek(0)
            holder = self._lock.read().strip() or "another process"
            self._lock.close()
            raise ResourceError(f"run directory {self.path} is in use by {holder}; wait or choose another") from None
        self._lock.truncate(0)
        self._lock.write(f"process {os.getpid()}")
        self._lock.flush()

    def __enter__(self) -> "RunDirectory":
        return self

    def __exit__(self, *_) -> None:
        self._lock.close()

    @property
    def checkpoints(self) -> Path:
        """Folder of the checkpoints."""
        return self.path / "checkpoints"

    @property
    def status(self) -> dict[str, Any]:
        """Content of status.json: state, config_hash, finished stages, error."""
        return read_json(self.path / "status.json") or {"state": "new", "finished": []}

    def set_status(self, **changes: Any) -> None:
        """Update status.json atomically."""
        write_json(self.path / "status.json", self.status | changes)

    def claim(self, config_hash: str, config_yaml: str, section: str = "") -> None:
        """Tie the directory to one configuration; `ConfigError` when it already holds another run.

        A run that ended before it made anything (a typo in a file of its settings) holds nothing. A `section` of
        results.json that takes a moment is made anew with other settings where the directory has it.
        """
        held = self.status.get("config_hash")
        if held not in (None, config_hash) and section not in self.results() and self._holds_anything():
            raise ConfigError(
                f"hydra.run.dir={self.path} holds another run (settings {held}, now {config_hash}; "
                f"{self._differing(config_yaml)}); choose another directory"
            )
        if held != config_hash:
            write_atomic(self.path / "config.yaml", config_yaml.encode())
        self.set_status(config_hash=config_hash)

    def _holds_anything(self) -> bool:
        return any(path.is_file() and path.name not in BOOKKEEPING for path in self.path.rglob("*"))

    def _differing(self, config_yaml: str) -> str:
        """The settings that differ from those of this directory, in words."""
        import yaml

        path = self.path / "config.yaml"
        try:
            old, new = (dict(leaves(yaml.safe_load(text))) for text in (path.read_text(), config_yaml))
        except (OSError, ValueError, yaml.YAMLError):
            return "its config.yaml is not readable"
        if old == new:
            return "the settings are the same: a file that they name has changed"
        keys = [key for key in (old | new) if old.get(key) != new.get(key)]
        words = [f"{key}: {old.get(key)!r} there, {new.get(key)!r} here" for key in keys]
        return ", ".join(words[:MOST_NAMED]) + (f" and {len(words) - MOST_NAMED} more" * (len(words) > MOST_NAMED))

    def results(self) -> dict[str, Any]:
        """Content of results.json so far."""
        return read_json(self.path / "results.json") or {}

    def add_results(self, **sections: Any) -> None:
        """Merge sections into results.json."""
        write_json(self.path / "results.json", self.results() | sections)

    def write_segment(self, name: str, time: np.ndarray, fractional: np.ndarray, cell: np.ndarray) -> str:
        """Write an immutable trajectory segment; returns its file name."""
        import io

        buffer = io.BytesIO()
        np.savez(buffer, time=time, fractional=fractional, cell=cell)
        write_atomic(self.path / "trajectory" / name, buffer.getvalue())
        return name

    def read_segments(self, names: list[str]) -> list[dict[str, np.ndarray]]:
        """Arrays of the named segments, in order; `CheckpointError` for one that is missing or damaged."""
        found = []
        for name in names:
            if Path(name).name != name:
                raise CheckpointError(f"trajectory/{name}: not the name of a segment")
            try:
                arrays = read_archive((self.path / "trajectory" / name).read_bytes(), f"trajectory/{name}")
                found.append({key: arrays[key] for key in ("time", "fractional", "cell")})
            except (OSError, KeyError) as error:
                raise CheckpointError(f"trajectory/{name}: {error}") from error
        return found

    def forget_segments_except(self, names: list[str]) -> None:
        """Delete segments that no checkpoint refers to (written after the last one)."""
        for path in (self.path / "trajectory").glob("*.npz"):
            if path.name not in names:
                path.unlink()
        sync_directory(self.path / "trajectory")
