"""D of lithium by jaxglass and by LAMMPS: the same glass, potential, temperature and length, two programs.

    python -m validation.lammps_diffusion                       45LiBP, 800 K, 1 ns, in outputs/lammps_diffusion
    python -m validation.lammps_diffusion RUN GLASS T PS        for example outputs/hot 45LiBP-seed0 1000 100

LAMMPS writes an unwrapped dump, which is read and measured as any other trajectory. D of both is the slope of the MSD
over the same lags, a tenth to a fifth of the run. At 800 K that is no limit yet: the log-log slope stays below 0.9 for
longer than a nanosecond, as is kept beside D; what two programs are to agree on need not be the limit. They agree when
their D differ by less than three of the combined standard error; each of them should be known to 15 %. Kept in
`validation/lammps_diffusion.json`.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

import numpy as np

from jaxglass.analysis.diffusivity import fitted
from jaxglass.analysis.msd import mean_squared_displacement
from jaxglass.analysis.paths import make_paths
from jaxglass.manifest import versions
from jaxglass.model.trajectory import Trajectory
from jaxglass.units import CM2_PER_S
from validation.diffusion_programs import tenth_to_fifth

FOLDER = Path(__file__).parent
SIGMAS, LARGEST_ERROR = 3.0, 0.15
EQUILIBRATE_PS, FRAME_PS = 2.0, 0.36


@dataclass(frozen=True)
class Measured:
    """D and its error (cm2/s) over the lags, and the log-log slope of the MSD from the first of them to the last."""

    value: float
    error: float
    slope: float


@dataclass(frozen=True)
class Comparison:
    """What both found at `temperature` (K) in `length_ps`."""

    glass: str
    temperature: float
    length_ps: float
    jaxglass: Measured
    lammps: Measured

    @property
    def sigmas(self) -> float:
        """Difference over the combined standard error."""
        combined = float(np.hypot(self.jaxglass.error, self.lammps.error))
        return abs(self.jaxglass.value - self.lammps.value) / combined

    @property
    def larger_error(self) -> float:
        """The larger relative error."""
        return max(one.error / abs(one.value) for one in (self.jaxglass, self.lammps))

    @property
    def verdict(self) -> str:
        """What the two D say of each other."""
        known = "" if self.larger_error <= LARGEST_ERROR else f", but one is known to {self.larger_error:.0%} only"
        return ("equal" if self.sigmas <= SIGMAS else "different") + f" ({self.sigmas:.1f} sigma){known}"


def compare(folder: Path, name: str, temperature: float, length_ps: float) -> Comparison:
    """Run or continue both in `folder`."""
    ours = measured(by_jaxglass(folder, name, temperature, length_ps))
    return Comparison(name, temperature, length_ps, ours, measured(by_lammps(folder, name, temperature, length_ps)))


def measured(trajectory: Trajectory) -> Measured:
    """D of lithium over lags of a tenth to a fifth of the `trajectory`."""
    paths = make_paths(trajectory)
    msd = mean_squared_displacement(paths)
    found = fitted(paths, msd, tenth_to_fifth(msd))
    return Measured(found.value * CM2_PER_S, found.error * CM2_PER_S, found.window.slope)


def by_jaxglass(folder: Path, name: str, temperature: float, length_ps: float) -> Trajectory:
    """The stage of a study, for as long as it is told."""
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
    return Trajectory(time, fractional, cell, species, elements)


def by_lammps(folder: Path, name: str, temperature: float, length_ps: float) -> Trajectory:
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
    return read_trajectory(path)


def _path(name: str) -> Path:
    return FOLDER / "glasses" / f"{name}.extxyz.gz"


def main(arguments: Sequence[str]) -> int:
    """Command line: 0 when the two agree."""
    import jax

    jax.config.update("jax_enable_x64", True)
    folder, name, temperature, length = [*arguments, *DEFAULTS[len(arguments) :]]
    found = compare(Path(folder).resolve(), name, float(temperature), float(length))
    kept = {"date": date.today().isoformat(), "versions": versions(), **asdict(found), "verdict": found.verdict}
    (FOLDER / "lammps_diffusion.json").write_text(json.dumps(kept, indent=1) + "\n")
    print(f"{found.glass} at {found.temperature:g} K, {found.length_ps:g} ps: {found.verdict}")
    for program, one in (("jaxglass", found.jaxglass), ("LAMMPS", found.lammps)):
        print(f"  {program:<9} {one.value:.3g} +- {one.error:.2g} cm2/s, log-log slope of the MSD {one.slope:.2f}")
    return 0 if found.sigmas <= SIGMAS and found.larger_error <= LARGEST_ERROR else 1


DEFAULTS = ("outputs/lammps_diffusion", "45LiBP-seed0", "800", "1000")

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
