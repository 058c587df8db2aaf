"""The entry `bond_switching` of results.json."""

import numpy as np

from jaxglass.analysis.bond_switching import KINDS, BondSwitching
from jaxglass.analysis.results.entries import constant, curve


def bond_switching_results(found: BondSwitching, reference: str) -> dict:
    """Shares of the atoms of each element over the frames, by kind; `time` is null where it is not known."""
    frames, atoms = found.codes.shape
    return {
        "frames": frames,
        "n_atoms": atoms,
        "reference": f"{reference} frame",
        "cutoffs": {pair: constant(c, "Angstrom") for pair, c in found.cutoffs.items()},
        "frame": curve(np.arange(frames), "1"),
        "time": curve(found.time, "ps") if np.isfinite(found.time).all() else None,
        **{
            kind: {element: curve(shares[:, k], "1") for element, shares in found.shares.items()}
            for k, kind in enumerate(KINDS)
        },
    }
