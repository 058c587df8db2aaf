"""ASE calculator: energy, forces and stress of any periodic structure of the potential's elements."""

from pathlib import Path
from typing import Any

import numpy as np
from ase.calculators.calculator import Calculator, all_changes

from jaxglass.errors import ConfigError
from jaxglass.evaluate import composition_of, evaluate_atoms, voigt
from jaxglass.parameters import check_neutral, default_settings, load_parameters, with_file
from jaxglass.runtime import configure
from jaxglass.structures import check_structure


class GlassCalculator(Calculator):
    """Deng-Du potential for ASE.

    `a_bo` is the B-O repulsion in eV or a rule name, `cutoff` that of the Buckingham part in A,
    `cutoff_style` "truncated" or "c2" (a smooth end over the last 1 A), `coulomb` "mesh"
    (within `accuracy`, relative as in LAMMPS) or "ewald" (exact). `file` names a potential file, as task=refit
    writes it, whose keys are used in place of the others. Cells of any shape and size, images summed.
    Stress follows ASE: eV/A^3, tension positive, xx yy zz yz xz xy. Raises typed `JaxglassError`s for charged
    cells, unknown elements, missing periodicity and coincident atoms.
    """

    implemented_properties = ["energy", "free_energy", "forces", "stress"]

    def __init__(
        self,
        a_bo: float | str = "c3",
        cutoff: float = 8.0,
        coulomb: str = "mesh",
        accuracy: float = 1e-5,
        allow_background: bool = False,
        cutoff_style: str = "truncated",
        file: str | Path | None = None,
        **kwargs: Any,
    ):
        """Settings as in the class docstring; `kwargs` go to ASE's Calculator."""
        super().__init__(**kwargs)
        if coulomb not in ("mesh", "ewald"):
            raise ConfigError(f"coulomb = '{coulomb}': must be mesh or ewald")
        configure()
        chosen = {"a_bo": a_bo, "cutoff": cutoff, "cutoff_style": cutoff_style}
        self.settings = with_file({**default_settings(), **chosen, "file": file and str(file)}) | {"file": None}
        self.coulomb, self.accuracy, self.allow_background = coulomb, accuracy, allow_background

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes) -> None:
        """Fill `results`."""
        super().calculate(atoms, properties, system_changes)
        atoms = self.atoms
        if not atoms.pbc.all():
            raise ConfigError("GlassCalculator needs a structure that is periodic in all three directions (pbc=True)")
        symbols, cell = atoms.get_chemical_symbols(), np.asarray(atoms.cell)
        fractional = atoms.get_scaled_positions(wrap=False)
        check_structure(symbols, fractional, cell, "atoms")
        counts = composition_of(symbols)
        parameters = load_parameters(self.settings, tuple(counts), counts)
        species = np.array([parameters.potential.elements.index(s) for s in symbols])
        check_neutral(parameters.potential, species, self.allow_background)
        found = evaluate_atoms(symbols, fractional, cell, parameters, self.coulomb, self.accuracy)
        self.results = {
            "energy": found.energy,
            "free_energy": found.energy,
            "forces": found.forces,
            "stress": voigt(found.stress),
        }
