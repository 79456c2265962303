"""Replacing attributes and putting them back: every replacement is one half of a pair."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Final
from weakref import ref

from connprof.observe.originals import passed_over

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Patches"]

_ABSENT: Final = object()
_WRAPPERS_MAX: Final = 50


def _mark(owner: Any, name: str) -> tuple[int, str] | None:
    """A class is never executed again, while a module may be."""
    return (id(owner), name) if isinstance(owner, type) else None


def _function(found: Any) -> Any:
    """What is called: a static method is only how a class has it."""
    return found.__func__ if type(found) in {staticmethod, classmethod} else found


def _leads_to(wrapper: Any, function: Any) -> bool:
    """Whether one wraps the other, be it by way of more: who puts that back has undone what was there before us."""
    for _ in range(_WRAPPERS_MAX):
        try:
            wrapper = _function(wrapper.__wrapped__)
        except Exception:  # noqa: BLE001 - whatever somebody has put there
            return False
        if wrapper is function:
            return True
    return False


class Patches:
    """The replacements in force. Not thread-safe: the window's lifecycle lock is held around it."""

    def __init__(self) -> None:
        self._in_force: list[tuple[Any, str, Any, Any]] = []
        self._put: set[Any] = set()
        """Identities of the replacements, and of classes with what was replaced in them; all of these are kept."""
        # By identity, and not as weak dictionaries: what a signal's handler raises amid their callbacks is lost.
        self._earlier: dict[int, tuple[ref[Any], ref[Any], str, Any]] = {}
        """Replacements that were put back, and that somebody still has: where they were, and in whose place."""
        self._over: dict[int, tuple[ref[Any], ref[Any]]] = {}
        """What somebody else has put over a replacement of ours, and which that is."""

    def replace(self, owner: Any, name: str, make: Callable[[Any], Any]) -> None:
        """Put ``make(original)`` in the place of ``owner.name``.

        ``__new__`` is made a static method, as the class statement would have done. A class that has outlived the
        reload of its module stays as it is. So does what still leads to a replacement of ours from an earlier time,
        because somebody has kept it: that works again, and a second one would count the same once more.

        Raises:
            AttributeError: when there is no such attribute.
            TypeError: when the owner cannot be changed.
            ValueError: from ``make``, when the original does not tell its parameters.
        """
        own = vars(owner).get(name, _ABSENT)
        if not self._put.isdisjoint({_mark(owner, name), id(_function(own))}):
            return
        replacement = self._kept_in(owner, name, own)
        is_there = replacement is not None
        if is_there:
            own = self._earlier[id(replacement)][3]
        else:
            original = getattr(owner, name)
            replacement = make(original)
            if replacement is not original:
                passed_over(replacement)
        # In this order, and in that of restore: a signal's handler may raise amid it.
        self._in_force.append((owner, name, own, replacement))
        self._put |= {_mark(owner, name), id(replacement)} - {None}
        if not is_there:
            setattr(owner, name, staticmethod(replacement) if name == "__new__" else replacement)

    def restore(self) -> None:
        """Put everything back, last first. What the owner did not have itself is deleted, not set.

        Where someone else has put a replacement over ours in the meantime, theirs stays: it may call ours,
        which then does nothing but call the original.
        """
        while self._in_force:
            owner, name, own, replacement = self._in_force[-1]
            found = vars(owner).get(name, _ABSENT)
            self._earlier[id(replacement)] = ref(replacement), ref(owner), name, own
            if _function(found) is replacement:
                if own is _ABSENT:
                    delattr(owner, name)
                else:
                    setattr(owner, name, own)
            elif found is not own and not _leads_to(replacement, _function(found)):
                with contextlib.suppress(TypeError):  # of theirs there can be no weak reference
                    self._over[id(_function(found))] = ref(_function(found)), ref(replacement)
            del self._in_force[-1], replacement, found  # whoever is to be forgotten below has to be gone
        self._put.clear()
        self._earlier = {identity: kept for identity, kept in self._earlier.items() if kept[0]() is not None}
        self._over = {identity: kept for identity, kept in self._over.items() if kept[0]() is not None}

    def _kept_in(self, owner: Any, name: str, found: Any) -> Any:
        """Our replacement of an earlier time that is found there again, be it below what somebody has put over it."""
        for _ in range(_WRAPPERS_MAX):
            found = _function(found)
            kept = self._earlier.get(id(found))
            if kept is not None and kept[0]() is found:
                return found if kept[1]() is owner and kept[2] == name else None
            over = self._over.get(id(found))
            if over is not None and over[0]() is found:
                found = over[1]()
                continue
            try:
                found = found.__wrapped__
            except Exception:  # noqa: BLE001 - whatever somebody has put there
                return None
        return None

    def __len__(self) -> int:
        return len(self._in_force)
