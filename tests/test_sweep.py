"""Sweeps: one bad job stops no other, the same command completes them, and they end with a table and a report."""

import csv
import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from ase import Atoms
from ase.io import write
from hydra import compose, initialize_config_dir
from structures import lithium_oxide, supercell

from jaxglass.__main__ import _one_line
from jaxglass.composed import plain_values
from jaxglass.config import conf_folder
from jaxglass.errors import Preempted
from jaxglass.report.reference import load_references
from jaxglass.sweep.job import Order, run_job
from jaxglass.sweep.record import Job, is_done, read_job, read_jobs
from jaxglass.sweep.share import share_of
from jaxglass.sweep.slots import slot
from jaxglass.sweep.table import Row, means_of, rows_of, swept_keys
from jaxglass.sweep.trends import in_logarithms, lines_of, present
from validation.studies import config_of

ROOT = Path(__file__).parents[1]
MISFORTUNE = Path(__file__).with_name("misfortune")
BAD = {"raises.xyz": ("failed", 1), "exits.xyz": ("failed", 1), "killed.xyz": ("failed", 6)}
NAMES = sorted([*BAD, *(f"glass{k}.xyz" for k in range(9))])
FEW = sorted([*BAD, *(f"glass{k}.xyz" for k in range(3))])
LAUNCHERS = {"basic": "hydra", "local": "hydra_plugins.hydra_joblib_launcher"}
LAUNCHERS |= {"rehearsal": "hydra_plugins.hydra_submitit_launcher", "cluster": "hydra_plugins.hydra_ray_launcher"}


@pytest.fixture
def jaxglass(tmp_path):
    """Runs the command in an empty directory, in a process of its own: exit code, standard output, standard error."""

    def run(*arguments: str, **environment: str) -> tuple[int, str, str]:
        known = os.environ | {"PYTHONPATH": os.pathsep.join([str(MISFORTUNE), str(ROOT), *filter(None, sys.path)])}
        command = [sys.executable, "-m", "jaxglass", *arguments]
        done = subprocess.run(command, cwd=tmp_path, env=known | environment, capture_output=True, text=True)
        return done.returncode, done.stdout, done.stderr

    return run


def write_glasses(folder: Path, names: list[str]) -> None:
    """Li2O, each a little larger than the one before."""
    for k, name in enumerate(names):
        symbols, fractional, cell = supercell(*lithium_oxide(), 2)
        atoms = Atoms(symbols, scaled_positions=fractional, cell=cell * (1 + 0.002 * k), pbc=True)
        write(folder / name, atoms, format="extxyz")


def attempts(folder: Path) -> dict[str, int]:
    return {job.value("input"): job.attempts for job in read_jobs(folder)}


def installed(launcher: str) -> bool:
    try:
        return importlib.util.find_spec(LAUNCHERS[launcher]) is not None
    except ModuleNotFoundError:
        return False


@pytest.mark.parametrize(
    ("launcher", "names"), [("basic", FEW), *(pytest.param(x, NAMES, marks=pytest.mark.slow) for x in LAUNCHERS)]
)
def test_a_raising_an_exiting_and_a_killed_job_stop_no_other(jaxglass, tmp_path, launcher, names):
    """All but three finish; the second run begins these three only."""
    if not installed(launcher):
        pytest.skip(f"the launcher of hydra/launcher={launcher} is not installed")
    write_glasses(tmp_path, names)
    command = ["-m", "task=analyse", f"input={','.join(names)}", "stages=[structure]", f"hydra/launcher={launcher}"]
    code, out, err = jaxglass(*command, MISFORTUNE="1")
    jobs = {job.value("input"): job for job in read_jobs(tmp_path / "multirun")}
    assert sorted(jobs) == names, err
    for name, job in jobs.items():
        state, expected = BAD.get(name, ("done", 0))
        assert job.state == state, (name, job.status)
        assert (job.error.exit_code if job.error else 0) == expected
        assert (job.path / "error.json").exists() == (name in BAD)
    assert code == BAD["exits.xyz"][1]  # the first that failed, in the order of the sweep
    assert f"3 of {len(names)} jobs failed" in err
    assert "Traceback" not in err
    assert "RuntimeError: a bug" in jobs["raises.xyz"].failure["message"]
    assert any("sitecustomize" in line for line in jobs["raises.xyz"].failure["traceback"])
    assert "exit code 3" in jobs["exits.xyz"].failure["message"]
    assert "SIGKILL" in jobs["killed.xyz"].failure["message"]
    summary = json.loads((tmp_path / "multirun/sweep_summary.json").read_text())
    assert summary["states"] == {"done": len(names) - 3, "failed": 3}
    assert len(out.splitlines()) > len(names)

    code, _, err = jaxglass(*command)
    assert code == 0, err
    assert attempts(tmp_path / "multirun") == {name: 2 if name in BAD else 1 for name in names}
    with open(tmp_path / "multirun/sweep.csv", newline="") as file:
        densities = [row for row in csv.DictReader(file) if (row["stage"], row["key"]) == ("structure", "density")]
    assert sorted(row["input"] for row in densities) == names


def test_what_is_done_is_not_launched_again(jaxglass, tmp_path):
    write_glasses(tmp_path, ["a.xyz", "b.xyz"])
    command = ["-m", "task=analyse", "input=a.xyz,b.xyz", "stages=[structure]"]
    assert jaxglass(*command)[0] == 0
    began = time.monotonic()
    code, out, _ = jaxglass(*command)
    assert code == 0
    assert "2 jobs, 2 already done" in out
    assert time.monotonic() - began < 10
    write_glasses(tmp_path, ["b.xyz", "a.xyz"])  # another content under the same names
    code, out, _ = jaxglass(*command)
    assert "2 jobs, 0 already done" in out
    assert attempts(tmp_path / "multirun") == {"a.xyz": 2, "b.xyz": 2}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["seed=range(0,0)"], "has no points"),
        (["task=analyse", "input=a.xyz", "seed=1,2"], "two points of the sweep share the directory"),
        (["seed=1,1"], "two points of the sweep share the directory"),
        (["seed=1,2", "hydra.sweep.subdir=same"], "share the directory same: seed=1 and 2"),
        (["seed=1,2", "hydra.sweep.subdir='../../${seed}'"], "must lie inside hydra.sweep.dir"),
        (["seed=1,2", "hydra.sweep.subdir='/tmp/${seed}'"], "must lie inside hydra.sweep.dir"),
        (["seed=1,-1"], "seed = -1"),
        (["task=doctor,analyse"], "task=doctor cannot be swept"),
        (["seed=1,2", "hydra/launcher=nowhere"], "nowhere"),
    ],
)
def test_sweeps_refused_before_anything_is_launched(command, tmp_path, arguments, words):
    code, _, err = command("-m", *arguments)
    assert code == 2
    assert words in err
    assert len(err.strip().splitlines()) == 1
    assert not list(tmp_path.rglob("status.json"))


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("glass.li2o", "38 40"),
        ("fracture.axis", "x y z"),
        ("elastic.strain_step", "1e-4 2e-4"),
        ("potential.a_bo", "c1 c3 13400.0"),
        ("potential.charges.Li", "0.6 0.7"),
        ("scale", "smoke laptop paper"),
        ("protocol.quench_rate", "10 50"),
        ("engine.precision", "mixed float64"),
        ("structure.cutoffs.B-O", "1.8 2.0"),
        ("rings.criterion", "king guttman"),
        ("topology.mode", "periodic plain"),
        ("bond_switching.reference", "first last"),
        ("scattering.radiation", "xray neutron"),
        ("input", "a.xyz b.xyz"),
    ],
)
def test_every_setting_of_the_physics_names_its_own_directory(key, values):
    names = [config_of([f"{key}={value}", "stages=[melt_quench]"]).name for value in values.split()]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("key", "values"), [("seed", "0,1"), ("fracture.supercell", "[1,2,2],[1,2,3]"), ("input", "a.xyz,b.xyz")]
)
def test_the_launcher_is_given_a_directory_for_every_point(monkeypatch, command, key, values):
    """Planned, not run: the launcher is told of as many directories as there are values."""
    from hydra.core.plugins import Plugins

    Plugins.instance()  # the first call imports the launcher anew, and with it what it launches
    from hydra._internal.core_plugins import basic_launcher

    told: list[str] = []
    monkeypatch.setattr(
        basic_launcher.BasicLauncher, "launch", lambda self, orders, initial_job_idx: told.extend(o[-1] for o in orders)
    )
    code, _, err = command("-m", f"{key}={values}", "stages=[melt_quench]")
    assert code == 1
    assert "were not run" in err
    assert len(set(told)) == len(told) == (values.count("],") + 1 if "[" in values else values.count(",") + 1)


@pytest.mark.parametrize(
    "named",
    [
        ["potential.file=mine.txt"],
        ["input=mine.txt"],
        ["scattering.measured.file=mine.txt", "scattering.measured.quantity=S_q", "scattering.measured.density=2.3"],
        ["task=refit", "refit.target=mine.txt"],
        ["task=refit", "refit.targets=[{file: mine.txt, li2o: 38}]"],
    ],
)
def test_a_file_that_changed_names_another_directory(monkeypatch, tmp_path, named):
    """Else the run that it was made for would be continued, or count as done."""
    monkeypatch.chdir(tmp_path)
    names = []
    for content in ("one", "two", "one"):
        Path("mine.txt").write_text(content)
        config = config_of(named)
        names.append(config.name)
        Path("mine.txt").write_text("changed while it runs")
        assert config.name == names[-1]
    assert names[0] == names[2] != names[1]


NO_FILES = ("refit.targets=[{file: 3}]", "refit.targets=[3]", "refit.target=/", "input=/")


@pytest.mark.parametrize("named", NO_FILES)
def test_what_is_no_file_has_a_name(named):
    assert config_of(["task=refit", named]).name


def test_whole_numbers_are_numbers():
    assert config_of(["glass.li2o=38", "protocol.quench_rate=50"]).hash == config_of(["glass.li2o=38.0"]).hash
    assert config_of(["task=ensemble", "glass.li2o=[38,45]"]).lanes(855)[0].hash == (
        config_of(["glass.li2o=38.0", "glass.n_atoms=855"]).hash
    )


def test_a_sweep_of_analyses_is_done_when_it_has_what_is_asked_now(tmp_path):
    first, more = (config_of(["task=analyse", "input=a.xyz", f"stages={s}"]) for s in ("[structure]", "default"))
    (tmp_path / "status.json").write_text(
        json.dumps({"state": "done", "config_hash": first.hash, "finished": ["input", "structure"]})
    )
    assert is_done(tmp_path, first)
    assert not is_done(tmp_path, more)


def test_hardware_does_not_name_a_directory(command):
    _, _, err = command("-m", "engine.cores=1,2")
    assert "share the directory" in err


def test_what_failed_too_often_is_left_alone_and_told_with_what_has_finished(jaxglass, tmp_path):
    write_glasses(tmp_path, ["a.xyz", "b.xyz"])
    (tmp_path / "bad.xyz").write_text("3\nno lattice\n")
    command = ["-m", "task=analyse", "input=a.xyz,bad.xyz,b.xyz", "stages=[structure]", "hydra.sweep.dir=study"]
    command += ["sweep.max_attempts=1"]
    assert jaxglass(*command)[0] == 3
    code, _, err = jaxglass(*command)
    assert code == 3
    assert "left alone" in err
    assert attempts(tmp_path / "study") == {"a.xyz": 1, "bad.xyz": 1, "b.xyz": 1}
    (tmp_path / "study/sweep.csv").unlink()
    code, out, _ = jaxglass("task=sweep_status", "hydra.sweep.dir=study")
    assert code == 0
    head, *rows, last = out.splitlines()
    assert head.split() == ["directory", "overrides", "state", "stage", "attempts", "error"]
    assert len(rows) == 3
    assert last == "3 jobs: 2 done, 1 failed"
    failed = next(row for row in rows if "bad.xyz" in row)
    assert "input=bad.xyz" in failed
    assert "failed  input  1" in failed
    assert "InputDataError: bad.xyz:2: frame 0 has 0 of its 3 atoms" in failed
    code, out, _ = jaxglass("task=sweep_report", "hydra.sweep.dir=study")
    assert code == 0
    assert (tmp_path / "study/sweep.csv").exists()
    assert "2 of 3 runs are done" in (tmp_path / "study/sweep.html").read_text()
    code, _, err = jaxglass("task=sweep_status", "hydra.sweep.dir=nowhere")
    assert code == 3
    assert "no sweep there" in err


def test_directory_of_another_run_is_left_as_it_is(jaxglass, tmp_path):
    write_glasses(tmp_path, ["a.xyz", "b.xyz"])
    command = ["-m", "task=analyse", "stages=[structure]", "hydra.sweep.subdir='${input}.run'"]
    assert jaxglass(*command, "input=a.xyz,b.xyz")[0] == 0
    code, _, err = jaxglass(*command, "input=a.xyz,b.xyz", "structure.r_max=7")
    assert code == 2
    assert "holds another run" in err
    assert [job.state for job in read_jobs(tmp_path / "multirun")] == ["done", "done"]


def sweep_in_background(tmp_path: Path, *arguments: str) -> "subprocess.Popen[str]":
    known = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, sys.path)])}
    command = [sys.executable, "-m", "jaxglass", "-m", *arguments]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=tmp_path, env=known, stdout=pipe, stderr=pipe, text=True)


@pytest.mark.parametrize("launcher", ["basic", pytest.param("local", marks=pytest.mark.slow)])
def test_a_stopped_sweep_stops_its_jobs_and_continues(jaxglass, tmp_path, launcher):
    """SIGTERM while the first job reads a long file: it is preempted, the others do not begin, the command exits 75."""
    if not installed(launcher):
        pytest.skip(f"the launcher of hydra/launcher={launcher} is not installed")
    names = ["a.xyz", "b.xyz", "c.xyz", "d.xyz"]
    write_glasses(tmp_path, names)
    frame = (tmp_path / "a.xyz").read_text()
    for name in names:
        (tmp_path / name).write_text(frame * 6000)
    command = ["task=analyse", f"input={','.join(names)}", "stages=[structure]", f"hydra/launcher={launcher}"]
    child = sweep_in_background(tmp_path, *command)
    jobs: list[Job] = []
    for _ in range(600):
        jobs = [job for job in read_jobs(tmp_path / "multirun") if job.state == "running"]
        if jobs or child.poll() is not None:
            break
        time.sleep(0.05)
    assert jobs, child.communicate()
    child.send_signal(signal.SIGTERM)
    out, err = child.communicate(timeout=60)
    assert child.returncode == 75, (out, err)
    assert "sweep stopped by SIGTERM" in err
    states = [job.state for job in read_jobs(tmp_path / "multirun")]
    assert states.count("preempted") >= 1
    assert states.count("queued") >= 1
    assert "running" not in states


def test_a_job_that_is_stopped_before_it_is_ready_says_so(monkeypatch, tmp_path):
    """Its launcher is asked to stop while the job is an interpreter that starts; here, a process that only waits."""
    waits = tmp_path / "waits"
    waits.write_text('#!/bin/sh\nkill -TERM "$PPID"\nexec sleep 60\n')
    waits.chmod(0o700)
    with initialize_config_dir(str(conf_folder()), version_base=None):
        values = plain_values(compose("config", overrides=["task=study"]))
    monkeypatch.setattr("jaxglass.sweep.job.sys.executable", str(waits))
    above: list[str] = []  # what the job's directory says when the program above hears of the request
    before = signal.signal(signal.SIGTERM, lambda *_: above.append(read_job(tmp_path / "job").state))
    try:
        with pytest.raises(Preempted, match="same command"):
            run_job(Order(values, "", tmp_path / "job", tmp_path), share_of({}, {}))
    finally:
        signal.signal(signal.SIGTERM, before)
    assert above == ["preempted"]


@pytest.mark.parametrize("name", ["joblib", "submitit_slurm", "ray"])
def test_a_launcher_that_is_not_installed_says_what_to_do(name):
    extra = name.partition("_")[0]
    said = _one_line(Exception(f"In 'hydra/launcher/x': Could not find 'hydra/launcher/{name}'\n\nAvailable options:"))
    assert said == f"this launcher is an extra of its own: pip install 'jaxglass[{extra}]' (docs/sweeps.md)"


def test_settings_are_validated_without_a_run(command, tmp_path):
    code, out, _ = command("task=validate_config", "glass.li2o=[38,45]", "seed=[0,1]", "stages=all")
    assert code == 0
    assert "settings can be run: 4 glasses, the first 38LiBP" in out
    assert re.search(r"\d+ atoms, mesh \d+ x \d+ x \d+, about [\d.]+ GB", out)
    code, _, err = command(
        "task=validate_config", "glass.n_atoms=300", "scattering.q_min=9", "scattering.q_max=8", "input=nowhere.xyz"
    )
    assert code == 2
    for words in ("q_min = 9 must be below q_max = 8", "nowhere.xyz: no such file", "use more atoms"):
        assert words in err
    assert len(err.strip().splitlines()) == 1
    assert command("task=validate_config", "glass.n_atoms=9000000")[0] == 2
    assert not list(tmp_path.rglob("status.json"))


# -- pieces ---------------------------------------------------------------------------------------------------------


def test_slots_are_disjoint(tmp_path):
    with (
        slot(tmp_path / "cores", ["0", "1", "2", "3", "4"], 2) as first,
        slot(tmp_path / "cores", list("01234"), 2) as b,
    ):
        assert {*first, *b} == {"0", "1", "2", "3"}


@pytest.mark.parametrize(
    ("launcher", "sweep", "expected"),
    [
        ({"_target_": "x.BasicLauncher"}, {}, None),
        ({"_target_": "x.JoblibLauncher", "n_jobs": -1}, {}, 1),
        ({"_target_": "x.LocalLauncher", "cpus_per_task": 2}, {}, 2),
        ({"_target_": "x.SlurmLauncher", "cpus_per_task": 8}, {}, None),
        ({"_target_": "x.RayLauncher", "ray": {"remote": {"num_cpus": 4}}}, {}, 4),
        ({"_target_": "x.RayLauncher", "ray": {}}, {}, None),
        ({"_target_": "x.BasicLauncher"}, {"cores_per_job": 3}, 3),
    ],
)
def test_cores_of_a_job(launcher, sweep, expected):
    assert share_of(launcher, sweep).cores == expected


def row(seed: int, value: float | None, li2o: float = 38.0) -> Row:
    point = {"glass.li2o": li2o, "seed": seed}
    return Row(f"run{seed}", point, li2o, "structure", "density", value, 0.1, "g/cm3", "")


def test_means_over_seeds():
    means = means_of([row(0, 2.0), row(1, 2.2), row(2, None), row(3, 3.0, 45.0)])
    assert [(mean.point, mean.count) for mean in means] == [({"glass.li2o": 38.0}, 2), ({"glass.li2o": 45.0}, 1)]
    assert means[0].value == pytest.approx(2.1)
    assert means[0].error == pytest.approx(0.1)
    assert means[1].error is None


def test_what_spans_decades_is_averaged_in_logarithms():
    def diffusivity(seed: int, value: float | None, li2o: float) -> Row:
        return replace(row(seed, value, li2o), stage="diffusion", key="diffusivity.1000K", unit="cm2/s")

    rows = [diffusivity(k, 10.0 ** (-5 - k % 2 + (k > 1)), 38.0 if k < 2 else 45.0) for k in range(4)]
    rows = in_logarithms([*rows, diffusivity(4, None, 45.0), row(0, 2.0)])
    means = means_of(rows)
    assert [(mean.value, mean.unit) for mean in means] == [(-5.5, "log10 cm2/s"), (-4.5, "log10 cm2/s"), (2.0, "g/cm3")]
    assert [q.name for q in present(means)] == ["density", "diffusivity of Li, 1000K"]
    [line] = lines_of(rows, "glass.li2o", load_references())
    assert (line.name, line.paper) == ("diffusivity of Li, 1000K", "up")
    assert line.slope == pytest.approx(1 / 7)


def test_runs_of_other_settings_or_files_are_no_seeds_of_one_point(tmp_path):
    for k, (atoms, contents, cores) in enumerate([(651, "a", 1), (651, "a", 2), (864, "a", 1), (864, "b", 1)]):
        settings = {"seed": k % 2, "glass": {"n_atoms": atoms}, "contents": [contents], "engine": {"cores": cores}}
        job = {"keys": ["seed"], "settings": settings}
        (tmp_path / f"run{k}").mkdir()
        (tmp_path / f"run{k}/job.json").write_text(json.dumps(job))
        density = {"density": {"value": 2.0 + k, "error": None, "unit": "g/cm3", "reason": ""}}
        (tmp_path / f"run{k}/results.json").write_text(json.dumps({"structure": density}))
    jobs = read_jobs(tmp_path)
    keys = swept_keys(jobs)
    assert keys == ["contents", "glass.n_atoms", "seed"]
    assert [mean.count for mean in means_of(rows_of(jobs, keys))] == [2, 1, 1]
    assert swept_keys(jobs[:2]) == ["seed"]


def write_study(folder: Path, li2o: float, seed: int, n4: float) -> None:
    """A finished study as its directory holds it."""
    path = folder / f"{li2o:g}LiBP-seed{seed}"
    path.mkdir(parents=True)
    settings = {"glass": {"li2o": li2o}, "seed": seed}
    job = {"overrides": [], "keys": ["glass.li2o", "seed"], "settings": settings}
    density = {"value": 2.2 + 0.01 * seed, "error": 0.01, "unit": "g/cm3"}
    results = {
        "glass": {"li2o": li2o + 0.05},
        "structure": {"density": density, "n4": {"value": n4, "error": None, "unit": "1", "reason": "one frame"}},
    }
    for name, content in (("job", job), ("status", {"state": "done", "attempts": 1}), ("results", results)):
        (path / f"{name}.json").write_text(json.dumps(content))


def test_trends_beside_experiment_and_paper(command, tmp_path):
    for li2o in (38.0, 42.5, 45.0):
        for seed in (0, 1):
            write_study(tmp_path / "multirun", li2o, seed, 0.9 - 0.012 * li2o + 0.001 * seed)
    code, out, _ = command("task=sweep_report")
    assert code == 0
    found = json.loads((tmp_path / "multirun/sweep.json").read_text())
    n4 = [mean for mean in found["means"] if mean["key"] == "n4"]
    assert [mean["li2o_made"] for mean in n4] == pytest.approx([38.05, 42.55, 45.05])
    assert all(mean["seeds"] == 2 and mean["error"] == pytest.approx(0.0005) for mean in n4)
    line = next(trend for trend in found["trends"] if trend["name"] == "N4")
    assert line["slope"] == pytest.approx(-0.012)
    assert (line["found"], line["paper"], line["axis"]) == ("down", "down", "glass.li2o")
    page = (tmp_path / "multirun/sweep.html").read_text()
    for words in ("data:image/png;base64", "Density beside experiment", "SciGlass", "falls", "42.5"):
        assert words in page
    assert str(tmp_path) not in page


def test_job_of_a_lost_process(tmp_path):
    (tmp_path / "status.json").write_text('{"state": "running", "stage": "topology", "attempts": 2}')
    (tmp_path / "job.json").write_text('{"overrides": ["+scale=smoke"], "keys": ["scale"], "settings": {}}')
    job = read_job(tmp_path)
    assert (job.state, job.stage, job.attempts, job.value("scale")) == ("lost", "topology", 2, "smoke")
    assert job.error is not None
    assert job.error.exit_code == 75
