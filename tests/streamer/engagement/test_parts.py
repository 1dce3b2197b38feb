"""Subtracting what is told of an audience from what else is told of it, to find fewer than the threshold."""

from __future__ import annotations

import random

import pytest

from streamer.engagement.parts import told, told_of_day

THRESHOLD = 5


@pytest.mark.parametrize(
    ("audience", "shown"),
    [
        ({"DE": 5}, ["DE"]),
        ({"DE": 4}, []),
        # One alone would follow from the whole: the smallest of the others goes with it.
        ({"DE": 50, "FR": 6, "IS": 1}, ["DE"]),
        ({"DE": 50, "IS": 1}, []),
        ({"DE": 50, "IS": 1, "FO": 4}, ["DE"]),
        ({"DE": 50, "FR": 6, "IS": 3, "FO": 3}, ["DE", "FR"]),
    ],
)
def test_what_is_told(audience: dict[str, int], shown: list[str]) -> None:
    assert sorted(told(audience, THRESHOLD)) == shown


def test_who_is_in_no_part_does_not_follow_from_the_whole() -> None:
    day = {"device": {"desktop": 20, "phone": 6}}
    assert told_of_day(day, THRESHOLD)["device"] == {"desktop", "phone"}
    assert told_of_day(day, THRESHOLD, hidden=1)["device"] == {"desktop"}
    assert told_of_day(day, THRESHOLD, hidden=5)["device"] == {"desktop", "phone"}


def test_a_region_does_not_follow_from_its_country() -> None:
    # Of all regions together five are withheld, but of each country fewer.
    day = {
        "country": {"DE": 13, "FR": 14},
        "region": {"DE-BE": 7, "DE-BY": 5, "DE-SL": 1, "FR-IDF": 6, "FR-BRE": 4, "FR": 4},
    }
    assert told_of_day(day, THRESHOLD)["region"] == {"DE-BE", "FR-IDF"}


def test_a_country_that_is_withheld_is_not_told_by_its_regions() -> None:
    day = {"country": {"DE": 50, "FR": 6, "IS": 1}, "region": {"DE-BE": 50, "FR-IDF": 6, "IS-1": 1}}
    shown = told_of_day(day, THRESHOLD)
    assert (shown["country"], shown["region"]) == ({"DE"}, {"DE-BE"})


def test_a_program_does_not_follow_from_the_device_of_that_name() -> None:
    day = {"device": {"desktop": 20, "program": 6}, "browser": {"Firefox": 20, "OBS": 5, "VLC": 1}}
    assert told_of_day(day, THRESHOLD)["browser"] == {"Firefox"}


def test_no_difference_of_what_is_told_is_of_fewer() -> None:
    dice = random.Random(7)
    for _ in range(2000):
        regions = {
            f"{country}-{region}": dice.choice((1, 1, 2, 3, 4, 5, 6, 9, 30))
            for country in ("DE", "FR", "IS", "FO")[: dice.randint(1, 4)]
            for region in range(dice.randint(1, 4))
        }
        countries: dict[str, int] = {}
        for region, viewers in regions.items():
            countries[region[:2]] = countries.get(region[:2], 0) + viewers
        unfollowed = dice.choice((0, 0, 1, 3))
        shown = told_of_day({"country": countries, "region": regions}, THRESHOLD, hidden=unfollowed)
        everybody = sum(countries.values()) + unfollowed
        left = [everybody - sum(countries[each] for each in shown["country"])]
        for country, viewers in countries.items():
            told_of_it = [regions[each] for each in shown["region"] if each[:2] == country]
            if country in shown["country"]:
                left.append(viewers - sum(told_of_it))
            else:
                assert not told_of_it
        left.append(everybody - sum(regions[each] for each in shown["region"]))
        # Where nothing at all is told there is nothing to subtract but the whole.
        assert all(each == 0 or each >= THRESHOLD or each == everybody for each in left)
