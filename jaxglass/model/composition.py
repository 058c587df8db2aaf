"""Glass compositions x Li2O - (100-x)(y B2O3 - (1-y) P2O5) in whole, neutral numbers of atoms; the paper: y = 1/2."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from jaxglass.errors import ConfigError

FORMAL_CHARGE = {"Li": 1, "B": 3, "P": 5, "O": -2}
LARGEST_DEVIATION = 0.15  # mol % between the requested and the realised composition
HALF = 0.5  # B2O3 of B2O3 and P2O5 in the paper


@dataclass(frozen=True)
class Composition:
    """Atoms of each element, the realised mol % Li2O and the requested one, and so B2O3/(B2O3 + P2O5)."""

    counts: dict[str, int]
    li2o: float
    requested: float
    b2o3_share: float = HALF
    requested_share: float = HALF

    @property
    def n_atoms(self) -> int:
        """Number of atoms."""
        return sum(self.counts.values())

    @property
    def label(self) -> str:
        """Name as in the paper, 42.5LiBP; off its line as oxides, 30Li2O-40B2O3-30P2O5."""
        return label(self.requested, self.requested_share)

    @property
    def is_near(self) -> bool:
        """Whether every oxide is within 0.15 mol % of what was requested."""
        boron, wanted = (
            (100 - x) * y for x, y in ((self.li2o, self.b2o3_share), (self.requested, self.requested_share))
        )
        return max(abs(self.li2o - self.requested), abs(boron - wanted)) <= LARGEST_DEVIATION


def label(li2o: float, b2o3_share: float) -> str:
    """42.5LiBP, or off the line B/P = 1 the oxides in mol %."""
    if b2o3_share == HALF:
        return f"{li2o:g}LiBP"
    oxides = {"Li2O": li2o, "B2O3": (100 - li2o) * b2o3_share, "P2O5": (100 - li2o) * (1 - b2o3_share)}
    return "-".join(f"{percent:.4g}{oxide}" for oxide, percent in oxides.items() if percent > 0)


def li2o_percent(counts: Mapping[str, int]) -> float | None:
    """mol % Li2O of a neutral set of atoms on the line B/P = 1; None for any other set."""
    lithium, boron, phosphorus, oxygen = (counts.get(element, 0) for element in ("Li", "B", "P", "O"))
    whole = sum(counts.values()) == lithium + boron + phosphorus + oxygen and boron + lithium > 0
    if not whole or boron != phosphorus or 2 * oxygen != lithium + 8 * boron:
        return None
    return 100 * lithium / (lithium + 2 * boron)


def compose(li2o: float, n_atoms: int, b2o3_share: float = HALF) -> Composition:
    """The neutral set of `n_atoms` for `li2o` mol % and `b2o3_share`; where that is too far off one near it, chosen by
    size and composition together (half a mol % weighs as much as a quarter of the atoms).

    With l lithium, B boron and P phosphorus atoms, oxygen is (l + 3 B + 5 P)/2, mol % Li2O is 100 l/(l + B + P) and the
    share is B/(B + P). Raises `ConfigError` outside 0-99 mol % or 0-1, below 8 atoms, or when no set near
    `n_atoms` comes within 0.15 mol % of every oxide.
    """
    if not 0 <= li2o <= 99:
        raise ConfigError(f"glass.li2o = {li2o}: mol % Li2O must lie between 0 and 99 (the paper: 38-45)")
    if not 0 <= b2o3_share <= 1:
        raise ConfigError(f"glass.b2o3_share = {b2o3_share}: B2O3/(B2O3 + P2O5) must lie between 0 and 1")
    if n_atoms < 8:
        raise ConfigError(f"glass.n_atoms = {n_atoms}: must be at least 8")
    wanted = compose_exactly(li2o, n_atoms, b2o3_share)
    if wanted is not None and wanted.is_near:
        return wanted
    guess = n_atoms / _atoms_per_former(li2o, b2o3_share)
    near = [
        _composition(lithium, boron, formers - boron, li2o, b2o3_share)
        for formers in range(max(1, int(guess) - 8), int(guess) + 12)
        for boron in _borons(formers, b2o3_share)
        for lithium in _evens_and_odds(formers * li2o / (100 - li2o))
        if (lithium + formers) % 2 == 0
    ]

    def cost(found: Composition) -> float:
        size, lithium = abs(found.n_atoms - n_atoms) / n_atoms, abs(found.li2o - li2o)
        return size + lithium / 2 + 1000 * abs(found.b2o3_share - b2o3_share)

    best = min(near, key=cost, default=None)
    if best is None or not best.is_near:
        got = "none" if best is None else f"{best.li2o:.3f}"
        raise ConfigError(
            f"glass.n_atoms = {n_atoms}: nearest neutral composition has {got} mol % Li2O instead of {li2o}; "
            "use 855 atoms or more"
        )
    return best


def compose_exactly(li2o: float, n_atoms: int, b2o3_share: float = HALF) -> Composition | None:
    """The set of exactly `n_atoms` nearest to what is wanted: l = (2 N - 5 B - 7 P)/3; None when there is none."""
    wanted = int(n_atoms / _atoms_per_former(li2o, b2o3_share))
    near = []
    for formers in range(max(1, wanted - 4), wanted + 6):
        for boron in _borons(formers, b2o3_share):
            triple = 2 * n_atoms - 7 * formers + 2 * boron
            if triple >= 0 and triple % 3 == 0:
                near.append(_composition(triple // 3, boron, formers - boron, li2o, b2o3_share))

    def distance(found: Composition) -> tuple[bool, float, float]:
        return not found.is_near, abs(found.b2o3_share - b2o3_share), abs(found.li2o - li2o)

    return min(near, key=distance, default=None)


def common_size(li2o: Sequence[float], n_atoms: int, b2o3_share: float = HALF) -> int:
    """The number of atoms nearest to `n_atoms` that every composition of `li2o` can have within 0.15 mol %.

    Raises `ConfigError`, naming the nearest numbers that would do, when there is none within 2 %.
    """
    if len(set(li2o)) == 1:
        return compose(li2o[0], n_atoms, b2o3_share).n_atoms

    def fits(n: int) -> bool:
        found = [compose_exactly(x, n, b2o3_share) for x in li2o]
        return all(f is not None and f.is_near for f in found)

    near = sorted(range(n_atoms // 2, 2 * n_atoms), key=lambda n: abs(n - n_atoms))
    sizes = [n for n in near if fits(n)][:2]
    if not sizes or abs(sizes[0] - n_atoms) > 0.02 * n_atoms:
        advice = " or ".join(str(n) for n in sorted(sizes)) or "more atoms or fewer compositions"
        raise ConfigError(
            f"glass.n_atoms = {n_atoms}: no number of atoms within 2 % gives all compositions within "
            f"{LARGEST_DEVIATION} mol %; use {advice}"
        )
    return sizes[0]


def _atoms_per_former(li2o: float, share: float) -> float:
    return 2.5 * share + 3.5 * (1 - share) + 1.5 * li2o / (100 - li2o)


def _borons(formers: int, share: float) -> set[int]:
    """Whole numbers next to the share of `formers`; on the line of the paper half of them and nothing else."""
    if share == HALF:
        return set() if formers % 2 else {formers // 2}
    return {boron for boron in (int(formers * share), int(formers * share) + 1) if boron <= formers}


def _evens_and_odds(exact: float) -> set[int]:
    """The two nearest of each: which of them make a neutral set depends on the formers."""
    return {n for n in range(int(exact) - 1, int(exact) + 3) if n >= 0}


def _composition(lithium: int, boron: int, phosphorus: int, requested: float, share: float) -> Composition:
    formers = boron + phosphorus
    counts = {"Li": lithium, "B": boron, "P": phosphorus, "O": (lithium + 3 * boron + 5 * phosphorus) // 2}
    realised = 100 * lithium / (lithium + formers)
    return Composition({e: n for e, n in counts.items() if n}, realised, requested, boron / formers, share)
