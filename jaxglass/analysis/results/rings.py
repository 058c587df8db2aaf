"""The entry `rings` of results.json."""

from collections.abc import Iterable

from jaxglass.analysis.results.entries import constant, measurement_entry
from jaxglass.analysis.rings import RingAnalysis
from jaxglass.analysis.statistics import Measurement


def ring_results(rings: RingAnalysis, wide: RingAnalysis | None) -> dict:
    """Rings by size in formers (a ring of n has 2n atoms); those with the `wide` B-O cutoff beside them.

    `histogram` is plain numbers of unique rings, `per_former` the same with errors.
    """
    entry = {"frames": rings.frames, "n_atoms": rings.atoms} | _entry(rings)
    if wide is not None:
        entry[f"B-O_{wide.settings.cutoffs['B-O']:.1f}"] = _entry(wide)
    return entry


def _entry(rings: RingAnalysis) -> dict:
    settings = rings.settings
    return {
        "criterion": settings.criterion,
        "max_size": settings.max_size,
        "cutoffs": {pair: constant(c, "Angstrom") for pair, c in settings.cutoffs.items()},
        "histogram": {str(size): m.value for size, m in zip(rings.sizes, rings.unique, strict=True)},
        "per_former": _by_size(rings.sizes, rings.per_former),
        "shortest": _by_size(rings.sizes, rings.shortest),
        "without_ring": measurement_entry(rings.without_ring),
        "dead_ends": measurement_entry(rings.dead_ends),
        "mean_size": measurement_entry(rings.mean_size),
    }


def _by_size(sizes: Iterable[int], measurements: Iterable[Measurement]) -> dict:
    return {str(size): measurement_entry(m) for size, m in zip(sizes, measurements, strict=True)}
