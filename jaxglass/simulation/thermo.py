"""thermo.csv: one row per sample, durable before the checkpoint that counts it."""

import os
from pathlib import Path

import numpy as np

from jaxglass import units
from jaxglass.errors import CheckpointError, ResourceError
from jaxglass.simulation.block import Samples

COLUMNS = (
    "time_ps,stage,temperature_K,potential_energy_eV,kinetic_energy_eV,conserved_eV,pressure_GPa,density_g_cm3,"
    "a_A,b_A,c_A,sxx_GPa,syy_GPa,szz_GPa,syz_GPa,sxz_GPa,sxy_GPa,"
    "mean_sxx_GPa,mean_syy_GPa,mean_szz_GPa,mean_syz_GPa,mean_sxz_GPa,mean_sxy_GPa"
)


def rows(samples: Samples, count: int, stage: str, start_ps: float, timestep: float, mass_amu: float) -> str:
    """CSV lines of the first `count` samples; stresses are Cauchy (tension positive), Voigt xx yy zz yz xz xy, at the
    sample and averaged over all steps of the stage so far (empty where the ensemble does not read them)."""
    lines = []
    kept = [
        np.asarray(x)[:count]
        for x in (
            samples.step,
            samples.temperature,
            samples.potential_energy,
            samples.kinetic_energy,
            samples.conserved,
            samples.pressure,
            samples.mean_pressure,
            samples.cell,
        )
    ]
    for step, temperature, potential, kinetic, conserved, pressure, mean, cell in zip(*kept, strict=True):
        stress = -pressure * units.GPA
        density = mass_amu / abs(np.linalg.det(cell)) * units.G_PER_CM3
        edges = np.linalg.norm(cell, axis=1)
        values = [
            f"{start_ps + step * timestep:.4f}",
            stage,
            f"{temperature:.3f}",
            f"{potential:.6f}",
            f"{kinetic:.6f}",
            f"{conserved:.6f}",
            f"{-np.trace(stress) / 3:.6f}",
            f"{density:.6f}",
            *(f"{e:.6f}" for e in edges),
            *(f"{s:.6f}" for s in _voigt(stress)),
            *(f"{s:.6f}" if mean.any() else "" for s in _voigt(-mean * units.GPA)),
        ]
        lines.append(",".join(values) + "\n")
    return "".join(lines)


def _voigt(tensor: np.ndarray) -> tuple[float, ...]:
    return tuple(tensor[a, b] for a, b in ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1)))


class ThermoFile:
    """Appends rows; `sync` returns the length that a checkpoint may rely on."""

    def __init__(self, path: Path, keep_bytes: int | None):
        """Open for appending; everything beyond `keep_bytes` (rows after the last checkpoint) is cut off."""
        self.path = path
        try:
            if keep_bytes is None:
                path.write_text(COLUMNS + "\n")
            elif not path.exists() or path.stat().st_size < keep_bytes:
                raise CheckpointError(f"{path.name} is shorter than its checkpoint says; start in a new directory")
            else:
                os.truncate(path, keep_bytes)
            self._file = open(path, "a")  # noqa: SIM115 - closed by close()
        except OSError as error:
            raise ResourceError(f"cannot write {path}: {error.strerror} (errno {error.errno})") from error

    def append(self, text: str) -> None:
        """Add rows."""
        try:
            self._file.write(text)
        except OSError as error:
            raise ResourceError(f"cannot write {self.path}: {error.strerror} (errno {error.errno})") from error

    def sync(self) -> int:
        """Make everything durable; returns the length in bytes."""
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise ResourceError(f"cannot write {self.path}: {error.strerror} (errno {error.errno})") from error
        return self.path.stat().st_size

    def close(self) -> None:
        """Close the file."""
        self._file.close()
