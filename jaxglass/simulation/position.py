"""Where a run stands, and how a checkpoint writes it down."""

import json
from dataclasses import asdict, dataclass
from typing import Any

from jaxglass.dynamics.state import State
from jaxglass.engine.mesh import Mesh
from jaxglass.engine.plan import Lists, Plan
from jaxglass.errors import CheckpointError


@dataclass(frozen=True)
class Position:
    """Where a run stands: everything that decides what comes next. A checkpoint is this."""

    stage: int
    state: State
    pace: float
    plan: Plan
    elapsed_ps: float = 0.0
    total_steps: int = 0
    segments: tuple[str, ...] = ()
    thermo_bytes: int | None = None
    converged: bool = False


def header(position: Position) -> dict[str, Any]:
    """Everything but the arrays of the state, as JSON values."""
    rest = {key: value for key, value in position.__dict__.items() if key not in ("state", "plan")}
    return json.loads(json.dumps(rest)) | {
        "plan": asdict(position.plan) | {"mesh": list(position.plan.mesh)},
    }


def restored(header: dict[str, Any], state: State) -> Position:
    """The position that `header` and `state` describe. Raises `CheckpointError` when something is missing."""
    try:
        stored = dict(header["plan"])
        shape, order, alpha = stored.pop("mesh")
        lists = stored.pop("lists")
        plan = Plan(
            mesh=Mesh((shape[0], shape[1], shape[2]), order, alpha),
            lists=Lists(**lists | {"grid": tuple(lists["grid"])}),
            **stored,
        )
        return Position(
            stage=header["stage"],
            state=state,
            pace=header["pace"],
            plan=plan,
            elapsed_ps=header["elapsed_ps"],
            total_steps=header["total_steps"],
            segments=tuple(header["segments"]),
            thermo_bytes=header["thermo_bytes"],
            converged=header["converged"],
        )
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise CheckpointError(f"checkpoint header is incomplete ({error}); start in a new directory") from error
