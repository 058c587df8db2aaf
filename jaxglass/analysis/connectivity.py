"""How the formers of a glass are connected: Q^n, links between formers, angles at the oxygens between them.

    Q^n: share of a former's atoms with n bridging oxygens        sum over formers of n = sum_{k >= 2} k N_k
    random mixing: L_aa = x_a^2, L_ab = 2 x_a x_b                  x_a = L_aa + sum_{b != a} L_ab/2

N_k oxygens on k formers bridge if k >= 2, so the sum is 2 N_2 + 3 N_3 where no oxygen has more than three. L_ab is the
share of links between elements a and b: a link is a pair of formers on one oxygen, so an oxygen on three formers has
three. x_a is the share of link ends on a: mixing at random keeps the number of links of each element.
Indices: a, b elements; i atoms; p, q bonds; n bridging oxygens.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np

from jaxglass.analysis.angles import AngleDistribution, angle_distribution, angles_between
from jaxglass.analysis.bonds import FORMER_CUTOFFS, Bonds, bonds_of_frames, bridging_bonds, pairs_sharing, split_pair
from jaxglass.analysis.coordination import coordination_numbers
from jaxglass.analysis.statistics import Measurement, mean_over_frames, missing
from jaxglass.model.trajectory import Trajectory

SHARE, NUMBER = "1", "1"
ANGLE_WIDTH = 2.0  # degrees


@dataclass(frozen=True)
class QSpeciation:
    """`share` of the atoms with n = 0, 1, 2, ... bridging oxygens, and the `mean` n."""

    share: tuple[Measurement, ...]
    mean: Measurement


@dataclass(frozen=True)
class Links:
    """Links between two elements: `share` of all links, that of `random` mixing, and the `angles` at the oxygen."""

    share: Measurement
    random: Measurement
    angles: AngleDistribution


@dataclass(frozen=True)
class Connectivity:
    """Means over the frames of a trajectory: `q` by unit ("P", "BO3", "BO4"), `links` by triple ("B-O-P")."""

    cutoffs: dict[str, float]
    frames: int
    q: dict[str, QSpeciation]
    links: dict[str, Links]


@dataclass(frozen=True)
class FrameLinks:
    """The L links of one frame: `elements` (L, 2) of their formers, in alphabetical order, and `angle` (L,) degrees."""

    elements: np.ndarray
    angle: np.ndarray

    def between(self, a: str, b: str) -> np.ndarray:
        """Which links (L,) join the elements a and b."""
        return np.all(self.elements == sorted((a, b)), axis=1)

    def random_share(self, a: str, b: str) -> float:
        """Share of links between a and b if the link ends were joined at random."""
        x_a, x_b = (np.mean(self.elements == e) for e in (a, b))
        return float(x_a * x_b * (1 if a == b else 2))


def bridging_numbers(bonds: Bonds, formers: Sequence[str], center: str) -> np.ndarray:
    """n of every `center` atom, in the order of the atoms."""
    return coordination_numbers(bridging_bonds(bonds, formers), center)


def former_links(bonds: Bonds, formers: Sequence[str]) -> FrameLinks:
    """Every pair of formers on one oxygen. Images of a former count as others."""
    network = bridging_bonds(bonds, formers)
    p, q = pairs_sharing(network.ligand)
    element = network.symbols[network.center]
    return FrameLinks(np.sort(np.stack([element[p], element[q]], axis=1), axis=1), angles_between(network, p, q))


def analyse_connectivity(trajectory: Trajectory, cutoffs: Mapping[str, float] | None = None) -> Connectivity:
    """Connectivity of `trajectory`, averaged over its frames.

    The formers are the first elements of the `cutoffs` (A); B, P and Si by default. Raises `InputDataError` if there is
    no frame.
    """
    cutoffs = dict(FORMER_CUTOFFS if cutoffs is None else cutoffs)
    frames = list(bonds_of_frames(trajectory, cutoffs))
    formers = [split_pair(pair)[0] for pair in cutoffs]
    reported = [e for e in formers if e in trajectory.symbols or e in ("B", "P")]
    links = [former_links(bonds, formers) for bonds in frames]
    return Connectivity(
        cutoffs=cutoffs,
        frames=len(frames),
        q={unit: _speciation(numbers, unit) for e in reported for unit, numbers in _units(frames, formers, e).items()},
        links={f"{a}-O-{b}": _links(links, a, b) for a, b in combinations_with_replacement(sorted(reported), 2)},
    )


def _units(frames: Sequence[Bonds], formers: Sequence[str], center: str) -> dict[str, list[np.ndarray]]:
    """n of the atoms of every frame; boron apart by its number of oxygens."""
    numbers = [bridging_numbers(bonds, formers, center) for bonds in frames]
    if center != "B":
        return {center: numbers}
    oxygens = [coordination_numbers(bonds, center) for bonds in frames]
    return {f"BO{k}": [n[o == k] for n, o in zip(numbers, oxygens, strict=True)] for k in (3, 4)}


def _speciation(frames: Sequence[np.ndarray], unit: str) -> QSpeciation:
    """Means over frames of the shares and of n."""
    if any(len(n) == 0 for n in frames):
        return QSpeciation((), missing(NUMBER, f"a frame has no {unit}"))
    shares = np.array([np.bincount(n, minlength=max(map(np.max, frames)) + 1) / len(n) for n in frames])
    return QSpeciation(
        share=tuple(mean_over_frames(series, SHARE) for series in shares.T),
        mean=mean_over_frames([n.mean() for n in frames], NUMBER),
    )


def _links(frames: Sequence[FrameLinks], a: str, b: str) -> Links:
    """Means over frames for the links between a and b."""
    angles = angle_distribution([f.angle[f.between(a, b)] for f in frames], ANGLE_WIDTH, f"a frame has no {a}-O-{b}")
    if any(len(f.angle) == 0 for f in frames):
        nothing = missing(SHARE, "a frame has no bridging oxygen")
        return Links(nothing, nothing, angles)
    return Links(
        share=mean_over_frames([np.mean(f.between(a, b)) for f in frames], SHARE),
        random=mean_over_frames([f.random_share(a, b) for f in frames], SHARE),
        angles=angles,
    )
