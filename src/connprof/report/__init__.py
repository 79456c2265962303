"""Pages, plots and the terminal summary of one report.

:func:`build` makes every sentence, row and series; :func:`write` places them in a folder, :func:`print_summary` in a
terminal. Importing this package needs nothing beyond connprof itself. What a renderer needs is imported when it is
used, and its absence raises :class:`~connprof.errors.MissingPackageError`.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from connprof.errors import FileError, MissingPackageError
from connprof.store import write_together

if TYPE_CHECKING:
    import os

    from rich.console import Console

    from connprof.model import Report
    from connprof.report.shapes import View

__all__ = ["build", "print_summary", "require_packages", "write"]


def build(report: Report) -> View:
    """Everything that is on the page and in the summary: see :func:`connprof.report.view.build`."""
    # Imported late, as a comparison needs this package's words and nothing of the page.
    from connprof.report import view

    return view.build(report)


def write(report: Report, folder: str | os.PathLike[str]) -> Path:
    """Write ``index.html`` and the plots as PNG files into ``folder``, and return the page's path.

    All files are written beside their places before the first is renamed into its own, so that neither an interruption
    nor a full disk leaves a half of them. PNG files
    of an earlier report that have no counterpart in this one are removed; other files are left alone.

    Raises:
        FileError: if the folder or a file cannot be written.
        MissingPackageError: if jinja2 or matplotlib is absent.
    """
    from connprof.report import html, plots
    from connprof.report import view as view_of

    view = build(report)
    target = Path(folder)
    pictures: dict[str, bytes] = {}
    drawings: dict[str, tuple[str, str]] = {}
    for number, plot in enumerate(view.every_plot):
        if plot.series is not None:
            pictures[plot.file_name] = plots.png(plot.series, plot.title, view.stamp)
            drawings[plot.key] = (
                # The prefix stands before each of thousands of letters, so it is short.
                plots.svg(plot.series, "wide", prefix=f"w{number}"),
                plots.svg(plot.series, "narrow", prefix=f"n{number}"),
            )
    page = html.page(view, drawings)
    index = target / "index.html"
    write_together({target / name: content for name, content in pictures.items()} | {index: page.encode("utf-8")})
    for name in {f"{key}.png" for key in view_of.PLOTS} - set(pictures):
        _remove(target / name)
    return index


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise FileError(f"{path} cannot be removed: {error.strerror or error}.") from None


def require_packages() -> None:
    """Say now, not after a long run, that a page could not be drawn.

    Raises:
        MissingPackageError: if jinja2, matplotlib or rich is absent.
    """
    for package in ("jinja2", "matplotlib", "rich"):
        if find_spec(package) is None:
            raise MissingPackageError(package, extra="report", purpose="draw the report")


def print_summary(report: Report, console: Console, *, page: Path | None = None) -> None:
    """Print the summary: see :func:`connprof.report.text.show`.

    Raises:
        MissingPackageError: if rich is absent.
    """
    from connprof.report import text

    text.show(build(report), console, page=page)
