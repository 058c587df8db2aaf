"""Ring statistics of the network of formers and oxygens.

    R_C(n) = R(n)/N_f,    mean size = sum_n n R(n)/sum_n R(n)

R(n) unique rings of n formers (2n atoms), each counted once however many bonds find it and however many images it has;
N_f formers. Modifiers and oxygens of a single former are no part of the network. A ring is the shortest closed path
through a bond (Guttman, the default) or through two bonds of a former (King) in the infinite periodic net, so that a
unit cell gives what its supercells give, per former. Rings above `max_size` are not searched: in a depolymerised glass
many bonds have none below it, so read every histogram beside the share of those. Indices: f frames; n sizes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from jaxglass.analysis.bonds import FORMER_CUTOFFS, Bonds, bonds_of_frames, bridging_bonds, split_pair
from jaxglass.analysis.network import Network, make_network
from jaxglass.analysis.ring_search import Codes, guttman, king
from jaxglass.analysis.statistics import Measurement, mean_over_frames, missing
from jaxglass.errors import ConfigError
from jaxglass.model.trajectory import Trajectory

NUMBER = "1"
CRITERIA = {"guttman": guttman, "king": king}


@dataclass(frozen=True)
class RingSettings:
    """Cutoffs (A) by pair, whose first elements are the formers; the criterion; the largest ring (formers)."""

    cutoffs: Mapping[str, float] = field(default_factory=lambda: dict(FORMER_CUTOFFS))
    criterion: str = "guttman"
    max_size: int = 20

    def __post_init__(self):
        problems = [f"cutoff {pair} = {c} must be above 0 A" for pair, c in self.cutoffs.items() if not c > 0]
        problems += [f"cutoff {pair} must end in -O" for pair in self.cutoffs if split_pair(pair)[1] != "O"]
        if not self.cutoffs:
            problems.append("no cutoff, so no former; for example B-O: 1.8")
        if self.criterion not in CRITERIA:
            problems.append(f"criterion '{self.criterion}' is unknown; choose {' or '.join(CRITERIA)}")
        if self.max_size < 2:
            problems.append(f"max_size = {self.max_size} must be at least 2 formers")
        if problems:
            raise ConfigError("rings: " + "; ".join(problems))

    @property
    def formers(self) -> list[str]:
        """The elements that form the network."""
        return [split_pair(pair)[0] for pair in self.cutoffs]


@dataclass(frozen=True)
class Rings:
    """R rings of n formers. `atoms` (R, 2n) and `shift` (R, 2n, 3): former, oxygen, former, ... around each ring.

    Atom k sits at fractional[atoms[k]] + shift[k], for the coordinates as given; the lowest index has shift 0.
    """

    atoms: np.ndarray
    shift: np.ndarray

    @property
    def size(self) -> int:
        """Formers in each ring."""
        return self.atoms.shape[1] // 2


@dataclass(frozen=True)
class RingStatistics:
    """Rings of one frame: `rings` by size, 2 to the largest searched.

    `formers` of the structure; `bonds` between formers and bridging oxygens, of which `dead_ends` can be in no ring;
    `shortest` (n): the bonds by the size of their shortest ring.
    """

    formers: int
    bonds: int
    dead_ends: int
    shortest: np.ndarray
    rings: tuple[Rings, ...]

    @property
    def sizes(self) -> np.ndarray:
        """Ring sizes n in formers; a ring has 2n atoms."""
        return np.arange(2, 2 + len(self.rings))

    @property
    def unique(self) -> np.ndarray:
        """Number of unique rings R(n)."""
        return np.array([len(rings.atoms) for rings in self.rings])

    @property
    def per_former(self) -> np.ndarray | None:
        """R_C(n); None without formers."""
        return self.unique / self.formers if self.formers else None

    @property
    def without_ring(self) -> float | None:
        """Share of the bonds, dead ends included, without a ring of the sizes searched; None without bonds."""
        return (self.bonds - int(self.shortest.sum())) / self.bonds if self.bonds else None

    @property
    def mean_size(self) -> float | None:
        """Mean size of the unique rings; None without rings."""
        return float(self.sizes @ self.unique / self.unique.sum()) if self.unique.any() else None


@dataclass(frozen=True)
class RingAnalysis:
    """Means over the frames of a trajectory; curves by `sizes` (K,) in formers, a ring of n having 2n atoms.

    `unique` rings; rings `per_former`; `shortest`, the share of bonds by the size of their shortest ring, which adds up
    to 1 with `without_ring`; `dead_ends` is the part of that share that can be in no ring of any size. `last` are the
    rings of the last frame.
    """

    settings: RingSettings
    frames: int
    atoms: int
    sizes: np.ndarray
    unique: tuple[Measurement, ...]
    per_former: tuple[Measurement, ...]
    shortest: tuple[Measurement, ...]
    without_ring: Measurement
    dead_ends: Measurement
    mean_size: Measurement
    last: RingStatistics


def ring_statistics(bonds: Bonds, settings: RingSettings | None = None) -> RingStatistics:
    """Rings of one frame, along those of its `bonds` that are shorter than the cutoffs of `settings`."""
    settings = settings or RingSettings()
    network = bridging_bonds(bonds.within(settings.cutoffs), settings.formers)
    net = make_network(network, settings.max_size)
    found = CRITERIA[settings.criterion](net, settings.max_size)
    by_size: list[list[Codes]] = [[] for _ in range(settings.max_size + 1)]
    for ring in found.rings:
        by_size[len(ring) // 2].append(ring)
    return RingStatistics(
        formers=int(np.isin(bonds.symbols, settings.formers).sum()),
        bonds=len(network.center),
        dead_ends=len(network.center) - len(net.bonds.center),
        shortest=np.bincount(found.shortest, minlength=settings.max_size + 1)[2:],
        rings=tuple(_unique(net, size, by_size[size]) for size in range(2, settings.max_size + 1)),
    )


def analyse_rings(trajectory: Trajectory, settings: RingSettings | None = None) -> RingAnalysis:
    """Ring statistics of `trajectory`, averaged over its frames. Raises `InputDataError` if there is no frame."""
    settings = settings or RingSettings()
    frames = [ring_statistics(bonds, settings) for bonds in bonds_of_frames(trajectory, settings.cutoffs)]
    sizes = frames[0].sizes
    formers, bonds, rings = (f"a frame has no {what}" for what in ("former", "bridging oxygen", "ring"))
    return RingAnalysis(
        settings=settings,
        frames=len(frames),
        atoms=len(trajectory.species),
        sizes=sizes,
        unique=_curve([f.unique for f in frames], sizes, formers),
        per_former=_curve([f.per_former for f in frames], sizes, formers),
        shortest=_curve([f.shortest / f.bonds if f.bonds else None for f in frames], sizes, bonds),
        without_ring=_mean([f.without_ring for f in frames], bonds),
        dead_ends=_mean([f.dead_ends / f.bonds if f.bonds else None for f in frames], bonds),
        mean_size=_mean([f.mean_size for f in frames], f"{rings} of up to {settings.max_size} formers"),
        last=frames[-1],
    )


def _unique(net: Network, size: int, found: Sequence[Codes]) -> Rings:
    """Each ring once: of all translations that bring its lowest atom to shift 0, the smallest as a sorted list."""
    rings = np.array(found, np.int64).reshape(-1, 2 * size)
    atom = rings % net.atoms
    ring, column = np.nonzero(atom == atom.min(axis=1, keepdims=True))
    moved = rings[ring] - (rings - atom)[ring, column][:, None]
    key = np.sort(moved, axis=1)
    order = np.lexsort((*key.T[::-1], ring))
    first = order[np.flatnonzero(np.diff(ring[order], prepend=-1))]
    _, once = np.unique(key[first], axis=0, return_index=True)
    return Rings(*net.decode(moved[first][once]))


def _mean(series: Sequence[float | None], reason: str) -> Measurement:
    """Mean over frames, or `reason` if a frame does not have the quantity."""
    present = [v for v in series if v is not None]
    return mean_over_frames(present, NUMBER) if len(present) == len(series) else missing(NUMBER, reason)


def _curve(series: Sequence[np.ndarray | None], sizes: np.ndarray, reason: str) -> tuple[Measurement, ...]:
    """`_mean` size by size."""
    return tuple(_mean([v if v is None else v[k] for v in series], reason) for k in range(len(sizes)))
