"""The page: one file that needs nothing else, neither a network nor JavaScript.

The template only places what :mod:`.view` made. Everything is escaped by Jinja, apart from the drawings, which
:mod:`.plots` makes itself and in which no text occurs (it is drawn as shapes).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from connprof.errors import MissingPackageError

try:
    import jinja2
    import markupsafe
except ImportError as error:
    raise MissingPackageError("jinja2", extra="report", purpose="write the HTML page") from error

if TYPE_CHECKING:
    from collections.abc import Mapping

    from connprof.report.shapes import View

__all__ = ["drawn", "page", "rendered"]


def page(view: View, drawings: Mapping[str, tuple[str, str]]) -> str:
    """The whole page.

    Args:
        view: what is on it.
        drawings: for each plot's key its wide and its narrow ``<svg>``; a plot without one shows its sentence.
    """
    trusted = {key: tuple(drawn(svg) for svg in pair) for key, pair in drawings.items()}
    return rendered("index.html", view=view, drawings=trusted)


def rendered(template: str, **values: object) -> str:
    """The page that ``template`` makes of ``values``, with our style sheet; all text is escaped."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("connprof.report", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style = environment.get_template("style.css").render()
    return environment.get_template(template).render(
        style=markupsafe.Markup(style),  # noqa: S704  our own file
        **values,
    )


def drawn(svg: str) -> str:
    """A drawing of :mod:`.plots`, which is not to be escaped: it is made of shapes alone."""
    return markupsafe.Markup(svg)  # noqa: S704  see the line above
