"""Figures 4 to 14 of the paper, drawn from the rows of a reproduction.

Each is drawn from whatever part of the experiment was run: any number of trials, magnitudes and
encoders. Where a part is missing as a whole, its figure says what is missing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_nnrel.runtime.progress import progress
from reference_models.errors import ReproductionError
from reference_models.paper.drawing import style, to_svg
from reference_models.paper.figures.curves import (
    audio_consistency,
    latent_consistency,
    other_pairs,
    reported_pairs,
    task_performance,
)
from reference_models.paper.figures.maps import transformed_map, vocal_map
from reference_models.paper.figures.values import (
    between_means,
    originals_alone,
    performance_means,
    smallest_magnitudes,
    within_means,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.figure import Figure as Drawing

    from reference_models.paper.results import Results


@dataclass(frozen=True)
class Figure:
    """A figure of the paper, drawn anew, or the reason why it is not.

    Attributes
    ----------
    number : str
        The paper's.
    title : str
    svg : str
        An ``<svg>`` element; empty where the figure could not be drawn.
    caption : str
        What is drawn; where nothing is, what is missing.
    paper : str
        What the paper's figure shows, and which of its numbers can be compared.
    folded : bool
        Whether it only completes the one before.
    """

    number: str
    title: str
    svg: str
    caption: str
    paper: str
    folded: bool = False


def draw(results: Results) -> list[Figure]:
    """Return Figures 4 to 14, in the paper's order.

    Parameters
    ----------
    results : Results

    Returns
    -------
    list of Figure
        All of them: one whose rows `results` lacks has no drawing, and says so.
    """
    recipes = progress(_RECIPES, len(_RECIPES), "drawing", "figure")
    return [_draw(recipe, results) for recipe in recipes]


@dataclass(frozen=True)
class _Recipe:
    number: str
    title: str
    paper: str
    draw: Callable[[Results], tuple[Drawing, str]]
    folded: bool = False


def _draw(recipe: _Recipe, results: Results) -> Figure:
    svg = ""
    try:
        with style():
            drawing, caption = recipe.draw(results)
            svg = to_svg(drawing, f"Figure {recipe.number}: {recipe.title}")
    except ReproductionError as error:
        caption = f"Not drawn: {error}"
    return Figure(recipe.number, recipe.title, svg, caption, recipe.paper, recipe.folded)


_RECIPES = (
    _Recipe(
        "4",
        "Performance on the tasks, by transformation and magnitude",
        "Fig. 4 shows the same on the paper's test sets: scores fall as noise is added, except AE,"
        " which improves as environmental noise grows. Directions can be compared; values belong to"
        " other test sets.",
        task_performance,
    ),
    _Recipe(
        "5",
        "Standardised performance, by task",
        "Fig. 5, of which section 5.1 gives the two means over all tasks: VGG .84 ± .008, MFCC"
        " −.52 ± .009. Both are drawn.",
        performance_means,
    ),
    _Recipe(
        "6",
        "C_W in the audio space",
        "Fig. 6: near 1 at the smallest magnitudes, falling with magnitude, TS least and DTW under"
        " TS least of all. C_W grows as clips get fewer: the paper's 1,000 are harder.",
        audio_consistency,
    ),
    _Recipe(
        "7",
        "C_W in the latent spaces",
        "Fig. 7 shows the same curves, below the audio space's. Their marginal means are the"
        " numbers to compare: Fig. 8.",
        latent_consistency,
    ),
    _Recipe(
        "8",
        "Marginal means of C_W in the latent spaces",
        "Fig. 8. Its Euclidean means are given in section 5.2, and drawn: compare them. C_W depends"
        " on the number of clips, so that their order says more than their size.",
        within_means,
    ),
    _Recipe(
        "9",
        "Originals and their smallest transformations, by t-SNE",
        "Fig. 9: transformed clips coincide with originals for MFCC, and form clusters of their own"
        " for AE and VS. No number is printed with it; claim 8 has a statistic of ours.",
        transformed_map,
    ),
    _Recipe(
        "10",
        "C_acc and C_rho, with the distances of the paper's models",
        "Fig. 10: C_acc is high again at grave magnitudes, where both spaces fail together; C_rho"
        " is led by MFCC and hardly changes with magnitude. Marginal means: Fig. 11.",
        reported_pairs,
    ),
    _Recipe(
        "10",
        "C_acc and C_rho, with the other pairs of distances",
        "The paper found very similar results with all pairs (section 5.3).",
        other_pairs,
        folded=True,
    ),
    _Recipe(
        "11",
        "Marginal means of C_acc and C_rho",
        "Fig. 11. Section 5.3 gives means of C_acc with SiMPle and cosine (three of the five) and"
        " of C_rho with DTW and Euclidean; they are drawn: compare them.",
        between_means,
    ),
    _Recipe(
        "12",
        "The smallest magnitudes",
        "Fig. 12: medians of C_W near 1 for MFCC, AT and IR, much lower for VS and AE; pitch shift"
        " hurts most. C_acc looks like C_W, since the audio space hardly fails; C_rho is low for"
        " all networks.",
        smallest_magnitudes,
    ),
    _Recipe(
        "13",
        "C_rho on the originals alone",
        "Fig. 13 ranks encoders as C_rho under transformation does. No number is printed with it.",
        originals_alone,
    ),
    _Recipe(
        "14",
        "Mixtures by t-SNE of VS, and how loud their voice is",
        "Fig. 14 A: points lie in order of the voice's loudness. Its panel B, by song, is not drawn"
        " here. No number is printed with it; claim 9 has a statistic of ours.",
        vocal_map,
    ),
)
