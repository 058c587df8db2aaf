"""Glass compositions x Li2O - (100-x)(0.5 B2O3 - 0.5 P2O5) in whole, neutral numbers of atoms."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from jaxglass.errors import ConfigError

FORMAL_CHARGE = {"Li": 1, "B": 3, "P": 5, "O": -2}
LARGEST_DEVIATION = 0.15  # mol % between the requested and the realised composition


@dataclass(frozen=True)
class Composition:
    """Atoms of each element, the realised mol % Li2O and the requested one."""

    counts: dict[str, int]
    li2o: float
    requested: float

    @property
    def n_atoms(self) -> int:
        """Number of atoms."""
        return sum(self.counts.values())

    @property
    def label(self) -> str:
        """Name as in the paper, e.g. 42.5LiBP."""
        return f"{self.requested:g}LiBP"


def li2o_percent(counts: Mapping[str, int]) -> float | None:
    """mol % Li2O of a neutral set of atoms on the line B/P = 1; None for any other set."""
    lithium, boron, phosphorus, oxygen = (counts.get(element, 0) for element in ("Li", "B", "P", "O"))
    whole = sum(counts.values()) == lithium + boron + phosphorus + oxygen and boron + lithium > 0
    if not whole or boron != phosphorus or 2 * oxygen != lithium + 8 * boron:
        return None
    return 100 * lithium / (lithium + 2 * boron)


def compose(li2o: float, n_atoms: int) -> Composition:
    """The neutral set of `n_atoms` for `li2o` mol % on the B/P = 1 line, or the nearest one where that is too far off.

    With b borons, b phosphorus and l lithiums, oxygen is (l + 8 b)/2 and mol % Li2O is 100 l/(l + 2 b). Raises
    `ConfigError` outside 0-99 mol %, below 8 atoms, or when no set within 2 % of `n_atoms` comes within 0.15 mol %.
    """
    if not 0 <= li2o <= 99:
        raise ConfigError(f"glass.li2o = {li2o}: mol % Li2O must lie between 0 and 99 (the paper: 38-45)")
    if n_atoms < 8:
        raise ConfigError(f"glass.n_atoms = {n_atoms}: must be at least 8")
    wanted = compose_exactly(li2o, n_atoms)
    if wanted is not None and abs(wanted.li2o - li2o) <= LARGEST_DEVIATION:
        return wanted
    best: tuple[float, int, int, float] | None = None
    guess = n_atoms / (6 + 1.5 * (2 * li2o / (100 - li2o)))
    for b in range(max(1, int(guess) - 4), int(guess) + 6):
        exact = 2 * b * li2o / (100 - li2o)
        for lithium in {2 * round(exact / 2), int(exact), int(exact) + 1}:
            if lithium % 2 or lithium < 0:
                continue
            total = 6 * b + 3 * lithium // 2
            realised = 100 * lithium / (lithium + 2 * b)
            cost = abs(total - n_atoms) / n_atoms + abs(realised - li2o) / 2
            if best is None or cost < best[0]:
                best = (cost, b, lithium, realised)
    if best is None or abs(best[3] - li2o) > LARGEST_DEVIATION:
        got = "none" if best is None else f"{best[3]:.3f}"
        raise ConfigError(
            f"glass.n_atoms = {n_atoms}: nearest neutral composition has {got} mol % Li2O instead of {li2o}; "
            "use 855 atoms or more"
        )
    return _composition(best[2], best[1], li2o)


def compose_exactly(li2o: float, n_atoms: int) -> Composition | None:
    """The set of exactly `n_atoms` nearest to `li2o` mol %: l = 2 N/3 - 4 b; None when N is no multiple of 3."""
    if n_atoms % 3:
        return None
    total = 2 * n_atoms // 3
    wanted = (1 - li2o / 100) * total / (4 - 2 * li2o / 100)  # l/(l + 2 b) = x
    near = [b for b in (int(wanted), int(wanted) + 1) if b > 0 and total - 4 * b >= 0]
    sets = [_composition(total - 4 * b, b, li2o) for b in near]
    return min(sets, key=lambda found: abs(found.li2o - li2o), default=None)


def common_size(li2o: Sequence[float], n_atoms: int) -> int:
    """The number of atoms nearest to `n_atoms` that every composition of `li2o` can have within 0.15 mol %.

    Raises `ConfigError`, naming the nearest numbers that would do, when there is none within 2 %.
    """
    if len(set(li2o)) == 1:
        return compose(li2o[0], n_atoms).n_atoms

    def fits(n: int) -> bool:
        found = [compose_exactly(x, n) for x in li2o]
        return all(f is not None and abs(f.li2o - f.requested) <= LARGEST_DEVIATION for f in found)

    near = sorted(range(n_atoms // 2, 2 * n_atoms), key=lambda n: abs(n - n_atoms))
    sizes = [n for n in near if n % 3 == 0 and fits(n)]
    if not sizes or abs(sizes[0] - n_atoms) > 0.02 * n_atoms:
        advice = " or ".join(str(n) for n in sorted(sizes[:2])) or "more atoms or fewer compositions"
        raise ConfigError(
            f"glass.n_atoms = {n_atoms}: no number of atoms within 2 % gives all compositions within "
            f"{LARGEST_DEVIATION} mol %; use {advice}"
        )
    return sizes[0]


def _composition(lithium: int, b: int, requested: float) -> Composition:
    counts = {"Li": lithium, "B": b, "P": b, "O": (lithium + 8 * b) // 2}
    return Composition({e: n for e, n in counts.items() if n}, 100 * lithium / (lithium + 2 * b), requested)
