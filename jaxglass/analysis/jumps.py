"""Whether lithium hops from smaller to larger rings (Fig. 4F).

    change = <n(s + 1) - n(s)> over hops whose two sites lie in rings of n formers

against the same with the ring sizes shuffled among all stays that have one: p is the share of shuffles whose change is
at least as far from 0. In equilibrium every path is as likely backwards, so hops up and down must balance whatever the
rings do; what rings can change is how long an ion stays. Therefore the rate of hops out of rings of each size stands
beside the counts,

    rate(n) = hops out of rings of n/time spent in rings of n

with the error of a Poisson count. Indices: s stays; n formers.
"""

from dataclasses import dataclass

import numpy as np

from jaxglass.analysis.hops import HopSettings, Stays, find_stays
from jaxglass.analysis.paths import Paths
from jaxglass.analysis.ring_sites import NONE, reference_network, reference_rings, ring_sizes
from jaxglass.analysis.rings import RingSettings

SHUFFLES = 2000
SEED = 20231


@dataclass(frozen=True)
class RingJumps:
    """`size` (S,) of the ring of every one of `stays`, 0 for none, and what the hops between them do.

    H hops, of which `returning` go back where they came from and `known` join two sites in rings: `up`, `down` and
    `level` in size, by `changes` (formers), `change` on average. `p_value` is that of shuffled sizes. Of rings of
    `sizes` (K,): `time` (K,) spent in them (ps), `out` (K,) hops out of them. None where there are no hops.
    """

    stays: Stays
    size: np.ndarray
    hops: int
    returning: int
    known: int
    up: int
    down: int
    level: int
    changes: np.ndarray
    change: float | None
    change_error: float | None
    p_value: float | None
    sizes: np.ndarray
    time: np.ndarray
    out: np.ndarray
    without_ring: float
    settings: HopSettings

    @property
    def rate(self) -> np.ndarray:
        """Hops per ps out of rings of each of `sizes`, (K,)."""
        return self.out / self.time

    @property
    def rate_error(self) -> np.ndarray:
        """Standard error of the rates, that of at least one hop, (K,)."""
        return np.sqrt(np.maximum(self.out, 1)) / self.time


def ring_jumps(paths: Paths, settings: HopSettings | None = None, rings: RingSettings | None = None) -> RingJumps:
    """Hops of the mobile ions of `paths` between rings of the network.

    Raises `InputDataError` if the rings cannot be found.
    """
    settings = settings or HopSettings()
    stays = find_stays(paths, settings)
    size = ring_sizes(
        stays.site,
        reference_rings(paths, rings),
        reference_network(paths),
        np.flatnonzero(paths.symbols != paths.mobile),
        paths.cell,
        settings.reach,
    )
    hops = stays.hops
    known = hops[(size[hops] != NONE) & (size[hops + 1] != NONE)]
    steps = size[known + 1] - size[known]
    present = np.unique(size[size != NONE])
    return RingJumps(
        stays=stays,
        size=size,
        hops=len(hops),
        returning=int(stays.returning(settings.distance).sum()),
        known=len(known),
        up=int(np.sum(steps > 0)),
        down=int(np.sum(steps < 0)),
        level=int(np.sum(steps == 0)),
        changes=steps,
        change=float(steps.mean()) if len(steps) else None,
        change_error=float(steps.std(ddof=1) / np.sqrt(len(steps))) if len(steps) > 1 else None,
        p_value=p_value_of_shuffles(size, known) if len(steps) else None,
        sizes=present,
        time=np.array([stays.frames[size == n].sum() for n in present]) * paths.spacing,
        out=np.array([np.sum(size[hops] == n) for n in present], int),
        without_ring=float(stays.frames[size == NONE].sum() / stays.frames.sum()),
        settings=settings,
    )


def p_value_of_shuffles(size: np.ndarray, hops: np.ndarray, shuffles: int = SHUFFLES, seed: int = SEED) -> float:
    """Share of shuffles of the sizes among stays with a ring whose mean change over `hops` is as far from 0.

    `size` (S,), 0 for none; `hops` (H,) stays that end with a hop into a known ring. The data count as one shuffle.
    """
    generator = np.random.default_rng(seed)
    where = np.flatnonzero(size != NONE)
    observed = abs(int(np.sum(size[hops + 1] - size[hops])))
    mixed, further = size.copy(), 0
    for _ in range(shuffles):
        mixed[where] = generator.permutation(size[where])
        further += abs(int(np.sum(mixed[hops + 1] - mixed[hops]))) >= observed
    return (1 + further) / (1 + shuffles)


def representative_ion(stays: Stays, paths: Paths) -> int | None:
    """The ion, of those that hopped at least twice, whose way is nearest to the root mean square of theirs."""
    counts = np.bincount(stays.ion)
    several = np.flatnonzero(counts >= 3)
    if not len(several):
        return None
    ends = paths.of(stays.atoms[several])[[0, -1]]
    way = np.linalg.norm(ends[1] - ends[0], axis=1)
    return int(several[np.argmin(np.abs(way - np.sqrt(np.mean(way**2))))])
