"""The refitted potential as a file that any run accepts."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from jaxglass.model.potential import Potential
from jaxglass.refit.parameters import LAW, Parameter


def potential_file(
    path: Path,
    settings: Mapping[str, Any],
    moving: Sequence[Parameter],
    start: Potential,
    moved: Potential,
    z: np.ndarray,
) -> None:
    """Write `settings`, the section potential of the refit, with the numbers of `moved` in place of those of `start`.

    A of B-O stays a law of the composition: what it has changed by goes to `a_bo_offset` and `a_bo_slope`.
    """
    elements = start.elements
    scale = float(np.max(np.abs(moved.charges)) / np.max(np.abs(start.charges)))  # one for all, absent elements too
    charges = {element: scale * float(charge) for element, charge in settings["charges"].items()}
    pairs: dict[str, dict[str, Any]] = {}
    offset = slope = 0.0
    for pair, entry in settings["buckingham"].items():
        a, b = pair.split("-")
        pairs[pair] = {key: entry.get(key) for key in ("A", "rho", "C")}
        if a not in elements or b not in elements:
            continue
        i, j = elements.index(a), elements.index(b)
        pairs[pair] = {key: float(getattr(moved, key)[i, j]) for key in ("A", "rho", "C")}
        if entry.get("A") is None:
            law = {p.kind: p.sd * value for p, value in zip(moving, z, strict=True) if p.kind in LAW}
            offset = law.get("A_BO", 0.0) if law else float(np.log(moved.A[i, j] / start.A[i, j]))
            slope = law.get("slope", 0.0)
            pairs[pair]["A"] = None
    kept = {key: settings.get(key) for key in ("a_bo", "n4", "cutoff", "cutoff_style", "switch_width", "constants")}
    law_changes = {
        "a_bo_offset": float(settings.get("a_bo_offset") or 0.0) + float(offset),
        "a_bo_slope": float(settings.get("a_bo_slope") or 0.0) + float(slope),
    }
    whole = {"charges": charges, "buckingham": pairs, **kept, **law_changes}
    path.write_text(
        "# refitted by jaxglass; use it with potential.file=THIS\n" + yaml.safe_dump(whole, sort_keys=False)
    )
