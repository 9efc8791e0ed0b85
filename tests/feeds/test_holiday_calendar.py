"""Public holidays: proposed by tables, set by a person, kept as the site's own days with a word on where they came from."""

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from engine.errors import InvalidInput
from stepcare.app import open_app
from stepcare.holiday_calendar import Wanted, closed_days, day_from, years_from
from tests.stepcare.conftest import ran

BERLIN = Wanted(country="DE", subdivision="BE", years=range(2026, 2027))
SET = ("due", "calendar", "--country", "de", "--subdivision", "BE", "--years", "2026-2027", "--as", "olga")


def test_a_subdivision_has_its_own_days() -> None:
    """The eighth of March is a holiday in Berlin, not in the rest of Germany; Good Friday is one everywhere."""
    berlin = closed_days(BERLIN).dates
    germany = closed_days(Wanted(country="DE", subdivision=None, years=range(2026, 2027))).dates

    assert "2026-03-08" in berlin
    assert "2026-03-08" not in germany
    assert "2026-04-03" in germany
    assert berlin == sorted(set(berlin))


def test_only_the_years_asked_for() -> None:
    """An observed day may fall into the next year: it is that year's."""
    found = closed_days(Wanted(country="US", subdivision=None, years=range(2027, 2028)))

    assert {one.day.year for one in found.days} == {2027}


def test_a_site_adds_and_takes_out_days() -> None:
    """Closed on Christmas Eve, open on the eighth of March; the version says both."""
    wanted = Wanted(
        country="DE",
        subdivision="BE",
        years=range(2026, 2027),
        add=frozenset({date(2026, 12, 24)}),
        remove=frozenset({date(2026, 3, 8)}),
    )
    found = closed_days(wanted)

    assert "2026-12-24" in found.dates
    assert "2026-03-08" not in found.dates
    assert next(one for one in found.days if one.day == date(2026, 12, 24)).by_hand
    assert found.version.startswith("holidays ")
    assert found.version.endswith(", DE-BE, 2026, +2026-12-24, -2026-03-08")


def test_a_day_that_hangs_on_the_moon_is_marked() -> None:
    """Eid is estimated years ahead: it is listed as such, in English and where only the country's language is there."""
    emirates = closed_days(Wanted(country="AE", subdivision=None, years=range(2028, 2029)))
    marked = {one.name for one in emirates.days if one.estimated}

    assert any(name.startswith("Eid al-Fitr") for name in marked)
    assert not any(one.estimated for one in emirates.days if one.name.startswith("National Day"))
    assert not any(one.estimated for one in closed_days(BERLIN).days)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"country": "XX"}, "two letters"),
        ({"subdivision": "XX"}, "BE"),
        ({"years": range(2300, 2301)}, "other years"),
        ({"remove": frozenset({date(2026, 3, 9)})}, "no holiday"),
        ({"add": frozenset({date(2030, 1, 2)})}, "--years"),
    ],
    ids=["country", "subdivision", "years", "remove", "add"],
)
def test_what_cannot_be_worked_out_says_why(change: dict[str, Any], said: str) -> None:
    """Each says what was wrong and what to write instead."""
    asked: dict[str, Any] = {"country": "DE", "subdivision": "BE", "years": range(2026, 2027), **change}

    with pytest.raises(InvalidInput, match=said):
        closed_days(Wanted(**asked))


@pytest.mark.parametrize("typed", ["", "26", "2028-2026", "2026-2040", "2026–2028", "next"])
def test_years_are_written_in_one_way(typed: str) -> None:
    """One year or from one to another, ten at most."""
    with pytest.raises(InvalidInput, match="year"):
        years_from(typed)


def test_days_and_years_that_are_right() -> None:
    """One year, three years, one day."""
    assert (list(years_from("2026")), list(years_from("2026-2028"))) == ([2026], [2026, 2027, 2028])
    assert day_from("2026-12-24") == date(2026, 12, 24)
    with pytest.raises(InvalidInput, match="2026-12-24"):
        day_from("24.12.2026")


# --- the command --------------------------------------------------------------------------------------------------


def parameters(site: Any) -> dict[str, Any]:
    """Give the site's numbers."""
    with open_app(site) as app:
        return dict(app.store.site().parameters)


def test_the_days_become_the_sites_own(asked: Callable[..., Any], site: Any) -> None:
    """Two parameters, two entries of the log: the days, and which tables they came from."""
    made = asked(*SET, "--add", "2026-12-24")
    kept = parameters(site)

    assert len(made["entries"]) == 2
    assert kept["closed_days"] == [one["day"] for one in made["days"]]
    assert kept["calendar_version"] == made["version"]
    assert "2026-12-24" in made["added"]


def test_setting_the_same_again_changes_nothing(asked: Callable[..., Any], site: Any) -> None:
    """No entry; another wish says what is new and what is no longer."""
    asked(*SET, "--add", "2026-12-24")

    again = asked(*SET, "--add", "2026-12-24")
    other = asked(*SET, "--add", "2026-12-31")

    assert (again["entries"], again["added"], again["removed"]) == ([], [], [])
    assert (other["added"], other["removed"]) == (["2026-12-31"], ["2026-12-24"])


def first_timer(site: Any, episode: str) -> str:
    """Give the wall time of the first timer that is armed for an episode."""
    with open_app(site) as app:
        return min(one.local for one in app.store.episode(episode).timers if one.state == "armed")


def test_what_is_planned_moves_when_it_is_replanned(asked: Callable[..., Any], site: Any) -> None:
    """The day of a timer becomes a closed one: said to stay as it is, and moved to the next worked day when asked."""
    made = asked("episode", "open", "--as", "ann", "--name", "Alva Ludens", "region=upper_back", "onset=2026-01-12")
    before = first_timer(site, made["episode"])
    day = before[:10]
    words = ("due", "calendar", "--country", "DE", "--years", day[:4], "--add", day, "--as", "olga")

    told = ran(*words)
    kept = first_timer(site, made["episode"])
    again = asked(*words, "--replan")

    assert "keeps its days; --replan moves it" in told.stdout
    assert kept == before
    assert (again["entries"], again["replanned"]) == ([], {"episodes": 1, "passed": 0, "failed": 0})
    assert first_timer(site, made["episode"])[:10] > day
    assert "✓ Episodes replanned: 1;" in ran(*words, "--replan").stdout


def test_a_dry_run_shows_and_keeps_nothing(site: Any) -> None:
    """To look at first, without saying who asks."""
    found = ran(*SET[:-2], "--dry-run")

    assert found.exit_code == 0
    assert "+ 2026-03-08 Sun  " in found.stdout
    assert "closed days: 21 new" not in found.stdout
    assert "Dry run" in found.stderr
    assert "closed_days" not in parameters(site)


def test_who_may_not_set_it_is_refused(site: Any) -> None:
    """A coordinator asks the pathway's owner; nothing is kept."""
    found = ran(*SET[:-1], "ann")

    assert found.exit_code == 4
    assert "closed_days" not in parameters(site)


def test_estimated_days_are_said_to_people(site: Any) -> None:
    """The line says that the day may still move, and the sum how many do."""
    found = ran("due", "calendar", "--country", "AE", "--years", "2028", "--dry-run").stdout

    assert "may still move" in found
    assert "of them estimated" in found
