"""E and nu of a finished glass at rest at zero pressure: exact derivatives, no temperature."""

from pathlib import Path

import numpy as np
import yaml

ACCURACY = 1e-6  # of the Coulomb sum: where a pair leaves its real-space part forces jump as much, in eV/A
FORCE = 1e-5  # eV/A, left at rest
METHOD = f"at rest at zero pressure, 0 K, forces below {FORCE} eV/A, coulomb_accuracy {ACCURACY}, cutoff_style c2"


def moduli_at_rest(run: Path) -> dict[str, float]:
    """`young_modulus` (GPa) and `poisson_ratio` of the glass of a run directory, NaN where it has no minimum.

    The cutoff ends smoothly here (`cutoff_style: c2`) and the Coulomb sum is finer than in a run: otherwise some
    glasses keep a force.
    """
    from jaxglass.config import check_config
    from jaxglass.errors import NumericalError
    from jaxglass.mechanics.glass import glass_from, plan_for
    from jaxglass.response.moduli import athermal_moduli
    from jaxglass.response.zero_pressure import settle

    values = yaml.safe_load((run / "config.yaml").read_text())
    values["potential"]["cutoff_style"] = "c2"
    values["engine"]["coulomb_accuracy"] = ACCURACY
    config = check_config(values)
    glass = glass_from(config, run / "glass.extxyz")
    plan = plan_for(config, glass.system, glass.parameters, volume_margin=1.1)
    try:
        found = athermal_moduli(settle(plan, glass.parameters.potential, glass.system, FORCE))
    except NumericalError:
        return {"young_modulus": float(np.nan), "poisson_ratio": float(np.nan)}
    return {"young_modulus": found.young_modulus.value, "poisson_ratio": found.poisson_ratio.value}
