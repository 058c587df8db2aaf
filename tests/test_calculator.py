"""The ASE calculator against finite differences and the exact sum."""

import numpy as np
import pytest
import yaml
from ase import Atoms
from ase.build import bulk
from ase.calculators.fd import calculate_numerical_stress

from jaxglass.calculator import GlassCalculator
from jaxglass.errors import ConfigError, InputDataError
from jaxglass.parameters import default_settings


def distorted() -> Atoms:
    """A small triclinic Li2O cell off its minimum, some atoms outside."""
    atoms = Atoms(
        "Li2O",
        scaled_positions=[[0.26, 0.24, 0.25], [0.75, 0.77, 1.75], [-1.01, 0.0, 0.02]],
        cell=bulk("Cu", "fcc", a=4.7).cell,
        pbc=True,
    )
    atoms.set_cell(atoms.cell @ np.array([[1, 0.03, 0], [0, 1.02, -0.02], [0.01, 0, 1]]), scale_atoms=True)
    return atoms


@pytest.mark.parametrize(("coulomb", "tolerance"), [("ewald", 1e-7), ("mesh", 1e-6)])
def test_forces_and_stress_are_derivatives_of_the_energy(coulomb, tolerance):
    atoms = distorted()
    atoms.calc = GlassCalculator(coulomb=coulomb, accuracy=1e-6)
    forces, h = atoms.get_forces(), 1e-4
    for atom, axis in ((0, 0), (2, 1)):
        shifted = [atoms.copy(), atoms.copy()]
        for sign, other in zip((1, -1), shifted, strict=True):
            other.positions[atom, axis] += sign * h
            other.calc = atoms.calc
        up, down = (other.get_potential_energy() for other in shifted)
        assert forces[atom, axis] == pytest.approx(
            -(up - down) / (2 * h), abs=max(tolerance, 2e-6) * np.abs(forces).max()
        )
    numerical = calculate_numerical_stress(atoms, eps=1e-5)
    np.testing.assert_allclose(atoms.get_stress(), numerical, atol=1e-6 * np.abs(numerical).max() + 1e-9)


def test_mesh_agrees_with_the_exact_sum():
    exact, mesh = distorted(), distorted()
    exact.calc, mesh.calc = GlassCalculator(coulomb="ewald"), GlassCalculator(coulomb="mesh")
    assert np.sqrt(((exact.get_forces() - mesh.get_forces()) ** 2).sum(1).mean()) < 1.5e-4
    assert exact.get_potential_energy() == pytest.approx(mesh.get_potential_energy(), abs=1e-3)


def test_a_potential_file_takes_the_place_of_the_settings(tmp_path):
    """All charges are zero in the file: what is left is the Buckingham part with its own cutoff."""
    shipped = default_settings()
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump({**shipped, "charges": dict.fromkeys(shipped["charges"], 0.0), "cutoff": 4.0}))
    atoms = distorted()
    atoms.calc = GlassCalculator(file=path, coulomb="ewald")
    mine = atoms.get_potential_energy()
    atoms.calc = GlassCalculator(cutoff=4.0, coulomb="ewald")
    assert mine > 0 > atoms.get_potential_energy()
    path.write_text("charges: {}\nbuckingham: {}\ncutof: 4\n")
    with pytest.raises(InputDataError, match="unknown 'cutof'"):
        GlassCalculator(file=path)


def test_supercell_energy_is_extensive():
    one, eight = distorted(), distorted() * (2, 2, 2)
    one.calc = eight.calc = GlassCalculator(coulomb="ewald")
    assert eight.get_potential_energy() == pytest.approx(8 * one.get_potential_energy(), abs=1e-8)


def test_refusals():
    atoms = distorted()
    atoms.pbc = False
    atoms.calc = GlassCalculator()
    with pytest.raises(ConfigError, match="periodic"):
        atoms.get_potential_energy()
    atoms = distorted()[:2]
    atoms.calc = GlassCalculator()
    with pytest.raises(ConfigError, match="carries"):
        atoms.get_potential_energy()
    atoms = distorted()
    atoms.positions[1] = atoms.positions[0]
    atoms.calc = GlassCalculator()
    with pytest.raises(InputDataError, match="one point"):
        atoms.get_potential_energy()
    with pytest.raises(ConfigError, match="coulomb"):
        GlassCalculator(coulomb="direct")
