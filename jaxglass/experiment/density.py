"""Density by Archimedes' method (section 2.4; the paper gives no equation).

    rho = m_a/(m_a - m_l) (rho_l - rho_a) + rho_a

m_a, m_l (g) apparent mass in air and in the liquid, rho_l the density of the liquid, rho_a that of air, all densities
in g/cm3. The paper weighed in ethanol at 293.2 K. Leaving the air out makes a glass of 2.45 g/cm3 0.0025 too dense.
"""

from jaxglass.errors import InputDataError
from jaxglass.experiment.propagation import Uncertain, propagate

AIR = Uncertain(0.0012, 0.0)  # g/cm3, at 20 degC and 1013 hPa: CIPM-2007, Metrologia 45 (2008) 149


def archimedes_density(
    mass_in_air: Uncertain, mass_in_liquid: Uncertain, liquid: Uncertain, air: Uncertain = AIR
) -> Uncertain:
    """Density (g/cm3) of a solid from two weighings (g) and the densities of `liquid` and `air` (g/cm3).

    Raises `InputDataError` when the solid does not weigh less in the liquid than in air.
    """
    if not 0 <= mass_in_liquid.value < mass_in_air.value:
        raise InputDataError(
            f"{mass_in_air.value:g} g in air, {mass_in_liquid.value:g} g in the liquid: the second must be the smaller"
        )
    return propagate(lambda m_a, m_l, rho_l, rho_a: m_a / (m_a - m_l) * (rho_l - rho_a) + rho_a,
                     mass_in_air, mass_in_liquid, liquid, air)  # fmt: skip
