"""Kill the program at random moments, many times: is everything readable, and does it end with the same bits?

    python -m validation.kills                  200 kills over four protocols, in outputs/kills, then keep the count
    python -m validation.kills RUN COUNT        the same in the folder RUN
    python -m validation.kills RUN COUNT NAME ...   some of them: melt_quench, fracture, diffusion, refit

Every protocol first runs undisturbed. Then it is begun again and again, each time killed (SIGKILL) after a random time
and continued by the same command, until it has ended by itself; its files are then compared with the undisturbed ones.
Checkpoints are made after every block, so that many kills fall into a save. Kept in `validation/kills.json`.
"""

import gzip
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from jaxglass.errors import CheckpointError, JaxglassError
from jaxglass.manifest import versions
from jaxglass.simulation.checkpoint import load_latest
from jaxglass.simulation.files import read_json
from validation.library import glasses

FOLDER = Path(__file__).parent
COUNT, SEED = 200, 20261126
#: the command line with a checkpoint after every block
HURRIED = (
    "import sys; from jaxglass.simulation import run; run.CHECKPOINT_SECONDS = 0.0;"
    "from jaxglass.__main__ import main; sys.exit(main())"
)
SMALL = ("scale=smoke", "glass.n_atoms=240", "potential.cutoff=5.0", "engine.cores=1")
#: what a run writes about itself, about the clock and for the eye
ASIDE = ("status.json", "manifest.json", "config.yaml", "report.html", ".lock")
ASIDE_SUFFIXES = (".png", ".log", ".sha256", ".tmp")


@dataclass(frozen=True)
class Protocol:
    """A protocol and the settings that run it in well under a minute."""

    name: str
    share: float  # of the kills; most where a run is short
    arguments: tuple[str, ...]

    def start(self, folder: Path) -> subprocess.Popen:
        """A process that runs or continues it in `folder`, in a group of its own."""
        folder.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-c", HURRIED, *SMALL, *self.arguments, f"hydra.run.dir={folder / 'run'}"]
        with (folder / "log").open("a") as log:
            return subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)


def protocols(folder: Path) -> list[Protocol]:
    """The four whose loss would hurt."""
    glass = f"input={glasses()[0].path}"
    Q = np.arange(0.7, 15.0, 0.05)
    target = folder / "S.txt"
    folder.mkdir(parents=True, exist_ok=True)
    any_curve = 1 - np.exp(-0.05 * Q**2) * np.cos(2.4 * Q)
    np.savetxt(target, np.column_stack([Q, any_curve]), fmt="%.4f")
    wanted = (f"refit.target={target}", "refit.kind=xray", "refit.quantity=S_q", "refit.density=2.2")
    short = ("refit.parameters=[A_BO]", "refit.estimator=implicit", "refit.seeds=1", "refit.outer_steps=1")
    notch = ("fracture.supercell=[1,1,1]", "fracture.notch_width=0.5", "fracture.notch_height=0.7")
    return [
        Protocol("melt_quench", 0.4, ("stages=[melt_quench]",)),
        Protocol("fracture", 0.25, ("stages=[fracture]", glass, *notch)),
        Protocol("diffusion", 0.25, ("stages=[diffusion]", glass)),
        Protocol("refit", 0.1, ("task=refit", *wanted, *short, "refit.inner_steps=1")),
    ]


@dataclass
class Tally:
    """What happened to one protocol; `oldest_s`: the largest age of the newest checkpoint at a kill."""

    protocol: str
    kills: int = 0
    runs: int = 0
    unreadable: int = 0
    different: int = 0
    oldest_s: float = 0.0


def campaign(protocol: Protocol, folder: Path, kills: int, rng: np.random.Generator) -> Tally:
    """Kill `protocol` until there were `kills`, continuing each time, and finish what was begun."""
    whole, tally = folder / "undisturbed", Tally(protocol.name)
    began = time.monotonic()
    if protocol.start(whole).wait() != 0:
        raise JaxglassError(f"{protocol.name} fails undisturbed: see {whole / 'log'}")
    longest = time.monotonic() - began
    expected = dict(contents(whole / "run"))
    while tally.kills < kills:
        tally.runs += 1
        one = folder / f"{tally.runs:03d}"
        began = time.monotonic()
        while killed(protocol, one, rng.uniform(0.0, longest) if tally.kills < kills else None, tally):
            began = -np.inf
        longest = min(longest, time.monotonic() - began)  # the first run had to compile
        if dict(contents(one / "run")) != expected:
            tally.different += 1
        print(f"{protocol.name}: {tally.kills} kills, {tally.runs} runs ended, {tally.different} different", flush=True)
    return tally


def killed(protocol: Protocol, folder: Path, after_s: float | None, tally: Tally) -> bool:
    """Whether the run in `folder`, begun or continued, was killed `after_s` seconds; False when it ended by itself."""
    child = protocol.start(folder)
    began = time.time()
    try:
        code = child.wait(after_s)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        tally.kills += 1
        tally.unreadable += not readable(folder / "run")
        tally.oldest_s = max(tally.oldest_s, time.time() - newest(folder / "run", began))
        return True
    if code:
        raise JaxglassError(f"{protocol.name} does not continue (exit code {code}): see {folder / 'log'}")
    return False


def readable(run: Path) -> bool:
    """Whether every folder of checkpoints and every JSON file of `run` can be read."""
    try:
        for checkpoints in run.rglob("checkpoints"):
            load_latest(checkpoints)
        for path in run.rglob("*.json"):
            read_json(path)
    except CheckpointError as error:
        print(error)
        return False
    return True


def newest(run: Path, began: float) -> float:
    """When `run` was last saved, but not before this process `began`."""
    return max([began, *(path.stat().st_mtime for path in run.rglob("checkpoints/*.npz"))])


def contents(run: Path) -> Iterator[tuple[str, Any]]:
    """What each file of `run` holds that was computed, as bytes that can be compared."""
    for path in sorted(path for path in run.rglob("*") if path.is_file()):
        name = str(path.relative_to(run))
        if path.name in ASIDE or path.suffix in ASIDE_SUFFIXES or "hydra" in name:
            continue
        if path.suffix == ".gz":
            yield name, gzip.decompress(path.read_bytes())
        elif path.parent.name == "checkpoints":
            continue
        else:
            yield name, path.read_bytes()
    for checkpoints in sorted(run.rglob("checkpoints")):
        found = load_latest(checkpoints)
        if found is not None:
            leaves = {key: (value.dtype.str, value.shape, value.tobytes()) for key, value in found.leaves.items()}
            yield f"{checkpoints.relative_to(run)}, the last", leaves


def record(tally: Tally) -> None:
    """Write or replace the protocol in `kills.json`."""
    path = FOLDER / "kills.json"
    kept = json.loads(path.read_text())["protocols"] if path.exists() else []
    others = [one for one in kept if one["protocol"] != tally.protocol]
    about = {"date": date.today().isoformat(), "versions": versions(), "protocols": [*others, asdict(tally)]}
    path.write_text(json.dumps(about, indent=1) + "\n")


def main(arguments: Sequence[str]) -> int:
    """Command line."""
    folder = Path(arguments[0] if arguments else "outputs/kills").resolve()
    every = protocols(folder)
    count = int(arguments[1]) if len(arguments) > 1 else COUNT
    some = [one for one in every if not arguments[2:] or one.name in arguments[2:]]
    rng, failed = np.random.default_rng(SEED), False
    for one in some:
        tally = campaign(one, folder / one.name, round(one.share * count), rng)
        record(tally)
        print(asdict(tally), flush=True)
        failed |= bool(tally.unreadable or tally.different)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
