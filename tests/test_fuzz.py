"""Every parser on damaged and invented input: an answer or a `JaxglassError` of one line, nothing else, and soon."""

import hashlib
import io
import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jaxglass.analysis.measured_curve import read_curve
from jaxglass.config import check_config, conf_folder
from jaxglass.errors import CheckpointError, ConfigError, InputDataError, JaxglassError
from jaxglass.experiment.laboratory import read_glass
from jaxglass.parameters import default_settings, load_parameters
from jaxglass.simulation.archive import read_archive
from jaxglass.simulation.checkpoint import load_latest, save
from jaxglass.simulation.files import read_json
from jaxglass.simulation.position import restored
from jaxglass.structures import read_structure
from jaxglass.trajectories import Reading, read_trajectory

LONGEST = 1.0  # s for one input
quick = settings(
    max_examples=int(os.environ.get("EXAMPLES", "60")),
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

XYZ = 'Lattice="5 0 0 0 5 0 0 0 5" Properties=species:S:1:pos:R:3 pbc="T T T" step=0'
WHOLE = {
    "a.xyz": f"2\n{XYZ}\nLi 0.0 0.0 0.0\nO 2.0 0.0 0.0\n2\n{XYZ}\nLi 0.1 0.0 0.0\nO 2.0 0.0 0.0\n",
    "a.data": "a title\n\n2 atoms\n2 atom types\n0 5 xlo xhi\n0 5 ylo yhi\n0 5 zlo zhi\n0 0 0 xy xz yz\n\nMasses\n\n"
    "1 6.94\n2 15.999\n\nAtoms # charge\n\n1 1 0.6 0.0 0.0 0.0\n2 2 -1.2 2.0 0.0 0.0\n",
    "a.dump": "ITEM: TIMESTEP\n0\nITEM: NUMBER OF ATOMS\n2\nITEM: BOX BOUNDS pp pp pp\n0 5\n0 5\n0 5\n"
    "ITEM: ATOMS id element x y z\n1 Li 0.0 0.0 0.0\n2 O 2.0 0.0 0.0\n",
}
WORDS = ["nan", "inf", "-1", "0", "1e400", "99999999999999999999", "ITEM: ATOMS", "2 atoms", "Masses", "Lattice=", '"']
WORDS += ["Atoms # full", "pos:R:3", "abc origin", "\x00", "\r", "é", "#", "=", "1e-320", "0x10", "1_0", "٣"]


@st.composite
def damaged(draw: st.DrawFn, text: str) -> str:
    """`text` with a few pieces replaced, doubled, dropped or put elsewhere."""
    for _ in range(draw(st.integers(1, 4))):
        a = draw(st.integers(0, len(text)))
        b = min(len(text), a + draw(st.integers(0, 12)))
        piece = draw(st.sampled_from([*WORDS, "", text[a:b] * 2, text[:b]]) | st.text(max_size=6))
        text = text[:a] + piece + text[b:]
    return text


def answers_or_refuses(act: Callable[[], object]) -> None:
    """The one thing that every parser promises."""
    began, said = time.process_time(), "an answer"
    try:
        act()
    except JaxglassError as error:
        said = str(error)
    assert said
    assert len(said.splitlines()) == 1
    assert time.process_time() - began < LONGEST


@pytest.mark.parametrize("name", WHOLE)
@quick
@given(data=st.data())
def test_trajectories(tmp_path, name, data):
    path = tmp_path / name
    path.write_text(data.draw(damaged(WHOLE[name])), encoding="utf-8", errors="surrogateescape")
    answers_or_refuses(lambda: read_trajectory(path, Reading(("Li", "O") if data.draw(st.booleans()) else ())))


@pytest.mark.parametrize("name", ["a.xyz", "a.data", "a.dump", "a.txt.gz"])
@quick
@given(content=st.binary(max_size=300))
def test_trajectories_of_any_bytes(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    answers_or_refuses(lambda: read_trajectory(tmp_path / name))


def test_a_count_beyond_all_files_is_refused_at_once(tmp_path):
    """ASE's reader counts to the end."""
    (tmp_path / "a.xyz").write_text(WHOLE["a.xyz"].replace("2\n", "99999999999999999999\n", 1))
    answers_or_refuses(lambda: read_structure(tmp_path / "a.xyz"))


def test_an_atom_out_of_all_bounds_is_refused(tmp_path):
    """Its cell number would not fit into an integer, and its neighbours would be others."""
    (tmp_path / "a.xyz").write_text(WHOLE["a.xyz"].replace("O 2.0 0.0 0.0", "O 2.0 0.0 1e21"))
    with pytest.raises(InputDataError, match="atom 2 lies 2.0e\\+20 cells away"):
        read_structure(tmp_path / "a.xyz")


@pytest.mark.parametrize("name", WHOLE)
@quick
@given(data=st.data())
def test_structures(tmp_path, name, data):
    path = tmp_path / name
    path.write_text(data.draw(damaged(WHOLE[name])), encoding="utf-8", errors="surrogateescape")
    answers_or_refuses(lambda: read_structure(path))


CURVE = "# r (A), T\n" + "".join(f"{0.1 * k:.2f} {1 + 0.01 * k:.3f} 0.1\n" for k in range(25))


@quick
@given(content=st.binary(max_size=200))
def test_measured_curves_of_any_bytes(tmp_path, content):
    (tmp_path / "curve.txt").write_bytes(content)
    answers_or_refuses(lambda: read_curve(tmp_path / "curve.txt", "S_q"))


MEASUREMENTS = """name: 40LiBP
density: {mass_in_air_g: {value: 3.18, error: 0.002}, mass_in_liquid_g: {readings: [2.1, 2.2]}, liquid_g_per_cm3: 0.79}
ultrasound: {longitudinal_m_per_s: {value: 5980, error: 20}, transversal_m_per_s: 3500}
crack_resistance: {load_N: [0.3, 0.5, 1.0], cracked_corners: [9, 23, 58], corners: [120, 120, 120]}
"""


def test_more_corners_than_anybody_counted(tmp_path):
    """Found by atheris: 6e171 corners overflowed in the fit."""
    path = tmp_path / "measurements.yaml"
    path.write_text(MEASUREMENTS.replace("corners: [120,", f"corners: [{'6' * 172},"))
    with pytest.raises(InputDataError, match="are no counts"):
        read_glass(path)


POTENTIAL = (conf_folder() / "potential" / "deng_du.yaml").read_text()
COUNTS = {"Li": 8, "B": 4, "P": 4, "O": 20}


def load(path: Path) -> object:
    return load_parameters(default_settings() | {"file": str(path)}, tuple(COUNTS), COUNTS)


#: small files of text by name: a whole one, and who reads it
TEXTS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "curve.txt": (CURVE, lambda path: read_curve(path, "T_r")),
    "measurements.yaml": (MEASUREMENTS, read_glass),
    "potential.yaml": (POTENTIAL, load),
}


@pytest.mark.parametrize("name", TEXTS)
@quick
@given(data=st.data())
def test_texts(tmp_path, name, data):
    whole, read = TEXTS[name]
    path = tmp_path / name
    path.write_text(data.draw(damaged(whole)), encoding="utf-8", errors="surrogateescape")
    answers_or_refuses(lambda: read(path))


leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
trees = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
)


@quick
@given(content=st.fixed_dictionaries({}, optional=dict.fromkeys(["charges", "buckingham", "cutoff", "a_bo"], trees)))
def test_potential_files_of_any_tree(tmp_path, content):
    (tmp_path / "potential.yaml").write_text(yaml.safe_dump(content))
    answers_or_refuses(lambda: load(tmp_path / "potential.yaml"))


def test_potential_file_that_grows_when_read(tmp_path):
    """Nine levels of nine aliases: a thousand million entries in a few hundred bytes."""
    levels = ["a0: &a0 [1,1,1,1,1,1,1,1,1]"]
    levels += [f"a{k}: &a{k} [{','.join([f'*a{k - 1}'] * 9)}]" for k in range(1, 9)]
    (tmp_path / "potential.yaml").write_text("\n".join([*levels, "charges: {Li: *a8}", "buckingham: {}"]))
    answers_or_refuses(lambda: load(tmp_path / "potential.yaml"))


def composed() -> dict:
    from hydra import compose, initialize_config_dir
    from omegaconf import OmegaConf

    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        found = OmegaConf.to_container(compose("config"), resolve=True)
    assert isinstance(found, dict)
    return found


DEFAULTS = composed()
KEYS = sorted({f"{a}.{b}" for a, v in DEFAULTS.items() if isinstance(v, dict) for b in v} | set(DEFAULTS))


@quick
@given(changes=st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=8), trees, min_size=1, max_size=4))
def test_settings(changes):
    values = json.loads(json.dumps(DEFAULTS))
    for key, value in changes.items():
        *folders, last = key.split(".")
        node = values
        for folder in folders:
            node = node[folder] if isinstance(node.get(folder), dict) else node.setdefault(f"{folder}_", {})
        node[last] = value

    def use() -> None:
        config = check_config(values)
        assert config.name
        assert config.hash

    answers_or_refuses(use)


def npz(**arrays: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()


ARCHIVE = npz(header=np.frombuffer(b'{"schema": 1}', np.uint8), x=np.arange(20.0), y=np.zeros((3, 3)))


@quick
@given(data=st.data())
def test_archives(data):
    """Bytes changed where no hash would tell: the structure of the file alone."""
    content = bytearray(ARCHIVE)
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        content = content[: data.draw(st.integers(0, len(content)))]
    answers_or_refuses(lambda: read_archive(bytes(content), "000000001.npz"))


@quick
@given(header=trees | st.dictionaries(st.sampled_from(["schema", "plan", "stage", "pace", "segments"]), trees))
def test_checkpoint_headers(tmp_path, header):
    """The header is JSON of any kind, its hash right."""
    if isinstance(header, dict):
        header = {"schema": 1} | header
    content = npz(header=np.frombuffer(json.dumps(header).encode(), np.uint8), x=np.zeros(3))
    (tmp_path / "000000001.npz").write_bytes(content)
    (tmp_path / "000000001.sha256").write_text(hashlib.sha256(content).hexdigest())

    def use() -> None:
        found = load_latest(tmp_path)
        assert found is not None
        restored(found.header, None)  # type: ignore[arg-type]

    answers_or_refuses(use)


@quick
@given(content=st.binary(max_size=100))
def test_json_files(tmp_path, content):
    (tmp_path / "status.json").write_bytes(content)
    answers_or_refuses(lambda: read_json(tmp_path / "status.json"))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"charges": {"Li": float("nan")}}, "potential.charges.Li = nan: must be finite"),
        ({"charges": {1: 0.6, "O": -1.2}}, "1 must be text"),
        ({"note": float("inf")}, "potential.note = inf"),
        ({"buckingham": {True: {"A": 1.0}}}, "True must be text"),
    ],
)
def test_settings_that_no_file_could_hold(change, words):
    with pytest.raises(ConfigError, match=words):
        check_config(DEFAULTS | {"potential": DEFAULTS["potential"] | change})


# -- what no accident makes -----------------------------------------------------------------------------------------


def test_objects_are_refused():
    with pytest.raises(CheckpointError, match="holds objects"):
        read_archive(npz(x=np.array([{"a": 1}], dtype=object)), "c.npz")


def test_archives_that_grow_are_refused():
    buffer = io.BytesIO()
    np.savez_compressed(buffer, x=np.zeros(10_000_000))
    with pytest.raises(CheckpointError, match="declares 80000"):
        read_archive(buffer.getvalue(), "c.npz")


def test_shapes_beyond_the_file_are_refused():
    content = npz(x=np.zeros(20)).replace(b"(20,)", b"(9e9)"[:5]).replace(b"(9e9)", b"(99,)")
    with pytest.raises(CheckpointError, match=r"c\.npz: "):
        read_archive(content, "c.npz")


def test_segments_outside_the_directory_are_refused(tmp_path):
    from jaxglass.simulation.directory import RunDirectory

    with RunDirectory(tmp_path / "run") as directory, pytest.raises(CheckpointError, match="not the name of a segment"):
        directory.read_segments(["../../other.npz"])


def test_sound_archives_are_read(tmp_path):
    save(tmp_path, 1, {}, {"x": np.arange(6.0).reshape(2, 3), "n": np.int64(2**40)})
    found = load_latest(tmp_path)
    assert found is not None
    assert found.leaves["['x']"].shape == (2, 3)
    assert int(found.leaves["['n']"]) == 2**40
