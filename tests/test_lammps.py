"""jaxglass against LAMMPS's Ewald sum on eight cells of 504 atoms (S8), and the mesh against it (S9).

Raw differences are dominated by LAMMPS's erfc, good to 1.5e-7: `lammps.erfc_error` is exactly that part.
Without it the two programs agree a hundred times better.
"""

from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest
from systems import (
    CHARGES,
    ELEMENTS,
    HOT_RMS,
    Structure,
    glass_potential,
    hot_path,
    plan_for,
    relative,
    rms,
    within,
)

from jaxglass import lammps
from jaxglass.engine.energy import Evaluation, evaluate
from jaxglass.engine.plan import Plan
from jaxglass.model.pair_list import pair_list
from jaxglass.model.potential import Potential, splice
from jaxglass.units import BAR_LAMMPS

pytestmark = pytest.mark.skipif(lammps.available() is not None, reason=str(lammps.available()))

NAMES = (
    "glass",
    "melt",
    "stretched",
    "sheared",
    "collisions, sheared and rotated",
    "slab with vacuum",
    "hot, atoms far outside",
    "cracked",
)
OFTEN = ("glass", "melt", "collisions, sheared and rotated")  # all of them if slow
FORCES, ENERGY, STRESS = 1e-6, 2e-5, 1.0  # relative L2; eV/atom; bar
FORCES_BEYOND_ERFC = 2e-8


@pytest.fixture(
    scope="module", params=[n if n in OFTEN else pytest.param(n, marks=pytest.mark.slow) for n in NAMES], ids=NAMES
)
def case(request, cells, potential_lammps) -> tuple[Structure, Evaluation]:
    """A cell and its exact evaluation."""
    structure = cells[request.param]
    return structure, evaluate(potential_lammps, *structure)


@pytest.fixture(scope="module")
def plans(potential_lammps) -> dict[tuple, Plan]:
    """Plans by cell shape: cells that share one share its compiled programs."""
    return {}


def plan_of(plans: dict[tuple, Plan], potential: Potential, structure: Structure) -> Plan:
    """The plan of an earlier cell of the same volume and kind, or a new one."""
    cell = structure.cell
    key = round(abs(np.linalg.det(cell)), 6), np.count_nonzero(cell) == 3
    if key not in plans:
        plan = plan_for(potential, structure)
        plans[key] = replace(plan, lists=replace(plan.lists, rows=plan.lists.rows + 48))
    return plans[key]


def test_forces_energy_and_stress_agree_with_lammps(case, potential_lammps):
    structure, exact = case
    found = lammps.static(potential_lammps, *structure)
    error = lammps.erfc_error(potential_lammps, *structure, found.alpha, lammps.COULOMB_CUTOFF)
    within("forces, relative L2", relative(found.forces, exact.forces), FORCES)
    within("energy, eV/atom", (found.energy - exact.energy) / len(structure.species), ENERGY)
    within("stress, bar", np.abs(found.stress - exact.stress).max() * BAR_LAMMPS, STRESS)
    within("forces beyond LAMMPS's erfc", relative(found.forces - error.forces, exact.forces), FORCES_BEYOND_ERFC)


def test_mesh_agrees_with_the_exact_sum(case, plans, potential_lammps):
    structure, exact = case
    plan = plan_of(plans, potential_lammps, structure)
    found = hot_path(plan, potential_lammps, structure)
    static = evaluate(potential_lammps, *structure, mesh=plan.mesh, coulomb_cutoff=plan.coulomb_cutoff)
    within("hot path, RMS eV/A", rms(found.forces - exact.forces), HOT_RMS)
    within("static mesh, RMS eV/A", rms(static.forces - exact.forces), HOT_RMS)
    within("mesh energy, eV/atom", (found.energy - exact.energy) / len(structure.species), ENERGY)
    within("mesh stress, bar", np.abs(found.stress - exact.stress).max() * BAR_LAMMPS, 20.0)


def test_the_cells_are_what_they_claim(cells):
    core = np.asarray(splice(glass_potential()).r0)

    def inside_core(structure: Structure) -> int:
        pairs = pair_list(structure.fractional, structure.cell, 2.0)
        r = np.linalg.norm(pairs.vectors(structure.fractional, structure.cell), axis=1)
        return int(np.sum(r < core[structure.species[pairs.i], structure.species[pairs.j]]))

    assert len(cells) >= 8
    assert all(len(s.species) >= 500 for s in cells.values())
    assert inside_core(cells["collisions, sheared and rotated"]) > 10
    assert inside_core(cells["glass"]) == 0
    assert np.abs(cells["hot, atoms far outside"].fractional).max() > 2


@pytest.mark.parametrize("coulomb_cutoff", [4.0, 9.0])
def test_buck_coul_long_is_the_same_potential_outside_the_core(cells, potential_lammps, coulomb_cutoff):
    structure = cells["glass"]
    table, plain = (
        lammps.static(potential_lammps, *structure, coulomb_cutoff=coulomb_cutoff, tables=t) for t in (True, False)
    )
    within("forces, relative L2", relative(plain.forces, table.forces), 1e-9)
    within("energy, eV/atom", (plain.energy - table.energy) / 504, 1e-9)


def test_tables_reproduce_the_potential_between_their_points(cells, potential_lammps):
    """Colliding atoms reach into the core; four times as many points change nothing that matters."""
    structure = cells["collisions, sheared and rotated"]
    found = lammps.static(potential_lammps, *structure)
    finer = lammps.static(potential_lammps, *structure, points=4 * lammps.TABLE_POINTS)
    within("forces, relative L2", relative(found.forces, finer.forces), 1e-8)


PARAMETERS = [("charges", e) for e in ELEMENTS] + [
    (name, element) for name in ("A", "rho", "C") for element in ELEMENTS if (name, element) != ("C", "Li")
]


def changed(potential: Potential, name: str, element: str) -> Potential:
    """`potential` with one charge, or one parameter of a pair with oxygen, 0.1 % larger."""
    table, a, o = getattr(potential, name), ELEMENTS.index(element), ELEMENTS.index("O")
    scale = jnp.ones_like(table)
    scale = scale.at[a].set(1.001) if name == "charges" else scale.at[a, o].set(1.001).at[o, a].set(1.001)
    return replace(potential, **{name: table * scale})


@pytest.fixture(scope="module")
def lammps_glass(cells, potential_lammps) -> lammps.LammpsEvaluation:
    """LAMMPS on the glass with the right parameters."""
    return lammps.static(potential_lammps, *cells["glass"])


@pytest.mark.parametrize(("name", "element"), PARAMETERS)
def test_a_parameter_off_by_a_thousandth_is_noticed(cells, potential_lammps, lammps_glass, name, element):
    assert element in CHARGES
    wrong = evaluate(changed(potential_lammps, name, element), *cells["glass"])
    assert relative(wrong.forces, lammps_glass.forces) > 10 * FORCES
    assert abs(wrong.energy - lammps_glass.energy) / 504 > 10 * ENERGY or name != "charges"


def test_lammps_errors_are_reported(cells, potential_lammps):
    species, fractional, cell = cells["glass"]
    crowded = fractional.copy()
    crowded[300] = crowded[301] + 1e-3
    with pytest.raises(lammps.LammpsError, match="ERROR"):
        lammps.static(potential_lammps, species, crowded, cell)
