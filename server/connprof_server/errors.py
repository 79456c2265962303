"""The one error that this package raises on its own account."""

__all__ = ["ServerError"]


class ServerError(Exception):
    """The server could not be started, or is gone. The message is one sentence for a person."""
