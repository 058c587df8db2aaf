"""Figures of one run, drawn from results.json and thermo.csv alone; one function each, None where data is missing."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from matplotlib import rc_context

from jaxglass.report.figures.diffusion import arrhenius_figure, conductivity_figure, msd_figure, van_hove_figure
from jaxglass.report.figures.hops import hop_figure, path_figure
from jaxglass.report.figures.mechanics import (
    elastic_figure,
    stress_strain_figure,
    switching_figure,
    toughness_figure,
)
from jaxglass.report.figures.refit import refit_figure, rounds_figure
from jaxglass.report.figures.rings import ring_figure
from jaxglass.report.figures.run import density_figure, history_figure
from jaxglass.report.figures.scattering import correlation_figure, structure_factor_figure
from jaxglass.report.figures.snapshots import snapshot_figure, write_animation
from jaxglass.report.figures.structure import (
    angle_figure,
    bridge_figure,
    coordination_figure,
    pair_figure,
    speciation_figure,
)
from jaxglass.report.figures.style import STYLE, Drawing
from jaxglass.report.figures.topology import apf_figure, diagram_figure
from jaxglass.report.reference import ReferenceTable
from jaxglass.report.run_record import RunRecord


@dataclass(frozen=True)
class ReportFigure:
    """A figure in the report: PNG or GIF file, what a reader sees in it, and a line for those who cannot see it."""

    path: Path
    title: str
    caption: str


def draw_figures(record: RunRecord, references: ReferenceTable, folder: Path) -> list[ReportFigure]:
    """Every figure that the run has data for, written into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    drawings: tuple[tuple[str, str, Callable[[RunRecord], Drawing]], ...] = (
        ("refit", "Measured and simulated, before and after", refit_figure),
        ("rounds", "Rounds and parameters of the refit", rounds_figure),
        ("density", "Density against composition", partial(density_figure, references=references)),
        ("coordination", "Coordination by oxygen", coordination_figure),
        ("g_r_oxygen", "Pair distributions with oxygen", partial(pair_figure, with_oxygen=True)),
        ("angles", "Angles in the polyhedra", angle_figure),
        ("q_speciation", "How many neighbours a unit is linked to", speciation_figure),
        ("bridge_angles", "Angles between the polyhedra", bridge_figure),
        ("S_q", "Structure factor", structure_factor_figure),
        ("D_r", "Correlation functions D(r) and T(r)", correlation_figure),
        ("rings", "Rings", ring_figure),
        ("persistence", "Persistence diagram of loops", diagram_figure),
        ("apf", "Accumulated persistence of loops", apf_figure),
        ("elastic", "Stress against small strains", elastic_figure),
        ("stress_strain", "Fracture: stress against strain", stress_strain_figure),
        ("snapshots", "Fracture: the notched glass", snapshot_figure),
        ("bond_switching", "Bond switching", switching_figure),
        ("toughness", "Fracture toughness against composition", partial(toughness_figure, references=references)),
        ("msd", "Mean squared displacement", msd_figure),
        ("arrhenius", "Diffusion against temperature", partial(arrhenius_figure, references=references)),
        ("conductivity", "Conductivity and activation energy", partial(conductivity_figure, references=references)),
        ("van_hove", "How far single ions go", van_hove_figure),
        ("hops", "Hops between rings", hop_figure),
        ("path", "The path of one ion", path_figure),
        ("g_r_cations", "Pair distributions among cations", partial(pair_figure, with_oxygen=False)),
        ("history", "How the glass was made", history_figure),
    )
    written = []
    with rc_context(STYLE):  # type: ignore[arg-type]
        for name, title, draw in drawings:
            drawing = draw(record)
            if drawing is not None:
                figure, caption = drawing
                figure.savefig(folder / f"{name}.png", metadata={"Software": None})
                written.append(ReportFigure(folder / f"{name}.png", title, caption))
        if words := write_animation(record, folder / "fracture.gif"):
            written.append(ReportFigure(folder / "fracture.gif", "Fracture, animated", words))
    return written
