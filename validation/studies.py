"""Studies of the glass library: every glass in a process of its own on one core, one process per core."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Queue
from typing import Any

from validation.library import Glass


def run_studies(some: Sequence[Glass], stages: Sequence[str], settings: Mapping[str, Any], folder: Path) -> None:
    """Run or continue `stages` of every glass in run directories named after them in `folder`."""
    cores: Queue[int] = Queue()
    for core in sorted(os.sched_getaffinity(0)):
        cores.put(core)

    def study(glass: Glass) -> None:
        core = cores.get()
        try:
            command = [sys.executable, "-m", "jaxglass", f"stages=[{','.join(stages)}]", f"input={glass.path}"]
            command += [f"seed={glass.seed}", "engine.cores=1", f"hydra.run.dir={folder / glass.name}"]
            command += [f"{key}={value}" for key, value in settings.items()]
            folder.mkdir(parents=True, exist_ok=True)
            with (folder / f"{glass.name}.log").open("a") as log:
                subprocess.run(["taskset", "-c", str(core), *command], check=True, stdout=log, stderr=log)
        finally:
            cores.put(core)

    with ThreadPoolExecutor(cores.qsize()) as pool:
        list(pool.map(study, some))
