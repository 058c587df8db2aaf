"""The strain steps of a fracture as one file for OVITO and ASE: fracture/steps.extxyz.gz, a frame per step.

Every atom carries its potential energy's strain derivative, `virial` (eV; xx yy zz yz xz xy), tension positive: its sum
over atoms is volume times the static stress of that frame. What it does not hold is the kinetic part.
"""

from pathlib import Path

import numpy as np

from jaxglass.engine.neighbors import complete
from jaxglass.engine.plan import Plan
from jaxglass.engine.virials import virials
from jaxglass.evaluate import voigt
from jaxglass.model.potential import Potential
from jaxglass.model.trajectory import Trajectory


def write_snapshots(
    path: Path, frames: Trajectory, strain: np.ndarray, stress: np.ndarray, potential: Potential, plan: Plan
) -> None:
    """Write the `frames` with their `strain` (F,) and mean `stress` along z (F,) in GPa."""
    import jax
    import jax.numpy as jnp
    from ase import Atoms
    from ase.io import write

    by_atom, species = jax.jit(virials, static_argnums=0), jnp.asarray(frames.species)
    images = []
    for fractional, cell, e, s in zip(frames.fractional, frames.cell, strain, stress, strict=True):
        plan, near = complete(plan, fractional, cell, plan.reach)
        atoms = Atoms(frames.symbols, cell=cell, pbc=True)
        atoms.set_scaled_positions(fractional)
        found = by_atom(plan, potential, species, jnp.asarray(fractional), jnp.asarray(cell), near)
        atoms.arrays["virial"] = voigt(np.asarray(found))
        atoms.info |= {"strain": float(e), "mean_szz_GPa": float(s)}
        images.append(atoms)
    partial = path.with_name(f"partial-{path.name}")
    write(partial, images, format="extxyz")
    partial.replace(path)
