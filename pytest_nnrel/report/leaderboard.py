"""``leaderboard.html``, ``.csv`` and ``.md``: encoders of several runs, ranked by score."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from pytest_nnrel.profiles.scored import LEVELS, SCALES
from pytest_nnrel.report.html import environment

if TYPE_CHECKING:
    from pytest_nnrel.profiles.standings import Standings

#: Names of the files.
PAGE, TABLE, TEXT = "leaderboard.html", "leaderboard.csv", "leaderboard.md"
#: Level of intervals of differences from the best.
_LEVEL = 0.05


def views(found: Standings) -> dict[str, str]:
    """Return the content of each file by its name.

    Parameters
    ----------
    found : Standings
    """
    return {PAGE: _page(found), TABLE: _csv(found), TEXT: markdown(found)}


def _families(found: Standings) -> list[str]:
    return [family.family for family in found.profiles[0].families]


def unlike_the_best(found: Standings) -> dict[str, str]:
    """Return of each encoder what the test against the best says; empty where there is none."""
    best = found.profiles[0].encoder
    told = {}
    for one in found.differences:
        if best in (one.first, one.second):
            other = one.second if one.first == best else one.first
            told[other] = f"p = {one.p:.2g}" if one.p <= _LEVEL else "not told apart"
    return told


def _csv(found: Standings) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    families = _families(found)
    writer.writerow(
        ["encoder", "run", "score", "low", "high", "mean C_W", "clips"]
        + [f"{family} {what}" for family in families for what in ("relative error", "error")]
        + [f"{family} falls below {level:g} at" for family in families for level in LEVELS]
    )
    for profile, run in zip(found.profiles, found.runs):
        numbers = [value for f in profile.families for value in (f.relative, f.error)]
        falls = [f.falls_at[level] for f in profile.families for level in LEVELS]
        writer.writerow(
            [profile.encoder, run]
            + [f"{value:.6g}" for value in (profile.score, *profile.ci, profile.mean)]
            + [profile.n]
            + [f"{value:.6g}" for value in (*numbers, *falls)]
        )
    return text.getvalue()


def markdown(found: Standings) -> str:
    """Return the table in GitHub's Markdown.

    Parameters
    ----------
    found : Standings
    """
    families = _families(found)
    unlike = unlike_the_best(found)
    head = ["encoder", "score", "95 % interval", "mean C_W", "against the best", *families]
    rows = [
        [
            f"`{profile.encoder}`",
            f"{profile.score:.3f}",
            f"{profile.ci[0]:.3f} to {profile.ci[1]:.3f}",
            f"{profile.mean:.3f}",
            unlike.get(profile.encoder, ""),
            *(f"{family.relative:.2f}" for family in profile.families),
        ]
        for profile in found.profiles
    ]
    lines = [
        f"| {' | '.join(row)} |" for row in (head, ["---", *["---:"] * (len(head) - 1)], *rows)
    ]
    return "\n".join([about(found), "", *lines, *(f"\n{note}." for note in found.notes)]) + "\n"


def about(found: Standings) -> str:
    """Return what the numbers are of, in a sentence or two.

    Parameters
    ----------
    found : Standings
    """
    among = f", as among {found.among} clips" if found.among else ""
    return (
        f"{len(found.conditions)} conditions on {found.setting}{among}. Columns of families are"
        " errors over those of MFCC, 5 % of the clips added to both (1: as many); the score is"
        " their mean, less is better."
    )


def _page(found: Standings) -> str:
    page = environment("pytest_nnrel.report")
    return page.get_template("leaderboard.html").render(
        found=found,
        about=about(found),
        families=_families(found),
        unlike=unlike_the_best(found),
        scale=SCALES[found.profiles[0].scale],
        rows=list(zip(found.profiles, found.runs)),
    )
