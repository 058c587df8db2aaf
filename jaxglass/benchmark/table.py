"""A benchmark as text for a terminal: the machine, the comparison, and where the time goes."""

from collections.abc import Sequence

from jaxglass.benchmark.machine import Machine
from jaxglass.benchmark.record import Benchmark, Case, Growth, Timed
from jaxglass.benchmark.split import Split


def table(found: Benchmark) -> str:
    """All sections, separated by empty lines."""
    sections = [
        _machine(found.machine, found.date),
        _comparison(found.cases),
        _splits(found),
        _growth(found.growth, found.resident_per_atom),
        [f"not measured: {what}: {why}" for what, why in found.not_measured.items()],
    ]
    return "\n\n".join("\n".join(lines) for lines in sections if lines)


def _machine(machine: Machine, date: str) -> list[str]:
    load = "" if machine.load_average is None else f", load {machine.load_average} at the start"
    return [
        f"{machine.processor}, {machine.cores} cores, {machine.memory_GB:g} GB, {machine.system}"
        f" {machine.architecture}{load}",
        date,
    ]


def _comparison(cases: Sequence[Case]) -> list[str]:
    lines = [
        "NVT at 300 K, 1 fs, whole steps with list rebuilds; median (fastest-slowest) ms per step; RMS force error in"
        " eV/A",
        f"{'atoms':>7} {'cores':>5}  {'program':9} {'ms/step':>22}  {'ratio':>5}  {'error':>7}  settings",
    ]
    for case in cases:
        rows = (("jaxglass", case.jaxglass), ("LAMMPS", case.lammps), ("jax-md", case.jax_md))
        lines += [_row(case, name, timed) for name, timed in rows if timed is not None]
    return [*lines, "ratio: time of the program over that of jaxglass"]


def _row(case: Case, name: str, timed: Timed) -> str:
    ratio = timed.time.median / case.jaxglass.time.median
    return (
        f"{case.n_atoms:7d} {case.cores:5d}  {name:9} {_spread(timed):>22}  {ratio:5.2f}  {timed.force_error:7.1e}"
        f"  {timed.settings}"
    )


def _spread(timed: Timed) -> str:
    time = timed.time
    return f"{time.median:.2f} ({time.low:.2f}-{time.high:.2f})"


def _splits(found: Benchmark) -> list[str]:
    columns = (found.cool, found.hot)
    lines = [
        f"{found.npt.n_atoms} atoms, 1 core: ms per step" + "".join(f"{f'{s.temperature_K:g} K':>12}" for s in columns)
    ]
    for name, values in _pieces(columns):
        lines.append(f"  {name:<33}" + "".join(f"{value:>12}" for value in values))
    startup, sampling, npt, lanes = found.startup, found.sampling, found.npt, found.lanes
    return [
        *lines,
        f"  NPT step {npt.second.median:.2f} ms, {npt.ratio:.2f} NVT steps",
        f"  sampling every 10 steps {sampling.second.median:.2f} ms per step, {sampling.ratio:.2f} of every 72",
        f"  {lanes.count} glasses of {lanes.pair.n_atoms} atoms on {lanes.cores} cores, as lanes:"
        f" {lanes.pair.second.median:.2f} ms per step of one,"
        f" {lanes.throughput:.2f} times the throughput of one after another",
        f"  compiling the block {startup.compile_s:.1f} s; first step after {startup.cold_first_step_s:.1f} s,"
        f" with a kept program {startup.warm_first_step_s:.1f} s",
    ]


def _pieces(columns: Sequence[Split]) -> list[tuple[str, list[str]]]:
    """Rows of the split: name and one text per column."""
    return [
        ("whole step", [f"{s.step_ms:.3f}" for s in columns]),
        ("pair sum", [f"{s.pair_ms:.3f}" for s in columns]),
        ("mesh", [f"{s.mesh_ms:.3f}" for s in columns]),
        ("list renewal, averaged", [f"{s.lists_ms:.3f}" for s in columns]),
        ("energy samples, averaged", [f"{s.sampling_ms:.3f}" for s in columns]),
        ("integrator and rest", [f"{s.rest_ms:.3f}" for s in columns]),
        ("list renewal / forces", [f"{s.list_share:.0%}" for s in columns]),
        ("one rebuild", [f"{s.rebuild_ms:.2f}" for s in columns]),
        ("steps between rebuilds", [f"{s.stride}" for s in columns]),
        ("rebuild in force evaluations", [f"{s.rebuild_in_forces:.2f}" for s in columns]),
        ("one energy sample", [f"{s.sample_ms:.2f}" for s in columns]),
    ]


def _growth(growth: Sequence[Growth], resident_per_atom: float | None) -> list[str]:
    if not growth:
        return []
    lines = [
        f"{'atoms':>7}  {'ms/step':>22}  {'us/atom':>8}  {'rebuild/force':>13}  {'lists/forces':>12}"
        f"  {'program B/atom':>14}  {'peak MB':>7}"
    ]
    for size in growth:
        time = f"{size.time.median:.2f} ({size.time.low:.2f}-{size.time.high:.2f})"
        program = "-" if size.program_bytes is None else f"{size.program_bytes / size.n_atoms:.0f}"
        lines.append(
            f"{size.n_atoms:7d}  {time:>22}  {size.us_per_atom:8.2f}  {size.split.rebuild_in_forces:13.2f}"
            f"  {size.split.list_share:12.0%}  {program:>14}  {size.peak_bytes / 1e6:7.0f}"
        )
    if resident_per_atom is not None:
        lines.append(f"peak memory grows by {resident_per_atom / 1e3:.1f} kB per atom")
    return lines
