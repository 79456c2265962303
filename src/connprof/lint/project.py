"""All files of a project together, and what a name in one of them means."""

from __future__ import annotations

import ast
import os
import re
import warnings
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final

from connprof.lint import files
from connprof.lint.finding import Problem
from connprof.lint.libraries import KNOWN_TOPS, MADE_BY
from connprof.lint.source import Class, Function, Module, Scope, dotted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from connprof.lint.source import Binding

__all__ = ["PARTIAL", "External", "Known", "Partial", "Project", "load"]

_MOST_CONTEXT_FILES: Final = 5_000
_DEEPEST: Final = 12
"""How many re-exports and aliases are followed."""
_WORDS: Final = re.compile(r"\w+")
_IMPORTS: Final = re.compile(
    r"^[ \t]*(?:from[^\n]*\([^)]*\)|(?:from|import)\b(?:[^\n]*\\\n)*[^\n]*)|;\s*import[^\n]*", re.MULTILINE
)


class External(str):
    """The full name of something that is not of this project; ``()`` in it is an object that was made."""

    __slots__ = ()


Known = External | Module | Class | Function

PARTIAL: Final = External("functools.partial")


@dataclass(frozen=True, slots=True)
class Partial:
    """A ``functools.partial``: what it calls, and where it is made."""

    of: External
    node: ast.Call
    scope: Scope


class Project:
    """Modules by name and by path."""

    def __init__(self, modules: Sequence[Module], root: Path) -> None:
        self.modules = modules
        self.root = root
        self._by_path = {module.path.as_posix(): module for module in modules}
        self._by_name: dict[str, Module] = {}
        for module in modules:
            for name in (module.dotted_name, *_names_from(root, module.path)):
                self._by_name.setdefault(name, module)
        self._memo: dict[tuple[Scope, str], Known | None] = {}
        self._types: dict[tuple[Scope, str], External | Class | None] = {}
        self._attributes: dict[tuple[Class, str], External | Class | None] = {}
        self._lineages: dict[Class, list[Class]] = {}
        self._cuts_count = 0
        """How often something was too far away to be looked at: what is not found then may be from nearer by."""

    def module_named(self, name: str, importer: Module) -> Module | None:
        """The project's module that ``import name`` in ``importer`` would give, if it is one of the project's."""
        if not name or (name.partition(".")[0] in KNOWN_TOPS and not self._inside(name, importer)):
            return None
        return self._by_name.get(name) or self._in_folder(importer, name.replace(".", "/"))

    def _in_folder(self, module: Module, path: str) -> Module | None:
        beside = f"{module.folder}/{path}"
        return self._by_path.get(f"{beside}.py") or self._by_path.get(f"{beside}/__init__.py")

    @staticmethod
    def _inside(name: str, importer: Module) -> bool:
        return importer.dotted_name.partition(".")[0] == name.partition(".")[0]

    def full_name(self, name: str, importer: Module, depth: int = 0) -> Known | None:
        """What a full name such as ``package.module.thing`` means."""
        module = self.module_named(name, importer)
        if module is not None:
            return module
        before, _, last = name.rpartition(".")
        if depth > _DEEPEST:
            self._cuts_count += 1
            return None
        if not before:
            return External(name)
        owner = self.full_name(before, importer, depth + 1)
        return self.attribute(owner, last, depth + 1)

    def attribute(self, owner: Known | None, name: str, depth: int = 0) -> Known | None:
        """What ``owner.name`` means."""
        if isinstance(owner, External):
            return External(f"{owner}.{name}")
        if isinstance(owner, Module):
            found = self.name(owner, name, depth + 1)
            return found or (self._in_folder(owner, name) if owner.is_package else None)
        if isinstance(owner, Class):
            return self.method(owner, name)
        return None

    def name(self, scope: Scope, name: str, depth: int = 0) -> Known | None:
        """What ``name`` means in ``scope``, looking outwards as Python does."""
        if depth > _DEEPEST:
            self._cuts_count += 1
            return None
        key = (scope, name)
        if key in self._memo:
            return self._memo[key]
        before = self._cuts_count
        self._memo[key] = None  # what stands for itself means nothing
        self._memo[key] = known = self._looked_up(scope, name, depth)
        if known is None and self._cuts_count != before:
            del self._memo[key]
        return known

    def _looked_up(self, scope: Scope, name: str, depth: int) -> Known | None:
        holder = self.holder(scope, name)
        if holder is None:
            for source in scope.module.stars:
                found = self._from_star(source, name, scope.module, depth)
                if found is not None:
                    return found
            return None
        meanings = [self._meaning(binding, holder, depth) for binding in holder.bindings[name]]
        # Of several, such as those in try and except, one that leads to a known library.
        known = [each for each in meanings if each is not None]
        preferred = (each for each in known if isinstance(each, External) and each.partition(".")[0] in KNOWN_TOPS)
        return next(preferred, known[0] if known else None)

    def _from_star(self, source: str, name: str, importer: Module, depth: int) -> Known | None:
        module = self.module_named(source, importer)
        if module is not None:
            return self.name(module, name, depth + 1)
        return External(f"{source}.{name}") if source.partition(".")[0] in KNOWN_TOPS else None

    @staticmethod
    def holder(scope: Scope, name: str) -> Scope | None:
        """The scope that binds ``name`` as seen from ``scope``: a class's names are not seen from its methods."""
        place: Scope | None = scope
        while place is not None:
            if name in place.bindings and (place is scope or not isinstance(place, Class)):
                return place
            place = place.parent
        return None

    def _meaning(self, binding: Binding, scope: Scope, depth: int) -> Known | None:
        if binding.scope is not None:
            return binding.scope
        if binding.imported is not None:
            return self.full_name(binding.imported, scope.module, depth + 1)
        if binding.exactly and isinstance(binding.value, ast.Name | ast.Attribute):
            return self.expression(scope, binding.value, depth + 1)
        return None

    def expression(self, scope: Scope, node: ast.expr, depth: int = 0) -> Known | None:
        """What a name or a dotted name means; nothing for any other expression."""
        names: list[str] = []
        while isinstance(node, ast.Attribute):
            names.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name):
            return None
        known = self.name(scope, node.id, depth + 1)
        while names and known is not None:
            known = self.attribute(known, names.pop(), depth + 1)
        return known

    def partial(self, scope: Scope, node: ast.expr) -> Partial | None:
        """The ``partial`` of a library's function that an expression is, or a name stands for."""
        if isinstance(node, ast.Call):
            is_partial = node.args and dotted(node.func).endswith("partial") and self.called(scope, node) == PARTIAL
            known = self.expression(scope, node.args[0]) if is_partial else None
            return Partial(known, node, scope) if isinstance(known, External) else None
        if not isinstance(node, ast.Name):
            return None
        holder = self.holder(scope, node.id)
        values = [each.value for each in holder.bindings[node.id]] if holder is not None else []
        if holder is None or len(values) != 1 or not isinstance(values[0], ast.Call):
            return None
        return self.partial(holder, values[0])

    # --- objects ------------------------------------------------------------------------------------------

    def method(self, owner: Class, name: str) -> Function | None:
        """The method that ``owner`` or a base in this project has."""
        return next((base.methods[name] for base in self.lineage(owner) if name in base.methods), None)

    def lineage(self, owner: Class) -> list[Class]:
        """``owner`` and its bases in this project, nearest first."""
        if owner in self._lineages:
            return self._lineages[owner]
        found = [owner]
        for each in found:
            for base in each.node.bases:
                known = self.expression(each.parent or each.module, _unsubscripted(base))
                if isinstance(known, Class) and known not in found:
                    found.append(known)
        self._lineages[owner] = found
        return found

    def outer_bases(self, owner: Class) -> Iterator[str]:
        """Bases that are not of this project: full names, or as they are written."""
        for each in self.lineage(owner):
            for base in each.node.bases:
                plain = _unsubscripted(base)
                known = self.expression(each.parent or each.module, plain)
                if known is None:
                    yield plain.attr if isinstance(plain, ast.Attribute) else getattr(plain, "id", "")
                elif isinstance(known, External):
                    yield known

    def type_of(self, scope: Scope, node: ast.expr, depth: int = 0) -> External | Class | None:
        """The class whose instance an expression is, where the source shows it; ``a.B()`` for one of a library."""
        if depth > _DEEPEST:
            self._cuts_count += 1
            return None
        if isinstance(node, ast.Await):
            node = node.value
        if isinstance(node, ast.Call):
            made = self.called(scope, node, depth + 1)
            if isinstance(made, External):
                return External(f"{made}()")
            return made if isinstance(made, Class) else None
        if isinstance(node, ast.BoolOp):
            found = (self.type_of(scope, value, depth + 1) for value in node.values)
            return next((each for each in found if each is not None), None)
        if isinstance(node, ast.Attribute):
            return self._type_of_attribute(scope, node, depth)
        return self._type_of_name(scope, node.id, depth) if isinstance(node, ast.Name) else None

    def _type_of_name(self, scope: Scope, name: str, depth: int) -> External | Class | None:
        holder = self.holder(scope, name)
        if holder is None:
            return None
        if isinstance(holder, Function) and holder.own_class is not None and holder.parameters[:1] == [name]:
            return holder.own_class
        key = (holder, name)
        if key in self._types:
            return self._types[key]
        before = self._cuts_count
        self._types[key] = None
        found = (self._type_of_binding(holder, binding, depth) for binding in holder.bindings[name])
        self._types[key] = known = next((each for each in found if each is not None), None)
        if known is None and self._cuts_count != before:
            del self._types[key]
        return known

    def _type_of_binding(self, holder: Scope, binding: Binding, depth: int) -> External | Class | None:
        known: External | Class | None = None
        if binding.annotation is not None:
            known = self._annotated(holder, binding.annotation)
        if known is None and binding.value is not None and binding.exactly:
            known = self.type_of(holder, binding.value, depth + 1)
        if known is None and binding.imported is not None:
            known = self._type_of_import(binding.imported, holder.module, depth)
        return known

    def _type_of_import(self, name: str, importer: Module, depth: int) -> External | Class | None:
        before, _, last = name.rpartition(".")
        module = self.module_named(before, importer) if before else None
        return self._type_of_name(module, last, depth + 1) if module is not None and depth < _DEEPEST else None

    def _annotated(self, scope: Scope, annotation: ast.expr) -> Class | None:
        place = scope.parent or scope
        if isinstance(annotation, ast.BinOp):
            return self._annotated(scope, annotation.left)
        if isinstance(annotation, ast.Subscript):
            parts = annotation.slice.elts[:1] if isinstance(annotation.slice, ast.Tuple) else [annotation.slice]
            return self._annotated(scope, parts[0]) if parts else None
        if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
            known = self.name(place, annotation.value) if annotation.value.isidentifier() else None
        else:
            known = self.expression(place, annotation)
        return known if isinstance(known, Class) else None

    def _type_of_attribute(self, scope: Scope, node: ast.Attribute, depth: int) -> External | Class | None:
        owner = self.type_of(scope, node.value, depth + 1)
        if isinstance(owner, Class):
            return self._type_in_class(owner, node.attr, depth)
        if owner is None:
            module = self.expression(scope, node.value)
            if isinstance(module, Module):
                return self._type_of_name(module, node.attr, depth + 1)
        return None

    def _type_in_class(self, owner: Class, attribute: str, depth: int) -> External | Class | None:
        key = (owner, attribute)
        if key in self._attributes:
            return self._attributes[key]
        before = self._cuts_count
        self._attributes[key] = None
        found = (
            self.type_of(method, value, depth + 1)
            for base in self.lineage(owner)
            for method, value in base.assigned(attribute)
        )
        self._attributes[key] = known = next((each for each in found if each is not None), None)
        if known is None and self._cuts_count != before:
            del self._attributes[key]
        return known

    def called(self, scope: Scope, call: ast.Call, depth: int = 0) -> Known | None:
        """What a call calls."""
        function = call.func
        known = self.expression(scope, function)
        if known is not None or not isinstance(function, ast.Attribute):
            return known
        if _is_super(function.value):
            return self._above(scope, function.attr)
        owner = self.type_of(scope, function.value, depth + 1)
        if isinstance(owner, Class):
            return self.method(owner, function.attr)
        return External(f"{owner}.{function.attr}") if owner is not None else None

    def _above(self, scope: Scope, name: str) -> Function | None:
        owner = scope.own_class if isinstance(scope, Function) else None
        bases = self.lineage(owner)[1:] if owner is not None else []
        return next((base.methods[name] for base in bases if name in base.methods), None)


def _is_super(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "super"


def _unsubscripted(node: ast.expr) -> ast.expr:
    return node.value if isinstance(node, ast.Subscript) else node


# --- loading ----------------------------------------------------------------------------------------------


def load(
    chosen: Sequence[Path], root: Path, exclude: Sequence[str], extra: Iterable[str]
) -> tuple[Project, list[Problem]]:
    """Read the chosen files, and what else in the project can tell how they are used.

    Only files that have to do with a known library, and those that name such a file, are looked at closely; of the
    others, the chosen ones are parsed to see that they can be.
    """
    trees: dict[Path, ast.Module] = {}
    texts: dict[Path, tuple[str, str]] = {}
    problems: list[Problem] = []
    for file in chosen:
        path, shown = Path(os.path.realpath(file)), files.shown(file)
        text, sentence = files.read(file)
        tree, sentence = _parsed(text) if not sentence else (None, sentence)
        if tree is not None:
            texts[path], trees[path] = (text, shown), tree
        else:
            problems.append(Problem(path=shown, sentence=f"{shown} {sentence}"))
    failed = {problem.path for problem in problems}
    for path, shown, text in _surroundings(root, exclude):
        if shown not in failed:
            texts.setdefault(path, (text, shown))
    modules = []
    for path in _concerned({path: text for path, (text, _) in texts.items()}, extra):
        text, shown = texts[path]
        known = trees.get(path) or _parsed(text)[0]
        if known is not None:
            modules.append(Module(path, shown, _module_name(path), text, known, is_test=_is_test(path, root)))
    return Project(modules, root), problems


def _surroundings(root: Path, exclude: Sequence[str]) -> Iterator[tuple[Path, str, str]]:
    """The other files of the project that can be read, up to a number that keeps a stray root from taking all day."""
    for file in islice(files.python_files(root), _MOST_CONTEXT_FILES):
        if not files.excluded(file, exclude):
            text, sentence = files.read(file)
            if not sentence:
                yield Path(os.path.realpath(file)), files.shown(file), text


def _parsed(text: str) -> tuple[ast.Module | None, str]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text), ""
    except SyntaxError as error:
        if _PYTHON_2.search(text) and "print" in str(error.msg):
            return None, f"is Python 2, and was not checked (line {error.lineno})."
        return None, f"cannot be parsed: {error.msg or 'invalid syntax'} (line {error.lineno or 1})."
    except (RecursionError, MemoryError):
        return None, "is nested too deeply to be checked."
    except ValueError as error:
        return None, f"cannot be parsed: {error}."


_PYTHON_2: Final = re.compile(r"^\s*print\s+[^(=\s]", re.MULTILINE)


def _concerned(texts: dict[Path, str], extra: Iterable[str]) -> list[Path]:
    """Files that import a library, and files that import those: a caller must import what it calls."""
    tops = frozenset(each for name in (*MADE_BY, *extra, "uvloop", "trio") for each in (_importable(name),))
    words = {path: frozenset(_WORDS.findall(" ".join(_IMPORTS.findall(text)))) for path, text in texts.items()}
    chosen = {path for path, found in words.items() if not tops.isdisjoint(found)}
    names: set[str] = set()
    fresh = chosen
    while fresh:
        new = {path.parent.name if path.name == "__init__.py" else path.stem for path in fresh} - names
        names |= new
        fresh = {path for path, found in words.items() if path not in chosen and not new.isdisjoint(found)}
        chosen = chosen | fresh
    return sorted(chosen)


def _importable(name: str) -> str:
    """The word by which an import of ``name`` is known: ``http`` and ``urllib`` alone are of no interest."""
    top, _, rest = name.partition(".")
    return rest.partition(".")[0] if top in {"http", "urllib"} else top


def _module_name(path: Path) -> str:
    parts = [] if path.name == "__init__.py" else [path.stem]
    folder = path.parent
    while (folder / "__init__.py").exists() and folder != folder.parent:
        parts.insert(0, folder.name)
        folder = folder.parent
    return ".".join(parts) or path.parent.name


def _names_from(root: Path, path: Path) -> Iterator[str]:
    """Names by folder, as packages without ``__init__.py`` have them, from the root and from a ``src`` in it."""
    try:
        parts = list(path.relative_to(root).with_suffix("").parts)
    except ValueError:
        return
    if parts[-1:] == ["__init__"]:
        parts.pop()
    if parts:
        yield ".".join(parts)
    if parts[1:] and parts[0] == "src":
        yield ".".join(parts[1:])


def _is_test(path: Path, root: Path) -> bool:
    name = path.name
    if name == "conftest.py" or name.startswith("test_") or name.endswith("_test.py"):
        return True
    try:
        folders = path.relative_to(root).parts[:-1]
    except ValueError:
        return False
    return not {"tests", "test"}.isdisjoint(folders)
