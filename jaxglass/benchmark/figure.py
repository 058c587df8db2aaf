"""The figure of a benchmark: time per step beside the other programs, and cost per atom against size."""

from pathlib import Path

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from jaxglass.benchmark.record import Benchmark, Case, Growth, Timed
from jaxglass.report.figures.style import BLUE, GREEN, GREY, ORANGE, STYLE, WIDTH

COLOR = {"jaxglass": BLUE, "LAMMPS": ORANGE, "jax-md": GREEN}
BAR = 0.26


def write_figure(found: Benchmark, path: Path) -> None:
    """Draw and write as PNG."""
    path.parent.mkdir(exist_ok=True)
    with rc_context(STYLE):  # type: ignore[arg-type]
        figure = Figure(figsize=(WIDTH, 7.2 if found.growth else 4.2))
        panels = figure.subplots(2 if found.growth else 1, 1, squeeze=False)[:, 0]
        _bars(panels[0], found.cases)
        if found.growth:
            _cost_per_atom(panels[1], found.growth)
        figure.savefig(path, metadata={"Software": None})


def _bars(axes: Axes, cases: tuple[Case, ...]) -> None:
    """Microseconds per atom and step of every program in every case, with the ratio to jaxglass above each bar."""
    for k, case in enumerate(cases):
        for shift, (name, timed) in enumerate(_programs(case)):
            x, scale = k + (shift - 1) * BAR, 1e3 / case.n_atoms
            time = timed.time
            error = [[scale * (time.median - time.low)], [scale * (time.high - time.median)]]
            axes.bar(x, scale * time.median, 0.9 * BAR, color=COLOR[name], yerr=error, ecolor=GREY, capsize=2)
            if name != "jaxglass":
                ratio = f"{time.median / case.jaxglass.time.median:.1f}×"
                axes.annotate(ratio, (x, scale * time.high), (0, 3), textcoords="offset points", ha="center", size=10)
    labels = [f"{case.n_atoms}\n{case.cores} core{'s' if case.cores > 1 else ''}" for case in cases]
    axes.set_xticks(range(len(cases)), labels)
    axes.margins(y=0.12)
    axes.set_ylabel("µs per atom and step")
    names = dict.fromkeys(name for case in cases for name, _ in _programs(case))
    for k, name in enumerate(names):
        axes.text(0.02 + 0.25 * k, 1.04, name, transform=axes.transAxes, color=COLOR[name], weight="bold")


def _programs(case: Case) -> list[tuple[str, Timed]]:
    rows = (("jaxglass", case.jaxglass), ("LAMMPS", case.lammps), ("jax-md", case.jax_md))
    return [(name, timed) for name, timed in rows if timed is not None]


def _cost_per_atom(axes: Axes, growth: tuple[Growth, ...]) -> None:
    """Microseconds per atom and step of jaxglass against the number of atoms, one core."""
    sizes = sorted(growth, key=lambda size: size.n_atoms)
    n = [size.n_atoms for size in sizes]
    cost = [size.us_per_atom for size in sizes]
    error = [
        [1e3 * (size.time.median - size.time.low) / size.n_atoms for size in sizes],
        [1e3 * (size.time.high - size.time.median) / size.n_atoms for size in sizes],
    ]
    axes.errorbar(n, cost, yerr=error, fmt="o-", color=BLUE, capsize=3)
    axes.set_xscale("log")
    axes.set_xticks(n, [str(x) for x in n])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_ylim(0, 1.25 * max(1e3 * size.time.high / size.n_atoms for size in sizes))
    axes.set(xlabel="atoms", ylabel="µs per atom and step\n(jaxglass, 1 core)")
