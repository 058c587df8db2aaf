"""The process that makes the configurations: python -m jaxglass.benchmark.preparation FOLDER.

It uses all cores and answers `make ATOMS exact|plain` with the number of atoms of FOLDER/THAT.npz.
"""

import sys
from functools import cache
from pathlib import Path

from jaxglass.benchmark.configuration import UNIT, configuration, multiple, relaxed_glass, supercell
from jaxglass.benchmark.protocol import serve
from jaxglass.benchmark.settings import load_settings
from jaxglass.model.system import System
from jaxglass.runtime import available_cores, configure


def main(folder: Path) -> None:
    """Answer until the parent has all it wants."""
    configure("cpu", available_cores())
    settings = load_settings(folder)

    @cache
    def glass(n_atoms: int) -> System:
        return relaxed_glass(settings, n_atoms)

    def make(n_atoms: str, exact: str) -> int:
        times = multiple(int(n_atoms))
        system = glass(int(n_atoms)) if times == 1 else supercell(settings, glass(UNIT), times)
        made = configuration(settings, system, exact == "exact")
        made.save(folder / f"{made.n_atoms}.npz")
        return made.n_atoms

    serve({"make": make})


if __name__ == "__main__":
    main(Path(sys.argv[1]))
