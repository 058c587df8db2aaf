"""The composition-dependent B-O repulsion A_BO, and the boron speciation law behind it.

With K = SiO2/B2O3, R = M2O/B2O3 and N4 the share of four-fold boron (Deng & Du 2019 with its T3 erratum):

    Rmax = 0.5 + K/16
    R <= Rmax:  A = A1 + T1 [Rmax - (Rmax - N4)^2/Rmax] + T2 K^2
    R >  Rmax:  A = A2 + T3 N4 Rmax/R,   T3 = (A1 + T2 K^2 - A2)/Rmax + T1

The glass has P2O5 where the law has SiO2, so K has to be interpreted; each named rule is one reading.
The paper does not say which value it used: docs/potential.md argues the default, `c3`.
"""

from dataclasses import dataclass

from jaxglass.errors import ConfigError

A1, A2, T1, T2 = 11900.0, 12525.0, 4350.0, 85.0  # eV
RULES = ("c1", "c2", "c3", "n4_input")


@dataclass(frozen=True)
class BoronRepulsion:
    """A_BO in eV, the rule it came from and the N4 that entered the law (None for a plain number)."""

    value: float
    rule: str
    n4: float | None


def dell_bray_xiao(R: float, K: float) -> float:
    """Share of four-fold boron after Dell, Bray and Xiao; (2 - R)/3 for K = 0 and 0.5 < R < 2."""
    r_max, r_d1, r_d3 = 0.5 + K / 16, 0.5 + K / 4, 2 + K
    if r_max >= R:
        return R
    if r_d1 >= R:
        return r_max
    if r_d3 <= R:
        return 0.0
    if K == 0:
        return (2 - R) / 3
    c = (2 - K / 4) / (K + K / 4)
    m1 = c * (R - r_d1) / (1 + c)
    m2 = R - r_d1 - m1
    return (0.5 - K / 16 - m1 / 3) + (K / 8 - 2 * m2 / 15)


def repulsion_law(R: float, K: float, n4: float) -> float:
    """A_BO (eV) of the Deng-Du law for R, K and the share n4 of four-fold boron."""
    r_max = 0.5 + K / 16
    if r_max >= R:
        return A1 + T1 * (r_max - (r_max - n4) ** 2 / r_max) + T2 * K**2
    t3 = (A1 + T2 * K**2 - A2) / r_max + T1
    return A2 + t3 * n4 * r_max / R


def boron_repulsion(
    rule: str | float, lithium: float, boron: float, phosphorus: float, n4: float | None = None
) -> BoronRepulsion:
    """A_BO for atom counts (or fractions) by `rule`: a number in eV, or c1, c2, c3 (default), n4_input.

    c1: K = 0. c2: K = P2O5/B2O3. c3: K = n(P)/n(B2O3). n4_input: K = 0 with a given n4.
    Raises `ConfigError` for an unknown rule, a number outside 10000-17000 eV, or n4 missing or outside 0-1.
    """
    if not isinstance(rule, str):
        if not 10000.0 <= rule <= 17000.0:
            raise ConfigError(f"potential.a_bo = {rule}: must lie in 10000-17000 eV (physical range about 12500-14500)")
        return BoronRepulsion(float(rule), "fixed", None)
    if rule not in RULES:
        raise ConfigError(f"potential.a_bo = '{rule}': must be a number in eV or one of {', '.join(RULES)}")
    if boron <= 0:
        raise ConfigError(f"potential.a_bo = '{rule}' needs boron in the glass; give a number instead")
    R, p_per_b = lithium / boron, phosphorus / boron
    if rule == "n4_input":
        if n4 is None or not 0 <= n4 <= 1:
            raise ConfigError(f"potential.n4 = {n4}: rule n4_input needs a share between 0 and 1")
        return BoronRepulsion(repulsion_law(R, 0.0, n4), rule, n4)
    K = {"c1": 0.0, "c2": p_per_b, "c3": 2 * p_per_b}[rule]
    share = dell_bray_xiao(R, K)
    return BoronRepulsion(repulsion_law(R, K, share), rule, share)
