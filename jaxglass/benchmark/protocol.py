"""Questions from the benchmark to the processes it times, one line each way.

    parent: block nvt 288 72          child: {"answer": 0.0034}
    parent: peak_memory               child: {"error": "ConfigError", "message": "..."}

A process ends when its standard input does. Whatever else it prints goes to standard error.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jaxglass
from jaxglass import errors
from jaxglass.errors import JaxglassError, ResourceError


def cores_for(count: int) -> tuple[int, ...]:
    """The first `count` cores of this process; empty where the system cannot pin."""
    return tuple(sorted(os.sched_getaffinity(0))[:count]) if hasattr(os, "sched_getaffinity") else ()


@contextmanager
def pinned(cores: Sequence[int]) -> Iterator[None]:
    """Programs started inside run on `cores` only, all their threads included."""
    if not cores:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)  # of this thread, which is what a new process inherits
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


class Child:
    """A process that answers questions; `label` says in messages what it works on."""

    def __init__(
        self,
        module: str,
        arguments: Sequence[str],
        cores: Sequence[int],
        label: str,
        environment: Mapping[str, str] | None = None,
    ):
        """Start `python -m module arguments` pinned to `cores`."""
        self.label = label
        self.complaints = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed in `close`
        package = str(Path(jaxglass.__file__).parents[1])
        path = os.pathsep.join(p for p in (package, os.environ.get("PYTHONPATH", "")) if p)
        with pinned(cores):
            self.process = subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self.complaints,
                text=True,
                env={**os.environ, **(environment or {}), "PYTHONPATH": path},
            )

    def ask(self, *words: Any) -> Any:
        """The answer to one question; `ResourceError` when the process has died, or its own typed error."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            self.process.stdin.write(" ".join(map(str, words)) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise ResourceError(self._obituary())
        reply = json.loads(line)
        if "error" in reply:
            kind = getattr(errors, reply["error"], ResourceError)
            raise kind(reply["message"])
        return reply["answer"]

    def close(self) -> None:
        """End the process."""
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except BrokenPipeError:  # it died with a question unread
                    continue
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.complaints.close()

    def __enter__(self) -> "Child":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _obituary(self) -> str:
        code = self.process.wait()
        self.complaints.seek(0)
        said = [line for line in self.complaints.read().splitlines() if line.strip()]
        how = f"killed by signal {-code}" if code < 0 else f"exit code {code}"
        last = f": {said[-1].strip()[:200]}" if said else ""
        advice = "; too little memory? use smaller benchmark.atoms or benchmark.growth" if code == -9 else ""
        return f"benchmark: the process timing {self.label} ended early ({how}){last}{advice}"


def serve(answers: Mapping[str, Callable[..., Any]]) -> None:
    """Answer questions from standard input until it ends; the first word names the answer, the rest are arguments."""
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # libraries that print must not spoil the replies
    with replies:
        for line in sys.stdin:
            name, *words = line.split()
            try:
                reply = {"answer": answers[name](*words)}
            except JaxglassError as error:
                reply = {"error": type(error).__name__, "message": str(error)}
            replies.write(json.dumps(reply, allow_nan=False) + "\n")
            replies.flush()
