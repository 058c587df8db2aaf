"""Activation energy, extrapolation and conductivity: a synthetic line, its error by repetition, units by hand."""

import numpy as np
import pytest
from systems import within

from jaxglass.analysis.arrhenius import arrhenius, conductivity
from jaxglass.errors import InputDataError
from jaxglass.units import BOLTZMANN, CM2_PER_S

PAPER = np.array([700.0, 750.0, 800.0])
EA, D0 = 0.6, 1.3e3  # eV, A^2/ps


def line_of(temperatures: np.ndarray) -> np.ndarray:
    return D0 * np.exp(-EA / (BOLTZMANN * temperatures))


@pytest.mark.parametrize("temperatures", [PAPER, np.arange(600.0, 1001.0, 50.0), PAPER[:2]])
def test_a_synthetic_line_is_found_exactly(temperatures):
    D = line_of(temperatures)
    errors = D * np.linspace(0.01, 0.1, len(D))
    found = arrhenius(temperatures, D, errors)
    within("Ea", found.activation_energy - EA, 1e-12)
    within("ln D0", found.line[0] - np.log(D0), 1e-11)
    within("D at 300 K", found.at(300.0).value / line_of(np.array(300.0)) - 1, 1e-10)
    within("residuals", np.abs(found.residuals).max(), 1e-12)
    within("chi squared", found.chi_squared, 1e-12)


def test_errors_are_those_of_the_closed_form():
    """topology.md 6.2: 700-800 K amplify a relative error of D by 15.8 at 300 K; Ea to 0.07 eV for 10 %."""
    found = arrhenius(PAPER, line_of(PAPER), 0.1 * line_of(PAPER))
    x = 1 / PAPER - np.mean(1 / PAPER)
    expected = 0.1 * np.sqrt(1 / 3 + (1 / 300 - np.mean(1 / PAPER)) ** 2 / (x @ x))
    within("decades", found.at(300.0).error * np.log(10) / expected - 1, 1e-10)
    within("amplification", expected / 0.1 - 15.8, 0.1)
    within("error of Ea", found.activation_energy_error - 0.1 * BOLTZMANN / np.sqrt(x @ x), 1e-12)
    within("error of Ea, eV", found.activation_energy_error - 0.07, 0.005)
    at = found.at(300.0)
    within("interval", np.log10(at.high / at.low) - 2 * 1.959964 * at.error, 1e-6)


def test_intervals_cover_the_truth():
    rng = np.random.default_rng(1)
    relative = np.array([0.12, 0.08, 0.05])
    covered, energies = 0, []
    for _ in range(1000):
        D = line_of(PAPER) * np.exp(rng.normal(0, relative))
        found = arrhenius(PAPER, D, relative * D)
        covered += found.at(300.0).low < line_of(np.array(300.0)) < found.at(300.0).high
        energies.append(found.activation_energy)
    assert 930 <= covered <= 970
    within("scatter of Ea", np.std(energies) / found.activation_energy_error - 1, 0.08)


def test_a_point_with_a_large_error_weighs_little():
    D = line_of(PAPER) * [1.0, 1.0, 3.0]
    found = arrhenius(PAPER, D, D * [0.01, 0.01, 10.0])
    within("Ea", found.activation_energy - EA, 0.01)


@pytest.mark.parametrize(
    ("temperatures", "D", "errors", "words"),
    [
        ([700.0], [1.0], [0.1], "at least two"),
        ([], [], [], "at least two"),
        ([700.0, 800.0], [1.0, 0.0], [0.1, 0.1], "positive"),
        ([700.0, 800.0], [1.0, 2.0], [0.1, 0.0], "positive"),
    ],
)
def test_refusals(temperatures, D, errors, words):
    with pytest.raises(InputDataError, match=words):
        arrhenius(np.array(temperatures), np.array(D), np.array(errors))


def test_nernst_einstein_in_practical_units():
    """1e22 ions per cm3 with 1e-8 cm2/s at 300 K: n e^2 D/(k_B T) = 6.1975e-4 S/cm, in SI numbers."""
    n, D, e, k = 1e22, 1e-8, 1.602176634e-19, 1.380649e-23
    expected = n * e**2 * D / (k * 300.0)  # cm^-3 C^2 cm^2 s^-1 J^-1 = S/cm
    found = conductivity(D / CM2_PER_S, 100, 100 / (n * 1e-24), 300.0)
    within("sigma", found / expected - 1, 1e-8)
    within("Z^2", conductivity(1.0, 1, 1.0, 300.0, charge=0.6) / conductivity(1.0, 1, 1.0, 300.0) - 0.36, 1e-12)
