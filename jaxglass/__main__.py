"""The command `jaxglass`, also `python -m jaxglass`."""

import os
import sys
from pathlib import Path
from typing import Any

from jaxglass.errors import ConfigError, JaxglassError

BUG = 1
CLOSED_PIPE = 141  # what a shell gives a program that SIGPIPE ended


def main() -> int:
    """Run the command line; every error jaxglass knows is one line and an exit code."""
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")  # errors reach us instead of Hydra's own printing
    # on some processors XLA prints a page for every kept program it loads; errors reach us as exceptions
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if "--version" in sys.argv[1:]:
        from jaxglass import __version__

        print(f"jaxglass {__version__}")
        return 0
    if os.name == "nt":
        print("jaxglass: needs Linux or macOS; on Windows it runs inside WSL", file=sys.stderr)
        return BUG
    debug = any(a.lstrip("+").lower() in ("debug=true", "debug=1") for a in sys.argv[1:])
    try:
        failure = _hydra_main()
        if failure is not None:
            raise failure
        sys.stdout.flush()
    except JaxglassError as error:
        return _say(error, debug)
    except KeyboardInterrupt:
        print("jaxglass: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # whoever reads has seen enough, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes once more when it ends
        return CLOSED_PIPE
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
        from jaxglass.config import FREE_FORM, RULES, SPECIAL

        if unknown[1].startswith(tuple(f"{key}." for key in FREE_FORM)):
            return f"{unknown[1]}: not in the shipped table; to add it write +{unknown[1]}=VALUE"
        near = difflib.get_close_matches(unknown[1], [*RULES, *SPECIAL], 1, 0.4)
        return f"{unknown[1]}: unknown key" + (
            f", did you mean {near[0]}?" if near else "; jaxglass --help lists all keys"
        )
    launcher = re.search(r"Could not find 'hydra/launcher/([a-z]+)[a-z_]*'", text)
    if launcher and launcher[1] in ("joblib", "submitit", "ray"):
        return f"this launcher is an extra of its own: pip install 'jaxglass[{launcher[1]}]' (docs/sweeps.md)"
    return text[:300] or type(error).__name__


def _run_name(*, _root_: Any) -> str:
    """Name of the default run directory: what it is, and the hash of its settings."""
    from jaxglass.composed import plain_values
    from jaxglass.config import check_config

    try:
        config = check_config(plain_values(_root_))
    except Exception:  # the task itself reports what is wrong with the settings
        return "refused"
    return config.name


def _task(cfg: Any) -> JaxglassError | None:
    """One job. A single run returns its error (Hydra would print around it); a point of a sweep raises it.

    The point of a sweep runs in a process of its own, whatever the launcher: see `jaxglass.sweep.job`.
    """
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode
    from omegaconf import OmegaConf

    from jaxglass.composed import plain_values

    hydra = HydraConfig.get()
    try:
        values = plain_values(cfg)
    except ConfigError as error:
        return error
    yaml, path = OmegaConf.to_yaml(cfg, resolve=True), Path(hydra.runtime.output_dir)
    if hydra.mode is RunMode.MULTIRUN:
        from jaxglass.sweep.job import Order, run_job
        from jaxglass.sweep.share import share_of

        launcher: Any = OmegaConf.to_container(hydra.launcher, resolve=False)
        sweeps = Path(hydra.runtime.cwd, hydra.sweep.dir)
        run_job(Order(values, yaml, path, sweeps), share_of(launcher, values.get("sweep") or {}))
        return None
    from jaxglass.config import check_config
    from jaxglass.tasks import Call, run_task

    try:
        _refuse_detour(str(hydra.run.dir))
        run_task(Call(check_config(values), yaml, path, Path(hydra.sweep.dir)))
    except JaxglassError as error:
        return error
    return None


def _refuse_detour(folder: str) -> None:
    """`ConfigError` for a run directory that leaves the folder it seems to lie in, as in outputs/../../x."""
    parts = Path(folder).parts
    named = next((k for k, part in enumerate(parts) if part != ".."), len(parts))
    if ".." in parts[named:]:
        raise ConfigError(f"hydra.run.dir = {folder}: '..' after a folder name leaves that folder; write the path out")


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
