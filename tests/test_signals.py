"""Requests to stop: in the loop, in an analysis, by the wall time, twice, and for whoever watched before."""

import json
import os
import signal
import time
from pathlib import Path

import pytest
from ase import Atoms
from ase.io import write
from small_run import STAGES, small_run
from structures import lithium_oxide, supercell

from jaxglass import analyse
from jaxglass.errors import Preempted
from jaxglass.simulation import run as loop
from jaxglass.simulation import signals
from jaxglass.simulation.checkpoint import load_latest
from jaxglass.simulation.signals import StopAtOnce, StopRequest


def send(number: int) -> None:
    os.kill(os.getpid(), number)


def send_twice(number: int) -> None:
    send(number)
    time.sleep(0.01)
    send(number)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2])
def test_work_without_a_checkpoint_stops_where_it_is(number):
    name = signal.Signals(number).name
    with pytest.raises(Preempted, match=f"stopped by {name}; run the same command"), StopAtOnce():
        send(number)


def test_a_loop_that_looks_is_left_to_look():
    with StopAtOnce(), StopRequest() as stop:
        send(signal.SIGTERM)
        assert stop.name == "SIGTERM"
        stop.number = 0  # seen
    assert stop.name == "SIGTERM"


def test_a_request_nobody_saw_is_not_lost():
    with pytest.raises(Preempted, match="SIGTERM"), StopAtOnce(), StopRequest():
        send(signal.SIGTERM)


def test_the_handler_before_acts_after_the_work():
    """As submitit's, which queues the job again."""
    heard = []
    before = signal.signal(signal.SIGUSR2, lambda *_: heard.append("queued again"))
    try:
        with StopRequest() as stop:
            send(signal.SIGUSR2)
            assert (stop.name, heard) == ("SIGUSR2", [])
        assert heard == ["queued again"]
    finally:
        signal.signal(signal.SIGUSR2, before)


def test_a_second_request_ends_at_once_unless_it_is_an_echo(monkeypatch):
    with StopRequest() as stop:
        send(signal.SIGTERM)
        send(signal.SIGTERM)
        assert stop.name == "SIGTERM"
        stop.number = 0
    monkeypatch.setattr(signals, "ECHO", 0.0)
    with pytest.raises(KeyboardInterrupt), StopRequest():
        send_twice(signal.SIGTERM)


def test_wall_time_in_a_run_leaves_a_checkpoint(tmp_path, monkeypatch):
    show = loop.Progress.show

    def slowly(*arguments, **keywords):
        show(*arguments, **keywords)
        time.sleep(0.3)

    monkeypatch.setattr(loop.Progress, "show", slowly)
    small_run(tmp_path / "warm", STAGES[:1])  # so that the second run needs no compiler
    with pytest.raises(Preempted, match="stopped by max_walltime at step"), StopAtOnce(max_walltime=3.0 / 3600):
        small_run(tmp_path / "cold")
    assert load_latest(tmp_path / "cold" / "checkpoints") is not None
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def write_glass(path: str) -> None:
    symbols, fractional, cell = supercell(*lithium_oxide(), 2)
    write(path, Atoms(symbols, scaled_positions=fractional, cell=cell, pbc=True), format="extxyz")


@pytest.mark.parametrize("how", ["SIGTERM", "max_walltime"])
def test_an_analysis_is_stopped_and_done_again(command, monkeypatch, how):
    """Exit code 75, status preempted; the same command completes it."""
    write_glass("in.xyz")
    read = analyse.read_trajectory

    def interrupted(*arguments):
        if how == "SIGTERM":
            send(signal.SIGTERM)
        time.sleep(5)
        return read(*arguments)

    arguments = ["task=analyse", "input=in.xyz", "stages=[structure]", "hydra.run.dir=here"]
    limit = ["max_walltime=1e-4"] if how == "max_walltime" else []
    with monkeypatch.context() as patch:
        patch.setattr(analyse, "read_trajectory", interrupted)
        code, _, err = command(*arguments, *limit)
    assert code == 75
    assert err.strip() == f"jaxglass: stopped by {how}; run the same command to continue"
    assert json.loads(Path("here/status.json").read_text())["state"] == "preempted"
    assert command(*arguments)[0] == 0
    assert json.loads(Path("here/status.json").read_text())["state"] == "done"
