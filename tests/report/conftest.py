import pytest

from connprof.report import build, html, plots, write
from tests import samples, wide_samples


def undrawn_page(state):
    """The page of a state with empty drawings: all of its text in a fraction of the time."""
    made = build(samples.STATES[state]())
    empty = {plot.key: ("<svg></svg>", "<svg></svg>") for plot in made.every_plot}
    return html.page(made, empty)


@pytest.fixture(scope="session")
def written(tmp_path_factory):
    """Whole reports, with their drawings: the path of each one's page."""
    folder = tmp_path_factory.mktemp("reports")
    return {state: write(samples.STATES[state](), folder / state) for state in ("good", "hostile", "nothing_measured")}


@pytest.fixture(scope="session")
def pages(written, tmp_path_factory):
    """Pages for the browser: the written ones, and others without drawings."""
    folder = tmp_path_factory.mktemp("pages")
    found = dict(written)
    for state in ("invalid", "failed", "interrupted", "no_memory"):
        found[state] = folder / f"{state}.html"
        found[state].write_text(undrawn_page(state), encoding="utf-8")
    found["wide"] = folder / "wide.html"
    found["wide"].write_text(wide_page(), encoding="utf-8")
    return found


def wide_page():
    """That of a wide run, with two of its drawings: each other one has a kind that is drawn in the others' pages."""
    made = build(wide_samples.surprising())
    drawings = {plot.key: ("<svg></svg>", "<svg></svg>") for plot in made.every_plot}
    for plot in made.every_plot:
        if plot.key in {"price-and-safety", "axis-round-trip"}:
            drawings[plot.key] = tuple(
                plots.svg(plot.series, size, prefix=f"{plot.key}-{size}") for size in plots.SIZES
            )
    return html.page(made, drawings)
