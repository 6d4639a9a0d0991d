"""The pictures of a setting beside rate space itself, in groups, with what to read from them."""

__all__ = ["Gallery", "Histories", "Picture", "galleries"]

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

import pandas as pd
import plotly.graph_objects as go
from markupsafe import Markup

from analysis import figures
from analysis.figures import style
from analysis.figures.multiples import default_metrics
from analysis.frame import fidelity, finished, label_kind, one_dataset, values
from analysis.recommendation.recommender import Recommendation, application
from analysis.recommendation.suited_application import suited_to
from analysis.report.array_pool import Pool, embedded
from analysis.settings import Setting
from analysis.suggested_commands import evaluate_command
from hit import schema
from hit.errors import StoreError
from hit.schema.metric_groups import optional_group

#: A picture: the metric that it is about, by which it is left out where no run has that; and how it is drawn.
Call = tuple[str, Callable[[], go.Figure]]
#: The rates by epoch of some runs, given their rows.
Histories = Callable[[pd.DataFrame], pd.DataFrame]
#: More paths than these hide each other.
_PATHS = 150


@dataclass(frozen=True)
class Picture:
    """A figure for the page: its heading, the same in plain text, a name for files, and JSON (`Pool.figures`).

    A `broad` one keeps its width on a narrow page, which then scrolls it.
    """

    heading: Markup
    alt: str
    name: str
    broad: bool
    json: Markup


@dataclass(frozen=True)
class Gallery:
    """Pictures under one heading, with a sentence on what to read from them and one on what is missing.

    `shape` is "small", "wide", or "whole" for a picture that takes the width of the page.
    """

    heading: str
    text: str
    shape: str
    pictures: list[Picture]
    notes: list[str]


def galleries(
    setting: Setting, found: Sequence[Recommendation], pool: Pool, histories: Histories | None
) -> list[Gallery]:
    """All groups; those without a picture and without a note are left out."""
    frame, count = setting.frame, setting.layers
    accuracy = suited_to(frame, application("representation")).metric_of(count).name
    rates = [f"test/rate_{layer}" for layer in range(1, count + 1)]
    faithful = fidelity(frame)
    # Those on samples are drawn beside those on means.
    scores = [name for name in default_metrics(frame) if not name.endswith("_sampled")]
    plane = "the plane of rate and distortion" if count == 1 else "rate space"
    made = [
        _gallery(
            "All regions, and heights",
            f"Where in {plane} each application wants its runs, and how a metric rises over it. Drag to turn.",
            "wide",
            frame,
            pool,
            [
                ("test/rate", partial(figures.targets, frame, found)),
                (faithful, partial(figures.rate_space_3d, frame, faithful)),
                *([(accuracy, partial(figures.rate_space_3d, frame, accuracy))] if count > 1 else []),
                *([("test/elbo", partial(figures.three_metrics, frame))] if count > 1 else []),
            ],
        ),
        _gallery(
            "Over β",
            "The line joins the means of the runs at each β."
            if count == 1
            else "A cell is the mean of the runs at these βs, and a cross a cell where none has finished. "
            "Where the βs lie on no grid, a point is a run.",
            "small",
            frame,
            pool,
            _calls(figures.beta_heatmap, frame, [faithful, accuracy, "test/elbo", "test/distortion", *rates]),
        ),
        _gallery(
            "Each metric against the rate that bounds it",
            "Dashed lines are bounds: no classifier or regression on samples of a latent, and no information about the "
            "label in it, can exceed what its rate allows. The steps are the Pareto front: no run with as little rate "
            "is better. Bars are one standard error, over other test images: runs share theirs, and differ by less.",
            "small",
            frame,
            pool,
            _calls(figures.metric_against_rate, frame, scores),
        ),
        _gallery(
            f"Every metric over {plane}",
            "A colour goes from the worst run of a panel to its best one; the ring is β = 1.",
            "whole",
            frame,
            pool,
            [("test/rate", partial(figures.small_multiples, frame))],
        ),
        _gallery(
            "From β to what it is good for",
            "A line is a run. Drag along an axis to keep the runs between, here and in all pictures; press it to keep "
            "all again; drag its title to move it.",
            "whole",
            frame,
            pool,
            [("test/rate", partial(figures.parallel_coordinates, frame))],
        ),
    ]
    made.append(_coding(frame, pool))
    if histories is not None:
        made.insert(1, _paths(frame, histories, pool))
    return [one for one in made if one.pictures or one.notes]


def _paths(frame: pd.DataFrame, histories: Histories, pool: Pool) -> Gallery:
    few = frame.sample(_PATHS, random_state=0).sort_index() if len(frame) > _PATHS else frame
    text = "A line is a run, from its first epoch to its last, by the rates of the images that it is trained on."
    if len(few) < len(frame):
        text += f" Of {len(frame)} runs {len(few)} are drawn, taken at random."
    try:
        figure = figures.training_paths(histories(few), few)
        pictures, notes = [_picture("train-rate", figure, one_dataset(frame), pool)], []
    except StoreError as error:
        pictures, notes = [], [f"No picture shows how runs moved: {error}."]
    return Gallery("How runs moved during training", text, "whole", pictures, notes)


def _coding(frame: pd.DataFrame, pool: Pool) -> Gallery:
    """Rate-distortion curves, where any finished run was coded; otherwise one line that says what measures them."""
    name = f"test/lossy_bits_step_{schema.LOSSY_STEPS[0]}"
    text = (
        "A line is a run's lossy code at several steps, by the bytes that were written and the images that were read "
        "from them. Diamonds stand at R and the PSNR of posterior means. The encoder looks for latents that are worth "
        "their bits, which posteriors do not: so a code can be above its own diamond."
    )
    try:
        pictures, notes = [_picture("rate-distortion", figures.rate_distortion(frame), one_dataset(frame), pool)], []
    except StoreError:
        measure = f"`{evaluate_command(frame, name)}` measures the bits of the lossy code."
        pictures, notes = [], [] if fidelity(frame) != "test/psnr" or finished(frame).empty else [measure]
    return Gallery("Images as bits, with loss", text if pictures else "", "whole", pictures, notes)


def _calls(draw: Callable[[pd.DataFrame, str], go.Figure], frame: pd.DataFrame, names: Iterable[str]) -> list[Call]:
    return [(name, partial(draw, frame, name)) for name in names]


def _gallery(heading: str, text: str, shape: str, frame: pd.DataFrame, pool: Pool, calls: Iterable[Call]) -> Gallery:
    pictures: list[Picture] = []
    absent: list[str] = []
    partly: list[str] = []
    done, kind = finished(frame), label_kind(frame) or schema.LabelKind.CLASSES
    measure = f"What is missing is measured by `{evaluate_command(frame)}`."
    for name, draw in calls:
        label = schema.metric(name).label
        measured = int(values(done, name).notna().sum())
        try:
            pictures.append(_picture(name, draw(), one_dataset(frame), pool))
        except StoreError:
            if not optional_group(name) and not measured and schema.metric(name).labels in (None, kind):
                absent.append(label)
            continue
        if measured < len(done):
            partly.append(f"{label} ({len(done) - measured} of {len(done)})")
    notes = []
    if absent:
        notes.append(f"No finished run has {'; '.join(absent)}, so that no picture shows it. {measure}")
    if partly:
        notes.append(f"Finished runs that lack a metric are left out: {'; '.join(partly)}. {measure}")
    return Gallery(heading, text, shape, pictures, notes)


def _picture(name: str, figure: go.Figure, dataset: str, pool: Pool) -> Picture:
    title = str(figure.layout.title.text).removesuffix(style.titled("", dataset))  # the section names it
    heading = Markup(title)  # noqa: S704 - made inert by analysis.figures.style
    broad = any(trace.type == "parcoords" for trace in figure.data)
    return Picture(heading, heading.striptags(), name.replace("/", "-"), broad, embedded(pool.figures(figure)))
