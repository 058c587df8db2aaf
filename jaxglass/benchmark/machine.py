"""The machine a figure belongs to."""

import os
import platform
from dataclasses import dataclass
from pathlib import Path

from jaxglass.runtime import available_cores


@dataclass(frozen=True)
class Machine:
    """Processor, cores this process may use, memory (GB), system, and how busy it was when the benchmark began."""

    processor: str
    architecture: str
    cores: int
    memory_GB: float
    system: str
    load_average: float | None

    @property
    def busy(self) -> bool:
        """Whether other programs already kept a core busy before anything was timed."""
        return self.load_average is not None and self.load_average > 0.5


def this_machine() -> Machine:
    """The machine this runs on."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    load = round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None
    return Machine(_processor(), platform.machine(), available_cores(), round(memory, 1), f"{platform.system()}", load)


def _processor() -> str:
    """Model name with its widest vector instructions, which decide the speed of the kernel."""
    path = Path("/proc/cpuinfo")
    if not path.exists():
        return platform.processor() or "unknown"
    fields = dict(
        (name.strip(), value.strip())
        for name, _, value in (line.partition(":") for line in path.read_text().splitlines())
        if value
    )
    vectors = next((v for v in ("avx512f", "avx2", "avx", "asimd") if v in fields.get("flags", "").split()), None)
    return fields.get("model name", "unknown") + (f" ({vectors})" if vectors else "")
