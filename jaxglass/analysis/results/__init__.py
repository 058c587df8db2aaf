"""Entries of results.json: numbers {"value", "error", "unit"[, "reason"]} and curves {"values", "unit"}.

Nothing is NaN: what could not be measured is null with a reason.
"""

from jaxglass.analysis.results.bond_switching import bond_switching_results
from jaxglass.analysis.results.connectivity import connectivity_results
from jaxglass.analysis.results.diffusion import diffusion_results
from jaxglass.analysis.results.rings import ring_results
from jaxglass.analysis.results.scattering import missing_scattering, scattering_results
from jaxglass.analysis.results.structure import structure_results
from jaxglass.analysis.results.topology import missing_topology, topology_results
