"""Typed errors, one exit code each; every message is one line: what, where, value, what is allowed, what to do."""


class JaxglassError(Exception):
    """Base of every error that jaxglass raises on purpose."""

    exit_code = 1

    def __str__(self) -> str:
        """The message on one line, whatever a file or a setting put into it."""
        return " ".join(super().__str__().splitlines())


class ConfigError(JaxglassError):
    """A setting is unknown, out of range or impossible to realise."""

    exit_code = 2


class InputDataError(JaxglassError):
    """A file given by the user cannot be used as it is."""

    exit_code = 3


class NumericalError(JaxglassError):
    """The physics went wrong: NaN, collapse, atoms too fast, accuracy lost."""

    exit_code = 4


class CheckpointError(JaxglassError):
    """A checkpoint is damaged or belongs to another run."""

    exit_code = 5


class ResourceError(JaxglassError):
    """Memory, disk, permission or a lock held by another process."""

    exit_code = 6


class Preempted(JaxglassError):
    """Stopped by a signal after writing a checkpoint; the same command continues."""

    exit_code = 75
