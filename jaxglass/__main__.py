"""The command `jaxglass`, also `python -m jaxglass`."""

import os
import sys
from pathlib import Path
from typing import Any

from jaxglass.errors import ConfigError, JaxglassError

BUG = 1


def main() -> int:
    """Run the command line; every error jaxglass knows is one line and an exit code."""
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")  # errors reach us instead of Hydra's own printing
    # on some processors XLA prints a page for every kept program it loads; errors reach us as exceptions
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    debug = any(a.lstrip("+").lower() in ("debug=true", "debug=1") for a in sys.argv[1:])
    try:
        failure = _hydra_main()
        if failure is not None:
            raise failure
    except JaxglassError as error:
        return _say(error, debug)
    except KeyboardInterrupt:
        print("jaxglass: interrupted", file=sys.stderr)
        return 130
    except Exception as error:
        if _from_hydra(error):
            return _say(ConfigError(_one_line(error)), debug)
        if debug:
            raise
        print(
            f"jaxglass: internal error, {type(error).__name__}: {_one_line(error)}; debug=true shows where",
            file=sys.stderr,
        )
        return BUG
    return 0


def _say(error: JaxglassError, debug: bool) -> int:
    if debug:
        import traceback

        traceback.print_exc()
    print(f"jaxglass: {error}", file=sys.stderr)
    return error.exit_code


def _from_hydra(error: BaseException) -> bool:
    return type(error).__module__.split(".")[0] in ("hydra", "omegaconf", "antlr4", "yaml")


def _one_line(error: BaseException) -> str:
    """Hydra's message without its advice on overriding, with the nearest known key."""
    import difflib
    import re

    text = " ".join(str(error).split())
    unknown = re.match(r"Could not override '([^']+)'", text)
    if unknown:
        from jaxglass.config import RULES, SPECIAL

        near = difflib.get_close_matches(unknown[1], [*RULES, *SPECIAL], 1, 0.4)
        return f"{unknown[1]}: unknown key" + (
            f", did you mean {near[0]}?" if near else "; jaxglass --help lists all keys"
        )
    return text[:300] or type(error).__name__


def _run_name(*, _root_: Any) -> str:
    """Name of the default run directory: what it is, and the hash of its settings."""
    from omegaconf import OmegaConf

    from jaxglass.config import check_config

    try:
        config = check_config(
            {
                key: OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value
                for key, value in _root_.items()
                if key != "hydra"
            }
        )
    except Exception:  # the task itself reports what is wrong with the settings
        return "refused"
    return config.name


def _task(cfg: Any) -> JaxglassError | None:
    """One job. A single run returns its error (Hydra would print around it); a job of a sweep raises it."""
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    try:
        _run(cfg)
    except JaxglassError as error:
        if HydraConfig.get().mode is RunMode.RUN:
            return error
        raise
    return None


def _run(cfg: Any) -> None:
    from hydra.core.hydra_config import HydraConfig
    from omegaconf import OmegaConf

    from jaxglass.config import check_config

    values: Any = OmegaConf.to_container(cfg, resolve=True)
    config = check_config(values)
    path = Path(HydraConfig.get().runtime.output_dir)
    if config.get("task") == "doctor":
        from jaxglass.doctor import run_doctor

        run_doctor()
    elif config.get("task") == "evaluate":
        from jaxglass.evaluate import run_evaluate

        run_evaluate(config, path)
    elif config.get("task") == "analyse":
        from jaxglass.analyse import run_analyse

        run_analyse(config, path, OmegaConf.to_yaml(cfg, resolve=True))
    elif config.get("task") == "measured":
        from jaxglass.experiment.task import run_measured

        run_measured(config, path)
    elif config.get("task") == "ensemble":
        from jaxglass.ensemble import run_ensemble

        run_ensemble(config, path, OmegaConf.to_yaml(cfg, resolve=True))
    elif config.get("task") == "benchmark":
        from jaxglass.benchmark.task import run_benchmark

        run_benchmark(config, path)
    else:
        from jaxglass.study import run_study

        run_study(config, path, OmegaConf.to_yaml(cfg, resolve=True))


def _hydra_main() -> JaxglassError | None:
    import hydra
    from omegaconf import OmegaConf

    from jaxglass.config import conf_folder

    outcome: list[JaxglassError | None] = []
    OmegaConf.register_new_resolver("run_name", _run_name, replace=True)
    hydra.main(version_base="1.3", config_path=str(conf_folder()), config_name="config")(
        lambda cfg: outcome.append(_task(cfg))
    )()
    return next((error for error in outcome if error is not None), None)


if __name__ == "__main__":
    sys.exit(main())
