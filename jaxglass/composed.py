"""From what Hydra composed to plain settings: resolved, and without anything that reads the machine or runs code."""

import re
from collections.abc import Iterator
from typing import Any

from jaxglass.errors import ConfigError

READS_MACHINE = re.compile(r"\$\{\s*(oc\.(?:env|decode|create|deprecated)|hydra)\b")


def plain_values(composed: Any) -> dict[str, Any]:
    """The settings without Hydra's own, nested and resolved.

    `ConfigError` for interpolations of the environment: results are kept with all settings, so that a password in one
    would be published with them.
    """
    from omegaconf import OmegaConf

    raw = {
        key: OmegaConf.to_container(node, resolve=False) if OmegaConf.is_config(node) else node
        for key, node in composed._content.items()
        if key != "hydra"
    }
    problems = [f"{key}: {found} is not allowed in settings; write the value" for key, found in _reading(raw)]
    if problems:
        raise ConfigError("; ".join(problems))
    return {
        key: OmegaConf.to_container(node, resolve=True) if OmegaConf.is_config(node) else node
        for key, node in composed.items()
        if key != "hydra"
    }


def _reading(node: Any, name: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(node, dict):
        for key, inner in node.items():
            yield from _reading(inner, f"{name}.{key}" if name else str(key))
    elif isinstance(node, list):
        for inner in node:
            yield from _reading(inner, name)
    else:
        text = getattr(node, "_value", lambda: node)()
        found = READS_MACHINE.search(text) if isinstance(text, str) else None
        if found:
            yield name, f"${{{found[1]}:}}"
