"""Hydra's door to sweeps: it finds sweepers in this package only. What a sweep does is in `jaxglass.sweep`."""

from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser


class JaxglassSweeper(BasicSweeper):
    """Hydra's own combinations, run by `jaxglass.sweep.sweep.run_sweep`."""

    def sweep(self, arguments: list[str]) -> Any:
        """Run every combination of `arguments`; raises the first failure in the end."""
        from jaxglass.sweep.sweep import run_sweep

        assert self.hydra_context is not None
        assert self.launcher is not None
        loader, master = self.hydra_context.config_loader, self.config
        found = OverridesParser.create(config_loader=loader).parse_overrides([*self._parse_config(), *arguments])
        keys = [override.get_key_element().lstrip("+") for override in found if override.is_sweep_override()]
        points = [point for batch in self.split_arguments(found, None) for point in batch]
        launch = self.launcher.launch
        run_sweep(
            points,
            keys,
            compose=lambda overrides: loader.load_sweep_config(master, overrides),
            launch=lambda batch: launch(batch, initial_job_idx=0),
        )
