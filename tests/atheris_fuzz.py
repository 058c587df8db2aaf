"""Coverage-guided fuzzing of one parser by atheris: python tests/atheris_fuzz.py NAME SECONDS FOLDER,
NAME one of `PARSERS`.

The promise is that of test_fuzz.py: an answer or one line of a `JaxglassError`, within a second. atheris stops at the
first input that breaks it and leaves it in FOLDER as `crash-...`; inputs that reach new code are kept in FOLDER/NAME.
Not part of the tests: atheris has to be installed by hand (`pip install atheris`).
"""

import sys
from collections.abc import Callable
from pathlib import Path

import atheris

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]
with atheris.instrument_imports(include=["jaxglass"], enable_loader_override=False):
    from test_fuzz import ARCHIVE, TEXTS, WHOLE, answers_or_refuses

    from jaxglass.simulation.archive import read_archive
    from jaxglass.simulation.files import read_json
    from jaxglass.structures import read_structure
    from jaxglass.trajectories import read_trajectory

PARSERS: dict[str, tuple[bytes, Callable[[Path], object]]] = {
    **{name: (whole.encode(), read_trajectory) for name, whole in WHOLE.items()},
    **{name: (whole.encode(), read) for name, (whole, read) in TEXTS.items()},
    "structure.xyz": (WHOLE["a.xyz"].encode(), read_structure),
    "000000001.npz": (ARCHIVE, lambda path: read_archive(path.read_bytes(), path.name)),
    "status.json": (b'{"state": "running", "finished": ["a"], "x": [1.5, null]}', read_json),
}


def main() -> None:
    """Fuzz until the time is over or something breaks."""
    name, seconds, folder = sys.argv[1], sys.argv[2], Path(sys.argv[3]).resolve()
    seed, read = PARSERS[name]
    corpus, place = folder / name, folder / f"{name}-input"
    for one in (corpus, place):
        one.mkdir(parents=True, exist_ok=True)
    (corpus / "whole").write_bytes(seed)
    path = place / name

    def one_input(content: bytes) -> None:
        path.write_bytes(content)
        answers_or_refuses(lambda: read(path))

    limits = [f"-max_total_time={seconds}", "-max_len=6000", "-timeout=5", "-rss_limit_mb=3000"]
    atheris.Setup([sys.argv[0], str(corpus), *limits, f"-artifact_prefix={folder}/{name}-"], one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
