"""Structure against lithium on the glass library, beside what the paper says of it.

    python -m validation.trends

Every quantity of every glass (one frame each), its mean and standard error over the seeds of a composition, and its
slope with the lithium content over all glasses. A trend counts as resolved when a slope as large is as rare as two
known standard errors (Student's t: 2.2 of its errors for 16 glasses). The latest result is kept in
`validation/trends.json` and `validation/trends.png`.
"""

import json
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

import numpy as np

from jaxglass.analysis.apf import accumulated_persistence
from jaxglass.analysis.persistence import persistent_loops
from jaxglass.analysis.rings import RingAnalysis, analyse_rings
from jaxglass.analysis.structure import Structure, analyse_structure
from jaxglass.analysis.trend import Trend, trend_line
from jaxglass.manifest import versions
from jaxglass.model.trajectory import Trajectory
from validation.library import Glass, glasses

FOLDER = Path(__file__).parent
SMALL, LARGE = (2, 6), (7, 20)  # formers in a ring
ELEMENTS = ("Li", "B", "P", "O")


@dataclass(frozen=True)
class Measured:
    """One glass."""

    glass: Glass
    structure: Structure
    rings: RingAnalysis
    apf: float  # A^2 per atom

    def rings_of(self, sizes: tuple[int, int]) -> float:
        """Rings of these sizes per former."""
        chosen = (self.rings.sizes >= sizes[0]) & (self.rings.sizes <= sizes[1])
        return float(sum(m.value or 0.0 for m, take in zip(self.rings.per_former, chosen, strict=True) if take))


@dataclass(frozen=True)
class Quantity:
    """What is read from a glass, and the paper's statement of its trend: up, down, none or, not stated, null."""

    name: str
    unit: str
    paper: str | None
    read: Callable[[Measured], float]


def _bond(pair: str) -> Callable[[Measured], float]:
    return lambda found: _value(found.structure.bond_lengths[pair].value)


def atoms_per_oxide(li2o: float) -> float:
    """Atoms per unit of x Li2O (3), B2O3 (5) and P2O5 (7) in equal parts; cells of the paper may have 2,000."""
    return 6.0 - 3.0 * li2o / 100


def _value(value: float | None) -> float:
    return np.nan if value is None else value


QUANTITIES = (
    Quantity("density", "g/cm3", "down", lambda found: found.glass.density),
    Quantity("N4", "1", "down", lambda found: _value(found.structure.n4.value)),
    Quantity("coordination of B", "1", "down", lambda found: _value(found.structure.coordination["B"].mean.value)),
    Quantity("coordination of Li", "1", None, lambda found: _value(found.structure.coordination["Li"].mean.value)),
    Quantity("B-O length", "A", "down", _bond("B-O")),
    Quantity("P-O length", "A", "none", _bond("P-O")),
    Quantity("Li-O length", "A", "none", _bond("Li-O")),
    Quantity("rings of 2-6 formers per former", "1", "down", lambda found: found.rings_of(SMALL)),
    Quantity("rings of 7-20 formers per former", "1", "up", lambda found: found.rings_of(LARGE)),
    Quantity("mean ring size", "formers", "up", lambda found: _value(found.rings.mean_size.value)),
    Quantity("bonds without a ring", "1", None, lambda found: _value(found.rings.without_ring.value)),
    Quantity("total APF per atom", "A2", "down", lambda found: found.apf),
    Quantity("total APF per oxide unit", "A2", "down", lambda found: found.apf * atoms_per_oxide(found.glass.li2o)),
)


def measure(glass: Glass) -> Measured:
    """All analyses of one glass."""
    atoms = glass.atoms()
    symbols = np.array(atoms.get_chemical_symbols())
    fractional, cell = atoms.get_scaled_positions(wrap=False), np.array(atoms.cell)
    species = np.array([ELEMENTS.index(s) for s in symbols])
    frame = Trajectory(np.zeros(1), fractional[None], cell[None], species, ELEMENTS)
    loops = persistent_loops(symbols, fractional, cell)
    apf = accumulated_persistence(loops.births, loops.deaths, len(symbols)).total
    return Measured(glass, analyse_structure(frame), analyse_rings(frame), apf)


def draw(trends: list[Trend], path: Path) -> None:
    """One panel per quantity."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.5, 11.0), layout="constrained")
    panels = figure.subplots(5, 3).flat
    for found, panel in zip(trends, panels, strict=False):
        panel.errorbar(found.li2o, found.mean, yerr=found.error, fmt="o-", ms=5, capsize=3, color="#0072B2", lw=1)
        panel.set_title(f"{found.name} ({found.unit})" if found.unit != "1" else found.name, fontsize=8)
        panel.tick_params(labelsize=8)
    for panel in panels:
        panel.remove()
    figure.supxlabel("Li2O (mol %)")
    figure.savefig(path, dpi=160, metadata={"Software": None})


def main() -> int:
    """Measure the library, keep and print the trends."""
    found = [measure(glass) for glass in glasses()]
    li2o = np.array([m.glass.li2o for m in found])
    trends = [trend_line(q.name, q.unit, q.paper, li2o, np.array([q.read(m) for m in found])) for q in QUANTITIES]
    draw(trends, FOLDER / "trends.png")
    kept = {
        "date": date.today().isoformat(),
        "versions": versions(),
        "glasses": len(found),
        "atoms": found[0].glass.n_atoms,
        "errors": "standard error over seeds; slopes per mol % Li2O over all glasses",
        "trends": [asdict(t) | {"found": t.found} for t in trends],
    }
    (FOLDER / "trends.json").write_text(json.dumps(kept, indent=2) + "\n")
    for t in trends:
        values = "  ".join(f"{m:.4g} +- {e:.2g}" for m, e in zip(t.mean, t.error, strict=True))
        print(f"{t.name:34} {values}   slope {t.slope:.3g} +- {t.slope_error:.2g}: {t.found} (paper: {t.paper})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
