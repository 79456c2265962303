"""What a program's run showed, in the formats that people and CI systems read.

:func:`connprof.report.profile.view.build` makes every sentence and row, and each format's module places them;
:mod:`.json` keeps the figures. Only :mod:`.html` needs more than a bare installation.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from connprof.profile import Profile

__all__ = ["Kind", "render"]

Kind = Literal["text", "json", "html", "sarif", "markdown"]


def render(
    profile: Profile,
    kind: Kind,
    *,
    color: bool = False,
    width: int = 100,
    wraps: bool = True,
    folder: Path | None = None,
) -> str:
    """The whole document.

    Args:
        profile: what to show.
        kind: the format.
        color: whether text has escape codes for colours; the other formats have none.
        width: columns of text.
        wraps: whether text's sentences keep to them too, and not its tables alone.
        folder: paths below it are shown relative to it; the current folder by default.

    Raises:
        MissingPackageError: for ``html``, if jinja2 is absent.
    """
    # Each is imported when it is wanted: a page needs a package that the others do not.
    if kind == "json":
        from connprof.report.profile.json import render as render_json

        return render_json(profile)
    below = Path.cwd() if folder is None else folder
    if kind == "sarif":
        from connprof.report.profile.sarif import render as render_sarif

        return render_sarif(profile, folder=below)
    from connprof.report.profile.view import build

    view = build(profile, folder=below)
    if kind == "html":
        from connprof.report.profile.html import render as render_html

        return render_html(view)
    if kind == "markdown":
        from connprof.report.profile.markdown import render as render_markdown

        return render_markdown(view)
    from connprof.report.profile.text import render as render_text

    return render_text(view, color=color, width=width, wraps=wraps)
