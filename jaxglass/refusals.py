"""task=validate_config: every refusal that needs no run, all of them in one message, in seconds."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from jaxglass.catalogue import check_analyses
from jaxglass.config import Config
from jaxglass.errors import ConfigError, JaxglassError
from jaxglass.study import check_one_glass

if TYPE_CHECKING:
    from jaxglass.recipe import Planned


def run_validation(config: Config) -> None:
    """Print that the settings can be run, or raise one `ConfigError` with everything that would refuse them."""
    problems = list(dict.fromkeys(refusals(config)))
    if problems:
        raise ConfigError("; ".join(problems))
    lanes = len(config.listed("glass.li2o")) * len(config.listed("seed"))
    if "melt_quench" in config.stages and not config.get("input"):
        print(f"settings can be run: {_glass_in_words(config, lanes)}, stages {', '.join(config.stages)}")
    else:
        print(f"settings can be run: stages {', '.join(config.stages)}")


def _glass_in_words(config: Config, lanes: int) -> str:
    """Composition, atoms as they will be, mesh and memory of the first of so many `lanes`."""
    from jaxglass.engine.plan import memory_estimate

    found = next(_planned(config))
    what, atoms, plan = found.composition.label, found.composition.n_atoms, found.plan
    memory = memory_estimate(atoms, atoms / plan.largest_volume, plan.reach) / 1e9
    glasses = f"{lanes} glasses, the first {what}" if lanes > 1 else f"{what}, seed {config.listed('seed')[0]}"
    mesh = " x ".join(map(str, plan.mesh.shape))
    return f"{glasses}, {atoms} atoms, mesh {mesh}, about {memory:.2g} GB of memory each"


def refusals(config: Config) -> Iterator[str]:
    """One line for everything that a run with these settings would be refused for."""
    yield from _said(lambda: check_analyses(config))
    yield from _said(lambda: _check_input(config))
    if config.get("refit.target") or config.get("refit.targets"):
        yield from _said(lambda: _check_refit(config))
    else:
        yield from _said(lambda: check_one_glass(config))
    yield from _said(lambda: _check_protocols(config))
    if "melt_quench" in config.stages:
        yield from _said(lambda: _check_device(config))
        yield from _said(lambda: _check_glasses(config))


def _said(check: Callable[[], None]) -> Iterator[str]:
    try:
        check()
    except JaxglassError as error:
        yield str(error)


def _check_input(config: Config) -> None:
    """The first frame of the input file, if one is named."""
    from jaxglass.trajectories import Reading, read_trajectory

    if config.get("input"):
        read_trajectory(Path(config.get("input")), Reading(tuple(config.get("analyse.species") or ()), ":1"))


def _check_refit(config: Config) -> None:
    """The section `refit`, the measured curves that it names, and whether its parameters move anything."""
    import numpy as np

    from jaxglass.analysis.comparison import number_density
    from jaxglass.catalogue import scattering_settings
    from jaxglass.parameters import load_parameters, with_file
    from jaxglass.refit.measured import check_end, conventions, grid
    from jaxglass.refit.settings import refit_settings
    from jaxglass.refit.setup import check_parameters, counts_of

    li2o, share = float(config.listed("glass.li2o")[0]), float(config.get("glass.b2o3_share"))
    settings = refit_settings(config.get("refit"), li2o, share, config.get("input"))
    potential = with_file(config.get("potential"))
    for target in settings.targets:
        counts = counts_of(config, target.li2o)
        load_parameters(potential, tuple(counts), counts)
        check_parameters(settings.moving, tuple(counts), potential)
        seen = conventions(scattering_settings(config), settings.radiation, target.curve)
        if target.curve.quantity != "S_q":
            grid(seen, target.curve, float(target.curve.x[-1]))  # how far a cell reaches is not known yet
            symbols = np.repeat(list(counts), list(counts.values()))
            check_end(target.curve, float(number_density(target.density, symbols)))


def _check_protocols(config: Config) -> None:
    """The stages that the settings of elastic, fracture and diffusion lead to."""
    from jaxglass.mechanics.fracture import protocol_of as fracture_protocol
    from jaxglass.protocols.elastic import DIRECTIONS, ElasticProtocol
    from jaxglass.transport.diffusion import protocol_of as diffusion_protocol

    if "elastic" in config.stages:
        ElasticProtocol(**config.get("elastic")).stages(next(iter(DIRECTIONS)))
    if "fracture" in config.stages:
        fracture_protocol(config.get("fracture")).relaxation()
    if "diffusion" in config.stages:
        diffusion_protocol(config.get("diffusion"))


def _check_device(config: Config) -> None:
    from jaxglass.runtime import configure

    configure(config.get("engine.device"))


def _check_glasses(config: Config) -> None:
    """Composition, potential, charge, memory, width and mesh of every glass."""
    for _ in _planned(config):
        pass


def _planned(config: Config) -> Iterator["Planned"]:
    """Every glass of the settings, checked as a run would check it."""
    from jaxglass.model.composition import common_size
    from jaxglass.recipe import plan_glass

    lithium = [float(x) for x in config.listed("glass.li2o")]
    several = len(lithium) > 1 or len(config.listed("seed")) > 1
    n_atoms, share = int(config.get("glass.n_atoms")), float(config.get("glass.b2o3_share"))
    for lane in config.lanes(common_size(lithium, n_atoms, share) if several else n_atoms):
        yield plan_glass(lane, shards=1)
