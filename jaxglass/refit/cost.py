"""What decides about a trial potential: 1/2 |r|^2 of fresh glasses, its noise, and moduli where they were measured."""

from collections.abc import Sequence
from dataclasses import replace

import jax.numpy as jnp
import numpy as np

from jaxglass.refit.basin import Shown, mean_of, show
from jaxglass.refit.fit import Group
from jaxglass.refit.iteration import fresh_glasses
from jaxglass.refit.parameters import Parameter
from jaxglass.refit.sampling import Sample
from jaxglass.refit.target import Target


def cost_and_noise(z: np.ndarray, samples: Sequence[Sample], targets: Sequence[Target]) -> tuple[float, float]:
    """1/2 |r|^2 of fresh glasses, prior rows included, and its standard error by leaving each glass of each target out
    in turn."""

    def cost(some: Sequence[Sample]) -> float:
        found = {one.target: one.shown for one in fresh_glasses(some, targets)}
        rows = [np.asarray(z)] + [_fitted(t, found[t.name]) for t in targets if not t.hold_out]
        return 0.5 * float(np.sum(np.concatenate(rows) ** 2))

    variance = 0.0
    for target in targets:
        mine = [sample for sample in samples if sample.start.target == target.name]
        if not target.hold_out and len(mine) > 1:
            variance += jackknife([cost([s for s in samples if s is not sample]) for sample in mine])
    return cost(samples), float(np.sqrt(variance))


def _fitted(target: Target, shown: Shown) -> np.ndarray:
    """Rows of the curve and the density alone: moduli are those of glasses at rest."""
    return replace(target, bulk=None, shear=None).residual(shown)


def moduli_cost(moving: tuple[Parameter, ...], groups: Sequence[Group], z: np.ndarray) -> tuple[float, float]:
    """1/2 |r|^2 of the moduli that were measured, by glasses at rest, and its standard error by leaving each of them
    out in turn; zeros where none was measured."""
    cost = variance = 0.0
    for group in groups:
        if group.target.needs_moduli:
            shown = [show(group.target.quantity, moving, basin, jnp.asarray(z)) for basin in group.basins]
            cost += _cost_of_moduli(group.target, shown)
            if len(shown) > 1:
                left_out = [_cost_of_moduli(group.target, [s for s in shown if s is not one]) for one in shown]
                variance += jackknife(left_out)
    return cost, float(np.sqrt(variance))


def _cost_of_moduli(target: Target, shown: Sequence[Shown]) -> float:
    return 0.5 * float(np.sum(target.moduli(mean_of(shown)) ** 2))


def jackknife(left_out: Sequence[float]) -> float:
    """Variance of a function of a mean, from its values with each of n samples left out: (n - 1)/n sum (x - mean)^2."""
    values = np.asarray(left_out)
    return float((len(values) - 1) / len(values) * np.sum((values - values.mean()) ** 2))


def with_noise(targets: Sequence[Target], first: Sequence[Sample]) -> tuple[Target, ...]:
    """The `targets`, whose errors hold the noise of the means over the glasses of the `first` ensemble: that of single
    points in sigma, what moves with curve and density together in columns."""
    found = []
    for target in targets:
        rows = np.array([[*s.shown.curve, s.shown.ln_density] for s in first if s.start.target == target.name])
        if len(rows) > 1:
            columns = (rows - rows.mean(0)).T / np.sqrt(len(rows) * (len(rows) - 1))
            sigma = np.hypot(target.sigma, np.linalg.norm(columns[:-1], axis=1))
            target = replace(target, sigma=sigma, noise=columns)
        found.append(target)
    return tuple(found)
