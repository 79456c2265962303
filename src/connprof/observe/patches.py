"""Replacing attributes and putting them back: every replacement is one half of a pair."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Patches"]

_ABSENT: Final = object()


def _mark(owner: Any, name: str) -> tuple[int, str] | None:
    """A class is never executed again, while a module may be."""
    return (id(owner), name) if isinstance(owner, type) else None


class Patches:
    """The replacements in force. Not thread-safe: the window's lifecycle lock is held around it."""

    def __init__(self) -> None:
        self._in_force: list[tuple[Any, str, Any, Any]] = []
        self._put: set[Any] = set()
        """Identities of the replacements, and of classes with what was replaced in them; all of these are kept."""

    def replace(self, owner: Any, name: str, make: Callable[[Any], Any]) -> None:
        """Put ``make(original)`` in the place of ``owner.name``.

        ``__new__`` is made a static method, as the class statement would have done. A class that has outlived the
        reload of its module stays as it is.

        Raises:
            AttributeError: when there is no such attribute.
            TypeError: when the owner cannot be changed.
            ValueError: from ``make``, when the original does not tell its parameters.
        """
        own = vars(owner).get(name, _ABSENT)
        if not self._put.isdisjoint({_mark(owner, name), id(own)}):
            return
        replacement = make(getattr(owner, name))
        if name == "__new__":
            replacement = staticmethod(replacement)
        setattr(owner, name, replacement)
        self._in_force.append((owner, name, own, replacement))
        self._put |= {_mark(owner, name), id(replacement)} - {None}

    def restore(self) -> None:
        """Put everything back, last first. What the owner did not have itself is deleted, not set.

        Where someone else has put a replacement over ours in the meantime, theirs stays: it may call ours,
        which then does nothing but call the original.
        """
        while self._in_force:
            owner, name, own, replacement = self._in_force.pop()
            if vars(owner).get(name, _ABSENT) is not replacement:
                continue
            if own is _ABSENT:
                delattr(owner, name)
            else:
                setattr(owner, name, own)
        self._put.clear()

    def __len__(self) -> int:
        return len(self._in_force)
