"""Who is away, who stands in, and the steps of a clock: what is kept for the whole site besides its numbers."""

from dataclasses import replace
from datetime import timedelta

import pytest

from engine.absence import away, covered_by
from engine.codec import from_json, to_json
from engine.decision import Decision
from engine.fold import fold_site
from engine.model import Actor, Command, Json, Kind, Outcome, Role, Site
from engine.site import decide_site
from engine.time import start_of
from tests.worlds import ANN, AZIZ, START, WORKER, ZONE, utc

NOW = utc(2026, 3, 2, 8)
SITE = Site(zone=ZONE)


def day(number: int) -> str:
    """Give a day of the story as it is typed."""
    return (START + timedelta(days=number)).isoformat()


def ask(site: Site, by: Actor = ANN, kind: Kind = Kind.ABSENCE, number: int = 1, /, **values: Json) -> Decision:
    """Ask for something that is about the whole site; no pathway is needed for it."""
    said = {key.rstrip("_"): value for key, value in values.items()}
    return decide_site(site, None, Command(id=f"c{number}", kind=kind, actor=by, values=said), NOW)


def with_away(*spans: tuple[str, str, str, str]) -> Site:
    """Give a site on which these people are away (who, cover, from, until)."""
    site = SITE
    for number, (who, cover, since, until) in enumerate(spans):
        decision = ask(site, ANN, Kind.ABSENCE, number, who=who, cover=cover, from_=since, until=until)
        assert decision.outcome is Outcome.ACCEPTED, decision.problem
        site = fold_site(site, decision.events)
    return site


def test_whoever_is_away_is_covered() -> None:
    """From the first day's start to the last day's end, in the site's zone; before and after they hear themselves."""
    site = with_away(("ann", "bea", day(7), day(9)))
    first, last = start_of(START + timedelta(days=7), ZONE), start_of(START + timedelta(days=10), ZONE)

    assert covered_by(site, "ann", first - timedelta(seconds=1)) == "ann"
    assert covered_by(site, "ann", first) == "bea"
    assert covered_by(site, "ann", last - timedelta(seconds=1)) == "bea"
    assert covered_by(site, "ann", last) == "ann"
    assert away(site, "bea", first) is None


def test_cover_for_the_cover_is_found() -> None:
    """Bea stands in for Ann and falls ill herself: who stands in for her hears of it."""
    site = with_away(("ann", "bea", day(1), day(9)), ("bea", "carl", day(2), day(3)))

    assert covered_by(site, "ann", start_of(START + timedelta(days=1), ZONE)) == "bea"
    assert covered_by(site, "ann", start_of(START + timedelta(days=2), ZONE)) == "carl"


def test_a_circle_of_absences_ends_where_it_began() -> None:
    """Both away, each covering the other: the right person hears of it later, and nothing turns for ever."""
    site = with_away(("ann", "bea", day(1), day(9)), ("bea", "ann", day(1), day(9)))

    assert covered_by(site, "ann", start_of(START + timedelta(days=2), ZONE)) == "ann"
    assert covered_by(site, "bea", start_of(START + timedelta(days=2), ZONE)) == "bea"


def test_an_absence_can_be_said_anew() -> None:
    """Back earlier than planned: the same person and first day take the place of what was said, even once it has begun."""
    site = with_away(("ann", "bea", day(0), day(9)))

    decision = ask(site, ANN, Kind.ABSENCE, 5, who="ann", cover="carl", from_=day(0), until=day(1))
    site = fold_site(site, decision.events)

    assert decision.outcome is Outcome.ACCEPTED, decision.problem
    (absence,) = site.absences
    assert (absence.cover, absence.until) == ("carl", start_of(START + timedelta(days=2), ZONE))


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"until": day(-1), "from": day(-3)}, "past"),
        ({"from": day(-3)}, "past"),
        ({"cover": "ann"}, "stands in for themselves"),
        ({"until": day(3), "from": day(5)}, "ends after it began"),
        ({"until": day(900)}, "within 400 days"),
        ({"from": "tomorrow"}, "YYYY-MM-DD"),
        ({"from": "2026-02-31"}, "not a day"),
        ({"from": "2026-03-04T09:00:00"}, "no time zone"),
        ({"from": 3}, "as a day"),
        ({"who": "Mrs. Ann Smith"}, "pseudonym"),
        ({"cover": None}, "pseudonym"),
        ({"note": "ill"}, "takes exactly"),
        ({"from": day(8), "until": day(12)}, "away at that time already"),
    ],
)
def test_an_absence_that_cannot_be_right_is_not_kept(values: dict[str, Json], said: str) -> None:
    """Over already, covering oneself, backwards, twice at once, or in words: it is said what is wrong."""
    site = with_away(("ann", "bea", day(7), day(9)))
    whole: dict[str, Json] = {"who": "ann", "cover": "bea", "from": day(1), "until": day(2), **values}

    decision = decide_site(site, None, Command(id="c9", kind=Kind.ABSENCE, actor=ANN, values=whole), NOW)

    assert (decision.outcome, decision.events) == (Outcome.INVALID, ())
    assert said in decision.problem


def test_one_absence_may_follow_another() -> None:
    """Away until Wednesday, and again from Thursday: that is no overlap."""
    assert len(with_away(("ann", "bea", day(1), day(2)), ("ann", "carl", day(3), day(4))).absences) == 2


def test_an_hour_can_be_said_exactly() -> None:
    """Away this afternoon."""
    site = with_away(("ann", "bea", "2026-03-02T13:00:00+01:00", "2026-03-02T17:00:00+01:00"))

    assert covered_by(site, "ann", utc(2026, 3, 2, 12)) == "bea"
    assert covered_by(site, "ann", utc(2026, 3, 2, 16)) == "ann"


@pytest.mark.parametrize("by", [AZIZ, WORKER, Actor(id="p", role=Role.PROCEDURALIST)])
def test_who_is_away_is_said_by_those_who_run_the_place(by: Actor) -> None:
    """Coordinators, assessors, leads and administrators; nobody else."""
    decision = ask(SITE, by, who="ann", cover="bea", from_=day(1), until=day(2))

    assert (decision.outcome, decision.failed) == (Outcome.REFUSED, ("ROLE-01",))


def test_absences_are_kept_and_read_back() -> None:
    """What is stored is what was said; a site stored before there were absences has none."""
    site = with_away(("ann", "bea", day(1), day(2)))

    assert from_json(Site, to_json(site)) == site
    assert "absences" not in str(to_json(replace(site, absences=())))


def test_a_step_of_the_clock_is_kept() -> None:
    """The worker notes it; nothing changes by it but that it is in the log."""
    decision = ask(SITE, WORKER, Kind.CLOCK, seconds=3600, direction="back")

    assert (decision.outcome, decision.events) == (Outcome.ACCEPTED, ())
    assert ask(SITE, ANN, Kind.CLOCK, seconds=3600, direction="back").failed == ("ROLE-01",)


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"seconds": 0, "direction": "back"},
        {"seconds": -5, "direction": "back"},
        {"seconds": True, "direction": "back"},
        {"seconds": 5, "direction": "sideways"},
        {"seconds": 5, "direction": "back", "why": "ntp"},
    ],
)
def test_a_step_says_how_far_and_which_way(values: dict[str, Json]) -> None:
    """Anything else is not kept."""
    assert ask(SITE, WORKER, Kind.CLOCK, **values).outcome is Outcome.INVALID
