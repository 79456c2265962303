"""Post-import hooks: do something to a module now if it is there, else right after it has been executed."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from connprof.observe.originals import passed_over

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

__all__ = ["ImportHooks", "is_initializing"]


class ImportHooks:
    """Calls ``apply(module, late)`` for each wanted module; late is one that is executed after the start.

    One that is reloaded, or imported anew, is executed again, and ``apply`` is called again.

    A finder stands first on ``sys.meta_path``. It finds nothing itself: it lets the others find a wanted
    module, and gives that one module's loader a short-lived ``exec_module`` that calls us afterwards. The
    loader keeps its own class, so that resource readers and inspection work as ever.

    Args:
        names: modules that are wanted.
        again: modules of which only a later execution is wanted, because they are always there.
        apply: called with a module, and whether it was imported late.
        note_error: called with a place and an exception when a loader cannot be followed.
    """

    def __init__(
        self,
        names: Sequence[str],
        apply: Callable[[ModuleType, bool], None],
        note_error: Callable[[str, BaseException], None],
        again: Sequence[str] = (),
    ) -> None:
        self._names = frozenset(names)
        self._waiting = self._names.union(again)
        self._apply = apply
        self._note_error = note_error

    def install(self) -> None:
        """Serve the modules that are there, and wait for the others."""
        for name in sorted(self._names):
            module = sys.modules.get(name)
            if module is not None and not is_initializing(module):
                self._serve(module, name, late=False)
        sys.meta_path.insert(0, self)

    def uninstall(self) -> None:
        """Wait no longer."""
        self._waiting = frozenset()
        if self in sys.meta_path:
            sys.meta_path.remove(self)

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec that the other finders give for a wanted module; ``None`` for all others."""
        if name not in self._waiting:
            return None
        finders = list(sys.meta_path)
        # Only those behind: the ones before have been asked, and another of our kind among them would ask us back.
        for finder in finders[finders.index(self) + 1 :] if self in finders else ():
            find = getattr(finder, "find_spec", None)
            if find is None:
                continue
            spec: ModuleSpec | None = find(name, path, target)
            if spec is not None:
                self._follow(spec, name)
                return spec
        return None

    def _follow(self, spec: ModuleSpec, name: str) -> None:
        loader: Any = spec.loader
        execute = getattr(loader, "exec_module", None)
        if execute is None:
            return

        @passed_over
        def exec_module(module: ModuleType) -> None:
            vars(loader).pop("exec_module", None)
            execute(module)
            if module.__name__ == name:  # a loader may serve many modules
                self._serve(module, name, late=True)

        try:
            loader.exec_module = exec_module
        except (AttributeError, TypeError) as error:
            self._note_error(f"import of {name}", error)

    def _serve(self, module: ModuleType, name: str, *, late: bool) -> None:
        if name not in self._waiting:
            return
        try:
            self._apply(module, late)
        except Exception as error:  # noqa: BLE001 - an import must not fail because it is observed
            self._note_error(f"after the import of {name}", error)


def is_initializing(module: ModuleType) -> bool:
    """Whether a module is being executed for the first time right now."""
    return bool(getattr(getattr(module, "__spec__", None), "_initializing", False))
