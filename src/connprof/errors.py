"""The errors that a user is told about in one sentence.

Everything else that is raised is a defect of connprof and is shown with its traceback.
Exit codes are not given here but in one place, :mod:`connprof.cli`.
"""

__all__ = ["ConnprofError", "FileError", "MissingPackageError", "RunError", "UsageError"]


class ConnprofError(Exception):
    """Base of all errors whose message is meant for the user, as one clear sentence."""


class UsageError(ConnprofError):
    """What was asked for does not exist or does not fit together (an unknown strategy, say)."""


class FileError(ConnprofError):
    """A file cannot be read, written or understood; the message names the file and the place in it."""


class MissingPackageError(ConnprofError):
    """An optional package is absent; the message says what to install.

    Args:
        package: the distribution that is missing.
        extra: the extra of connprof that brings it.
        purpose: what it is needed for, as the end of "... is needed to".
    """

    def __init__(self, package: str, *, extra: str, purpose: str) -> None:
        super().__init__(f"{package} is needed to {purpose}: pip install 'connprof[{extra}]'.")
        self.package = package
        self.extra = extra


class RunError(ConnprofError):
    """A measurement could not be made: the server died, a worker hung, the disk is full."""
