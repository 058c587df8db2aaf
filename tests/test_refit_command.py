"""task=refit from end to end: two compositions, one held out, every file, and the same bits after a kill."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import yaml

TARGETS = "[{file: S.txt, li2o: 33.3, density: 2.3}, {file: S.txt, li2o: 40, density: 2.3, hold_out: true}]"
SMALL = (
    *("scale=smoke", "engine.cores=1", "potential.cutoff=4.0", "glass.n_atoms=120"),
    *("protocol.melt_ps=0.1", "protocol.quench_rate=50000", "protocol.relax_nvt_ps=0.05", "protocol.relax_npt_ps=0.1"),
    *("kind=xray", "quantity=S_q", f"targets={TARGETS}", 'parameters=["V P-O"]', "profiles=0"),
    *("seeds=2", "outer_steps=1", "inner_steps=1", "resting=1", "topology_quenches=4"),
)
SETTINGS = [word if "." in word.split("=")[0] or word.startswith("scale") else f"refit.{word}" for word in SMALL]


def started(folder: Path) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "jaxglass", "task=refit", *SETTINGS, f"hydra.run.dir={folder.name}"],
        cwd=folder.parent,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.DEVNULL,
    )


@pytest.mark.slow
def test_a_killed_refit_ends_as_one_that_was_not(tmp_path):
    """Killed after the first round, within the second; J_topo is read from what was kept."""
    Q = np.arange(0.7, 15.0, 0.05)
    np.savetxt(tmp_path / "S.txt", np.column_stack([Q, 1 - np.exp(-0.05 * Q**2) * np.cos(2.4 * Q)]), fmt="%.4f")
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert started(whole).wait(900) == 0
    process = started(killed)
    until = time.monotonic() + 900
    while not (killed / "iterations" / "000.json").exists() and time.monotonic() < until:
        time.sleep(0.1)
    process.send_signal(signal.SIGKILL)
    process.wait(60)
    assert not (killed / "results.json").exists()
    assert started(killed).wait(900) == 0
    found, again = (json.loads((folder / "results.json").read_text())["refit"] for folder in (whole, killed))
    assert found == again
    assert [target["hold_out"] for target in found["targets"]] == [False, True]
    assert found["iterations"][-1]["cost"] < found["iterations"][0]["cost"]
    assert found["parameters"][0]["ln_change"]["error"] > 0
    for target in found["targets"]:
        made = {path.name for path in (whole / "lammps" / target["name"]).iterdir()}
        assert made == {"in.lammps", "structure.data", "short.table"}
    potential = yaml.safe_load((whole / "potential.yaml").read_text())
    assert potential["cutoff_style"] == "c2"
    assert "data:image" in (whole / "report.html").read_text()
