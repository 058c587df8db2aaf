"""The Deng-Du potential: Buckingham pairs with a C2 core splice, and partial charges.

    V(r) = A exp(-r/rho) - C/r^6 + k_e q_i q_j / r          (J. Am. Ceram. Soc. 102 (2019) 2482)

Below r0 the Buckingham part is replaced by B/r^n + D r^2, where r0 is the smaller root of V'''(r) = 0 and
B, n, D make V, V', V'' continuous. With v = V(r0), p = r0 V'(r0), s = r0^2 V''(r0):

    n = (s - p)/(2v - p)    B = r0^n (2v - p)/(n + 2)    D = [v - (2v - p)/(n + 2)]/r0^2

The Buckingham part ends at the cutoff rc: cut there, or multiplied by S(y) over the last w before it,

    S = 1 - 10 x^3 + 15 x^4 - 6 x^5 = y^3 (10 - 15 y + 6 y^2),    y = 1 - x = (rc - r)/w within 0 ... 1

which keeps V, V' and V'' continuous: what is differentiated needs that.

Indices: a, b species. Everything that can be trained is a leaf; only names, the cutoff and its switch are static.
"""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxglass import units
from jaxglass.errors import ConfigError
from jaxglass.pytree import pytree, static
from jaxglass.runtime import require_float64

SHORTEST_CUTOFF = 2.5  # A; bonds are shorter


@pytree
class Potential:
    """Parameters of every pair of species, in eV, A and e.

    `charges` (S,); `A`, `rho`, `C` (S, S), symmetric, A = C = 0 where a pair is Coulomb only;
    `coulomb_constant` (); `cutoff` of the Buckingham part (A) and the width of the `switch` before it (A; 0: truncated,
    unshifted).
    """

    charges: Array
    A: Array
    rho: Array
    C: Array
    coulomb_constant: Array
    elements: tuple[str, ...] = static()
    cutoff: float = static()
    switch: float = static(default=0.0)


@pytree
class Splice:
    """Core of every pair: B/r^n + D r^2 below r0; r0 = 0 where there is none. All (S, S)."""

    r0: Array
    B: Array
    n: Array
    D: Array


def make_potential(
    elements: tuple[str, ...],
    charges: Mapping[str, float],
    buckingham: Mapping[str, Mapping[str, float]],
    cutoff: float = 8.0,
    coulomb_constant: float = units.COULOMB,
    switch: float = 0.0,
) -> Potential:
    """Assemble a `Potential` for `elements` from charges and pair entries such as ``{"P-O": {A, rho, C}}``.

    Raises `ConfigError` naming every element without a charge, every cation without a pair to oxygen, and
    every value out of range.
    """
    require_float64()
    problems = [f"no charge for {e}" for e in elements if e not in charges]
    size = len(elements)
    A, C, rho = np.zeros((size, size)), np.zeros((size, size)), np.full((size, size), 0.3)
    seen: dict[tuple[int, int], str] = {}
    for name, entry in buckingham.items():
        first, _, second = name.partition("-")
        if first not in elements or second not in elements:
            continue
        a, b = sorted((elements.index(first), elements.index(second)))
        if (a, b) in seen:
            problems.append(f"pair {name} is given twice (also as {seen[a, b]})")
        seen[a, b] = name
        values = {key: entry.get(key) for key in ("A", "rho", "C")}
        for key, value in values.items():
            low_ok = (
                isinstance(value, (int, float)) and np.isfinite(value) and (value > 0 or (key == "C" and value == 0))
            )
            if not low_ok:
                problems.append(f"pair {name}: {key} = {value!r} must be a positive number")
        if not problems:
            for i, j in ((a, b), (b, a)):
                A[i, j], rho[i, j], C[i, j] = values["A"], values["rho"], values["C"]
    if "O" in elements:
        oxygen = elements.index("O")
        for a, element in enumerate(elements):
            if (min(a, oxygen), max(a, oxygen)) not in seen:
                problems.append(f"no Buckingham pair {element}-O")
    if not (np.isfinite(cutoff) and cutoff > SHORTEST_CUTOFF):
        problems.append(f"cutoff = {cutoff} A must be above {SHORTEST_CUTOFF} A")
    elif not (switch >= 0 and cutoff - switch >= SHORTEST_CUTOFF):
        problems.append(f"switch_width = {switch} A must lie between 0 and {cutoff - SHORTEST_CUTOFF:g} A")
    if not problems:
        s = splice_existence(A, rho, C)
        problems += [
            f"pair {seen[a, b]}: no core splice exists (C/A too large: s = {s[a, b]:.3f} >= 1/e)"
            for a, b in seen
            if s[a, b] >= np.exp(-1.0)
        ]
    if problems:
        raise ConfigError("potential: " + "; ".join(problems))
    return Potential(
        charges=jnp.asarray([float(charges[e]) for e in elements]),
        A=jnp.asarray(A),
        rho=jnp.asarray(rho),
        C=jnp.asarray(C),
        coulomb_constant=jnp.asarray(float(coulomb_constant)),
        elements=elements,
        cutoff=float(cutoff),
        switch=float(switch),
    )


def splice_existence(A, rho, C):
    """s = (336 C rho^3/A)^(1/9)/(9 rho): the inner root of V''' exists only for s < 1/e. (S, S) host arrays."""
    return np.where(A > 0, (336 * C * rho**3 / np.where(A > 0, A, 1)) ** (1 / 9) / (9 * rho), 0.0)


def splice(potential: Potential) -> Splice:
    """The C2 core of every pair, recomputed from A, rho, C (differentiable to second order)."""
    A, rho, C = potential.A, potential.rho, potential.C
    present = C > 0
    A, C = jnp.where(present, A, 1.0), jnp.where(present, C, 1.0e-3)
    target = jnp.log(336 * C * rho**3 / A)

    def newton(r):  # on 9 ln r - r/rho = ln(336 C rho^3/A), concave: monotone from the left of the inner root
        return r - (9 * jnp.log(r) - r / rho - target) / (9 / r - 1 / rho)

    r0 = jax.lax.fori_loop(0, 40, lambda _, r: newton(r), jax.lax.stop_gradient(jnp.exp(target / 9)))
    r0 = newton(newton(jax.lax.stop_gradient(r0)))  # implicit function theorem, first and second order
    repulsion, attraction = A * jnp.exp(-r0 / rho), C / r0**6
    v = repulsion - attraction
    p = -repulsion * r0 / rho + 6 * attraction
    s = repulsion * (r0 / rho) ** 2 - 42 * attraction
    n = (s - p) / (2 * v - p)
    scale = (2 * v - p) / (n + 2)
    zero = jnp.zeros_like(r0)
    return Splice(
        r0=jnp.where(present, r0, zero),
        B=jnp.where(present, r0**n * scale, zero),
        n=jnp.where(present, n, 1.0),
        D=jnp.where(present, (v - scale) / r0**2, zero),
    )


def short_range_energy(potential: Potential, core: Splice, r: Array, a: Array, b: Array) -> Array:
    """Buckingham energy with its core splice (eV) at distances `r` (P,) of species `a`, `b` (P,); no cutoff."""
    A, rho, C = potential.A[a, b], potential.rho[a, b], potential.C[a, b]
    r0, B, n, D = core.r0[a, b], core.B[a, b], core.n[a, b], core.D[a, b]
    inside = r < r0
    outer = jnp.where(inside, 1.0, r)  # double where: each branch sees only its own distances
    inner = jnp.where(inside, r, 1.0)
    return jnp.where(inside, B * jnp.exp(-n * jnp.log(inner)) + D * inner**2, A * jnp.exp(-outer / rho) - C / outer**6)


def switched(potential: Potential, r: Array, energy: Array) -> Array:
    """Buckingham `energy` (eV) at distances `r` (A) with its end: times S(r), or cut where there is no switch.

    Zero from the cutoff on; finite and differentiable twice, forward and reverse, at every r.
    """
    if potential.switch == 0:
        return jnp.where(r < potential.cutoff, energy, 0.0)
    return switch_factor(potential, r) * energy


def switch_factor(potential: Potential, r: Array) -> Array:
    """S(r) of a potential with a switch: 1 up to its start, 0 from the cutoff on."""
    y = _left(potential, r)
    return y * y * y * (10 - 15 * y + 6 * y * y)


def switch_slope(potential: Potential, r: Array) -> Array:
    """-dS/dr = 30 y^2 (1 - y)^2/w (1/A)."""
    y = _left(potential, r)
    return (y * (1 - y)) ** 2 * (30 / potential.switch)


def _left(potential: Potential, r: Array) -> Array:
    """y = 1 ... 0: the share of the switch that is left at `r`."""
    return jnp.clip((potential.cutoff - r) * (1 / potential.switch), 0, 1)
