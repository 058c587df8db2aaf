"""How JAX is set up, and the sentinel that refuses a JAX that miscompiles."""

import contextlib
import os
from pathlib import Path

import numpy as np

from jaxglass.errors import ConfigError, ResourceError

SENTINEL_ROWS = 20_000


def core_numbers() -> list[int]:
    """Numbers of the cores that this process may use."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))


def available_cores() -> int:
    """How many cores this process may use."""
    return len(core_numbers())


def configure(device: str = "auto", cores: int = 1) -> None:
    """float64 on, full float32 products, `cores` CPU devices; called once by every entry point before arrays are made.

    `device` is auto, cpu or gpu; `ConfigError` when a GPU is asked for and JAX has none.
    """
    import jax

    jax.config.update("jax_enable_x64", True)
    jax.config.update("jax_default_matmul_precision", "highest")
    _keep_compiled_programs()
    if device == "cpu":
        jax.config.update("jax_platforms", "cpu")
    if cores > 1:
        with contextlib.suppress(RuntimeError):  # JAX is already running in this process: use the devices it has
            jax.config.update("jax_num_cpu_devices", cores)
    if device == "gpu" and jax.default_backend() != "gpu":
        raise ConfigError(
            f"engine.device = 'gpu': JAX finds only {jax.default_backend()}; "
            "install jaxglass[cuda] or set engine.device=cpu"
        )


def _keep_compiled_programs() -> None:
    """Compiled programs stay in the user's cache folder, unless JAX_COMPILATION_CACHE_DIR names another."""
    import jax

    if jax.config.jax_compilation_cache_dir is None:  # type: ignore[attr-defined]
        home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        jax.config.update("jax_compilation_cache_dir", str(Path(home) / "jaxglass" / "xla"))


def shards_for(n_atoms: int, cores: int | None) -> int:
    """Devices that divide the atoms: as asked, else one per core while each keeps at least 250 atoms (CPU only)."""
    import jax

    if jax.default_backend() != "cpu":
        return 1
    return max(1, min(len(jax.devices()), cores or n_atoms // 250))


def require_float64() -> None:
    """`ConfigError` when JAX would silently turn float64 into float32."""
    import jax

    if not jax.config.jax_enable_x64:  # type: ignore[attr-defined]
        raise ConfigError("JAX runs without float64; call jaxglass.runtime.configure() before building systems")


def miscompilation(rows: int = SENTINEL_ROWS) -> float:
    """Largest difference between compiled and NumPy distances of `rows` triclinic pairs (A); rounding is 1e-14.

    jax 0.10.2 returns wrong values on CPU from 16,385 rows on (jax-ml/jax issue 39103).
    """
    import jax
    import jax.numpy as jnp

    cell = np.array([[20.0, 0.0, 0.0], [3.0, 21.0, 0.0], [-2.0, 4.0, 19.0]])
    difference = np.random.default_rng(1).random((rows, 3)) - 0.5

    def distance(d):
        vector = jnp.asarray(cell.T) @ (d - jnp.round(d))
        return jnp.sum(vector * vector)

    compiled = np.asarray(jax.jit(jax.vmap(distance))(jnp.asarray(difference)))
    expected = (((difference - np.round(difference)) @ cell) ** 2).sum(1)
    return float(np.abs(np.sqrt(compiled) - np.sqrt(expected)).max())


def check_compiler() -> None:
    """Refuse to simulate with a JAX that gives wrong distances; takes well under a second."""
    import jax

    worst = miscompilation()
    if worst > 1e-9:
        raise ResourceError(
            f"jax {jax.__version__} miscompiles: distances off by {worst:.2g} A; "
            f"install another version, e.g. pip install 'jax!={jax.__version__}'"
        )
