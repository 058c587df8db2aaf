"""What of the potential moves in a refit, in whitened coordinates z about the starting values, with Gaussian priors.

    ln value = ln start + sd z,    prior z ~ N(0, 1)

Names of parameters, for a pair such as P-O, with r_b its bond length:

    V P-O      A exp(-r_b/rho), the repulsion at the bond length: A follows as ln A = ln V + r_b/rho
    rho P-O    its range; V stays, so that the two do not fight
    C P-O      dispersion
    A_BO       an offset of ln A_BO in all glasses: the law keeps its shape       } instead of V B-O and rho B-O
    slope      ... and (li2o - 41)/10 times this more in each                      }
    charges    the scale of all charges: neutral per oxide unit

A_BO depends on the composition, so a refit moves the law, not one number per glass.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxglass.errors import ConfigError
from jaxglass.model.potential import Potential, splice_existence
from jaxglass.parameters import MIDDLE

BOND_LENGTH = {"B-O": 1.43, "P-O": 1.52, "O-O": 2.50, "Li-O": 1.95, "Si-O": 1.61}  # A, where V is pinned
PRIOR_SD = {"V": 0.15, "rho": 0.04, "C": 0.5, "A_BO": 0.05, "slope": 0.05, "charges": 0.03}
LAW = ("A_BO", "slope")
EXISTS = np.exp(-1.0)  # s of `splice_existence` must stay below


@dataclass(frozen=True)
class Parameter:
    """One direction in which the potential moves: `kind` V, rho, C of a `pair`, or A_BO, slope, charges; prior `sd`."""

    kind: str
    pair: str
    sd: float

    @property
    def name(self) -> str:
        """As in the settings."""
        return f"{self.kind} {self.pair}".strip()


def parameters(names: Sequence[str], sds: dict[str, float] | None = None) -> tuple[Parameter, ...]:
    """The parameters called `names`; `sds` replaces prior widths by name. `ConfigError` for what does not go
    together."""
    found: list[Parameter] = []
    problems = []
    for name, sd in (sds or {}).items():
        if name not in names:
            problems.append(f"priors: '{name}' is not among the parameters")
        elif isinstance(sd, bool) or not isinstance(sd, (int, float)) or not 0 < sd < np.inf:
            problems.append(f"priors: {name} = {sd!r}: a width must be a positive number")
    for name in names:
        kind, _, pair = name.partition(" ")
        if kind not in PRIOR_SD or bool(pair) != (kind in ("V", "rho", "C")) or (pair and pair not in BOND_LENGTH):
            problems.append(
                f"'{name}' is no parameter; V, rho or C with a pair such as P-O, or {', '.join(LAW)}, charges"
            )
            continue
        if problems:
            continue
        found.append(Parameter(kind, pair, float((sds or {}).get(name, PRIOR_SD[kind]))))
    if len(set(names)) < len(names):
        problems.append("a parameter is named twice")
    if set(names) & set(LAW) and {"V B-O", "rho B-O"} & set(names):
        problems.append("A_BO and slope move A of B-O: they exclude V B-O and rho B-O")
    if problems or not names:
        raise ConfigError("refit.parameters: " + ("; ".join(problems) or "must name at least one"))
    return tuple(found)


def moved(moving: Sequence[Parameter], start: Potential, li2o: float | Array, z: Array) -> Potential:
    """`start` moved by `z` (P,), for a glass of `li2o` mol %; differentiable in z."""
    ln_A, ln_rho = jnp.log(jnp.where(start.A > 0, start.A, 1.0)), jnp.log(start.rho)
    bonds, ln_C, ln_q = jnp.asarray(_bond_lengths(start.elements)), jnp.zeros_like(start.C), jnp.zeros(())
    ln_V = ln_A - bonds / start.rho
    for parameter, value in zip(moving, z, strict=True):
        change = parameter.sd * value
        table = jnp.asarray(_pair_table(start.elements, parameter.pair or "B-O"))
        if parameter.kind == "V":
            ln_V = ln_V + change * table
        elif parameter.kind == "rho":
            ln_rho = ln_rho + change * table
        elif parameter.kind == "C":
            ln_C = ln_C + change * table
        elif parameter.kind == "charges":
            ln_q = ln_q + change
        else:
            ln_V = ln_V + change * table * (1.0 if parameter.kind == "A_BO" else (li2o - MIDDLE) / 10)
    rho = jnp.exp(ln_rho)
    return replace(
        start,
        charges=start.charges * jnp.exp(ln_q),
        A=jnp.where(start.A > 0, jnp.exp(ln_V + bonds / rho), 0.0),
        rho=rho,
        C=start.C * jnp.exp(ln_C),
    )


def check_splice(potential: Potential) -> None:
    """`ConfigError` where a pair has no core splice any more: C/A has grown too large."""
    s = splice_existence(*(np.asarray(x) for x in (potential.A, potential.rho, potential.C)))
    if s.max() >= EXISTS:
        a, b = np.unravel_index(int(s.argmax()), s.shape)
        pair = f"{potential.elements[a]}-{potential.elements[b]}"
        raise ConfigError(f"refit: no core splice exists for {pair} (C/A too large: s = {s.max():.3f} >= 1/e)")


def _pair_table(elements: tuple[str, ...], pair: str) -> np.ndarray:
    """1 for the pair and its mirror image, (S, S)."""
    a, b = pair.split("-")
    table = np.zeros((len(elements),) * 2)
    if a in elements and b in elements:
        i, j = elements.index(a), elements.index(b)
        table[i, j] = table[j, i] = 1.0
    return table


def _bond_lengths(elements: tuple[str, ...]) -> np.ndarray:
    """r_b of every pair (S, S), 1 A where none is known: V and rho of those do not move."""
    known = (length * _pair_table(elements, pair) for pair, length in BOND_LENGTH.items())
    table = np.sum(list(known), axis=0)
    return np.where(table > 0, table, 1.0)
