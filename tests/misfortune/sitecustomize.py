"""For tests of sweeps: a job that opens exits.xyz, killed.xyz or raises.xyz meets with what the name says.

Python imports this file when the folder is on PYTHONPATH; it acts in the processes of jobs only, and not at all once
`MISFORTUNE` is unset.
"""

import builtins
import os
import signal
import sys

_open = builtins.open


def _unlucky(file, *arguments, **keywords):
    name = os.path.basename(str(file))
    if name == "exits.xyz":
        sys.exit(3)
    if name == "killed.xyz":
        os.kill(os.getpid(), signal.SIGKILL)
    if name == "raises.xyz":
        raise RuntimeError("a bug")
    return _open(file, *arguments, **keywords)


if os.environ.get("MISFORTUNE") and "jaxglass.sweep.child" in sys.orig_argv:
    builtins.open = _unlucky
