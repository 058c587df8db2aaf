"""The `structure` entry of results.json, but for scattering and connectivity."""

from jaxglass.analysis.results.entries import angle_entry, constant, curve, measurement_entry
from jaxglass.analysis.structure import Coordination, Structure


def structure_results(structure: Structure) -> dict:
    """`results["structure"]` as docs/run_directory.md lays it out."""
    wide = f"{structure.settings.wide_b_o:.1f}"
    return {
        "frames": structure.frames,
        "n_atoms": structure.atoms,
        "cutoffs": {pair: constant(c, "Angstrom") for pair, c in structure.settings.cutoffs.items()},
        "density": measurement_entry(structure.density),
        "coordination": {e: _coordination_entry(c) for e, c in structure.coordination.items()}
        | {f"B_{wide}": _coordination_entry(structure.coordination_wide)},
        "n4": measurement_entry(structure.n4),
        f"n4_{wide}": measurement_entry(structure.n4_wide),
        "bond_lengths": {pair: measurement_entry(m) for pair, m in structure.bond_lengths.items()},
        "g_r": _pair_entry(structure),
        "first_minima": {pair: measurement_entry(m) for pair, m in structure.first_minima.items()},
        "angles": {name: angle_entry(a) for name, a in structure.angles.items()},
        "oxygen": {
            "free": measurement_entry(structure.oxygen.free),
            "non_bridging": measurement_entry(structure.oxygen.non_bridging),
            "bridging": measurement_entry(structure.oxygen.bridging),
            "tricluster": measurement_entry(structure.oxygen.tricluster),
        },
        "edge_sharing": measurement_entry(structure.edge_sharing),
    }


def _coordination_entry(coordination: Coordination) -> dict:
    entry = measurement_entry(coordination.mean)
    entry["cutoff"] = constant(coordination.cutoff, "Angstrom", "not given")
    shares = [float(s) for s in coordination.share]
    entry["histogram"] = {"number": [int(n) for n in coordination.number], "share": shares, "unit": "1"}
    return entry


def _pair_entry(structure: Structure) -> dict:
    pairs = structure.pairs
    return {
        "r": curve(pairs.r, "Angstrom"),
        "partials": {f"{a}-{b}": curve(g, "1") for (a, b), g in pairs.partials.items()},
    }
