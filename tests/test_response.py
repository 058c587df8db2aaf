"""Solids at rest: the minimum, athermal moduli against finite strain, their derivatives in the potential."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from systems import BUCKINGHAM, glass_potential, nearly_at_rest, within

from jaxglass.engine.energy import evaluate
from jaxglass.engine.plan import Plan, make_plan
from jaxglass.evaluate import voigt
from jaxglass.model.potential import Potential, make_potential
from jaxglass.model.system import System, make_system
from jaxglass.protocols.elastic import DIRECTIONS, deformation
from jaxglass.response.minimum import Rest, relax
from jaxglass.response.moduli import athermal_moduli, static_stress, stiffness
from jaxglass.units import GPA

COPIES, EDGE = 3, 3.8  # of the rock salt cell, A


def fine_plan(potential: Potential, system: System) -> Plan:
    charges = np.asarray(potential.charges)[np.asarray(system.species)]
    plan = make_plan(np.asarray(system.cell), charges, potential.cutoff, 1e-6, "float64", None, 1.1)
    return replace(plan, orthorhombic=False)


def rock_salt() -> tuple[Potential, System]:
    """Li+ and O- on rock salt sites, held apart by the Li-O repulsion; no atom may relax, by symmetry."""
    potential = make_potential(
        ("Li", "O"), {"Li": 1.0, "O": -1.0}, {"Li-O": BUCKINGHAM["Li-O"], "O-O": BUCKINGHAM["O-O"]}, 4.6
    )
    corners = np.stack(np.meshgrid(*[np.arange(2 * COPIES)] * 3, indexing="ij"), -1).reshape(-1, 3)
    symbols = np.where(corners.sum(1) % 2, "O", "Li").tolist()
    return potential, make_system(symbols, corners / (2 * COPIES), COPIES * EDGE * np.eye(3))


def stress_at(potential: Potential, system: System, direction: str, strain: float) -> np.ndarray:
    """Exact stress (6,) in GPa of affinely strained atoms."""
    cell = np.asarray(system.cell) @ deformation(direction, strain).T
    found = evaluate(potential, np.asarray(system.species), np.asarray(system.fractional), cell)
    return voigt(np.asarray(found.stress)) * GPA


def test_a_crystal_has_the_constants_of_its_exact_stress():
    """Rock salt: C by differences of the exact Ewald sum; C12 = C44 + p-terms of central forces (Cauchy)."""
    potential, system = rock_salt()
    rest = nearly_at_rest(fine_plan(potential, system), potential, system)  # by symmetry
    C = np.asarray(jax.jit(stiffness)(rest, potential))  # the program of athermal_moduli, compiled once
    h = 1e-5
    for k, direction in enumerate(DIRECTIONS):
        if direction in ("xx", "yz"):
            slope = (stress_at(potential, system, direction, h) - stress_at(potential, system, direction, -h)) / (2 * h)
            within(f"column {direction} (GPa)", np.abs(C[:, k] - slope).max(), 1e-3 * np.abs(C).max())
    # simple shear e of a cubic solid under pressure p: d sigma_xy/de = C44; Cauchy: C12 - C44 = 2 p for central forces
    pressure = -np.trace(np.asarray(static_stress(rest))) / 3 * GPA
    born = C[0, 1] - pressure, C[3, 3] + pressure  # constants of the energy density per initial volume
    within("Cauchy relation (GPa)", born[0] - born[1], 1e-2 * abs(C[0, 0]))
    moduli = athermal_moduli(rest)
    within("C11", moduli.C11.value - C[0, 0], 1e-6 * C[0, 0])
    within("spread over directions", moduli.C11.error + moduli.C44.error, 1e-6)


@pytest.fixture(scope="module")
def glass_at_rest(glass) -> Rest:
    potential, (species, fractional, cell) = glass_potential(), glass.glass
    system = make_system([potential.elements[s] for s in species], fractional, cell, potential.elements)
    return relax(fine_plan(potential, system), potential, system)


@pytest.mark.slow
@pytest.mark.parametrize("direction", ["zz", "xy"])
def test_a_glass_answers_small_strains_as_its_moduli_say(glass_at_rest, direction):
    """Finite strain of the minimised glass, minimised again, agrees within 1 %."""
    rest, h = glass_at_rest, 2e-5
    C = np.asarray(jax.jit(stiffness)(rest, rest.potential))
    found = []
    for strain in (h, -h):
        cell = rest.system.cell @ jnp.asarray(deformation(direction, strain)).T
        strained = relax(rest.plan, rest.potential, replace(rest.system, cell=cell))
        found.append(voigt(np.asarray(static_stress(strained))) * GPA)
    slope = (found[0] - found[1]) / (2 * h)
    k = list(DIRECTIONS).index(direction)
    within(f"C of {direction}, relative", slope[k] / C[k, k] - 1, 0.01)
    affine = C[k, k] / slope[k]
    assert affine < 1.01  # without the non-affine part a glass looks stiffer by tens of per cent


@pytest.mark.slow
def test_moduli_follow_the_potential(glass_at_rest):
    """d C11/d ln A_BO along the path of minima, against minimising again with other parameters."""
    rest = glass_at_rest
    b, o = rest.potential.elements.index("B"), rest.potential.elements.index("O")
    pair = np.zeros((4, 4))
    pair[b, o] = pair[o, b] = 1.0

    def scaled(x) -> Potential:
        return replace(rest.potential, A=rest.potential.A * (1 + x * pair))

    def mean_C11(C):
        return (C[0, 0] + C[1, 1] + C[2, 2]) / 3

    slope = jax.jit(lambda x: jax.jvp(lambda y: mean_C11(stiffness(rest, scaled(y))), (x,), (1.0,))[1])(0.0)
    h = 2e-4
    values = []
    for x in (h, -h):
        other = relax(rest.plan, scaled(x), rest.system)
        values.append(float(mean_C11(np.asarray(stiffness(other, other.potential)))))
    within("d C11/d ln A, relative", float(slope) / ((values[0] - values[1]) / (2 * h)) - 1, 0.02)
