"""Files that are either whole or absent: temporary name, fsync, rename, fsync of the directory."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from jaxglass.errors import CheckpointError, ResourceError


def write_atomic(path: Path, content: bytes) -> None:
    """Replace `path` by `content` in one step; `ResourceError` with path and errno when the disk refuses."""
    temporary = path.with_name(path.name + ".tmp")
    try:
        with open(temporary, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        sync_directory(path.parent)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise ResourceError(
            f"cannot write {path}: {error.strerror} (errno {error.errno}); free space and run again"
        ) from error


def sync_directory(path: Path) -> None:
    """Make renames in `path` durable."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_json(path: Path, content: Any) -> None:
    """Write JSON atomically; NaN and infinity are errors, not output."""
    write_atomic(path, (json.dumps(content, indent=1, allow_nan=False) + "\n").encode())


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_json(path: Path) -> Any:
    """JSON content of `path`, or None when there is no such file; `CheckpointError` when it is damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
    except OSError as error:
        raise ResourceError(f"cannot read {path}: {error.strerror} (errno {error.errno})") from error
    except (ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise CheckpointError(f"{path}: damaged, not JSON ({reason}); remove the file or restore it") from error
