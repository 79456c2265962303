"""What a finished page is made of: sentences, figures, tables and plots, ready to be placed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from connprof.report import series

__all__ = [
    "Assurance",
    "Banner",
    "Cell",
    "Change",
    "Column",
    "Facts",
    "Figure",
    "HalfView",
    "Mark",
    "Plot",
    "Row",
    "Table",
    "Tone",
    "VerdictView",
    "View",
]

Tone: TypeAlias = Literal["good", "bad", "warn", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A state as symbol, word and tone, so that colour never says it alone."""

    symbol: str
    word: str
    tone: Tone


@dataclass(frozen=True, slots=True, kw_only=True)
class HalfView:
    """The verdict on the regression, or on its fix."""

    title: str
    mark: Mark
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictView:
    """The answer in one sentence, in two parts so that the first can stand out."""

    lead: str
    rest: str
    mark: Mark
    regression: HalfView
    fix: HalfView

    @property
    def sentence(self) -> str:
        """The whole of it."""
        return f"{self.lead}: {self.rest}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One of the three large figures. ``bar_percent`` is its share of the largest of them."""

    label: str
    value: str
    unit: str
    note: str
    tone: series.Tone
    bar_percent: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A count before and after: ``40 → 5``, ``8x fewer``."""

    label: str
    before: str
    after: str
    note: str
    tone: series.Tone


@dataclass(frozen=True, slots=True, kw_only=True)
class Assurance:
    """One reason to trust the figures, or not to."""

    mark: Mark
    label: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Banner:
    """Something that must be read before the verdict."""

    mark: Mark
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column's heading. ``unit`` stands under it."""

    title: str
    unit: str = ""
    is_number: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One finished cell; ``note`` stands small under it, ``mark`` in its place."""

    text: str = ""
    note: str = ""
    mark: Mark | None = None
    is_code: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A row; its first cell is its heading. ``details`` are sentences that stand under it."""

    cells: tuple[Cell, ...]
    tone: series.Tone = "other"
    details: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table with its caption; ``groups`` are headings over several columns, ``empty`` is said of no rows."""

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    groups: tuple[tuple[str, int], ...] = ()
    note: str = ""
    empty: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """A plot with the sentence that says what it shows.

    Attributes:
        key: its name in identifiers and in the file name.
        title: its heading.
        takeaway: what is seen in it.
        alt: the same figures in words, for those who do not see it.
        series: what is drawn; ``None`` where there is nothing, and ``takeaway`` says why.
        left_out: which strategies are not in it.
    """

    key: str
    title: str
    takeaway: str
    alt: str
    series: series.Series | None
    left_out: str = ""

    @property
    def file_name(self) -> str:
        """The PNG file beside the page."""
        return f"{self.key}.png"


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """A titled list of names and values."""

    title: str
    pairs: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """The whole page, in reading order."""

    title: str
    meta: tuple[str, ...]
    stamp: str
    incident: str
    reference: str
    banners: tuple[Banner, ...]
    verdict: VerdictView
    figures: tuple[Figure, ...]
    changes: tuple[Change, ...]
    assurances: tuple[Assurance, ...]
    problems: Table
    answers: tuple[str, ...]
    answers_table: Table
    checks: Table
    strategies: Table
    brief: Table
    plots: tuple[Plot, ...]
    timeline: Plot
    sites: Table
    origins: Table
    tls: Table
    environment: tuple[Facts, ...]
    definitions: tuple[tuple[str, str], ...]
    command: str
    provenance: Facts
    order: tuple[str, ...]
    order_count: str
