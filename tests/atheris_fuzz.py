"""Coverage-guided fuzzing of one parser by atheris: python tests/atheris_fuzz.py PARSER SECONDS FOLDER.

The promise is that of test_fuzz.py: an answer or one line of a `JaxglassError`, within a second. atheris stops at the
first input that breaks it and leaves it in FOLDER as `crash-...`; inputs that reach new code are kept in FOLDER/PARSER.
Not part of the tests: atheris has to be installed by hand (`pip install atheris`).
"""

import sys
from collections.abc import Callable
from pathlib import Path

import atheris

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]
with atheris.instrument_imports(include=["jaxglass"], enable_loader_override=False):
    from test_fuzz import ARCHIVE, CURVE, MEASUREMENTS, POTENTIAL, WHOLE, answers_or_refuses, load

    from jaxglass.analysis.measured_curve import read_curve
    from jaxglass.experiment.laboratory import read_glass
    from jaxglass.simulation.archive import read_archive
    from jaxglass.simulation.files import read_json
    from jaxglass.structures import read_structure
    from jaxglass.trajectories import read_trajectory

Reader = Callable[[Path], object]
PARSERS: dict[str, tuple[str, bytes, Reader]] = {
    "xyz": ("a.xyz", WHOLE["a.xyz"].encode(), read_trajectory),
    "data": ("a.data", WHOLE["a.data"].encode(), read_trajectory),
    "dump": ("a.dump", WHOLE["a.dump"].encode(), read_trajectory),
    "structure": ("a.xyz", WHOLE["a.xyz"].encode(), read_structure),
    "curve": ("a.txt", CURVE.encode(), lambda path: read_curve(path, "T_r")),
    "potential": ("a.yaml", POTENTIAL.encode(), load),
    "measurements": ("m.yaml", MEASUREMENTS.encode(), read_glass),
    "archive": ("000000001.npz", ARCHIVE, lambda path: read_archive(path.read_bytes(), path.name)),
    "json": ("status.json", b'{"state": "running", "finished": ["a"], "x": [1.5, null]}', read_json),
}


def main() -> None:
    """Fuzz until the time is over or something breaks."""
    parser, seconds, folder = sys.argv[1], sys.argv[2], Path(sys.argv[3]).resolve()
    name, seed, read = PARSERS[parser]
    corpus, place = folder / parser, folder / f"{parser}-input"
    for one in (corpus, place):
        one.mkdir(parents=True, exist_ok=True)
    (corpus / "whole").write_bytes(seed)
    path = place / name

    def one_input(content: bytes) -> None:
        path.write_bytes(content)
        answers_or_refuses(lambda: read(path))

    limits = [f"-max_total_time={seconds}", "-max_len=6000", "-timeout=5", "-rss_limit_mb=3000"]
    atheris.Setup([sys.argv[0], str(corpus), *limits, f"-artifact_prefix={folder}/{parser}-"], one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
