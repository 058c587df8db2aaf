"""Every convention between g(r) and D(r). Two curves compare only if all of them are equal, so all are printed.

Definitions are in `analysis.scattering`; what each choice changes is measured by `analysis.agreement`. Defaults: the
range of Q of the measurement (0.7-25 1/A) and a Lorch window on both sides of the transform.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from jaxglass.analysis.form_factors import element_of
from jaxglass.errors import ConfigError

RADIATION = ("xray", "neutron")
FZ_NORM = ("f_avg_sq", "f_sq_avg")
Q_WINDOW = ("none", "lorch", "revised_lorch")
R_WINDOW = ("none", "lorch")


@dataclass(frozen=True)
class ScatteringSettings:
    """Lengths in A, Q in 1/A. `ConfigError` names every setting out of range in one line.

    `radiation`; `scatterers`: an ion ("O1-") or isotope ("Li-7") in place of the neutral atom or natural mix.
    `fz_norm`: S - 1 is divided by <f>^2 (`f_avg_sq`) or by <f^2> (`f_sq_avg`).
    `q_min`, `q_max`, `dq`: range and step of Q in the transform to D(r).
    `q_window` M(Q) of that transform. `lorch_delta`: constant width; without it pi/q_max for `lorch` and
    `lorch_delta0` (1 + r^`lorch_beta`) for `revised_lorch`.
    `g_max`: g(r) is used up to here or half the smallest width of the cell; `r_window`: tapered to it or cut there;
    `g_width`: bins of g(r). `r_max`, `dr`: grid of D(r). `chi_min`, `chi_max`: range of R_chi.
    """

    radiation: str = "xray"
    scatterers: Mapping[str, str] = field(default_factory=dict)
    fz_norm: str = "f_avg_sq"
    q_min: float = 0.7
    q_max: float = 25.0
    dq: float = 0.02
    q_window: str = "lorch"
    lorch_delta: float | None = None
    lorch_delta0: float = 0.10
    lorch_beta: float = 0.2
    r_window: str = "lorch"
    g_max: float = 14.0
    g_width: float = 0.02
    r_max: float = 10.0
    dr: float = 0.02
    chi_min: float = 1.0
    chi_max: float = 8.0

    def __post_init__(self):
        choices = {"radiation": RADIATION, "fz_norm": FZ_NORM, "q_window": Q_WINDOW, "r_window": R_WINDOW}
        problems = [
            f"{name} = '{getattr(self, name)}' must be one of {', '.join(allowed)}"
            for name, allowed in choices.items()
            if getattr(self, name) not in allowed
        ]
        for name, (low, high) in _RANGES.items():
            if not low <= getattr(self, name) <= high:
                problems.append(f"{name} = {getattr(self, name)} must lie in {low:g} ... {high:g}")
        if self.lorch_delta is not None and not 0 < self.lorch_delta <= 1:
            problems.append(f"lorch_delta = {self.lorch_delta} must lie above 0 and up to 1 A")
        problems += [
            f"{low} = {getattr(self, low)} must be below {high} = {getattr(self, high)}"
            for low, high in (("q_min", "q_max"), ("chi_min", "chi_max"))
            if not getattr(self, low) < getattr(self, high)
        ]
        if self.q_max * self.g_width > 1:
            problems.append(f"g_width = {self.g_width} A is too coarse for q_max: at most {1 / self.q_max:.3g} A")
        for element, scatterer in self.scatterers.items():
            if element_of(scatterer) != element:
                problems.append(f"scatterers: '{scatterer}' is no {element}")
        if problems:
            raise ConfigError("scattering: " + "; ".join(problems))

    @property
    def Q(self) -> np.ndarray:
        """Grid of Q (1/A): both ends included, the step rounded to fit."""
        return np.linspace(self.q_min, self.q_max, max(2, round((self.q_max - self.q_min) / self.dq) + 1))

    @property
    def r(self) -> np.ndarray:
        """Grid of D(r) (A), from `dr` to `r_max`."""
        return self.dr * np.arange(1, round(self.r_max / self.dr) + 1)

    @property
    def description(self) -> str:
        """All conventions in one line."""
        atoms = ", ".join(f"{e} as {s}" for e, s in self.scatterers.items()) or "neutral atoms, natural isotopes"
        width = f"Delta = {self.lorch_delta or np.pi / self.q_max:.4g} A"
        if self.q_window == "revised_lorch" and self.lorch_delta is None:
            width = f"Delta = {self.lorch_delta0:g} (1 + r^{self.lorch_beta:g}) A"
        window = "no window" if self.q_window == "none" else f"{self.q_window} window, {width}"
        taper = "cut" if self.r_window == "none" else "Lorch taper to zero"
        return (
            f"{self.radiation} ({atoms}); S - 1 over {'<f>^2' if self.fz_norm == 'f_avg_sq' else '<f^2>'}; "
            f"Q {self.q_min:g}-{self.q_max:g} 1/A in steps of {self.dq:g}, {window}; "
            f"g(r) in bins of {self.g_width:g} A, {taper} at {self.g_max:g} A or half the cell; "
            f"D(r) to {self.r_max:g} A in steps of {self.dr:g}; R_chi over {self.chi_min:g}-{self.chi_max:g} A"
        )


_RANGES = {
    "q_min": (0.0, 10.0),
    "q_max": (1.0, 100.0),
    "dq": (0.001, 0.1),
    "lorch_delta0": (0.001, 1.0),
    "lorch_beta": (0.0, 2.0),
    "g_max": (2.0, 100.0),
    "g_width": (0.001, 0.1),
    "r_max": (1.0, 100.0),
    "dr": (0.001, 0.5),
    "chi_min": (0.0, 50.0),
    "chi_max": (0.1, 100.0),
}
