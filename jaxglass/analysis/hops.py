"""Sites of mobile ions and the hops between them.

    p(k) = sqrt(<|x - <x>_b|^2>_a <|x - <x>_a|^2>_b)

over the windows a = [k - w, k) before and b = [k, k + w) after frame k: the square of the vibration while an ion
rattles, more by the square of the hop where it has left. A hop is the largest p within w frames, where it is above
h^2, h being the hop distance. Between its hops an ion resides at a site, the mean of its positions; successive stays
whose sites lie closer than h are one stay, so that an excursion within a cage is no hop. Indices: i ions; k frames;
s stays.
Sources: R. Candelier et al., Phys. Rev. Lett. 102, 088001 (2009); A. Smessaert, J. Rottler, Phys. Rev. E 88, 022314
(2013).
"""

from dataclasses import dataclass

import numpy as np

from jaxglass.analysis.paths import Paths
from jaxglass.errors import ConfigError


@dataclass(frozen=True)
class HopSettings:
    """Hop `distance` (A), half the window of p in `window` ps, `reach` (A) from a site to the atoms of its ring."""

    distance: float = 1.5
    window: float = 1.5
    reach: float = 3.5

    def __post_init__(self):
        if not (self.distance > 0 and self.window > 0 and self.reach > 0):
            raise ConfigError("diffusion: hop_distance, hop_ps and ring_reach must be above 0")


@dataclass(frozen=True)
class Stays:
    """S stays in order of ion and time: `ion` (S,), the frames `start` to `end` (S,), `site` (S, 3) in A.

    `atoms` (n,) are the atoms that `ion` counts; stays s and s + 1 of one ion are joined by a hop.
    """

    atoms: np.ndarray
    ion: np.ndarray
    start: np.ndarray
    end: np.ndarray
    site: np.ndarray

    @property
    def hops(self) -> np.ndarray:
        """Stays (H,) that end with a hop, into the stay behind each."""
        return np.flatnonzero(self.ion[1:] == self.ion[:-1])

    @property
    def frames(self) -> np.ndarray:
        """Length of each stay, (S,)."""
        return self.end - self.start

    def lengths(self) -> np.ndarray:
        """Distance (A) of every hop between its sites, (H,)."""
        hops = self.hops
        return np.linalg.norm(self.site[hops + 1] - self.site[hops], axis=1)

    def returning(self, distance: float) -> np.ndarray:
        """Whether a hop leads back to within `distance` (A) of the site before the last, (H,)."""
        hops = self.hops
        second = np.flatnonzero(np.isin(hops - 1, hops))
        back = np.zeros(len(hops), bool)
        here = hops[second]
        back[second] = np.linalg.norm(self.site[here + 1] - self.site[here - 1], axis=1) < distance
        return back


def find_stays(paths: Paths, settings: HopSettings | None = None) -> Stays:
    """Stays of the mobile ions of `paths`. A window shorter than two frames is two frames long."""
    settings = settings or HopSettings()
    atoms = paths.atoms(paths.mobile)
    window = max(2, round(settings.window / paths.spacing))
    ion: list[int] = []
    rows: list[tuple[int, int]] = []
    sites: list[np.ndarray] = []
    for chunk in paths.chunks(atoms):
        for path, measure in zip(chunk.transpose(1, 0, 2), hop_measure(chunk, window).T, strict=True):
            cuts = hop_frames(measure, window, settings.distance**2)
            stays, means = merged(path, cuts, settings.distance)
            number = ion[-1] + 1 if ion else 0
            ion += [number] * len(stays)
            rows += stays
            sites += means
    start, end = np.array(rows).T
    return Stays(atoms, np.array(ion), start, end, np.array(sites))


def hop_measure(positions: np.ndarray, window: int) -> np.ndarray:
    """p (F, n) in A^2 of `positions` (F, n, 3); 0 where a window of `window` frames does not fit."""
    frames, atoms = positions.shape[:2]
    found = np.zeros((frames, atoms))
    if frames < 2 * window:
        return found
    x = positions - positions.mean(axis=0)
    mean = _moving(x, window)  # [k] over k ... k + window - 1
    square = _moving(np.einsum("kia,kia->ki", x, x), window)
    before, after = slice(0, frames - 2 * window + 1), slice(window, None)
    cross = np.einsum("kia,kia->ki", mean[before], mean[after])
    norms = np.einsum("kia,kia->ki", mean, mean)
    about_after = square[before] - 2 * cross + norms[after]
    about_before = square[after] - 2 * cross + norms[before]
    found[window : frames - window + 1] = np.sqrt(np.maximum(about_after * about_before, 0.0))
    return found


def hop_frames(measure: np.ndarray, window: int, threshold: float) -> list[int]:
    """Frames at which p (F,) is above `threshold` and the largest within `window` frames on either side."""
    candidates = np.flatnonzero(measure > threshold)
    hops: list[int] = []
    for k in candidates[np.argsort(-measure[candidates], kind="stable")].tolist():
        if all(abs(k - other) >= window for other in hops):
            hops.append(k)
    return sorted(hops)


def merged(path: np.ndarray, cuts: list[int], distance: float) -> tuple[list[tuple[int, int]], list[np.ndarray]]:
    """Stays (start, end) between the `cuts` of a `path` (F, 3), and their sites; neighbours closer than `distance`
    joined.
    """
    edges = [0, *cuts, len(path)]
    stays = list(zip(edges, edges[1:], strict=False))
    sites = [path[a:b].mean(axis=0) for a, b in stays]
    while len(stays) > 1:
        gaps = [float(np.linalg.norm(b - a)) for a, b in zip(sites, sites[1:], strict=False)]
        k = int(np.argmin(gaps))
        if gaps[k] >= distance:
            break
        stays[k : k + 2] = [(stays[k][0], stays[k + 1][1])]
        sites[k : k + 2] = [path[slice(*stays[k])].mean(axis=0)]
    return stays, sites


def _moving(values: np.ndarray, window: int) -> np.ndarray:
    """Mean over `window` successive frames, (F - window + 1, ...)."""
    total = np.concatenate([np.zeros_like(values[:1]), np.cumsum(values, axis=0)])
    return (total[window:] - total[:-window]) / window
