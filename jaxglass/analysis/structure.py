"""Short-range structure of a glass: density, coordination, N4, bond lengths, g(r), angles, oxygen speciation.

Every number is a mean over the frames of one trajectory; its error is that of `analysis.statistics`. Lengths
in A, angles in degrees, shares between 0 and 1. Indices: f frames.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from jaxglass import units
from jaxglass.analysis.angles import AngleDistribution, angle_distribution, bond_angles
from jaxglass.analysis.bonds import CUTOFFS, Bonds, bonds_of_frames, split_pair
from jaxglass.analysis.coordination import coordination_numbers, edge_sharing, oxygen_shares, share_of
from jaxglass.analysis.pair_distribution import PairDistribution, first_minimum, pair_distribution, reach
from jaxglass.analysis.statistics import Measurement, mean_over_frames, missing
from jaxglass.errors import ConfigError
from jaxglass.model.elements import mass
from jaxglass.model.trajectory import Trajectory

ANGSTROM, SHARE, DENSITY, NUMBER = "Angstrom", "1", "g/cm3", "1"


@dataclass(frozen=True)
class StructureSettings:
    """Bond cutoffs (A) by pair, the wider B-O cutoff reported beside them, and the bins of the curves."""

    cutoffs: Mapping[str, float] = field(default_factory=lambda: dict(CUTOFFS))
    wide_b_o: float = 2.0
    formers: tuple[str, ...] = ("B", "P", "Si")
    r_max: float = 10.0
    r_width: float = 0.02
    angle_width: float = 2.0

    def __post_init__(self):
        positive = {**self.cutoffs, "wide_b_o": self.wide_b_o, "r_max": self.r_max, "r_width": self.r_width}
        problems = [f"{name} = {v} must be above 0 A" for name, v in positive.items() if not v > 0]
        if not 0 < self.angle_width <= 30:
            problems.append(f"angle_width = {self.angle_width} must lie in 0-30 degrees")
        if problems:
            raise ConfigError("structure: " + "; ".join(problems))
        for pair in self.cutoffs:
            split_pair(pair)

    @property
    def wide_cutoffs(self) -> dict[str, float]:
        """The cutoffs with B-O replaced by `wide_b_o`."""
        return {**self.cutoffs, "B-O": self.wide_b_o}


@dataclass(frozen=True)
class Coordination:
    """Mean number of oxygens, and the `share` (K,) of atoms with each `number` (K,) of them."""

    mean: Measurement
    cutoff: float | None
    number: np.ndarray
    share: np.ndarray


@dataclass(frozen=True)
class OxygenSpeciation:
    """Shares of oxygen by the number of formers it is bonded to: 0, 1, 2, 3 or more."""

    free: Measurement
    non_bridging: Measurement
    bridging: Measurement
    tricluster: Measurement


@dataclass(frozen=True)
class Structure:
    """What `analyse_structure` finds. `coordination` by element; bonds and minima by pair ("B-O"); angles by
    triple.

    The entries `_wide` use the wider B-O cutoff of the settings.
    """

    settings: StructureSettings
    frames: int
    atoms: int
    density: Measurement
    coordination: dict[str, Coordination]
    coordination_wide: Coordination
    n4: Measurement
    n4_wide: Measurement
    bond_lengths: dict[str, Measurement]
    pairs: PairDistribution
    first_minima: dict[str, Measurement]
    angles: dict[str, AngleDistribution]
    oxygen: OxygenSpeciation
    edge_sharing: Measurement


def analyse_structure(trajectory: Trajectory, settings: StructureSettings | None = None) -> Structure:
    """Short-range structure of `trajectory`, averaged over its frames."""
    settings = settings or StructureSettings()
    symbols = trajectory.symbols
    either = {**settings.wide_cutoffs, "B-O": max(settings.wide_b_o, settings.cutoffs.get("B-O", 0.0))}
    bonds, wide = [], []  # of every frame; only what is counted below, as they are most of the memory of a long file
    for found in bonds_of_frames(trajectory, either):
        bonds.append(found.within(settings.cutoffs))
        wide.append(found.within({"B-O": settings.wide_b_o}))
    cations = [split_pair(pair)[0] for pair in settings.cutoffs if pair.endswith("-O")]
    elements = dict.fromkeys(["B", "P", "Li", *cations])
    centers = [e for e in settings.formers if e in symbols or e in ("B", "P")]
    pairs = pair_distribution(trajectory, settings.r_max, settings.r_width)
    limit = min(settings.r_max, reach(trajectory.cell))
    return Structure(
        settings=settings,
        frames=len(trajectory.cell),
        atoms=len(symbols),
        density=density(trajectory),
        coordination={e: _coordination(bonds, e, settings.cutoffs.get(f"{e}-O")) for e in elements},
        coordination_wide=_coordination(wide, "B", settings.wide_b_o),
        n4=_n4(bonds),
        n4_wide=_n4(wide),
        bond_lengths={pair: _bond_length(bonds, pair, cutoff) for pair, cutoff in settings.cutoffs.items()},
        pairs=pairs,
        first_minima={pair: _first_minimum(pairs, pair, limit) for pair in settings.cutoffs},
        angles={f"O-{e}-O": _angles(bonds, e, settings.angle_width) for e in centers},
        oxygen=_oxygen(bonds, settings.formers),
        edge_sharing=_edge_sharing(bonds, settings.formers),
    )


def density(trajectory: Trajectory) -> Measurement:
    """Mass over cell volume (g/cm3)."""
    total = sum(mass(symbol) for symbol in trajectory.symbols)
    return mean_over_frames(total * units.G_PER_CM3 / np.abs(np.linalg.det(trajectory.cell)), DENSITY)


def _absent(symbols: np.ndarray, *elements: str) -> str | None:
    """Why a quantity of these elements does not exist, or None."""
    lacking = [e for e in elements if e not in symbols]
    return f"no {' and no '.join(lacking)} in this structure" if lacking else None


def _coordination(frames: Sequence[Bonds], element: str, cutoff: float | None) -> Coordination:
    """Coordination by oxygen; the histogram pools all frames."""
    reason = _absent(frames[0].symbols, element, "O")
    if cutoff is None:
        reason = reason or f"no cutoff given for {element}-O"
    if reason:
        return Coordination(missing(NUMBER, reason), cutoff, np.empty(0, int), np.empty(0))
    numbers = np.array([coordination_numbers(b, element) for b in frames])
    number, count = np.unique(numbers, return_counts=True)
    return Coordination(mean_over_frames(numbers.mean(1), NUMBER), cutoff, number, count / count.sum())


def _n4(frames: Sequence[Bonds]) -> Measurement:
    """Share of boron with exactly four oxygens."""
    reason = _absent(frames[0].symbols, "B", "O")
    if reason:
        return missing(SHARE, reason)
    return mean_over_frames([share_of(coordination_numbers(b, "B"), 4) for b in frames], SHARE)


def _bond_length(frames: Sequence[Bonds], pair: str, cutoff: float) -> Measurement:
    """Mean length of the bonds within the cutoff (A)."""
    center, ligand = split_pair(pair)
    lengths = [b.of(center, ligand).length for b in frames]
    if any(len(length) == 0 for length in lengths):
        reason = _absent(frames[0].symbols, center, ligand)
        return missing(ANGSTROM, reason or f"a frame has no {pair} bond shorter than {cutoff} A")
    return mean_over_frames([length.mean() for length in lengths], ANGSTROM)


def _first_minimum(pairs: PairDistribution, pair: str, limit: float) -> Measurement:
    """First minimum of g(r) (A), to be read beside the fixed cutoff."""
    center, ligand = split_pair(pair)
    g = pairs.partials.get((center, ligand), pairs.partials.get((ligand, center)))
    if g is None:
        return missing(ANGSTROM, f"no {pair} pairs in this structure")
    minimum = first_minimum(pairs.r, g)
    if minimum is None:
        return missing(ANGSTROM, f"g(r) shows no minimum after its first peak below {limit:.2f} A")
    return Measurement(minimum, None, ANGSTROM, "read from the curve averaged over all frames")


def _angles(frames: Sequence[Bonds], center: str, width: float) -> AngleDistribution:
    """Distribution of O-centre-O over all frames; the mean with its error over frames."""
    reason = _absent(frames[0].symbols, center, "O") or f"a frame has no {center} with two oxygens"
    return angle_distribution([bond_angles(b, center) for b in frames], width, reason)


def _oxygen(frames: Sequence[Bonds], formers: tuple[str, ...]) -> OxygenSpeciation:
    """Oxygen by the number of its formers."""
    reason = _absent(frames[0].symbols, "O")
    if reason:
        return OxygenSpeciation(*[missing(SHARE, reason)] * 4)
    shares = np.array([oxygen_shares(b, formers) for b in frames])
    return OxygenSpeciation(*(mean_over_frames(series, SHARE) for series in shares.T))


def _edge_sharing(frames: Sequence[Bonds], formers: tuple[str, ...]) -> Measurement:
    """Share of formers that share an edge (two oxygens) with another former."""
    if not np.isin(frames[0].symbols, list(formers)).any():
        return missing(SHARE, f"no {' or '.join(formers)} in this structure")
    return mean_over_frames([edge_sharing(b, formers) for b in frames], SHARE)
