"""The entry `structure.connectivity` of results.json."""

from jaxglass.analysis.connectivity import Connectivity, Links, QSpeciation
from jaxglass.analysis.results.entries import angle_entry, constant, measurement_entry


def connectivity_results(connectivity: Connectivity) -> dict:
    """Q^n by unit ("P", "BO3", "BO4"), links by triple ("B-O-P") beside random mixing, angles at their oxygens."""
    return {
        "cutoffs": {pair: constant(c, "Angstrom") for pair, c in connectivity.cutoffs.items()},
        "q": {unit: _speciation_entry(q) for unit, q in connectivity.q.items()},
        "links": {name: _link_entry(links) for name, links in connectivity.links.items()},
    }


def _speciation_entry(q: QSpeciation) -> dict:
    return {
        "mean": measurement_entry(q.mean),
        "share": {str(n): measurement_entry(share) for n, share in enumerate(q.share)},
    }


def _link_entry(links: Links) -> dict:
    return {
        "share": measurement_entry(links.share),
        "random": measurement_entry(links.random),
        "angle": angle_entry(links.angles),
    }
