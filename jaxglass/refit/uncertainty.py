"""What the data can tell: the Fisher information of a fit, its modes by name, and intervals.

    F = J^T J (data rows alone)        posterior covariance = (F + 1)^-1 in units of the priors (Laplace)

An eigenvalue of F above 1 is a direction that the data know better than the prior did; one below is known from the
prior alone, and one of nothing changes neither curve nor density (all energies together). Indices: p parameters; m
modes, best known first.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from jaxglass.refit.parameters import Parameter

NULL = 1e-6  # of the prior's information: a direction that the data do not see at all


@dataclass(frozen=True)
class Information:
    """`eigenvalues` (M,) of F, `modes` (M, P) in whitened coordinates, and the posterior `covariance` (P, P) of z."""

    moving: tuple[Parameter, ...]
    eigenvalues: np.ndarray
    modes: np.ndarray
    covariance: np.ndarray

    @property
    def effective(self) -> float:
        """How many parameters the data determine: sum f/(f + 1)."""
        return float(np.sum(self.eigenvalues / (self.eigenvalues + 1)))

    @property
    def errors(self) -> np.ndarray:
        """Standard errors (P,) of the logarithms of the parameters."""
        return np.sqrt(np.diag(self.covariance)) * np.array([p.sd for p in self.moving])

    def name(self, mode: int, least: float = 0.2) -> str:
        """A mode in words: its largest parts, as changes of the logarithms relative to the largest of them."""
        logs = self.modes[mode] * np.array([p.sd for p in self.moving])
        logs = logs / logs[np.argmax(np.abs(logs))]
        order = np.argsort(-np.abs(logs))
        return ", ".join(f"{self.moving[k].name} {logs[k]:+.2f}" for k in order if abs(logs[k]) >= least)

    def unknown(self) -> list[int]:
        """Modes that the data do not know better than the prior."""
        return [m for m, value in enumerate(self.eigenvalues) if value < 1]

    def null(self) -> list[int]:
        """Modes that the data do not see at all, if the Jacobian is as exact as `jaxglass.refit.fit.sharp` makes it."""
        return [m for m, value in enumerate(self.eigenvalues) if value < NULL]


def information(moving: Sequence[Parameter], jacobian: np.ndarray) -> Information:
    """Of the Jacobian (R, P) of a fit whose first P rows are those of the prior."""
    moving = tuple(moving)
    data = np.asarray(jacobian)[len(moving) :]
    fisher = data.T @ data
    values, vectors = np.linalg.eigh(fisher)
    order = np.argsort(-values)
    covariance = np.linalg.inv(fisher + np.eye(len(moving)))
    return Information(moving, np.maximum(values[order], 0.0), vectors[:, order].T, covariance)
