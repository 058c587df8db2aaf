"""Slots: disjoint shares of this machine's cores or GPUs, each held by a lock file for as long as a job runs."""

import fcntl
import glob
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from jaxglass.errors import ConfigError
from jaxglass.runtime import core_numbers

PAUSE = 0.2  # s between looks for a free slot


@contextmanager
def slot(folder: Path, units: Sequence[str], size: int) -> Iterator[list[str]]:
    """`size` of `units` that no other job holds; waits until there are so many.

    `folder` holds the locks; jobs that share units must share it. `ConfigError` when there are fewer than `size`.
    """
    shares = [list(units[k : k + size]) for k in range(0, len(units) - size + 1, size)]
    if not shares:
        raise ConfigError(f"a job of this sweep wants {size} {folder.name}, this machine offers {len(units)}; ask less")
    folder.mkdir(parents=True, exist_ok=True)
    while True:
        for k, share in enumerate(shares):
            with open(folder / f"{k}.lock", "a") as lock:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError:
                    continue
                yield share
                return
        time.sleep(PAUSE)


def cores_here() -> list[str]:
    """Numbers of the cores that this process may use."""
    return [str(core) for core in core_numbers()]


def gpus_here() -> list[str]:
    """Names of the GPUs that this process may use."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [name for name in visible.split(",") if name]
    return [str(k) for k in range(len(glob.glob("/dev/nvidia[0-9]*")))]
