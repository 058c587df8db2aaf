"""From g_ab(r) to the partial and total S(Q), D(r) and T(r): after the histogram everything is linear.

    S_ab(Q) = 1 + 4 pi rho int r^2 [g_ab(r) - 1] w(r) sin(Qr)/(Qr) dr                            (Faber-Ziman)
    S(Q)    = 1 + sum_ab c_a c_b f_a(Q) f_b(Q) [S_ab(Q) - 1]/N(Q),    N = (sum c f)^2 or sum c f^2
    D(r)    = (2/pi) int_Qmin^Qmax Q [S(Q) - 1] M(Q, r) sin(Qr) dQ
    T(r)    = D(r) + 4 pi rho r

c atomic fractions, rho atoms per A^3, f form factors or scattering lengths, w taper of g(r), M window in Q. After
Soper & Barney, J. Appl. Cryst. 44 (2011) 714 (10.1107/S0021889811021455), and Keen, J. Appl. Cryst. 34 (2001) 172
(10.1107/S0021889800019993). D is the G(r) of crystallographic PDF work.

g comes in bins (`analysis.radial_bins`) that smear each distance by b(r). With v_m the volume of bin m

    S_ab(Q) = 1 + rho sum_m A(Q, m) [g_ab(m) - 1],    A = v_m w(r_m) (1/Q) int_0^Q cos(k r_m)/B(k) dk

divides the transform B of b out at every k; B = 1 gives back sin(Q r_m)/(Q r_m). Functions below take NumPy or JAX
arrays and can be differentiated, compiled and vmapped. Indices: a, b species; m bins of g; Q and r grids.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np

from jaxglass.analysis.form_factors import scattering_factors
from jaxglass.analysis.pair_distribution import PairDistribution, pair_distribution
from jaxglass.analysis.radial_bins import RadialBins, shells
from jaxglass.analysis.scattering_settings import ScatteringSettings
from jaxglass.model.trajectory import Trajectory

if TYPE_CHECKING:
    import jax

Array = TypeVar("Array", np.ndarray, "jax.Array")
SERIES = 1e-2  # below this x the revised Lorch function is 1 - x^2/10, to 4e-11


class Transforms(NamedTuple):
    """The matrices of one set of conventions, one composition and one histogram; a pytree.

    `Q` (Q,) 1/A; `r` (R,) A; `weights` (S, S, Q) c_a c_b f_a f_b/N, zero where there is no pair; `g_to_S` (Q, M) A^3;
    `S_to_D` (R, Q) 1/A^2.
    """

    Q: np.ndarray
    r: np.ndarray
    weights: np.ndarray
    g_to_S: np.ndarray
    S_to_D: np.ndarray


def make_transforms(
    settings: ScatteringSettings, atoms: Mapping[str, int], bins: RadialBins, r: np.ndarray | None = None
) -> Transforms:
    """Matrices for a g of the species `atoms` (symbol -> number, in the order of g) in `bins`, D on `r` (A).

    `r` is the grid of the settings where it is not given. `InputDataError` for an element without form factor.
    """
    Q, r = settings.Q, settings.r if r is None else np.asarray(r, float)
    f = scattering_factors(settings.radiation, list(atoms), settings.scatterers, Q)
    taper = np.sinc(bins.r / bins.end) if settings.r_window == "lorch" else 1.0
    trapezoid = np.gradient(Q)
    trapezoid[[0, -1]] /= 2
    transform = np.sin(np.outer(r, Q)) * q_window(settings, Q, r)
    return Transforms(
        Q=Q,
        r=r,
        weights=_faber_ziman(np.array(list(atoms.values()), float), f, settings.fz_norm),
        g_to_S=_mean_cosine(Q, bins) * bins.volume * taper,
        S_to_D=2 / np.pi * transform * Q * trapezoid,
    )


def partial_S(transforms: Transforms, g: Array, density: float | Array) -> Array:
    """S_ab(Q), (S, S, Q), of `g` (S, S, M) at `density` atoms per A^3."""
    return 1 + density * ((g - 1) @ transforms.g_to_S.T)


def total_S(transforms: Transforms, S_ab: Array) -> Array:
    """S(Q), (Q,), of `S_ab` (S, S, Q)."""
    return 1 + (transforms.weights * (S_ab - 1)).sum((0, 1))


def differential_correlation(transforms: Transforms, S: Array) -> Array:
    """D(r) in 1/A^2, (R,), of `S` (Q,)."""
    return (S - 1) @ transforms.S_to_D.T


def total_correlation(transforms: Transforms, D: Array, density: float | Array) -> Array:
    """T(r) = D(r) + 4 pi rho r in 1/A^2, (R,)."""
    return D + 4 * np.pi * density * transforms.r


def q_window(settings: ScatteringSettings, Q: np.ndarray, r: np.ndarray) -> np.ndarray:
    """M(Q, r) of the transform to D(r), (R, Q).

    lorch: sin(x)/x; revised_lorch: 3 (sin x - x cos x)/x^3; x = Q Delta(r).
    """
    if settings.q_window == "none":
        return np.ones((len(r), len(Q)))
    delta = np.full(len(r), settings.lorch_delta or np.pi / settings.q_max)
    if settings.q_window == "lorch":
        return np.sinc(np.outer(delta, Q) / np.pi)
    if settings.lorch_delta is None:
        delta = settings.lorch_delta0 * (1 + r**settings.lorch_beta)
    x = np.outer(delta, Q)
    safe = np.maximum(x, SERIES)
    return np.where(x < SERIES, 1 - x**2 / 10, 3 * (np.sin(safe) - safe * np.cos(safe)) / safe**3)


@dataclass(frozen=True)
class Scattering:
    """What `analyse_scattering` finds. `partials[(a, b)]` S_ab, `S` on `Q`; `D`, `T` on `r` (1/A^2).

    `density` atoms per A^3 in T; `g_end` where g(r) really ends (A): the settings' g_max or half the cell.
    """

    settings: ScatteringSettings
    transforms: Transforms
    S: np.ndarray
    partials: dict[tuple[str, str], np.ndarray]
    D: np.ndarray
    T: np.ndarray
    density: float
    g_end: float

    @property
    def Q(self) -> np.ndarray:
        """Grid of S (1/A), (Q,)."""
        return self.transforms.Q

    @property
    def r(self) -> np.ndarray:
        """Grid of D and T (A), (R,)."""
        return self.transforms.r


def scattering_pairs(trajectory: Trajectory, settings: ScatteringSettings) -> PairDistribution:
    """g(r) in the range and bins of the settings, averaged over the frames."""
    return pair_distribution(trajectory, settings.g_max, settings.g_width)


def analyse_scattering(
    pairs: PairDistribution, settings: ScatteringSettings, r: np.ndarray | None = None
) -> Scattering:
    """S(Q), D(r), T(r) of g(r) averaged over frames; D on `r` (A) or the grid of the settings."""
    bins = shells(len(pairs.r), pairs.width)
    transforms = make_transforms(settings, pairs.atoms, bins, r)
    S_ab = partial_S(transforms, dense_g(pairs), pairs.density)
    S = total_S(transforms, S_ab)
    D = differential_correlation(transforms, S)
    T = total_correlation(transforms, D, pairs.density)
    elements = list(pairs.atoms)
    partials = {(a, b): S_ab[elements.index(a), elements.index(b)] for a, b in pairs.partials}
    return Scattering(settings, transforms, S, partials, D, T, pairs.density, bins.end)


def dense_g(pairs: PairDistribution) -> np.ndarray:
    """g_ab in the order of `pairs.atoms`, (S, S, M), symmetric; 1 where there is no pair."""
    elements = list(pairs.atoms)
    g = np.ones((len(elements), len(elements), len(pairs.r)))
    for (a, b), curve in pairs.partials.items():
        p, q = elements.index(a), elements.index(b)
        g[p, q] = g[q, p] = curve
    return g


def _faber_ziman(atoms: np.ndarray, f: np.ndarray, norm: str) -> np.ndarray:
    """c_a c_b f_a f_b/N(Q), (S, S, Q); `atoms` (S,), `f` (S, Q)."""
    c = atoms / atoms.sum()
    cf = c[:, None] * f
    N = cf.sum(0) ** 2 if norm == "f_avg_sq" else (c[:, None] * f**2).sum(0)
    paired = np.outer(atoms, atoms) > np.diag(atoms)
    return np.where(paired[:, :, None], cf[:, None] * cf[None, :] / N, 0.0)


def _mean_cosine(Q: np.ndarray, bins: RadialBins) -> np.ndarray:
    """(1/Q) int_0^Q cos(k r_m)/B(k) dk, (Q, M), B(k) = sinc(k dr/2)^boxes: Gauss-Legendre between grid points."""
    below = np.linspace(0, Q[0], int(np.ceil(Q[0] / (Q[1] - Q[0]))) + 1)[:-1]
    edges = np.concatenate([below, Q])
    half, middle = np.diff(edges) / 2, (edges[1:] + edges[:-1]) / 2
    integral = np.zeros((len(edges), len(bins.r)))
    nodes = 4 + int(2 * half.max() * bins.end)  # enough for the phase of the cosine between two grid points
    for node, weight in zip(*np.polynomial.legendre.leggauss(nodes), strict=True):
        k = middle + node * half
        smear = np.sinc(k * bins.width / (2 * np.pi)) ** bins.boxes
        integral[1:] += (weight * half / smear)[:, None] * np.cos(np.outer(k, bins.r))
    mean = np.cumsum(integral, axis=0)[len(below) :] / np.where(Q > 0, Q, 1.0)[:, None]
    return np.where(Q[:, None] > 0, mean, 1.0)
