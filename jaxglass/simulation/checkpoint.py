"""Checkpoints: one npz of plain arrays with a JSON header, its SHA-256 beside it, the last two kept.

Array names are the paths of the leaves of `State`, so a checkpoint says what it holds. No pickle. A damaged file is
found by its hash; the one before it is used and the reader is told.
"""

import hashlib
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from jaxglass.errors import CheckpointError
from jaxglass.simulation.archive import read_archive
from jaxglass.simulation.files import write_atomic

SCHEMA = 1
KEPT = 2
Tree = TypeVar("Tree")


@dataclass(frozen=True)
class Checkpoint:
    """Header (JSON values) and leaves by path, as read from a file; `note` says if a newer one was damaged."""

    header: dict[str, Any]
    leaves: dict[str, np.ndarray]
    note: str = ""

    def restore(self, like: Tree) -> Tree:
        """The tree of the shape of `like` with the stored leaves; `CheckpointError` if they do not fit."""
        paths, structure = jax.tree_util.tree_flatten_with_path(like)
        leaves = []
        for path, leaf in paths:
            name = jax.tree_util.keystr(path)
            stored = self.leaves.get(name)
            if stored is None or stored.shape != np.shape(leaf):
                raise CheckpointError(
                    f"checkpoint holds no {name} of shape {np.shape(leaf)}; it belongs to another run"
                )
            leaves.append(jnp.asarray(stored))
        return jax.tree_util.tree_unflatten(structure, leaves)


def save(folder: Path, number: int, header: dict[str, Any], tree: Any) -> None:
    """Write checkpoint `number` durably, then forget all but the last two."""
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {
        jax.tree_util.keystr(path): np.asarray(leaf) for path, leaf in jax.tree_util.tree_flatten_with_path(tree)[0]
    }
    buffer = io.BytesIO()
    stored = np.frombuffer(json.dumps(header | {"schema": SCHEMA}, allow_nan=False).encode(), np.uint8)
    np.savez(buffer, header=stored, **arrays)  # type: ignore[arg-type]
    content = buffer.getvalue()
    path = folder / f"{number:09d}.npz"
    write_atomic(path.with_suffix(".sha256"), hashlib.sha256(content).hexdigest().encode())
    write_atomic(path, content)
    for old in sorted(folder.glob("*.npz"))[:-KEPT]:
        old.unlink()
        old.with_suffix(".sha256").unlink(missing_ok=True)


def load_latest(folder: Path) -> Checkpoint | None:
    """The newest checkpoint that verifies, or None when there is none at all."""
    for stale in folder.glob("*.tmp"):
        stale.unlink()
    failures: list[str] = []
    for path in sorted(folder.glob("*.npz"), reverse=True):
        try:
            found = _read(path)
        except CheckpointError as error:
            failures.append(str(error))
            continue
        return Checkpoint(found.header, found.leaves, "; ".join(failures))
    if failures:
        raise CheckpointError("no usable checkpoint: " + "; ".join(failures))
    return None


def _read(path: Path) -> Checkpoint:
    try:
        content = path.read_bytes()
        expected = path.with_suffix(".sha256").read_text().strip()
    except OSError as error:
        raise CheckpointError(f"{path.name}: {error.strerror}") from error
    if hashlib.sha256(content).hexdigest() != expected:
        raise CheckpointError(f"{path.name}: SHA-256 does not match, the file is damaged")
    leaves = read_archive(content, path.name)
    return Checkpoint(_header(leaves.pop("header", None), path.name), leaves)


def _header(stored: np.ndarray | None, name: str) -> dict[str, Any]:
    """The JSON header of this schema; `CheckpointError` for anything else."""
    try:
        header = json.loads(b"" if stored is None else stored.tobytes().decode())
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{name}: no readable header") from error
    if not isinstance(header, dict) or header.get("schema") != SCHEMA:
        found = header.get("schema") if isinstance(header, dict) else None
        raise CheckpointError(f"{name}: schema {found}, this version reads {SCHEMA}")
    return header
