"""The stage diffusion: its protocol, runs that extend themselves, task=analyse, results and report."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from systems import ELEMENTS as SYMBOLS
from systems import within
from test_analyse import numbers
from walks import dump_lines, glass_with_walkers, walk

from jaxglass.analysis.diffusion import Diffusion, analyse_diffusion
from jaxglass.analysis.diffusivity import diffusivity
from jaxglass.analysis.msd import mean_squared_displacement
from jaxglass.analysis.paths import make_paths
from jaxglass.analysis.results import diffusion_results
from jaxglass.config import check_config, conf_folder
from jaxglass.errors import ConfigError
from jaxglass.protocols.diffusion import DiffusionProtocol
from jaxglass.report.html import write_report
from jaxglass.report.run_record import RunRecord
from jaxglass.study import run_study
from jaxglass.transport.diffusion import ending, protocol_of
from jaxglass.units import BOLTZMANN, CM2_PER_S

PROTOCOL = DiffusionProtocol((700.0, 800.0), 0.2, 1.0, 3.5, 0.1, 0.144, 1.0, 0.1)
EA, D0 = 0.6, 1.5e3  # eV, A^2/ps, of the walkers
TEMPERATURES = (700.0, 750.0, 800.0)
UNITS = {"K", "ps", "1", "1/ps", "Angstrom", "Angstrom2", "Angstrom3", "1/Angstrom", "cm2/s", "S/cm", "eV", "e"}
UNITS |= {"ln(cm2/s)", "1, K; K, K2"}


def D_at(temperature: float) -> float:
    return D0 * np.exp(-EA / (BOLTZMANN * temperature))


@pytest.fixture(scope="module")
def found() -> list[Diffusion]:
    """A glass with walkers at three temperatures."""
    from systems import stored_glass

    glass = stored_glass().glass
    return [analyse_diffusion(glass_with_walkers(glass, D_at(T), k), T) for k, T in enumerate(TEMPERATURES)]


@pytest.fixture(scope="module")
def results(found) -> dict:
    return diffusion_results(found, ["budget of 250 ps ended"] * 3, {"temperatures": list(TEMPERATURES)})


# --- protocol -------------------------------------------------------------------------------------


def test_all_frames_have_one_spacing():
    """Every run is a whole number of frames, 144 steps each, and all runs fit into the budget."""
    stages = PROTOCOL.stages(800.0)
    assert [s.name for s in stages] == ["equilibrate", "run_000", "run_001", "run_002"]
    assert {s.ensemble for s in stages} == {"nvt"}
    assert [s.record for s in stages] == [False, True, True, True]
    assert [s.steps for s in stages] == [200, 1008, 1008, 1008]
    assert {s.frame_samples for s in stages[1:]} == {2}
    assert all(s.temperature == (800.0, 800.0) for s in stages)
    assert PROTOCOL.stages(700.0)[0].velocity_seed != stages[0].velocity_seed


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"temperatures": (700.0, 700.0)}, "must be different"),
        ({"temperatures": ()}, "at least one"),
        ({"chunk_ps": 5.0}, "must not be above diffusion.longest_ps"),
    ],
)
def test_protocols_that_cannot_be_run(change, words):
    with pytest.raises(ConfigError, match=words):
        replace(PROTOCOL, **change)


def test_a_run_says_why_it_ended(found):
    known = found[2]
    assert re.match(
        r"relative error 0\.0\d+ of D, at most 0.5 was asked for", ending(known, replace(PROTOCOL, relative_error=0.5))
    )
    assert re.match(
        r"budget of 3.5 ps ended; relative error 0\.0\d+ of D", ending(known, replace(PROTOCOL, relative_error=0.01))
    )
    still = analyse_diffusion(walk(0, 20, 40, D=1e-3, framework=20), 700.0)
    frozen = replace(still, single=replace(still.single, value=np.nan, error=np.nan))
    assert frozen.single.relative_error == np.inf
    assert "budget" in ending(frozen, PROTOCOL)


# --- results --------------------------------------------------------------------------------------


def test_walkers_in_a_glass_have_the_D_they_were_given(found):
    for one, T in zip(found, TEMPERATURES, strict=True):
        within(f"D at {T:g} K, in errors", (one.single.value - D_at(T)) / one.single.error, 3)
        assert one.single.relative_error < 0.08
        assert abs(one.collective.haven - 1) < 3 * one.collective.haven_error
        assert one.drift < 0.1


def test_every_number_has_its_unit_and_every_null_a_reason(results):
    json.dumps(results, allow_nan=False)
    for path, entry in numbers(results):
        assert entry["unit"] in UNITS, path
        if entry.get("value", 0) is None:
            assert entry["reason"], path
    assert list(results["msd"]) == list(results["diffusivity"]) == ["700K", "750K", "800K"]
    assert set(results["msd"]["800K"]) == {"lag", *SYMBOLS, "collective", "slope"}


def test_the_activation_energy_is_that_of_the_walkers(results):
    energy, sigma = results["activation_energy"], results["conductivity_300K"]
    within("Ea, in errors", (energy["value"] - EA) / energy["error"], 3)
    within("Ea of sigma", energy["value"] - results["activation_energy_of_conductivity"]["value"] - 0.0287, 1e-4)
    D = results["diffusivity_300K"]
    within("D(300 K), in errors", (D["log10"]["value"] - np.log10(D_at(300.0) * CM2_PER_S)) / D["log10"]["error"], 3)
    n = results["n_mobile"]["800K"] / results["volume"]["800K"]["value"] * 1e24  # per cm3
    expected = n * 1.602176634e-19 * D["value"] / (BOLTZMANN * 300.0)
    assert sigma["value"] == pytest.approx(expected, rel=1e-7)
    assert sigma["interval"][0] < sigma["value"] < sigma["interval"][1]
    assert sigma["log10"]["value"] == pytest.approx(np.log10(sigma["value"]))


def test_without_a_line_everything_says_so(found):
    one = diffusion_results(found[:1], [None], {})
    for key in ("activation_energy", "diffusivity_300K", "conductivity_300K", "conductivity_293K"):
        assert one[key]["value"] is None
        assert "at least two temperatures" in one[key]["reason"]
    window = replace(found[1].single.window, lags=np.empty(0, int), reason="not diffusive: made so")
    stuck = replace(found[1], single=replace(found[1].single, value=np.nan, error=np.nan, window=window))
    two = diffusion_results([found[0], stuck, found[2]], [None] * 3, {})
    assert "without 750K" in two["activation_energy"]["reason"]
    assert two["diffusivity"]["750K"]["value"] is None
    assert two["fit_window"]["750K"]["start"]["reason"] == "not diffusive: made so"
    assert two["arrhenius"]["degrees_of_freedom"] == 0
    none = diffusion_results([stuck], [None], {})
    assert "no D at 750K" in none["activation_energy"]["reason"]


def test_report_draws_and_tells_it(results, tmp_path):
    glass = {"li2o": 40.0, "n_atoms": 504, "counts": {"Li": 84, "B": 63, "P": 63, "O": 294}}
    (tmp_path / "results.json").write_text(json.dumps({"glass": glass, "diffusion": results}))
    page = write_report(tmp_path).read_text()
    drawn = {path.stem for path in (tmp_path / "figures").glob("*.png")}
    assert drawn == {"msd", "arrhenius", "conductivity", "van_hove", "hops", "path"}
    for words in ("Diffusion of lithium", "budget of 250 ps ended", "Ea of σ", "Cho 2006", "Kumar 2004", "Haven ratio"):
        assert words in page, words


def test_report_of_nothing_diffusive(tmp_path):
    still = analyse_diffusion(walk(0, 20, 40, D=1e-3, framework=20))
    found = diffusion_results([still], [None], {})
    (tmp_path / "results.json").write_text(json.dumps({"diffusion": found}, allow_nan=False))
    page = write_report(tmp_path).read_text()
    assert "Diffusion of lithium" in page
    assert {path.stem for path in (tmp_path / "figures").glob("*.png")} == {"msd", "van_hove"}
    assert RunRecord({}, {}, {}, None).diffusion == {}


# --- task=analyse ---------------------------------------------------------------------------------

ANALYSE = ("task=analyse", "stages=[diffusion,report]", "hydra.run.dir=here")


@pytest.fixture
def dumps(tmp_path) -> Diffusion:
    """u.dump and w.dump of the same walkers, unwrapped and with image flags, and what they are."""
    from systems import stored_glass

    species, fractional, cell = stored_glass().glass
    kept = np.r_[:6, np.flatnonzero(species != 0)]  # few ions, and a seed with which none runs into another atom
    whole = glass_with_walkers((species[kept], fractional[kept], cell), 0.25, 23)
    whole = replace(whole, time=whole.time[:40], fractional=whole.fractional[:40], cell=whole.cell[:40])
    (tmp_path / "u.dump").write_text(dump_lines(whole, "xu yu zu"))
    (tmp_path / "w.dump").write_text(dump_lines(whole, "x y z ix iy iz"))
    (tmp_path / "bare.dump").write_text(dump_lines(whole, "x y z ix iy iz").replace("ix iy iz", "jx jy jz"))
    return analyse_diffusion(whole, 800.0)


@pytest.mark.parametrize("name", ["u.dump", "w.dump"])
def test_a_dump_of_one_temperature(command, dumps, name):
    code, _, err = command(*ANALYSE, f"input={name}", "analyse.temperature=800")
    assert code == 0, err
    found = json.loads(Path("here/results.json").read_text())["diffusion"]
    assert found["diffusivity"]["800K"]["value"] == pytest.approx(dumps.single.value * CM2_PER_S, rel=1e-9)
    assert found["jumps"]["800K"]["hops"]["value"] == dumps.jumps.hops
    assert found["conductivity"]["800K"]["value"] > 0
    assert "at least two temperatures" in found["activation_energy"]["reason"]
    assert Path("here/figures/msd.png").exists()


def test_without_a_temperature_there_is_no_conductivity(command, dumps):
    assert command(*ANALYSE, "input=u.dump")[0] == 0
    found = json.loads(Path("here/results.json").read_text())["diffusion"]
    assert found["conductivity"]["input"]["value"] is None
    assert "analyse.temperature" in found["conductivity"]["input"]["reason"]
    assert found["diffusivity"]["input"]["value"] > 0


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("input=bare.dump",), 3, "wrapped into the cell"),
        (("input=u.dump", "analyse.frames=:5"), 3, "5 frames; at least 10"),
        (("input=u.dump", "diffusion.hop_ps=0"), 2, "diffusion.hop_ps"),
        (("input=u.dump", "diffusion.temperatures=[700,-1]"), 2, "diffusion.temperatures"),
        (("input=u.dump", "diffusion.temperatures=[700,hot]"), 2, "every entry must be a number"),
    ],
)
def test_refusals(command, dumps, arguments, code, words):
    found, _, err = command(*ANALYSE, *arguments)
    assert found == code
    assert words in err
    assert len(err.strip().splitlines()) == 1


# --- runs -----------------------------------------------------------------------------------------

LIBRARY = Path(__file__).parents[1] / "validation" / "glasses"
SETTINGS = (
    *("scale=smoke", "stages=[diffusion,report]", "seed=3", "engine.cores=1"),
    *("diffusion.temperatures=[1500,1800]", "diffusion.equilibrate_ps=0.1", "diffusion.chunk_ps=0.72"),
    *("diffusion.longest_ps=1.44", f"input={LIBRARY / '45LiBP-seed0.extxyz.gz'}"),
)


def study(path: Path, *more: str) -> dict:
    """Results of a small study of a glass of the library; continues what is in `path`."""
    with initialize_config_dir(str(conf_folder()), version_base=None):
        settings = OmegaConf.to_container(compose("config", overrides=[*SETTINGS, *more]), resolve=True)
    run_study(check_config(settings), path, "")
    return json.loads((path / "results.json").read_text())


def recorded(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Times and fractional coordinates of a run."""
    segments = [np.load(file) for file in sorted((path / "trajectory").glob("*.npz"))]
    return tuple(np.concatenate([s[key] for s in segments]) for key in ("time", "fractional"))


def test_the_settings_of_every_scale_are_a_protocol():
    for scale in ("smoke", "laptop", "paper"):
        with initialize_config_dir(str(conf_folder()), version_base=None):
            settings = OmegaConf.to_container(compose("config", overrides=[f"scale={scale}"]), resolve=True)
        config = check_config(settings)
        protocol = protocol_of(config.get("diffusion"))
        assert protocol.stages(protocol.temperatures[0])[1].steps >= 720
        assert "diffusion" not in config.stages


class Killed(BaseException):
    """Nothing catches it, as nothing catches a kill."""


@pytest.mark.slow
def test_runs_end_one_by_one_and_continue_after_a_kill(tmp_path, monkeypatch):
    """The hotter lane is known after one chunk and ends; the other goes on. A kill between them changes nothing."""
    from jaxglass.transport import diffusion as stage

    def known(lane, protocol, slope, progress):
        return lane.directory.path.name == "1800K"

    monkeypatch.setattr(stage, "is_known", known)
    whole = study(tmp_path / "whole")
    times, places = zip(*(recorded(tmp_path / "whole" / "diffusion" / f"{T}K") for T in (1500, 1800)), strict=True)
    assert [len(t) for t in times] == [20, 10]
    for t in times:
        np.testing.assert_allclose(np.diff(t), 0.072, atol=1e-9)
    assert "budget" in whole["diffusion"]["ended"]["1500K"]
    assert whole["diffusion"]["frames"] == {"1500K": 20, "1800K": 10}
    assert (tmp_path / "whole" / "report.html").exists()

    def struck(lane, protocol, slope, progress):
        if not (tmp_path / "struck").exists():
            (tmp_path / "struck").touch()
            raise Killed
        return known(lane, protocol, slope, progress)

    monkeypatch.setattr(stage, "is_known", struck)
    with pytest.raises(Killed):
        study(tmp_path / "again")
    assert study(tmp_path / "again")["diffusion"] == whole["diffusion"]
    for T, expected in zip((1500, 1800), places, strict=True):
        np.testing.assert_array_equal(recorded(tmp_path / "again" / "diffusion" / f"{T}K")[1], expected)


@pytest.mark.slow
def test_simulated_frames_by_other_programs(tmp_path):
    """MSD of the same frames by tidynamics (1e-9) and, of a dump of them, D with images and without."""
    tidynamics = pytest.importorskip("tidynamics")
    from jaxglass.structures import read_frame

    study(tmp_path, "diffusion.temperatures=[1800]", "diffusion.relative_error=1e-3")
    glass = read_frame(LIBRARY / "45LiBP-seed0.extxyz.gz")
    time, fractional = recorded(tmp_path / "diffusion" / "1800K")
    order = np.argsort(glass.species, kind="stable")
    whole = replace(
        glass,
        time=time,
        fractional=fractional,
        cell=np.tile(glass.cell, (len(time), 1, 1)),
        species=glass.species[order],
        unwrapped=True,
    )
    paths = make_paths(whole)
    positions = paths.of(paths.atoms("Li"))
    expected = np.mean([tidynamics.msd(np.ascontiguousarray(x)) for x in positions.transpose(1, 0, 2)], axis=0)
    msd = mean_squared_displacement(paths)
    within("relative difference", np.abs(msd.msd[1:] / expected[1:] - 1).max(), 1e-9)
    stored = json.loads((tmp_path / "results.json").read_text())["diffusion"]["msd"]["1800K"]
    lags = np.rint(np.array(stored["lag"]["values"]) / 0.072).astype(int)
    np.testing.assert_allclose(stored["Li"]["values"], msd.msd[lags], rtol=1e-6)
    assert diffusivity(paths).window.lags.size in (0, *range(2, 33))
