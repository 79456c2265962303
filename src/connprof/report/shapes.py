"""What a finished page is made of: sentences, figures, tables and plots, ready to be placed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from connprof.report import series

__all__ = [
    "Assurance",
    "AxisView",
    "Banner",
    "Cell",
    "Change",
    "Column",
    "Facts",
    "Figure",
    "HalfView",
    "HazardColumn",
    "Kind",
    "Mark",
    "Plot",
    "Row",
    "SafetyCellView",
    "SafetyRow",
    "SafetyView",
    "SituationView",
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


Kind: TypeAlias = Literal["held", "broke", "hung", "harm", "none", "unknown"]
"""How a safety cell is coloured; its symbol and its word stand in its mark."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SafetyCellView:
    """One cell of the safety matrix, and what opens from it.

    Attributes:
        key: its identifier on the page.
        kind: its colour.
        mark: its symbol and word.
        counts: the lines below them: ``5 of 10``, or a rate with its interval.
        unlike: whether it came out otherwise than declared.
        title: the strategy and the hazard.
        symptom: what happened.
        facts: names and values: exceptions, counts, what was expected.
        command: what repeats it; empty where nothing was run.
    """

    key: str
    kind: Kind
    mark: Mark
    counts: tuple[str, ...]
    unlike: bool
    title: str
    symptom: str
    facts: tuple[tuple[str, str], ...]
    command: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SafetyRow:
    """One strategy of the safety matrix."""

    name: str
    tally: str
    price: str
    cells: tuple[SafetyCellView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class HazardColumn:
    """One hazard of the safety matrix; ``remark`` says that its cells are rates."""

    id: str
    title: str
    raised_by: str
    remark: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SafetyView:
    """The safety matrix with everything around it.

    ``tally`` says in one line how many cells had which outcome, ``unlike`` which of them are unlike their declaration.
    """

    sentence: str
    tally: str
    legend: tuple[tuple[Kind, Mark, str], ...]
    unlike: Table
    hazards: tuple[HazardColumn, ...]
    rows: tuple[SafetyRow, ...]
    note: str
    picture: Plot


@dataclass(frozen=True, slots=True, kw_only=True)
class SituationView:
    """What this run advises for one situation.

    Attributes:
        name: its identifier on the page.
        title: the situation.
        told: what it is.
        mark: whether there is a recommendation.
        lead: the recommended strategy, or why there is none.
        sentences: its price, who came next, who could not be judged.
        minds: hazards that do strike it and that a setting meets, with that setting.
        recipe: the example's path, and whether it shows what is recommended.
        fallen: who fell out, and why.
        rule: how this was decided.
    """

    name: str
    title: str
    told: str
    mark: Mark
    lead: str
    sentences: tuple[str, ...]
    minds: tuple[str, ...]
    recipe: str
    fallen: tuple[str, ...]
    rule: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AxisView:
    """What one axis changes: the answer in a sentence, then plots and tables. ``short`` is for lists of links."""

    key: str
    short: str
    title: str
    sentence: str
    plots: tuple[Plot, ...]
    tables: tuple[Table, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """The whole page, in reading order.

    ``safety`` is ``None`` and ``situations`` and ``axes`` are empty where nothing of the kind was measured.
    ``wide`` sums them up for a terminal.
    """

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
    situations: tuple[SituationView, ...]
    hazards: tuple[tuple[str, str], ...]
    safety: SafetyView | None
    axes: tuple[AxisView, ...]
    wide: tuple[tuple[str, str], ...]
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
    commands: tuple[str, ...]
    provenance: Facts
    order: tuple[str, ...]
    order_count: str

    @property
    def every_plot(self) -> tuple[Plot, ...]:
        """All plots of the page, in its order."""
        picture = (self.safety.picture,) if self.safety else ()
        return (*picture, *(plot for axis in self.axes for plot in axis.plots), *self.plots, self.timeline)
