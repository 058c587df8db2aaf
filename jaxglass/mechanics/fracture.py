"""Stage `fracture`: a notched supercell is relaxed and pulled along z until it is in two parts; G_c and K_Ic.

Everything happens in the run directory `fracture/` of the study: one run with a checkpoint after every stage, its
averaged stress in thermo.csv and one frame per strain step in its trajectory. The result is read from these files.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxglass.analysis.crack import Crack, is_separated, measure_crack
from jaxglass.analysis.surface import alpha_surface
from jaxglass.config import Config
from jaxglass.errors import NumericalError
from jaxglass.mechanics.fracture_results import fracture_results
from jaxglass.model.trajectory import Trajectory
from jaxglass.protocols.fracture import FractureProtocol
from jaxglass.report.run_record import STRAIN_STEPS
from jaxglass.report.thermo import read_thermo
from jaxglass.simulation.directory import RunDirectory
from jaxglass.simulation.progress import Progress

if TYPE_CHECKING:
    from jaxglass.mechanics.glass import Glass
    from jaxglass.model.system import System
    from jaxglass.protocols.notch import Notched

OUTSIDE = ("axis", "supercell", "notch_width", "notch_height")  # settings of the sample, not of its runs


@dataclass(frozen=True)
class FractureRun:
    """Strain steps 0 ... n: `length` along z (A), mean `stress` along z (GPa), (n + 1,), the `section` Lx Ly (A^2), one
    frame per step, and whether the last one is `broken`.

    `notch` is that of the first frame, with the ligament that was whole then; `created` (A^2) is the surface made
    since, of one face.
    """

    strain: np.ndarray
    length: np.ndarray
    stress: np.ndarray
    section: float
    frames: Trajectory
    broken: bool
    notch: Crack
    created: float


def run_fracture(config: Config, directory: RunDirectory) -> None:
    """Notch, relax and pull the glass; `fracture` in results.json.

    Raises `ConfigError` or `InputDataError` for a glass that cannot be notched, `NumericalError` when the notch heals.
    """
    from jaxglass.runtime import available_cores, configure, shards_for

    configure(config.get("engine.device"), config.get("engine.cores") or available_cores())
    from jaxglass.dynamics.ensembles import mean_pressure
    from jaxglass.mechanics.glass import plan_for, read_glass
    from jaxglass.mechanics.snapshots import write_snapshots
    from jaxglass.simulation.lane import Lane
    from jaxglass.simulation.run import run_lane
    from jaxglass.units import GPA

    settings = config.get("fracture")
    protocol = protocol_of(settings)
    glass = read_glass(config, directory)
    notched = notched_glass(glass, settings)
    parameters = replace(glass.parameters, potential=notched.potential)
    shards = shards_for(len(notched.system.species), config.get("engine.cores"))
    plan = plan_for(config, notched.system, parameters, volume_margin=1.35, shards=shards)
    stages = protocol.relaxation() + [stage for k in range(1, protocol.strain_steps + 1) for stage in protocol.step(k)]
    progress = Progress(sum(stage.steps for stage in stages), stages[1].timestep)

    def after_stage(stage, state) -> bool:
        """Refuse a healed notch; say stress and strain; stop once the glass is in two parts."""
        fractional, cell = np.asarray(state.system.fractional), np.asarray(state.system.cell)
        if stage.name == "relax_nvt":
            _refuse_healed(fractional, cell, notched)
        if not stage.name.startswith("average"):
            return True
        step = int(stage.name.removeprefix("average_"))
        strain, stress = protocol.strain(step), -float(mean_pressure(state)[2, 2]) * GPA
        separated = is_separated(fractional, cell)
        left = "in two parts" if separated else f"at most {protocol.largest_strain - strain:.0%} left"
        progress.say(f"strain {strain:.0%}: stress {stress:.2f} GPa, {left}")
        return not separated

    with RunDirectory(directory.path / "fracture") as folder:
        lane = Lane(folder, stages, notched.system, notched.potential, plan, int(config.get("seed")), after_stage)
        finished = run_lane(lane, progress)
    found = read_fracture(directory.path / "fracture", finished.trajectory, protocol)
    write_snapshots(
        directory.path / STRAIN_STEPS,
        found.frames,
        found.strain,
        found.stress,
        notched.potential,
        replace(finished.plan, shards=1),
    )
    directory.add_results(fracture=fracture_results(found, notched, settings, directory.results().get("elastic")))


def protocol_of(settings: Mapping[str, Any]) -> FractureProtocol:
    """The runs that the section `fracture` of the settings asks for."""
    return FractureProtocol(**{key: value for key, value in settings.items() if key not in OUTSIDE})


def notched_glass(glass: "Glass", settings: Mapping[str, Any]) -> "Notched":
    """The notched supercell that the section `fracture` of the settings asks for. `ConfigError` as `cut_notch`."""
    from jaxglass.protocols.notch import cut_notch, supercell

    nx, ny, nz = (int(n) for n in settings["supercell"])
    sample = supercell(turned(glass.system, settings["axis"]), (nx, ny, nz))
    return cut_notch(sample, glass.parameters.potential, width=settings["notch_width"], height=settings["notch_height"])


def turned(system: "System", axis: str) -> "System":
    """`system` with its `axis` along z, by a cyclic exchange of x, y and z."""
    import jax.numpy as jnp

    order = np.roll(np.arange(3), 2 - "xyz".index(axis))
    return replace(
        system,
        fractional=jnp.asarray(np.asarray(system.fractional)[:, order]),
        momenta=jnp.asarray(np.asarray(system.momenta)[:, order]),
        cell=jnp.asarray(np.asarray(system.cell)[np.ix_(order, order)]),
    )


def _refuse_healed(fractional: np.ndarray, cell: np.ndarray, notched: "Notched") -> None:
    notch = measure_crack(fractional, cell)
    if notch.healed(notched.width):
        raise NumericalError(
            f"fracture: the notch healed during relaxation ({notch.width:.1f} of {notched.width:.1f} A are left open); "
            "cut a larger one (fracture.notch_width, fracture.notch_height) or use a larger supercell"
        )


def read_fracture(run: Path, trajectory: Trajectory, protocol: FractureProtocol) -> FractureRun:
    """The curve in `run`, from thermo.csv and the `trajectory` of its strain steps."""
    thermo = read_thermo(run / "thermo.csv")
    if thermo is None:
        raise NumericalError(f"{run.name}: no thermo.csv")
    last = {name: row for row, name in enumerate(thermo.stage) if name.startswith("average_")}
    rows = np.array([last[name] for name in sorted(last, key=lambda name: int(name.removeprefix("average_")))])
    edges = np.array([thermo.columns[f"{edge}_A"][rows] for edge in "abc"])
    frames = [int(np.abs(trajectory.time - time).argmin()) for time in thermo.time[rows]]
    chosen = replace(
        trajectory,
        time=trajectory.time[frames],
        fractional=trajectory.fractional[frames],
        cell=trajectory.cell[frames],
    )
    start, end = ((chosen.fractional[k], chosen.cell[k]) for k in (0, -1))
    return FractureRun(
        strain=np.array([protocol.strain(step) for step in range(len(rows))]),
        length=edges[2],
        stress=thermo.columns["mean_szz_GPa"][rows],
        section=float(edges[0, 0] * edges[1, 0]),
        frames=chosen,
        broken=is_separated(*end),
        notch=measure_crack(*start),
        created=alpha_surface(*end).one_face - alpha_surface(*start).one_face,
    )
