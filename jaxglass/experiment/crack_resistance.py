"""Crack resistance: the Vickers load at which half of the corners of an imprint crack (section 2.4 of the paper).

    p(F) = 1/(1 + exp(-b (ln F - theta))),    CR = exp(theta)

k of n corners cracked at each load F (N); theta and b > 0 maximise the binomial likelihood. The paper does not say how
it read CR from its points; a curve in log load follows the stepwise loads. The interval is by profile likelihood,

    2 (L(theta_max) - L(theta)) <= phi q,    L(theta) = max over b

with q the quantile of chi^2(1), and phi = max(1, X^2/(loads - 2)), X^2 Pearson's: the four corners of an imprint share
its stress, so that counts scatter more than binomially. When phi > 1 it is itself an estimate, and q that of
F(1, loads - 2). The standard error of CR is to first order CR u(theta), u(theta)^2 = phi times the inverse Fisher
information.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.optimize import brentq, minimize
from scipy.special import expit, log_expit
from scipy.stats import chi2, f

from jaxglass.errors import InputDataError

LEVEL = 0.95
MOST_CORNERS = 1_000_000  # at a load: nobody has counted more
FARTHEST = 50.0  # in theta: beyond e^50 N a bound is no bound


class CrackResistance(NamedTuple):
    """Load (N) of 50 % cracks, its standard error, its interval, and phi, the excess of scatter over binomial."""

    value: float
    error: float
    low: float
    high: float
    excess: float


def crack_resistance(
    load: Sequence[float], cracked: Sequence[float], corners: Sequence[float], level: float = LEVEL
) -> CrackResistance:
    """CR (N) with its interval at `level` from `cracked` of `corners` at each `load` (N), all (m,), m >= 2.

    Raises `InputDataError` for impossible counts, and where the data do not bound the load of 50 %: it is never
    reached or never left, all cracks come at once, cracks grow no likelier with load, or the interval has no end.
    """
    F, k, n = (np.asarray(x, float) for x in (load, cracked, corners))
    order = np.argsort(F, kind="stable")
    F, k, n = F[order], k[order], n[order]
    _check_counts(F, k, n)
    _check_crossing(F, k, n)
    x = np.log(F)
    theta, b = _fit(x, k, n)
    freedom = len(F) - 2
    excess = max(1.0, _pearson(b * (x - theta), k, n) / freedom) if freedom else 1.0
    quantile = chi2.ppf(level, 1) if excess == 1 else f.ppf(level, 1, freedom)
    drop = 0.5 * excess * float(quantile)
    low, high = (np.exp(_bound(x, k, n, theta, drop, side)) for side in (-1, 1))
    error = np.exp(theta) * np.sqrt(excess * _variance(x, n, theta, b))
    return CrackResistance(float(np.exp(theta)), float(error), float(low), float(high), excess)


def _fit(x: np.ndarray, k: np.ndarray, n: np.ndarray) -> tuple[float, float]:
    """theta and b of the largest likelihood, found in logit p = c + b (x - mean); it is concave in c, b."""
    centre = x.mean()
    width = np.ptp(x)
    basis = np.stack([np.ones_like(x), (x - centre) / width])

    def slope(q: np.ndarray) -> np.ndarray:
        return basis @ (n * expit(q @ basis) - k)

    def curvature(q: np.ndarray) -> np.ndarray:
        p = expit(q @ basis)
        return (basis * n * p * (1 - p)) @ basis.T

    found = minimize(
        lambda q: -_likelihood(q @ basis, k, n),
        np.zeros(2),
        jac=slope,
        hess=curvature,
        method="trust-exact",
        options={"gtol": 1e-8},
    ).x
    return float(centre - width * found[0] / found[1]), float(found[1] / width)


def _likelihood(logit: np.ndarray, k: np.ndarray, n: np.ndarray) -> float:
    """Binomial log likelihood, less a constant."""
    return float(k @ log_expit(logit) + (n - k) @ log_expit(-logit))


def _profile(theta: float, x: np.ndarray, k: np.ndarray, n: np.ndarray) -> float:
    """L(theta): the largest likelihood over b, where its derivative, which falls with b, is zero."""
    d = x - theta

    def derivative(b: float) -> float:
        return float(d @ (k - n * expit(b * d)))

    end = 1.0
    while derivative(-end) * derivative(end) > 0:
        end *= 2
    return _likelihood(brentq(derivative, -end, end) * d, k, n)


def _bound(x: np.ndarray, k: np.ndarray, n: np.ndarray, theta: float, drop: float, side: int) -> float:
    """Where the profile has fallen by `drop` below its top, on one side; `InputDataError` if it never does."""
    top = _profile(theta, x, k, n)

    def excess(at: float) -> float:
        return top - _profile(at, x, k, n) - drop

    inner, step = theta, 0.1
    while excess(theta + side * step) < 0:
        inner = theta + side * step
        step *= 1.5
        if step > FARTHEST:
            end = "upper" if side > 0 else "lower"
            raise InputDataError(
                f"the interval of the crack resistance has no {end} end; measure more imprints, at more loads"
            )
    return float(brentq(excess, *sorted((inner, theta + side * step)), xtol=1e-10))


def _pearson(logit: np.ndarray, k: np.ndarray, n: np.ndarray) -> float:
    """X^2 of the counts."""
    logit = np.clip(logit, -500, 500)  # further out p is 0 or 1 and no surprise
    return float(np.sum((k - n * expit(logit)) ** 2 / (n * expit(logit) * expit(-logit))))


def _variance(x: np.ndarray, n: np.ndarray, theta: float, b: float) -> float:
    """Variance of theta from the inverse of the Fisher information of (theta, b)."""
    gradient = np.stack([np.full_like(x, -b), x - theta])  # of the logit
    p = expit(b * (x - theta))
    information = (gradient * n * p * (1 - p)) @ gradient.T
    return float(np.linalg.inv(information)[0, 0])


def _check_counts(F: np.ndarray, k: np.ndarray, n: np.ndarray) -> None:
    if len(set(F)) < 2:
        raise InputDataError("crack resistance needs at least two loads")
    for load, cracked, corners in zip(F, k, n, strict=True):
        if not (np.isfinite(load) and load > 0):
            raise InputDataError(f"load {load:g} N must be above 0")
        if not (0 <= cracked <= corners and 1 <= corners <= MOST_CORNERS and cracked % 1 == corners % 1 == 0):
            raise InputDataError(f"{cracked:g} of {corners:g} corners cracked at {load:g} N are no counts")


def _check_crossing(F: np.ndarray, k: np.ndarray, n: np.ndarray) -> None:
    """The data, sorted by load, reach and leave 50 %, rise, and determine how steeply."""
    share = k / n
    if share.max() < 0.5:
        raise InputDataError(
            f"at most {100 * share.max():.0f} % of the corners cracked up to {F[-1]:g} N: 50 % is never reached; "
            "measure at higher loads"
        )
    if share.min() > 0.5:
        raise InputDataError(
            f"at least {100 * share.min():.0f} % of the corners cracked down to {F[0]:g} N: 50 % is never left; "
            "measure at lower loads"
        )
    x = np.log(F)
    if not (x - x.mean()) @ (k - n * k.sum() / n.sum()) > 0:
        raise InputDataError("cracks do not become likelier with load; check the counts")
    first, last = F[k > 0].min(), F[k < n].max()
    if first >= last:
        between = f"between {F[k == 0].max(initial=F[0]):g} and {F[k == n].min(initial=F[-1]):g} N"
        raise InputDataError(f"the corners crack all at once {between}; measure at more loads there")
