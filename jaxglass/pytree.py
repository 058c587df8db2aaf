"""Frozen dataclasses that JAX can trace: `@pytree`, with `static()` fields for shapes and names."""

from dataclasses import dataclass, field, fields
from typing import TypeVar, dataclass_transform

import jax

T = TypeVar("T")


def static(**kwargs):
    """A field that is part of the tree structure (hashed, recompiles when it changes)."""
    return field(metadata={"static": True}, **kwargs)


@dataclass_transform(frozen_default=True, field_specifiers=(static,))
def pytree(cls: type[T]) -> type[T]:
    """Register `cls` as a frozen dataclass whose non-static fields are leaves."""
    cls = dataclass(frozen=True)(cls)
    names = {item.name: bool(item.metadata.get("static")) for item in fields(cls)}  # type: ignore[arg-type]
    leaves, fixed = ([name for name, is_static in names.items() if is_static is kind] for kind in (False, True))
    return jax.tree_util.register_dataclass(cls, data_fields=leaves, meta_fields=fixed)
