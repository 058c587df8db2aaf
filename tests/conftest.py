"""Every test runs in float64; the small glass is made once per session; compiled programs stay in `.pytest_cache`."""

import os
import sys
from collections.abc import Iterator

# Half of the compiler's time for programs three times as slow, here and in what tests start: a third less in all. Slow
# tests that measure, and users, have what XLA does by itself: XLA_FLAGS= pytest -m slow.
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=1 --xla_cpu_use_fusion_emitters=false")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # as the command does: each program read from the cache is reported

import jax  # noqa: E402
import pytest  # noqa: E402

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_num_cpu_devices", 2)  # tests of divided atoms and lanes need two

from systems import Glass, Structure, glass_cells, glass_potential, stored_glass  # noqa: E402

from jaxglass.__main__ import main  # noqa: E402
from jaxglass.model.potential import Potential  # noqa: E402
from jaxglass.units import COULOMB_LAMMPS  # noqa: E402


def pytest_configure(config: pytest.Config) -> None:
    """Workers and the programs that tests start compile each program once between them."""
    folder = os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(config.cache.mkdir("xla")))
    jax.config.update("jax_compilation_cache_dir", folder)
    seconds = os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")  # the many small ones too
    jax.config.update("jax_persistent_cache_min_compile_time_secs", float(seconds))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first, so that no worker ends long after the other."""
    items.sort(key=lambda item: item.path.stem not in LONGEST)


LONGEST = (
    *("test_run", "test_dynamics", "test_engine", "test_ensemble", "test_gradients", "test_lammps", "test_sweep"),
    *("test_refit_derivatives", "test_refit_task", "test_refit_truth"),
)


@pytest.fixture(scope="module", autouse=True)
def programs_are_dropped() -> Iterator[None]:
    """After every file: each compiled program holds several maps of memory, and a process with more than
    `vm.max_map_count` of them (65,530) dies inside the compiler."""
    yield
    jax.clear_caches()


@pytest.fixture(scope="session")
def potential() -> Potential:
    """The Li-B-P-O potential with CODATA constants."""
    return glass_potential()


@pytest.fixture(scope="session")
def potential_lammps() -> Potential:
    """The same with the Coulomb constant of LAMMPS."""
    return glass_potential(coulomb_constant=COULOMB_LAMMPS)


@pytest.fixture(scope="session")
def glass() -> Glass:
    """504 atoms of 40LiBP at 3000 K and quenched to 300 K."""
    return stored_glass()


@pytest.fixture(scope="session")
def cells(glass: Glass) -> dict[str, Structure]:
    """The glass and its relatives."""
    return glass_cells(glass)


@pytest.fixture
def command(monkeypatch, tmp_path, capfd):
    """Runs jaxglass with arguments in an empty directory: exit code, standard output, standard error."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["jaxglass", *arguments])
        code = main()
        out, err = capfd.readouterr()
        return code, out, err

    return run
