"""The tasks of the command: what `task=` names, and the function that does it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from jaxglass.config import Config
from jaxglass.simulation.signals import StopAtOnce


@dataclass(frozen=True)
class Call:
    """One call of the command: checked settings, their YAML, the run directory, and the folder of sweeps."""

    config: Config
    yaml: str
    path: Path
    sweeps: Path


def run_task(call: Call) -> None:
    """Do the task that the settings name; a request to stop or `max_walltime` ends it with `Preempted`."""
    with StopAtOnce(call.config.get("max_walltime")):
        TASKS[call.config.get("task")](call)


def _study(call: Call) -> None:
    from jaxglass.study import run_study

    run_study(call.config, call.path, call.yaml)


def _ensemble(call: Call) -> None:
    from jaxglass.ensemble import run_ensemble

    run_ensemble(call.config, call.path, call.yaml)


def _evaluate(call: Call) -> None:
    from jaxglass.evaluate import run_evaluate

    run_evaluate(call.config, call.path, call.yaml)


def _analyse(call: Call) -> None:
    from jaxglass.analyse import run_analyse

    run_analyse(call.config, call.path, call.yaml)


def _measured(call: Call) -> None:
    from jaxglass.experiment.task import run_measured

    run_measured(call.config, call.path, call.yaml)


def _refit(call: Call) -> None:
    from jaxglass.refit.task import run_refit

    run_refit(call.config, call.path, call.yaml)


def _benchmark(call: Call) -> None:
    from jaxglass.benchmark.task import run_benchmark

    run_benchmark(call.config, call.path, call.yaml)


def _doctor(_: Call) -> None:
    from jaxglass.doctor import run_doctor

    run_doctor()


def _validate(call: Call) -> None:
    from jaxglass.refusals import run_validation

    run_validation(call.config)


def _sweep_status(call: Call) -> None:
    from jaxglass.sweep.status import print_status

    print_status(call.sweeps)


def _sweep_report(call: Call) -> None:
    from jaxglass.sweep.outcome import write_outcome

    write_outcome(call.sweeps)


TASKS: Mapping[str, Callable[[Call], None]] = {
    "study": _study,
    "ensemble": _ensemble,
    "evaluate": _evaluate,
    "analyse": _analyse,
    "measured": _measured,
    "refit": _refit,
    "benchmark": _benchmark,
    "doctor": _doctor,
    "validate_config": _validate,
    "sweep_status": _sweep_status,
    "sweep_report": _sweep_report,
}
