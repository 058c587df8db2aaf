"""Glass compositions x Li2O - (100-x)(0.5 B2O3 - 0.5 P2O5) in whole, neutral numbers of atoms."""

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


def compose(li2o: float, n_atoms: int) -> Composition:
    """The neutral set of atoms nearest to `n_atoms` for `li2o` mol % on the B/P = 1 line.

    With b borons, b phosphorus and l lithiums, oxygen is (l + 8 b)/2 and mol % Li2O is 100 l/(l + 2 b). Raises
    `ConfigError` outside 0-99 mol %, below 8 atoms, or when no set within 2 % of `n_atoms` comes within 0.15 mol %.
    """
    if not 0 <= li2o <= 99:
        raise ConfigError(f"glass.li2o = {li2o}: mol % Li2O must lie between 0 and 99 (the paper: 38-45)")
    if n_atoms < 8:
        raise ConfigError(f"glass.n_atoms = {n_atoms}: must be at least 8")
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
    _, b, lithium, realised = best
    counts = {"Li": lithium, "B": b, "P": b, "O": (lithium + 8 * b) // 2}
    return Composition({e: n for e, n in counts.items() if n}, realised, li2o)
