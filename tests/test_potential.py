"""Potential: the core splice, its derivatives, the A_BO rules and what is refused."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import yaml
from systems import BUCKINGHAM, CHARGES, ELEMENTS, relative

from jaxglass.errors import ConfigError, InputDataError
from jaxglass.model.boron import boron_repulsion
from jaxglass.model.potential import Potential, Splice, make_potential, short_range_energy, splice
from jaxglass.parameters import default_settings, load_parameters

OXYGEN = ELEMENTS.index("O")

# physics.md 2.2; the B-O rows are rule c3 at 38, 40, 42.5, 45 mol % Li2O (reference/potential.yaml)
SPLICE = [
    ("O", None, 46.3391916, 3.42434372, -0.32753422, 1.90552424),
    ("P", None, 28.5658800, 4.63599587, -3.40557855, 1.16796142),
    ("B", 13672.491776, 14.17233074, 4.23244364, -2.77008680, 1.06568674),
    ("B", 13539.062500, 13.66539046, 4.27152314, -2.63944168, 1.06947084),
    ("B", 13389.935662, 13.10495452, 4.31789674, -2.49803063, 1.07379779),
    ("B", 13257.378472, 12.61230931, 4.36175918, -2.37639442, 1.07773422),
]

# mol % Li2O: A_BO of c1, c2, c3 and of n4_input at N4 = 0.85 and 1 (reference/potential.yaml)
REPULSION = {
    38.0: (12851.315789, 13214.987664, 13672.491776, 13599.8026, 13789.4737),
    40.0: (12783.333333, 13120.898438, 13539.062500, 13513.1250, 13687.5000),
    42.5: (12707.352941, 13015.739890, 13389.935662, 13416.2500, 13573.5294),
    45.0: (12639.814815, 12922.265625, 13257.378472, 13330.1389, 13472.2222),
}


def with_repulsion(potential: Potential, element: str, A: float | None) -> tuple[Potential, int]:
    """`potential` with A of element-O replaced, and the index of the element."""
    a = ELEMENTS.index(element)
    if A is None:
        return potential, a
    return replace(potential, A=potential.A.at[a, OXYGEN].set(A).at[OXYGEN, a].set(A)), a


def branches(potential: Potential, core: Splice, a: int) -> list[np.ndarray]:
    """V, V', V'', V''' of pair a-O at r0: inner branch, then outer."""

    def value(r0):
        pair = jnp.array([a]), jnp.array([OXYGEN])
        return lambda r: short_range_energy(potential, replace(core, r0=r0), r[None], *pair)[0]

    def derivatives(f):
        g = jax.grad(f)
        return np.array([h(core.r0[a, OXYGEN]) for h in (f, g, jax.grad(g), jax.grad(jax.grad(g)))])

    return [derivatives(value(2 * core.r0)), derivatives(value(0 * core.r0))]


@pytest.mark.parametrize(("element", "A", "B", "n", "D", "r0"), SPLICE)
def test_splice_constants_match_the_closed_form_table(potential, element, A, B, n, D, r0):
    changed, a = with_repulsion(potential, element, A)
    core = splice(changed)
    found = [float(x[a, OXYGEN]) for x in (core.B, core.n, core.D, core.r0)]
    np.testing.assert_allclose(found, [B, n, D, r0], rtol=2e-8)  # the digits printed


@pytest.mark.parametrize(("element", "A"), [row[:2] for row in SPLICE])
def test_core_joins_smoothly_at_the_inner_root(potential, element, A):
    changed, a = with_repulsion(potential, element, A)
    core = splice(changed)
    inner, outer = branches(changed, core, a)
    np.testing.assert_allclose(inner[:3], outer[:3], atol=1e-9, rtol=1e-12)
    assert abs(outer[3]) < 1e-8 * abs(inner[3])
    rho, C, r0 = changed.rho[a, OXYGEN], changed.C[a, OXYGEN], core.r0[a, OXYGEN]
    r = np.linspace(0.3, 0.999, 200) * float(r0)
    third = -changed.A[a, OXYGEN] * np.exp(-r / rho) / rho**3 + 336 * C / r**9
    assert np.all(third > 0)  # no root further in


def test_pairs_without_dispersion_have_no_core(potential):
    core = splice(potential)
    assert np.all(np.asarray(core.r0)[np.asarray(potential.C) == 0] == 0)
    assert np.count_nonzero(core.r0) == 5  # O-O, and P-O and B-O both ways


def pair_energy(logs: jax.Array, potential: Potential, a: jax.Array, r: jax.Array) -> jax.Array:
    """V(r) of pair a-O as a function of ln A, ln rho, ln C, splice included."""
    A, rho, C = (
        table.at[a, OXYGEN].set(x)
        for table, x in zip((potential.A, potential.rho, potential.C), jnp.exp(logs), strict=True)
    )
    own = replace(potential, A=A, rho=rho, C=C)
    return short_range_energy(own, splice(own), r[None], a[None], jnp.array([OXYGEN]))[0]


value, gradient, hessian = (jax.jit(f) for f in (pair_energy, jax.grad(pair_energy), jax.hessian(pair_energy)))


@pytest.mark.parametrize("element", ["O", "P", "B"])
@pytest.mark.parametrize("r", [0.9, 1.15, 1.6])
def test_second_derivatives_through_the_splice(potential, element, r):
    a = ELEMENTS.index(element)
    logs = jnp.log(jnp.array([float(t[a, OXYGEN]) for t in (potential.A, potential.rho, potential.C)]))
    at = potential, jnp.array(a), jnp.array(r)
    steps = 1e-5 * np.eye(3)
    first = np.array([(value(logs + s, *at) - value(logs - s, *at)) / 2e-5 for s in steps])
    second = np.array([(gradient(logs + s, *at) - gradient(logs - s, *at)) / 2e-5 for s in steps])
    assert relative(np.asarray(gradient(logs, *at)), first) < 1e-7
    assert relative(np.asarray(hessian(logs, *at)), second) < 1e-7


@pytest.mark.parametrize("percent", sorted(REPULSION))
def test_boron_repulsion_rules(percent):
    counts = 2 * percent, 100 - percent, 100 - percent
    c1, c2, c3, low, high = REPULSION[percent]
    for rule, expected in (("c1", c1), ("c2", c2), ("c3", c3)):
        assert boron_repulsion(rule, *counts).value == pytest.approx(expected, abs=1e-5)
    for n4, expected in ((0.85, low), (1.0, high)):
        assert boron_repulsion("n4_input", *counts, n4=n4).value == pytest.approx(expected, abs=1e-3)
    assert boron_repulsion(13500, *counts).value == 13500.0


@pytest.mark.parametrize(
    ("rule", "boron", "n4", "message"),
    [
        ("c9", 1, None, "c9"),
        ("c3", 0, None, "boron"),
        ("n4_input", 1, None, "n4"),
        ("n4_input", 1, 1.5, "1.5"),
        (900.0, 1, None, "900"),
    ],
)
def test_impossible_boron_rules_are_refused(rule, boron, n4, message):
    with pytest.raises(ConfigError, match=message):
        boron_repulsion(rule, 1.0, boron, 1.0, n4)


def entry(**change):
    """P-O with some numbers replaced, the other pairs as they are."""
    return BUCKINGHAM | {"P-O": BUCKINGHAM["P-O"] | change}


@pytest.mark.parametrize(
    ("charges", "pairs", "cutoff", "message"),
    [
        ({"Li": 0.6}, BUCKINGHAM, 8.0, "no charge for B"),
        (CHARGES, {"O-O": BUCKINGHAM["O-O"]}, 8.0, "no Buckingham pair Li-O"),
        (CHARGES, entry(A=-1.0), 8.0, "P-O: A = -1.0"),
        (CHARGES, entry(rho=0.0), 8.0, "P-O: rho"),
        (CHARGES, entry(C=float("nan")), 8.0, "P-O: C"),
        (CHARGES, entry(A="composition_dependent"), 8.0, "P-O: A"),
        (CHARGES, entry(C=1e6), 8.0, "no core splice"),
        (CHARGES, BUCKINGHAM | {"O-P": BUCKINGHAM["P-O"]}, 8.0, "given twice"),
        (CHARGES, BUCKINGHAM, 1.0, "cutoff"),
        (CHARGES, BUCKINGHAM, float("inf"), "cutoff"),
    ],
)
def test_impossible_potentials_are_refused(charges, pairs, cutoff, message):
    with pytest.raises(ConfigError, match=message):
        make_potential(ELEMENTS, charges, pairs, cutoff)


COUNTS = {"Li": 38, "B": 31, "P": 31, "O": 143}


def test_the_recorded_repulsion_is_the_one_in_use():
    """By the rule, by a law that a refit changed, by a number for the pair."""
    shipped = default_settings()
    pairs = shipped["buckingham"] | {"B-O": {"A": 14000.0, "rho": 0.171271, "C": 28.5}}
    for changes, rule in (
        ({}, "c3"),
        ({"a_bo_offset": 0.05, "a_bo_slope": 0.02}, "c3, refitted"),
        ({"a_bo": 13000.0}, "fixed"),
        ({"buckingham": pairs, "a_bo": 13000.0}, "a number for the pair B-O"),
    ):
        found = load_parameters(shipped | changes, tuple(COUNTS), COUNTS)
        assert found.boron.rule == rule
        assert found.boron.value == found.potential.A[1, 3], rule


def test_a_potential_file_with_an_unknown_key_is_refused(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump({**default_settings(), "cutof_style": "c2"}))
    with pytest.raises(InputDataError, match="unknown 'cutof_style'"):
        load_parameters({**default_settings(), "file": str(path)}, tuple(COUNTS), COUNTS)


def test_all_problems_are_reported_at_once():
    with pytest.raises(ConfigError) as caught:
        make_potential(ELEMENTS, {"O": -1.2}, entry(A=-1.0, rho=-1.0), 1.0)
    for part in ("Li", "B", "P", "A = -1.0", "rho = -1.0", "cutoff"):
        assert part in str(caught.value)
