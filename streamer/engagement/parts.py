"""Which parts of an audience may be told.

A part with fewer viewers than the threshold is withheld. So that it does not follow from the whole and the
other parts, what is withheld must itself be of so many: else the smallest of the others goes with it. Who is
in the whole but in no part, as he asked not to be tracked, counts among what is withheld.

Some parts lie within one of another dimension: regions within countries, programs within the device of that
name. They are decided on within it, and only where it is told itself, as it is a whole that is known, too.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import TypeVar

from streamer.engagement.agents import PROGRAMS
from streamer.engagement.session import DIMENSIONS

Value = TypeVar("Value", str, tuple[str, ...])

#: The dimension in which a part lies within another one; that is decided on first.
_WITHIN = {"region": "country", "browser": "device"}
_ORDER = sorted(DIMENSIONS, key=lambda dimension: dimension in _WITHIN)


def told(viewers: Mapping[Value, int], threshold: int, *, hidden: int = 0) -> set[Value]:
    """Of the parts of one whole, those that may be told.

    Args:
        viewers: of each.
        threshold: the fewest that anything is told of.
        hidden: how many of the whole are in none of them.
    """
    shown = sorted((number, value) for value, number in viewers.items() if number >= threshold)
    hidden += sum(number for number in viewers.values() if number < threshold)
    # Each of what is shown is of so many that one of them is enough.
    return {value for _, value in (shown[1:] if 0 < hidden < threshold else shown)}


def told_of_day(
    parts: Mapping[str, Mapping[str, int]], threshold: int, *, hidden: int = 0
) -> dict[str, set[str]]:
    """Of a day's parts, those that may be told.

    Args:
        parts: viewers by dimension and value.
        threshold: the fewest that anything is told of.
        hidden: how many watched that day and are in no part.
    """
    shown: dict[str, set[str]] = {}
    for dimension in _ORDER:
        within: dict[str, dict[str, int]] = defaultdict(dict)
        whole: dict[str, int] = {}
        left = hidden
        for value, viewers in parts.get(dimension, {}).items():
            container = _container(dimension, value)
            if container is None:
                whole[value] = viewers
            elif container in shown[_WITHIN[dimension]]:
                within[container][value] = viewers
            else:
                left += viewers
        shown[dimension] = told(whole, threshold, hidden=left)
        for each in within.values():
            shown[dimension] |= told(each, threshold)
    return shown


def _container(dimension: str, value: str) -> str | None:
    """What a value lies within, None for nothing less than everything."""
    if dimension == "region":
        # "DE-BE", or "DE" for somewhere in it; "" for who is in no country that is known.
        return value.partition("-")[0]
    return "program" if dimension == "browser" and value in PROGRAMS else None
