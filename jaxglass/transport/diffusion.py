"""Stage `diffusion`: the glass at several temperatures as lanes of one program, each as long as its D needs.

Run directories `diffusion/700K` ... below that of the study. A lane ends when the relative error of D is the one asked
for, or with its budget; the others go on. What is measured is read from the recorded frames.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from jaxglass.analysis.diffusion import Diffusion, analyse_diffusion
from jaxglass.analysis.diffusivity import Diffusivity, diffusivity
from jaxglass.analysis.paths import FEWEST_FRAMES, make_paths
from jaxglass.analysis.results.diffusion import diffusion_results
from jaxglass.catalogue import MOTION, hop_settings, ring_settings
from jaxglass.config import Config
from jaxglass.protocols.diffusion import DiffusionProtocol, folder_name
from jaxglass.simulation.directory import RunDirectory
from jaxglass.simulation.progress import Progress

if TYPE_CHECKING:
    from jaxglass.simulation.lane import Lane


def run_diffusion(config: Config, directory: RunDirectory) -> None:
    """Let lithium diffuse; `diffusion` in results.json.

    Raises `ConfigError` or `InputDataError` without a glass, and what stopped a lane.
    """
    from contextlib import ExitStack

    from jaxglass.runtime import available_cores, configure

    configure(config.get("engine.device"), config.get("engine.cores") or available_cores())
    from jaxglass.mechanics.glass import plan_for, read_glass
    from jaxglass.simulation.lane import Lane
    from jaxglass.simulation.run import run_lanes

    protocol, seed = protocol_of(config.get("diffusion")), int(config.get("seed"))
    slope = float(config.get("diffusion.smallest_slope"))
    glass = read_glass(config, directory)
    plan = plan_for(config, glass.system, glass.parameters, volume_margin=1.02)
    all_stages = [protocol.stages(temperature) for temperature in protocol.temperatures]
    progress = Progress(sum(stage.steps for stages in all_stages for stage in stages), all_stages[0][0].timestep)
    lanes: list[Lane] = []

    def after_stage(k: int):
        return lambda stage, state: stage.name == "equilibrate" or not is_known(lanes[k], protocol, slope, progress)

    with ExitStack() as stack:
        for k, (temperature, stages) in enumerate(zip(protocol.temperatures, all_stages, strict=True)):
            folder = stack.enter_context(RunDirectory(directory.path / "diffusion" / folder_name(temperature)))
            potential = glass.parameters.potential
            lanes.append(Lane(folder, stages, glass.system, potential, plan, seed, after_stage(k)))
        run_lanes(lanes, progress)
        for failed in (lane.error for lane in lanes if lane.error):
            raise failed
        found = measured(lanes, protocol, config)
    directory.add_results(
        diffusion=diffusion_results(found, [ending(one, protocol) for one in found], config.get("diffusion"))
    )


def protocol_of(settings: Mapping[str, Any]) -> DiffusionProtocol:
    """The protocol of a section `diffusion` of the settings."""
    own = {key: value for key, value in settings.items() if key not in MOTION}
    return DiffusionProtocol(**own | {"temperatures": tuple(float(T) for T in own["temperatures"])})


def measured(lanes: "Sequence[Lane]", protocol: DiffusionProtocol, config: Config) -> list[Diffusion]:
    """What the frames of every lane say."""
    hops, rings, slope = hop_settings(config), ring_settings(config), float(config.get("diffusion.smallest_slope"))
    return [
        analyse_diffusion(lane.trajectory(), temperature, hops, rings, slope)
        for lane, temperature in zip(lanes, protocol.temperatures, strict=True)
    ]


def is_known(lane: "Lane", protocol: DiffusionProtocol, smallest_slope: float, progress: Progress) -> bool:
    """Whether D of a lane is known as well as the protocol asks; says how well it is."""
    trajectory = lane.trajectory()
    name, frames = lane.directory.path.name, len(trajectory.time)
    if frames < FEWEST_FRAMES:
        return False
    D = diffusivity(make_paths(trajectory), smallest_slope=smallest_slope)
    length = frames * protocol.frame_samples * 72 * protocol.timestep_fs * 1e-3
    progress.say(f"{name}: {knowledge(D)} after {length:g} ps")
    return D.relative_error <= protocol.relative_error


def knowledge(D: Diffusivity) -> str:
    """ "D +- 12 %", or why there is none."""
    return D.window.reason or f"D +- {D.relative_error:.0%}"


def ending(found: Diffusion, protocol: DiffusionProtocol) -> str:
    """Why the run at one temperature ended."""
    wanted, reached = protocol.relative_error, found.single.relative_error
    after = f"after {found.length:g} ps"
    if reached <= wanted:
        return f"relative error {reached:.3f} of D, at most {wanted:g} was asked for, {after}"
    how = found.single.window.reason or f"relative error {reached:.3f} of D, {wanted:g} was asked for"
    return f"budget of {protocol.longest_ps:g} ps ended; {how}"
