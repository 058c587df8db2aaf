"""Everything that one trajectory at one temperature says of the motion of lithium."""

from dataclasses import dataclass

import numpy as np

from jaxglass.analysis.collective import Collective, collective_diffusivity
from jaxglass.analysis.diffusivity import DIFFUSIVE, Diffusivity, diffusivity
from jaxglass.analysis.hops import HopSettings
from jaxglass.analysis.ion_path import IonPath, representative_path
from jaxglass.analysis.jumps import RingJumps, ring_jumps
from jaxglass.analysis.msd import MeanSquaredDisplacement, mean_squared_displacement
from jaxglass.analysis.paths import Paths, make_paths
from jaxglass.analysis.ring_sites import reference_network
from jaxglass.analysis.rings import RingSettings
from jaxglass.analysis.van_hove import VanHove, van_hove
from jaxglass.errors import InputDataError
from jaxglass.model.trajectory import Trajectory


@dataclass(frozen=True)
class Diffusion:
    """Motion in F `frames` `spacing` ps apart at `temperature` (K), None where it is not known.

    `ions` of the `mobile` element in `volume` (A^3); the largest `drift` (A) of the network that was taken off. `jumps`
    and `path` are None where there is no network, with the reason in `no_jumps`, or where no ion hopped twice.
    """

    temperature: float | None
    frames: int
    spacing: float
    volume: float
    ions: int
    mobile: str
    drift: float
    msd: MeanSquaredDisplacement
    single: Diffusivity
    collective: Collective
    van_hove: VanHove
    jumps: RingJumps | None
    no_jumps: str
    path: IonPath | None

    @property
    def length(self) -> float:
        """Time from the first to the last frame, ps."""
        return (self.frames - 1) * self.spacing


def analyse_diffusion(
    trajectory: Trajectory,
    temperature: float | None = None,
    hops: HopSettings | None = None,
    rings: RingSettings | None = None,
    smallest_slope: float = DIFFUSIVE,
) -> Diffusion:
    """Measure a `trajectory` of one `temperature`; `smallest_slope` as in `fit_window`.

    Raises `InputDataError` as `make_paths` does.
    """
    paths = make_paths(trajectory)
    msd = mean_squared_displacement(paths)
    single = diffusivity(paths, msd, smallest_slope)
    jumps, no_jumps = _jumps(paths, hops, rings)
    return Diffusion(
        temperature=temperature,
        frames=paths.frames,
        spacing=paths.spacing,
        volume=paths.volume,
        ions=len(paths.atoms(paths.mobile)),
        mobile=paths.mobile,
        drift=float(np.linalg.norm(paths.drift, axis=1).max()),
        msd=msd,
        single=single,
        collective=collective_diffusivity(paths, single),
        van_hove=van_hove(paths),
        jumps=jumps,
        no_jumps=no_jumps,
        path=None if jumps is None else representative_path(paths, jumps, reference_network(paths)),
    )


def _jumps(paths: Paths, hops: HopSettings | None, rings: RingSettings | None) -> tuple[RingJumps | None, str]:
    """The jumps, or why there are none."""
    formers = (rings or RingSettings()).formers
    if not np.isin(paths.symbols, formers).any() or "O" not in paths.symbols:
        return None, f"no network: none of {', '.join(formers)} with oxygen is in this structure"
    try:
        return ring_jumps(paths, hops, rings), ""
    except InputDataError as error:
        return None, str(error)
