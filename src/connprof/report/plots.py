"""Drawings of the plot series, as SVG for the page and PNG beside it.

Only matplotlib's object interface is used, so no state is left behind in a caller's process. One drawing serves both
formats: colours are names of a palette, which a PNG takes from :data:`LIGHT` and an SVG from placeholders that become
CSS variables afterwards, so that the page can be light or dark. A figure's unit is one CSS pixel at full size.
The same series always gives the same bytes.
"""

from __future__ import annotations

import io
import math
import re
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from connprof.errors import MissingPackageError
from connprof.report.series import Boxes, Lines, StackedBars, Strip, Timeline

try:
    import matplotlib as mpl
    from matplotlib import font_manager, textpath
    from matplotlib.figure import Figure
    from matplotlib.ft2font import FT2Font
    from matplotlib.patches import Rectangle
except ImportError as error:
    raise MissingPackageError("matplotlib", extra="report", purpose="draw the plots") from error

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from matplotlib.axes import Axes

    from connprof.report.series import Axis, Bar, Box, Dot, Harm, Line, Panel, Series, Span, Tone, Track

__all__ = ["LIGHT", "SIZES", "Size", "png", "svg"]

Size: TypeAlias = Literal["wide", "narrow"]
SIZES: tuple[Size, Size] = ("wide", "narrow")
"""Both drawings that a page holds of each plot."""

LIGHT = {
    "card": "#ffffff",
    "ink": "#1b1f24",
    "soft": "#57606a",
    "line": "#d8dee4",
    "faint": "#8c959f",
    "before": "#b3400a",
    "after": "#0a6e55",
    "other": "#6e7781",
    "context": "#3f4fa3",
    "handshake": "#e08a00",
    "io": "#6cb6e8",
    "on-context": "#ffffff",
    "on-handshake": "#1b1f24",
    "on-io": "#1b1f24",
    "conn": "#c3ccd6",
    "call": "#4f5965",
}
"""The light palette. The page's style sheet defines the same names, light and dark."""

_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "p")
_FONT = "DejaVu Sans"  # comes with matplotlib, so every machine draws the same
_STYLE: dict[Any, Any] = {
    "font.family": _FONT,
    "svg.fonttype": "path",
    "text.parse_math": False,
    "text.usetex": False,
    "path.simplify": True,
    "axes.unicode_minus": True,
}
_MAX_LABEL = 40
_LIST_LEFT = 24


@dataclass(frozen=True, slots=True)
class _Look:
    """How large things are, in CSS pixels."""

    width: int
    text: float
    small: float
    row: int
    labels_above: bool


_LOOKS: dict[Size, _Look] = {
    "wide": _Look(width=1080, text=13, small=12, row=34, labels_above=False),
    "narrow": _Look(width=340, text=11.5, small=11, row=46, labels_above=True),
}


@dataclass(slots=True)
class _Sheet:
    """A figure measured in pixels from its upper left corner, and the palette that it is drawn with."""

    look: _Look
    height: float
    palette: dict[str, str]
    figure: Figure = field(init=False)

    def __post_init__(self) -> None:
        self.figure = Figure(figsize=(self.look.width / 72, self.height / 72), dpi=72)
        self.figure.patch.set_facecolor(self.palette["card"])

    def color(self, name: str) -> str:
        return self.palette[name]

    def axes(self, left: float, top: float, width: float, height: float) -> Axes:
        """Axes without any frame; what is needed of one is drawn."""
        axes = self.figure.add_axes(
            (
                left / self.look.width,
                1 - (top + height) / self.height,
                width / self.look.width,
                height / self.height,
            )
        )
        axes.set_facecolor("none")
        for spine in axes.spines.values():
            spine.set_visible(False)
        axes.tick_params(length=0, labelsize=self.look.small, labelcolor=self.color("soft"), pad=5)
        axes.set_axisbelow(True)
        return axes

    def text(
        self,
        x: float,
        y: float,
        text: str,
        *,
        color: str = "ink",
        size: float | None = None,
        ha: Literal["left", "center", "right"] = "left",
        va: Literal["top", "center", "bottom", "baseline"] = "center",
        bold: bool = False,
    ) -> None:
        self.figure.text(
            x / self.look.width,
            1 - y / self.height,
            _drawable(text),
            color=self.color(color),
            fontsize=size or self.look.text,
            ha=ha,
            va=va,
            weight="bold" if bold else "normal",
        )

    def box(self, x: float, y: float, width: float, height: float, color: str) -> None:
        """A filled rectangle, its upper left corner at ``x`` and ``y``."""
        self.figure.add_artist(
            Rectangle(
                (x / self.look.width, 1 - (y + height) / self.height),
                width / self.look.width,
                height / self.height,
                color=self.color(color),
                linewidth=0,
                transform=self.figure.transFigure,
            )
        )


# --- text ---------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def _glyphs() -> FT2Font:
    return FT2Font(font_manager.findfont(_FONT))


@lru_cache(maxsize=4096)
def _drawable(text: str) -> str:
    """The text with a box for each character that the font cannot draw, and not longer than fits a label."""
    if text.isascii():
        return text
    font = _glyphs()
    return "".join(character if font.get_char_index(ord(character)) else "\u25a1" for character in text)


@lru_cache(maxsize=4096)
def _width(text: str, size: float, *, bold: bool = False) -> float:
    """How wide the text will be, in pixels."""
    properties = font_manager.FontProperties(family=_FONT, weight="bold" if bold else "normal")
    shown = _drawable(text)
    if not shown.strip():
        return 0.0
    return float(textpath.TextPath((0, 0), shown, size=size, prop=properties).get_extents().width)


def _short(text: str, size: float, room: float, *, bold: bool = False) -> str:
    """The text, cut with an ellipsis where it is wider than its room."""
    text = text[: 4 * _MAX_LABEL]
    if _width(text, size, bold=bold) <= room:
        return text
    fits, too_long = 0, len(text)
    while too_long - fits > 1:
        middle = (fits + too_long) // 2
        if _width(text[:middle] + "…", size, bold=bold) <= room:
            fits = middle
        else:
            too_long = middle
    return text[:fits].rstrip() + "…"


def _wrapped(text: str, size: float, room: float, *, bold: bool) -> list[str]:
    """The text in as many lines as it needs: each ends after a slash or a space, unless a single word fills it."""
    lines = [""]
    for word in re.findall(r"[^/ ]*[/ ]|[^/ ]+", text[: 4 * _MAX_LABEL]):
        if lines[-1] and _width(f"{lines[-1]}{word}".rstrip(), size, bold=bold) > room:
            lines.append("")
        lines[-1] += _short(word, size, room, bold=bold)
    return [line.rstrip() for line in lines]


# --- common parts -------------------------------------------------------------------------------------------------


def _tone_color(tone: Tone) -> str:
    return "ink" if tone == "other" else tone


def _right(axis: Axis, look: _Look, least: float) -> float:
    """The room that is needed beyond the axis's end for the last of its labels."""
    if not axis.ticks:
        return least
    place, text = axis.ticks[-1]
    beyond = 0.0 if axis.is_log else (axis.high - place) / (axis.high - axis.low) * look.width / 2
    return max(least, _width(text, look.small) / 2 + 4 - beyond)


def _x_axis(sheet: _Sheet, axes: Axes, axis: Axis, *, grid: bool = True) -> None:
    if axis.is_log:
        axes.set_xscale("log")
    axes.set_xlim(axis.low, axis.high)
    axes.set_xticks([place for place, _ in axis.ticks], [text for _, text in axis.ticks])
    axes.minorticks_off()
    if grid:
        axes.grid(visible=True, axis="x", color=sheet.color("line"), linewidth=1)
    axes.set_xlabel(axis.label, fontsize=sheet.look.small, color=sheet.color("soft"), labelpad=4)


def _placed(
    entries: Sequence[tuple[str, str]], look: _Look, left: float
) -> tuple[list[tuple[str, str, float, float]], float]:
    """Each entry of a legend with its place, in as many rows as they need, and the height of all rows."""
    x, y = left, 0.0
    found = []
    for key, word in entries:
        width = 22 + _width(word, look.text) + 18
        if x > left and x + width > look.width:
            x, y = left, y + look.text * 1.65
        found.append((key, word, x, y))
        x += width
    return found, y + look.text * 1.65


def _legend(sheet: _Sheet, entries: Sequence[tuple[str, str]], left: float) -> None:
    """Squares with words."""
    for key, word, x, y in _placed(entries, sheet.look, left)[0]:
        sheet.box(x, y + 2, 12, 12, key)
        sheet.text(x + 18, y + 8, word)


def _row_labels(sheet: _Sheet, rows: Sequence[Bar | Box], *, top: float, left: float, step: float) -> None:
    """Each row's name: at the left of its row, or above it where the sheet is narrow."""
    look = sheet.look
    for k, row in enumerate(rows):
        color = _tone_color(row.tone)
        bold = row.tone != "other"
        if look.labels_above:
            label = f"{row.label} – {row.role}" if bold else row.label  # noqa: RUF001  an en dash is meant
            label = _short(label, look.text * 1.08, look.width - 70)
            sheet.text(0, top + k * step + look.text * 0.75, label, color=color, bold=bold)
        else:
            label = _short(row.label, look.text * (1.08 if bold else 1), left - 12)
            middle = top + (k + 0.5) * step
            if bold:
                sheet.text(left - 12, middle - 7, label, color=color, bold=True, ha="right")
                sheet.text(left - 12, middle + 8, row.role, color=color, size=look.small - 1, ha="right")
            else:
                sheet.text(left - 12, middle, label, color=color, ha="right")


def _left(look: _Look, labels: Sequence[tuple[str, bool]]) -> float:
    """Where rows begin: after their labels, or at the edge where labels stand above."""
    if look.labels_above:
        return 6.0
    widest = max(_width(label, look.text, bold=bold) for label, bold in labels)
    return min(widest + 22, look.width / 3)


# --- bars ---------------------------------------------------------------------------------------------------------


def _bars(series: StackedBars, look: _Look, palette: dict[str, str]) -> Figure:
    step = look.row if series.stacked else look.row + (6 if look.labels_above else 4)
    left = _left(look, [(bar.label, bar.tone != "other") for bar in series.bars])
    tail = max(_width(bar.text, look.text, bold=True) for bar in series.bars) + 14 if series.stacked else 44
    plot_width = look.width - left - tail
    head = _placed(series.legend, look, left)[1] + (26 if series.reference else 8)
    sheet = _Sheet(look, head + step * len(series.bars) + 44, palette)
    _legend(sheet, series.legend, left)
    axes = sheet.axes(left, head, plot_width, step * len(series.bars))
    axes.set_ylim(step * len(series.bars), 0)
    axes.set_yticks([])
    _x_axis(sheet, axes, series.axis)
    per_value = plot_width / (series.axis.high - series.axis.low)
    for k, bar in enumerate(series.bars):
        _bar(sheet, axes, bar, series, top=k * step, step=step, per_value=per_value)
    _row_labels(sheet, series.bars, top=head, left=left, step=step)
    if series.reference:
        place = series.reference.value
        axes.axvline(place, color=sheet.color("ink"), linewidth=1.6, linestyle=(0, (4, 3)), zorder=5)
        sheet.text(
            left + place * per_value + (0 if look.labels_above else 2),
            head - 10,
            series.reference.text,
            ha="right" if place * per_value > plot_width / 2 else "left",
            bold=True,
            size=look.small,
        )
    return sheet.figure


def _bar(
    sheet: _Sheet,
    axes: Axes,
    bar: Bar,
    series: StackedBars,
    *,
    top: float,
    step: float,
    per_value: float,
) -> None:
    look, stacked = sheet.look, series.stacked
    crossed = series.reference.value if series.reference else -1.0
    above = look.text * 1.5 if look.labels_above else 5
    room = step - above - (6 if look.labels_above else 5)
    x = 0.0
    for place, segment in enumerate(bar.segments):
        y, height = (top + above, room) if stacked else (top + above + place * room / 2, room / 2 - 1)
        start = x if stacked else 0.0
        axes.add_patch(
            Rectangle(
                (start, y),
                segment.value,
                height,
                facecolor=sheet.color(segment.key),
                edgecolor=sheet.color("card"),
                linewidth=1 if stacked else 0,
                zorder=3,
            )
        )
        if stacked:
            half = _width(segment.text, look.small) / 2 + 4
            middle = start + segment.value / 2
            # Where the reference line would run through a figure, the figure gives way: it is in the table too.
            if 2 * half < segment.value * per_value and abs(middle - crossed) * per_value > half:
                axes.text(
                    middle,
                    y + height / 2,
                    segment.text,
                    ha="center",
                    va="center_baseline",
                    fontsize=look.small,
                    color=sheet.color(f"on-{segment.key}"),
                    zorder=4,
                )
        else:
            axes.text(
                segment.value + 5 / per_value,
                y + height / 2,
                segment.text,
                ha="left",
                va="center_baseline",
                fontsize=look.small,
                color=sheet.color("ink"),
                zorder=4,
            )
        x += segment.value
    if stacked:
        after = x + 7 / per_value
        if after - 4 / per_value < crossed < after + _width(bar.text, look.text) / per_value:
            after = crossed + 6 / per_value
        axes.text(
            after,
            top + above + room / 2,
            bar.text,
            ha="left",
            va="center_baseline",
            fontsize=look.text,
            weight="bold" if bar.tone != "other" else "normal",
            color=sheet.color(_tone_color(bar.tone)),
            zorder=6,
            bbox={"facecolor": sheet.color("card"), "edgecolor": "none", "pad": 1.5},
        )


# --- lines --------------------------------------------------------------------------------------------------------


def _apart(places: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """The places moved as little as keeps them ``gap`` apart and inside, in their own order."""
    order = sorted(range(len(places)), key=lambda k: places[k])
    groups: list[tuple[float, list[int]]] = []

    def centre(members: list[int]) -> float:
        wanted = sum(places[k] - j * gap for j, k in enumerate(members)) / len(members)
        return min(max(wanted, low), max(low, high - gap * (len(members) - 1)))

    for k in order:
        members = [k]
        groups.append((centre(members), members))
        while len(groups) > 1 and groups[-2][0] + gap * len(groups[-2][1]) > groups[-1][0]:
            _, last = groups.pop()
            _, before = groups.pop()
            groups.append((centre(before + last), before + last))
    moved = [0.0] * len(places)
    for start, members in groups:
        for j, k in enumerate(members):
            moved[k] = start + j * gap
    return moved


def _lines(series: Lines, look: _Look, palette: dict[str, str]) -> Figure:
    gap = look.text * 1.5
    plot_height = max(300.0, gap * (len(series.lines) + 1))
    head, foot = 30, 46
    labels = [line.label for line in series.lines]
    names: list[list[str]] = []
    if max(_width(label, look.text) for label in labels) > look.width * (0.46 if look.labels_above else 0.3):
        # Names without their ends are all alike: a number stands at each line, and below the plot what it means.
        room = look.width - _LIST_LEFT
        names = [_wrapped(line.label, look.text, room, bold=line.tone != "other") for line in series.lines]
        labels = _numbers([line.points[-1][1] for line in series.lines])
    sheet = _Sheet(look, head + plot_height + foot + gap * sum(map(len, names)), palette)
    tail = max(_width(label, look.text, bold=True) for label in labels) + 34
    left = max(_width(text, look.small) for _, text in series.y.ticks) + 10
    plot_width = look.width - left - tail
    axes = sheet.axes(left, head, plot_width, plot_height)
    _x_axis(sheet, axes, series.x, grid=False)
    axes.set_ylim(series.y.low, series.y.high * 1.03)
    axes.set_yticks([place for place, _ in series.y.ticks], [text for _, text in series.y.ticks])
    axes.grid(visible=True, axis="y", color=sheet.color("line"), linewidth=1)
    sheet.text(0, 8, series.y.label, color="soft", size=look.small)
    for k, line in enumerate(series.lines):
        _line(sheet, axes, line, _MARKERS[k % len(_MARKERS)])

    def pixel(line: Line) -> tuple[float, float]:
        x, y = line.points[-1]
        return (
            left + x / series.x.high * plot_width,
            head + plot_height * (1 - y / (series.y.high * 1.03)),
        )

    ends = [pixel(line) for line in series.lines]
    moved = _apart([y for _, y in ends], gap, head, head + plot_height - 2)
    edge = left + plot_width
    for (x, y), place, line, label in zip(ends, moved, series.lines, labels, strict=True):
        color = "faint" if line.tone == "other" else line.tone
        if x < edge - 1:
            # A curve that ended before the last place is no fall towards its label, wherever that stands.
            sheet.figure.add_artist(_thin(sheet, [(x + 5, y), (edge + 5, y)], color, ends_early=True))
        sheet.figure.add_artist(_thin(sheet, [(edge + 5, y), (edge + 10, place), (edge + 22, place)], color))
        sheet.text(
            edge + 26,
            place,
            label,
            color="soft" if line.tone == "other" else line.tone,
            bold=line.tone != "other",
        )
    top = head + plot_height + foot + gap / 2
    for number, name, line in sorted(zip(labels, names, series.lines, strict=True) if names else (), key=_by_number):
        shade = "soft" if line.tone == "other" else line.tone
        sheet.text(0, top, number, color=shade, bold=line.tone != "other")
        for part in name:
            sheet.text(_LIST_LEFT, top, part, color=shade, bold=line.tone != "other")
            top += gap
    return sheet.figure


def _numbers(ends: Sequence[float]) -> list[str]:
    """For each line a number, from 1 on for the one that ends highest."""
    order = sorted(range(len(ends)), key=lambda k: ends[k], reverse=True)
    return [str(order.index(k) + 1) for k in range(len(ends))]


def _by_number(entry: tuple[str, list[str], Line]) -> int:
    return int(entry[0])


def _thin(
    sheet: _Sheet, places: Sequence[tuple[float, float]], color: str, *, ends_early: bool = False
) -> mpl.lines.Line2D:
    """A part of the way from the end of a curve to its label: thin, and dotted where there are no figures any more."""
    return mpl.lines.Line2D(
        [x / sheet.look.width for x, _ in places],
        [1 - y / sheet.height for _, y in places],
        color=sheet.color(color),
        linewidth=0.8,
        linestyle=(0, (1, 4)) if ends_early else "-",
        transform=sheet.figure.transFigure,
    )


def _line(sheet: _Sheet, axes: Axes, line: Line, marker: str) -> None:
    is_other = line.tone == "other"
    axes.plot(
        [x for x, _ in line.points],
        [y for _, y in line.points],
        color=sheet.color("faint" if is_other else line.tone),
        linewidth=1.3 if is_other else 2.6,
        marker=marker,
        markersize=5 if is_other else 7.5,
        markeredgecolor=sheet.color("card"),
        markeredgewidth=0.4 if is_other else 0.8,
        zorder=3 if is_other else 4,
        clip_on=False,
    )
    for x, y in line.steps:
        axes.plot(
            [x],
            [y],
            marker="o",
            markersize=15,
            markerfacecolor="none",
            markeredgecolor=sheet.color(_tone_color(line.tone)),
            markeredgewidth=1.6,
            zorder=5,
            clip_on=False,
        )


# --- boxes --------------------------------------------------------------------------------------------------------


def _boxes(series: Boxes, look: _Look, palette: dict[str, str]) -> Figure:
    step = look.row + (4 if look.labels_above else 14)
    count = len(series.boxes)
    left = _left(look, [(box.label, box.tone != "other") for box in series.boxes])
    head = _placed(_BOX_LEGEND, look, left)[1] + 8
    sheet = _Sheet(look, head + step * count + 46, palette)
    axes = sheet.axes(left, head, look.width - left - _right(series.axis, look, 10), step * count)
    axes.set_ylim(step * count, 0)
    axes.set_yticks([])
    _x_axis(sheet, axes, series.axis)
    _box_legend(sheet, left)
    for k, box in enumerate(series.boxes):
        _box(sheet, axes, box, top=k * step, step=step)
    _row_labels(sheet, series.boxes, top=head, left=left, step=step)
    return sheet.figure


_BOX_LEGEND = (("box", "middle half"), ("p50", "p50 (median)"), ("p95", "p95"), ("p99", "p99"))


def _box_legend(sheet: _Sheet, left: float) -> None:
    """What the marks mean, drawn as the marks themselves."""
    for kind, word, x, y in _placed(_BOX_LEGEND, sheet.look, left)[0]:
        sheet.text(x + 22, y + 8, word)
        if kind == "box":
            sheet.box(x, y + 2, 16, 12, "io")
        elif kind == "p50":
            sheet.box(x + 7, y, 3, 16, "ink")
        else:
            sheet.figure.add_artist(
                mpl.lines.Line2D(
                    [(x + 8) / sheet.look.width],
                    [1 - (y + 8) / sheet.height],
                    color=sheet.color("ink"),
                    linestyle="none",
                    transform=sheet.figure.transFigure,
                    **_mark_style(sheet, kind),
                )
            )


def _mark_style(sheet: _Sheet, kind: str) -> dict[str, Any]:
    """How the marks at the 95th and 99th percentile look: a full diamond and an open circle."""
    if kind == "p95":
        return {"marker": "D", "markersize": 6.5}
    return {"marker": "o", "markersize": 6.5, "markerfacecolor": sheet.color("card"), "markeredgewidth": 1.5}


def _box(sheet: _Sheet, axes: Axes, box: Box, *, top: float, step: float) -> None:
    look = sheet.look
    above = look.text * 1.6 if look.labels_above else 17
    middle = top + above + (step - above - 4) / 2
    half = (step - above - 6) / 2
    ink = sheet.color(_tone_color(box.tone))
    axes.plot([box.low, box.p99.value], [middle, middle], color=ink, linewidth=1.2, zorder=2)
    axes.add_patch(
        Rectangle(
            (box.quartile_1, middle - half),
            box.quartile_3 - box.quartile_1,
            2 * half,
            facecolor=sheet.color("io"),
            edgecolor=ink,
            linewidth=1,
            zorder=3,
        )
    )
    axes.plot(
        [box.p50.value, box.p50.value],
        [middle - half - 2, middle + half + 2],
        color=ink,
        linewidth=3,
        zorder=5,
    )
    axes.plot([box.p95.value], [middle], color=ink, zorder=6, **_mark_style(sheet, "p95"))
    axes.plot([box.p99.value], [middle], color=ink, zorder=7, **_mark_style(sheet, "p99"))
    if look.labels_above:
        axes.text(
            1,
            top + look.text * 0.75,
            f"{box.p50.text} ms",
            ha="right",
            va="center",
            fontsize=look.text,
            color=ink,
            transform=axes.get_yaxis_transform(),
            zorder=8,
        )
    else:
        axes.text(
            box.p50.value,
            middle - half - 3,
            box.p50.text,
            ha="center",
            va="bottom",
            fontsize=look.small - 0.5,
            color=ink,
            zorder=8,
        )


# --- timeline -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Rows:
    """How a track's two strips are laid out, in pixels from its top."""

    label: float
    calls: float
    connections: float
    gap: float

    @property
    def height(self) -> float:
        return self.label + self.calls + 2 + self.connections + self.gap


def _rows(track: Track, look: _Look) -> _Rows:
    lane, most = (9.0, 4) if look.labels_above else (10.0, 6)
    return _Rows(
        label=look.text * 1.35 if look.labels_above else 0,
        calls=min(5.0 * max(1, track.calls_lanes_count), 30.0),
        connections=lane * min(max(1, track.connections_lanes_count), most),
        gap=9,
    )


_TIMELINE_LEGEND = (
    ("call", "a call"),
    ("conn", "a connection that is open"),
    ("handshake", "TLS handshake"),
)


def _timeline(series: Timeline, look: _Look, palette: dict[str, str]) -> Figure:
    title = look.text * (3.6 if look.labels_above else 2.3)
    legend = _placed(_TIMELINE_LEGEND, look, 0)[1] + 6
    heights = [sum(_rows(track, look).height for track in panel.tracks) for panel in series.panels]
    foot, between = 46, 22
    height = legend + sum(title + one + between for one in heights) - between + foot
    sheet = _Sheet(look, height, palette)
    left = _left(look, [(track.origin, False) for panel in series.panels for track in panel.tracks])
    plot_width = look.width - left - _right(series.axis, look, 12)
    _legend(sheet, _TIMELINE_LEGEND, 0)
    top = legend
    for k, (panel, one) in enumerate(zip(series.panels, heights, strict=True)):
        _panel_title(sheet, panel, top)
        axes = sheet.axes(left, top + title, plot_width, one)
        axes.set_ylim(one, 0)
        axes.set_yticks([])
        _x_axis(sheet, axes, series.axis)
        if k < len(series.panels) - 1:
            axes.set_xticklabels([])
            axes.set_xlabel("")
        per_value = plot_width / (series.axis.high - series.axis.low)
        at = 0.0
        for track in panel.tracks:
            rows = _rows(track, look)
            _track(sheet, axes, track, rows, top=at, per_value=per_value)
            label = _short(track.origin, look.text, look.width - 4 if look.labels_above else left - 12)
            if look.labels_above:
                sheet.text(0, top + title + at + look.text * 0.6, label, color="soft", size=look.small)
            else:
                middle = top + title + at + (rows.height - rows.gap) / 2
                sheet.text(left - 12, middle, label, color="soft", ha="right")
            at += rows.height
        top += title + one + between
    return sheet.figure


def _panel_title(sheet: _Sheet, panel: Panel, top: float) -> None:
    look = sheet.look
    color = _tone_color(panel.tone)
    title = _short(panel.title, look.text * 1.2, look.width - 4)
    sheet.text(0, top + 8, title, color=color, bold=True, size=look.text * 1.05)
    if look.labels_above:
        sheet.text(0, top + 8 + look.text * 1.55, _short(panel.tally, look.text, look.width - 4))
    else:
        indent = _width(title, look.text * 1.05, bold=True) + 16
        sheet.text(indent, top + 8, _short(panel.tally, look.text, look.width - indent))


def _track(sheet: _Sheet, axes: Axes, track: Track, rows: _Rows, *, top: float, per_value: float) -> None:
    calls_top = top + rows.label
    connections_top = calls_top + rows.calls + 2
    call = rows.calls / max(1, track.calls_lanes_count)
    connection = rows.connections / max(1, track.connections_lanes_count)
    for spans, start, height, color, least in (
        (track.calls, calls_top, call, "call", 1.5),
        (track.connections, connections_top, connection, "conn", 2),
        (track.handshakes, connections_top, connection, "handshake", 3.5),
    ):
        for span in spans:
            place = start + span.lane * height
            _span(sheet, axes, span, color, top=place, height=height - 0.7, pixel=1 / per_value, least=least)


def _span(
    sheet: _Sheet, axes: Axes, span: Span, color: str, *, top: float, height: float, pixel: float, least: float
) -> None:
    """A bar that is never too short to be seen and, where it is long, a little short of the next one.

    One that failed is crossed out.
    """
    width = max(span.end - span.start - 1.2 * pixel, least * pixel)
    axes.add_patch(
        Rectangle(
            (span.start, top),
            width,
            height,
            facecolor=sheet.color(color),
            linewidth=0,
            zorder=3 if color == "conn" else 4,
            clip_on=False,
        )
    )
    if not span.ok:
        axes.plot(
            [span.start + width / 2],
            [top + height / 2],
            marker="x",
            markersize=7,
            markeredgewidth=2,
            color=sheet.color("before"),
            zorder=6,
        )


# --- strip --------------------------------------------------------------------------------------------------------

# Shape and size say it as well as colour does; silent harm is the largest.
_HARMS: dict[Harm, tuple[str, float, str]] = {
    "spared": ("o", 6.5, "after"),
    "broke": ("^", 7.5, "handshake"),
    "harm": ("D", 6.4, "before"),
}
_EACH_HARM, _MOST_HARMS = 1.35, 5  # so that the largest fits its row


def _strip(series: Strip, look: _Look, palette: dict[str, str]) -> Figure:
    narrow = look.labels_above
    lane, pad, foot = (19.0, 7.0, 46) if narrow else (20.0, 8.0, 46)
    left = max(_width(band.label, look.text, bold=True) for band in series.bands) + 18
    legend, legend_height = _placed(series.legend, look, 0)
    head = legend_height + 30
    heights = [lane * len(band.dots) + 2 * pad for band in series.bands]
    sheet = _Sheet(look, head + sum(heights) + foot, palette)
    for key, word, x, y in legend:
        sheet.figure.add_artist(_harm_mark(sheet, key, x + 8, y + 8, harms_count=1 if key == "harm" else 0))
        sheet.text(x + 22, y + 8, word)
    sheet.text(0, head - 14, series.y_label, color="soft", size=look.small)
    plot_width = look.width - left - _right(series.axis, look, 14)
    axes = sheet.axes(left, head, plot_width, sum(heights))
    axes.set_ylim(sum(heights), 0)
    axes.set_yticks([])
    _x_axis(sheet, axes, series.axis)
    low, high = math.log(series.axis.low), math.log(series.axis.high)
    top = head
    for k, (band, height) in enumerate(zip(series.bands, heights, strict=True)):
        if k:
            axes.axhline(top - head, color=sheet.color("line"), linewidth=1)
        sheet.text(left - 12, top + height / 2, band.label, ha="right", bold=True)
        for j, dot in enumerate(band.dots):
            x = left + (math.log(dot.value) - low) / (high - low) * plot_width
            _dot(sheet, dot, x, top + pad + (j + 0.5) * lane, left=left, right=left + plot_width)
        top += height
    return sheet.figure


def _harm_mark(sheet: _Sheet, harm: str, x: float, y: float, *, harms_count: int) -> mpl.lines.Line2D:
    marker, size, color = next(style for name, style in _HARMS.items() if name == harm)
    return mpl.lines.Line2D(
        [x / sheet.look.width],
        [1 - y / sheet.height],
        marker=marker,
        markersize=size + _EACH_HARM * min(harms_count, _MOST_HARMS),
        color=sheet.color(color),
        markeredgecolor=sheet.color("card"),
        markeredgewidth=0.8,
        linestyle="none",
        zorder=6,
        transform=sheet.figure.transFigure,
    )


def _dot(sheet: _Sheet, dot: Dot, x: float, y: float, *, left: float, right: float) -> None:
    """A dot with its name on the side that has more room for it."""
    look = sheet.look
    sheet.figure.add_artist(_harm_mark(sheet, dot.harm, x, y, harms_count=dot.harms_count))
    text = dot.short if look.labels_above else dot.label
    after = right - x >= x - left
    apart = 12 + 0.7 * _EACH_HARM * min(dot.harms_count, _MOST_HARMS)  # half of a large dot, and a little
    text = _short(text, look.text, (right - x if after else x - left) - apart - 1)
    sheet.text(x + apart if after else x - apart, y, text, ha="left" if after else "right", size=look.small)


# --- output -------------------------------------------------------------------------------------------------------


@contextmanager
def _style(salt: str) -> Iterator[None]:
    """Our settings whatever a user's matplotlibrc says, and theirs again afterwards."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update({**_STYLE, "svg.hashsalt": salt})
        yield


def _draw(series: Series, size: Size, palette: dict[str, str]) -> Figure:
    look = _LOOKS[size]
    if isinstance(series, StackedBars):
        return _bars(series, look, palette)
    if isinstance(series, Lines):
        return _lines(series, look, palette)
    if isinstance(series, Boxes):
        return _boxes(series, look, palette)
    if isinstance(series, Strip):
        return _strip(series, look, palette)
    return _timeline(series, look, palette)


def png(series: Series, title: str, footer: str = "") -> bytes:
    """The drawing in light colours with its title and a small line below, at twice its size for sharp screens."""
    with _style("png"):
        figure = _draw(series, "wide", LIGHT)
        above = 1 + 22 / (72 * figure.get_figheight())
        figure.text(0, above, _drawable(title), fontsize=17, weight="bold", color=LIGHT["ink"])
        if footer:
            below = -14 / (72 * figure.get_figheight())
            figure.text(0, below, _drawable(footer), fontsize=11, va="top", color=LIGHT["soft"])
        sink = io.BytesIO()
        figure.savefig(sink, format="png", dpi=144, bbox_inches="tight", pad_inches=0.3, metadata={"Software": None})
    return sink.getvalue()


_PLACEHOLDERS = {name: f"#0a0b{k:02x}" for k, name in enumerate(LIGHT, start=1)}
# Places are exact to a hundredth of a pixel; a letter's scale needs all of its digits.
_EXCESS = re.compile(r"scale\([^)]*\)|(?<![\d.])(-?\d+\.\d\d)\d+")
_NOT_NEEDED = re.compile(r"<\?xml.*?\?>|<!DOCTYPE.*?>|<metadata>.*?</metadata>|<!--.*?-->", re.DOTALL)


def svg(series: Series, size: Size, *, prefix: str) -> str:
    """An ``<svg>`` element to stand inside a page: colours are CSS variables, every id begins with ``prefix``.

    It has no size of its own, names no outside address, and is hidden from screen readers: the page says the same
    in words.
    """
    with _style(prefix):
        figure = _draw(series, size, _PLACEHOLDERS)
        sink = io.StringIO()
        figure.savefig(
            sink,
            format="svg",
            metadata={"Date": None, "Creator": None, "Format": None, "Type": None},
        )
    text = _NOT_NEEDED.sub("", sink.getvalue())
    for name, placeholder in _PLACEHOLDERS.items():
        text = text.replace(placeholder, f"var(--{name})")
    text = _EXCESS.sub(lambda found: found[1] or found[0], text.replace("DejaVuSans-", "g"))
    text = re.sub(r'\bid="([^"]+)"', rf'id="{prefix}-\1"', text)
    text = re.sub(r'\b(?:xlink:)?href="#([^"]+)"', rf'href="#{prefix}-\1"', text)
    text = re.sub(r"url\(#([^)]+)\)", rf"url(#{prefix}-\1)", text)
    box = re.search(r'viewBox="([^"]+)"', text)
    body = text[text.index(">", text.index("<svg")) + 1 :]
    assert box is not None
    opening = f'<svg viewBox="{box[1]}" class="{size}" aria-hidden="true" focusable="false">'
    return opening + re.sub(r"\n\s*", "\n", body).strip()
