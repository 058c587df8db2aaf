"""How what a glass shows answers through its topology: regression over re-quenches at jittered parameters.

    O_m - J (z_m - z) = Obar + J_topo (z_m - z) + noise        m: quenches; J exact, of glasses at rest

The exact derivative takes out the sharp answer of bond lengths, so the regression sees the smooth part alone. Only the
leading directions of the Fisher information are fitted, with a ridge. With J = 0 this is ensemble Kalman inversion;
with no quenches the hybrid is the implicit estimator alone. Indices: m quenches; k directions; p parameters; r rows.
"""

import numpy as np

from jaxglass.refit.estimate import Estimate, Values

DIRECTIONS = 6  # of the Fisher information, along which the topology is asked


def shrunk(jacobian: Values, error: Values) -> np.ndarray:
    """Slopes (P, R) times max(0, 1 - 1/<t^2>), <t^2> the mean of (slope/error)^2 along the row of each parameter.

    James and Stein's estimator: few quenches make slopes of noise, which no step should follow. A row that is no larger
    than its errors is nothing; one of three errors keeps 8/9. Errors that come from few quenches themselves let some
    noise through: of noise alone a quarter after 16 quenches along six directions, a ninth after 48 along four.
    """
    signal = np.mean(np.asarray(jacobian) ** 2 / np.maximum(np.asarray(error) ** 2, 1e-300), axis=1, keepdims=True)
    return np.asarray(jacobian) * np.maximum(0.0, 1 - 1 / np.maximum(signal, 1e-300))


def regress(
    observed: np.ndarray, exact: np.ndarray, offsets: np.ndarray, directions: np.ndarray, ridge: float = 1e-3
) -> Estimate:
    """J_topo from `observed` (M, R), the `exact` J (P, R) and `offsets` z_m - z (M, P), along `directions` (K, P),
    orthonormal; `ridge` relative to the spread of the offsets."""
    rest = observed - offsets @ exact
    along = offsets @ directions.T
    design = np.concatenate([np.ones((len(along), 1)), along], 1)
    penalty = np.diag([0.0, *([ridge * np.mean(np.sum(along**2, 0))] * along.shape[1])])
    inverse = np.linalg.inv(design.T @ design + penalty)
    found = inverse @ design.T @ rest
    freedom = max(1, len(design) - design.shape[1])
    noise = np.sum((rest - design @ found) ** 2, 0) / freedom
    spread = inverse @ design.T @ design @ inverse
    of_slopes = np.einsum("kp,kl,lp->p", directions, spread[1:, 1:], directions)
    jacobian_error = np.sqrt(of_slopes[:, None] * noise)
    return Estimate(found[0], directions.T @ found[1:], np.sqrt(spread[0, 0] * noise), jacobian_error)
