"""Which files of a corpus are of one track: groups by folder, by pattern, or by a function."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, TypeAlias

from pytest_nnrel.corpus.source import raise_all
from pytest_nnrel.errors import CorpusError

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Files of one folder are a group.
FOLDER = "folder"

#: What `groups=` takes: ``"folder"``, a pattern, or a function of the path.
GroupRule: TypeAlias = str | Callable[[str], str | None]

_TAKES = f'groups takes "{FOLDER}", a regular expression with one group, or a function of the path,'


def group_of_each(paths: Mapping[str, str], rule: GroupRule, name: str) -> dict[str, str | None]:
    """Return the group of each file.

    Parameters
    ----------
    paths : mapping of str to str
        Path of each file below a common folder, with forward slashes, by id.
    rule : GroupRule
    name : str
        Of the corpus, for errors.

    Raises
    ------
    CorpusError
        If there is no such rule, it leaves a file out, or puts all files into one group, so that
        no other track is left to be nearer to.
    """
    groups_by = _function_of(rule)
    groups: dict[str, str | None] = {}
    problems = []
    for id_, path in paths.items():
        try:
            group = groups_by(path)
        except Exception as error:  # of a function of the user's
            problems.append(f"{path}: {_told(rule)} raised {error!r}")
            continue
        if isinstance(group, str) or (group is None and callable(rule)):
            groups[id_] = group
        elif callable(rule):
            problems.append(f"{path}: {_told(rule)} gave {group!r}, no name of a group (str)")
        else:
            problems.append(f"{path}: {_told(rule)} finds no group in it")
    raise_all(name, problems)
    if len(groups) > 1 and None not in groups.values() and len({*groups.values()}) == 1:
        raise CorpusError(
            f"corpus {name!r}: {_told(rule)} puts all {len(groups)} files into one group,"
            f" {next(iter(groups.values()))!r}; take what tells tracks apart"
        )
    return groups


def below_common_folder(files: Mapping[str, Path]) -> dict[str, str]:
    """Return the paths of files below the deepest folder that holds them all, by id."""
    # Where a machine keeps them is left out: it would be in the corpus's fingerprint.
    absolute = {id_: Path(os.path.abspath(path)) for id_, path in files.items()}
    try:
        common = os.path.commonpath([path.parent for path in absolute.values()])
    except ValueError:  # on several drives
        return {id_: path.as_posix() for id_, path in absolute.items()}
    return {id_: path.relative_to(common).as_posix() for id_, path in absolute.items()}


def _function_of(rule: GroupRule) -> Callable[[str], str | None]:
    if callable(rule):
        return rule
    if not isinstance(rule, str):
        raise CorpusError(f"{_TAKES} not {rule!r}")
    if rule == FOLDER:
        return lambda path: PurePosixPath(path).parent.as_posix()
    try:
        pattern = re.compile(rule)
    except re.error as error:
        raise CorpusError(f"{_TAKES} not {rule!r}: {error}") from error
    if pattern.groups != 1:
        raise CorpusError(
            f"{_TAKES} not {rule!r}, which has {pattern.groups} groups; put what names the track"
            r" in parentheses, as in '^(\d+)_'"
        )
    return lambda path: found[1] if (found := pattern.search(path)) else None


def _told(rule: GroupRule) -> str:
    name = getattr(rule, "__name__", type(rule).__name__) if callable(rule) else repr(rule)
    return f"groups={name}"


def named(rule: GroupRule | None) -> str | None:
    """Return the rule if words can repeat it; None for a function, and where there is none."""
    return rule if isinstance(rule, str) else None
