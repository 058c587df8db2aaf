"""D of lithium by jaxglass and by LAMMPS: the same glass, potential, temperature and length, two programs.

    python -m validation.lammps_diffusion                       38LiBP, 800 K, in outputs/lammps_diffusion
    python -m validation.lammps_diffusion RUN GLASS T PS        for example outputs/hot 45LiBP-seed0 1000 100

LAMMPS writes an unwrapped dump, which is read and measured as any other trajectory. The two agree when their D differ
by less than three of the combined standard error; each of them should be known to 15 %. Kept in
`validation/lammps_diffusion.json`.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np

from jaxglass.analysis.diffusion import Diffusion, analyse_diffusion
from jaxglass.manifest import versions
from jaxglass.units import CM2_PER_S

FOLDER = Path(__file__).parent
SIGMAS, LARGEST_ERROR = 3.0, 0.15
EQUILIBRATE_PS, FRAME_PS = 2.0, 0.36


@dataclass(frozen=True)
class Comparison:
    """D (cm2/s) and its error by each program, and their difference in combined errors; None where there is no D."""

    glass: str
    temperature: float
    length_ps: float
    jaxglass: tuple[float, float] | None
    lammps: tuple[float, float] | None
    reasons: tuple[str, str]

    @property
    def sigmas(self) -> float | None:
        """Difference over the combined standard error."""
        if self.jaxglass is None or self.lammps is None:
            return None
        return abs(self.jaxglass[0] - self.lammps[0]) / float(np.hypot(self.jaxglass[1], self.lammps[1]))

    @property
    def verdict(self) -> str:
        """What the two D say of each other."""
        if self.sigmas is None:
            return f"no D: jaxglass {self.reasons[0] or 'has one'}; LAMMPS {self.reasons[1] or 'has one'}"
        relative = max(error / value for value, error in (self.jaxglass, self.lammps) if value > 0)
        known = "" if relative <= LARGEST_ERROR else f", but one is known to {relative:.0%} only"
        return ("equal" if self.sigmas <= SIGMAS else "different") + f" ({self.sigmas:.1f} sigma){known}"


def compare(folder: Path, name: str, temperature: float, length_ps: float) -> Comparison:
    """Run or continue both in `folder`."""
    ours = by_jaxglass(folder, name, temperature, length_ps)
    theirs = by_lammps(folder, name, temperature, length_ps)
    values = [_value(one) for one in (ours, theirs)]
    reasons = ours.single.window.reason, theirs.single.window.reason
    return Comparison(name, temperature, length_ps, values[0], values[1], reasons)


def by_jaxglass(folder: Path, name: str, temperature: float, length_ps: float) -> Diffusion:
    """The stage of a study, for as long as it is told."""
    from jaxglass.model.trajectory import Trajectory
    from jaxglass.simulation.directory import RunDirectory
    from jaxglass.structures import read_structure
    from jaxglass.study import run_study
    from validation.studies import config_of

    settings = [
        *("stages=[diffusion]", "engine.cores=1", f"input={_path(name)}", f"diffusion.temperatures=[{temperature}]"),
        *(f"diffusion.equilibrate_ps={EQUILIBRATE_PS}", f"diffusion.frame_ps={FRAME_PS}"),
        *(f"diffusion.chunk_ps={length_ps}", f"diffusion.longest_ps={length_ps}", "diffusion.relative_error=1e-6"),
    ]
    run_study(config_of(settings), folder / "jaxglass", "")
    symbols = read_structure(_path(name)).get_chemical_symbols()
    elements = ("Li", "B", "P", "O")
    with RunDirectory(folder / "jaxglass" / "diffusion" / f"{temperature:g}K") as directory:
        names = sorted(path.name for path in (directory.path / "trajectory").glob("*.npz"))
        segments = directory.read_segments(names)
    time, fractional, cell = (np.concatenate([s[key] for s in segments]) for key in ("time", "fractional", "cell"))
    species = np.sort([elements.index(symbol) for symbol in symbols])
    return analyse_diffusion(Trajectory(time, fractional, cell, species, elements), temperature)


def by_lammps(folder: Path, name: str, temperature: float, length_ps: float) -> Diffusion:
    """A dump of NVT from the same atoms, made once."""
    from jaxglass.model.system import make_system
    from jaxglass.parameters import default_settings, load_parameters
    from jaxglass.trajectories import read_trajectory
    from validation.lammps_protocols import nvt_dump

    path = folder / "lammps" / "nvt.dump"
    if not path.exists():
        glass = read_trajectory(_path(name))
        system = make_system(glass.symbols.tolist(), glass.fractional[0], glass.cell[0])
        partial = nvt_dump(
            load_parameters(default_settings(), system.elements, system.counts).potential,
            system,
            temperature,
            round(1000 * EQUILIBRATE_PS),
            round(1000 * length_ps),
            round(1000 * FRAME_PS),
            folder / "lammps-running",
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.replace(path)
    return analyse_diffusion(read_trajectory(path), temperature)


def _value(one: Diffusion) -> tuple[float, float] | None:
    """D and its error in cm2/s."""
    if not len(one.single.window.lags):
        return None
    return one.single.value * CM2_PER_S, one.single.error * CM2_PER_S


def _path(name: str) -> Path:
    return FOLDER / "glasses" / f"{name}.extxyz.gz"


def main(arguments: Sequence[str]) -> int:
    """Command line: 0 when the two agree."""
    import jax

    jax.config.update("jax_enable_x64", True)
    folder, name, temperature, length = [*arguments, *DEFAULTS[len(arguments) :]]
    found = compare(Path(folder).resolve(), name, float(temperature), float(length))
    kept = {"date": date.today().isoformat(), "versions": versions(), **found.__dict__, "verdict": found.verdict}
    (FOLDER / "lammps_diffusion.json").write_text(json.dumps(kept, indent=1) + "\n")
    print(f"{found.glass} at {found.temperature:g} K, {found.length_ps:g} ps: {found.verdict}")
    print(f"  jaxglass {found.jaxglass}  LAMMPS {found.lammps} cm2/s")
    return 0 if found.sigmas is not None and found.sigmas <= SIGMAS else 1


DEFAULTS = ("outputs/lammps_diffusion", "38LiBP-seed0", "800", "360")

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
