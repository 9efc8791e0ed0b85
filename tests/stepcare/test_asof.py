"""As of: what was known then, what had occurred by then, and what changed between two moments."""

from collections.abc import Generator, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from random import Random
from typing import Any

import pytest

from engine.audit import instant
from engine.decision import Decision
from engine.errors import InvalidInput, NotFound
from engine.time import at_local, start_of
from stepcare.asof import occurred_json, recorded_json
from stepcare.between import between_json
from stepcare.moment import TICK, Moment, moment_asked
from stepcare.past import Past
from stepcare.story import misled_json, story_json
from storage.queries import EpisodeFilter, episodes
from tests.stepcare.courses import Lived, Row, corrected, lived, walk
from tests.worlds import START, ZONE

SEEDS, LENGTH = range(3), 14
SHELVES = ("records", "treatments", "flags", "requests")


def moment(at: datetime) -> Moment:
    """Give a moment as it would be asked for."""
    return Moment(at=at, typed=instant(at), zone=ZONE)


def day(number: int) -> Moment:
    """Give the end of a day of the story."""
    return moment_asked((START + timedelta(days=number)).isoformat(), ZONE, datetime(2027, 1, 1, tzinfo=UTC))


@pytest.fixture(scope="module", params=SEEDS)
def course(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Generator[Lived, None, None]:
    """Live a random course."""
    with lived(tmp_path_factory.mktemp("course")) as world:
        walk(world, request.param, LENGTH)
        yield world


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Generator[tuple[Lived, dict[str, Decision]], None, None]:
    """Live a course with a late entry and a correction."""
    with lived(tmp_path_factory.mktemp("story")) as world:
        yield world, corrected(world)


# --- as it was recorded -------------------------------------------------------------------------------------------


def test_as_of_every_entry_is_what_was_shown_then(course: Lived) -> None:
    """Whatever `show` said after each entry of a course, with the numbers in force then, as-of says again."""
    past = course.past()

    wrong = [
        at
        for at, (episode, row) in course.seen.items()
        if past.at(at).episode != episode
        or {**recorded_json(past, moment(at)), "as_of": None} != {**row, "as_of": None}
    ]

    assert len(course.seen) > LENGTH
    assert wrong == []


def test_nothing_of_an_entry_is_there_before_it(course: Lived) -> None:
    """One tick before an entry the episode is what the entry before left; at its own instant it is there."""
    past = course.past()

    for before, after in pairwise(past.steps):
        if before.recorded_at < after.recorded_at:
            assert past.at(after.recorded_at - TICK).entry == before.index
            assert past.at(after.recorded_at).entry >= after.index


def test_as_of_now_is_the_row(course: Lived) -> None:
    """As of now is the episode as the lists have it."""
    now = course.app.clock()
    stood = recorded_json(course.past(), moment(now))
    line = next(one for one in episodes(course.app.database, EpisodeFilter(open_only=False)) if one.id == "e1")

    assert (stood["state"], stood["version"], stood["team"], stood["owner"], stood["person"]) == (
        *(line.state, line.version, line.team, line.owner, line.person),
    )
    flags: Any = stood["flags"]
    assert sum(flag["cleared_at"] is None for flag in flags) == line.flags_open


def test_the_numbers_of_that_time_decide(course: Lived) -> None:
    """A parameter set later is not in an earlier picture: its set is the one of that day."""
    past = course.past()
    sites = [left for left in past.sites if left.what.parameters]

    first = past.at(past.steps[0].recorded_at).compiled
    last = past.at(course.app.clock()).compiled

    assert sites
    assert (first.settings, last.settings) == ({}, {"payer_profile": "us_lcd"})
    assert first.parameters_hash != last.parameters_hash


def test_before_its_first_entry_an_episode_is_not_there(course: Lived) -> None:
    """Before the registration nothing is shown, and it is said when there will be something."""
    past = course.past()
    first = past.steps[0]

    with pytest.raises(
        NotFound, match=rf"not registered yet at .*; its first entry is {first.index}, recorded at 2026"
    ):
        recorded_json(past, moment(first.recorded_at - TICK))


def test_an_entry_stands_after_what_it_was_decided_on(course: Lived) -> None:
    """Where a clock was set back, an entry recorded by then brings those before it along."""
    past = course.past()
    place = len(past.steps) // 2
    early = past.steps[place].recorded_at - timedelta(days=2)
    back = replace(past.steps[place].kept.envelope, recorded_at=early)
    steps = list(past.steps)
    steps[place] = replace(steps[place], kept=replace(steps[place].kept, envelope=back))

    stood = replace(past, steps=tuple(steps)).at(early)

    assert stood.entry == past.steps[place].index
    assert stood.episode.version == past.steps[place].after.version


# --- late, and corrected ------------------------------------------------------------------------------------------


def test_a_late_entry_was_not_known_yet(story: tuple[Lived, dict[str, Decision]]) -> None:
    """A visit of day 18 entered on day 20: on day 19 it had occurred, and nobody could have seen it."""
    world, told = story
    past, wrong = world.past(), told["wrong"].command.id

    known = record_ids(recorded_json(past, day(19)))
    occurred = occurred_json(past, day(19), world.app.clock())

    assert wrong not in known
    assert told["right"].command.id in record_ids(occurred)  # it is corrected by now
    late = [one for one in records(occurred) if one["recorded_later"]]
    assert [one["form"] for one in late] == ["red_flag_screen", "reassessment"]
    said: Any = occurred["as_of"]
    assert said["recorded_later"] == [entry_of(past, told[name]) for name in ("screened", "wrong", "right")]
    assert said["decided_anew"] is False
    assert "not re-decided" in said["note"]


def test_a_correction_is_not_in_what_was_recorded_before_it(story: tuple[Lived, dict[str, Decision]]) -> None:
    """On day 21 the score read as it was typed in; what occurred is told as it is known today."""
    world, told = story
    past = world.past()
    wrong, right = told["wrong"].command.id, told["right"].command.id

    then, occurred = recorded_json(past, day(21)), occurred_json(past, day(21), world.app.clock())
    since = recorded_json(past, day(22))

    assert (wrong in record_ids(then), right in record_ids(then)) == (True, False)
    assert next(one for one in records(then) if one["id"] == wrong)["superseded_by"] is None
    assert next(one for one in records(since) if one["id"] == wrong)["superseded_by"] == right
    assert (wrong in record_ids(occurred), right in record_ids(occurred)) == (False, True)
    assert next(one for one in records(occurred) if one["id"] == right)["corrects"] == [wrong]
    assert (derived(then)["last"], derived(occurred)["last"]) == (7, 2)


def test_what_occurred_is_told_by_the_time_of_each_thing(story: tuple[Lived, dict[str, Decision]]) -> None:
    """On day 10: registered, assessed, in self-care; the step up of day 20 has not occurred, work owed is left out."""
    world, _ = story

    row = occurred_json(world.past(), day(10), world.app.clock())

    assert (row["state"], [stay["state"] for stay in listed(row["stays"])]) == (
        "self_care",
        ["intake", "assessment", "self_care"],
    )
    assert "due_items" not in row
    with pytest.raises(NotFound, match="nothing of it had occurred"):
        occurred_json(world.past(), day(-1), world.app.clock())


def test_the_story_has_both_times_and_corrections_point_both_ways(story: tuple[Lived, dict[str, Decision]]) -> None:
    """A late entry says how late; the corrected entry names its correction, the correction what it corrects."""
    world, told = story
    past = world.past()
    rows = {row["entry"]: row for row in story_json(past, past.at(world.app.clock()).compiled, "recorded")}
    wrong, moved, right = (entry_of(past, told[name]) for name in ("wrong", "moved", "right"))

    assert rows[wrong]["late_seconds"] == pytest.approx(2 * 86400, abs=10)
    assert (rows[moved]["late_seconds"], rows[wrong]["corrected_by"]) == (None, [right])
    assert (rows[right]["corrects"], rows[right]["what"]) == (wrong, "correct reassessment")
    assert rows[moved]["relied_wrongly"] == [
        {"record": told["wrong"].command.id, "form": "reassessment", "entry": wrong, "corrected_by": [right]}
    ]


def test_the_story_can_be_told_in_the_order_things_occurred(story: tuple[Lived, dict[str, Decision]]) -> None:
    """By occurred, the late visit stands where it happened: before the call of the day after."""
    world, _ = story
    past = world.past()
    compiled = past.at(world.app.clock()).compiled

    by_recorded = [row["entry"] for row in story_json(past, compiled, "recorded")]
    by_occurred = story_json(past, compiled, "occurred")

    assert by_recorded == sorted(by_recorded, key=lambda one: int(str(one)))
    times = [row["occurred_at"] for row in by_occurred]
    assert times == sorted(times, key=str)
    assert [row["entry"] for row in by_occurred] != by_recorded
    assert {row["entry"] for row in by_occurred} == set(by_recorded)


def test_decisions_that_relied_on_a_corrected_fact_are_those_the_engine_names(
    story: tuple[Lived, dict[str, Decision]],
) -> None:
    """The correction's own list (`relied_on_by`) and ours name the same decisions; so does the episode's picture."""
    world, told = story
    past = world.past()
    compiled = past.at(world.app.clock()).compiled

    misled = [row["entry"] for row in misled_json(past, compiled) if row["outcome"] == "accepted"]
    by_version = {step.after.version: step.index for step in past.steps}

    assert misled == [by_version[version] for version in told["right"].relied_on_by]
    shown: Any = recorded_json(past, moment(world.app.clock()))["relied_wrongly"]
    assert [by_version[version] for version in shown[0]["relied_on_by"]] == misled
    assert by_version[shown[0]["corrected_in"]] == entry_of(past, told["right"])


# --- a difference -------------------------------------------------------------------------------------------------


def test_a_difference_applied_to_the_first_picture_gives_the_second(course: Lived) -> None:
    """For any two moments: what was there, with what came, went and changed, is what is there then."""
    past = course.past()
    chance = Random(7)  # noqa: S311 - the same moments every time
    moments = [step.recorded_at for step in past.steps]

    for _ in range(20):
        first, last = sorted(chance.sample(moments, 2))
        before, after = recorded_json(past, moment(first)), recorded_json(past, moment(last))
        row = between_json(past, moment(first), moment(last))

        assert list(misapplied(before, row, after)) == []


def misapplied(before: Row, row: Row, after: Row) -> Iterator[str]:
    """Say in which part a difference does not lead from one picture to the other."""
    changed: Any = row["changed"]
    for name in ("state", "team", "owner", "language", "parameters"):
        if (changed[name]["to"] if name in changed else before[name]) != after[name]:
            yield name
    was, now = derived(before), derived(after)
    if {name: changed[name]["to"] if name in changed else was.get(name) for name in now} != now:
        yield "derived"
    due: Any = row["due_items"]
    owed = {one["id"]: one for one in listed(before["due_items"])}
    for one in due["closed"]:
        del owed[one["id"]]
    for one in (*due["moved"], *due["opened"]):
        owed[one["id"]] = {key: value for key, value in one.items() if key != "was"}
    if owed != {one["id"]: one for one in listed(after["due_items"])}:
        yield "due items"
    moved: Any = row["records"]
    superseded = {one["id"]: one["superseded_by"] for one in moved["superseded"]}
    there = {one["id"]: superseded.get(one["id"], one["superseded_by"]) for one in records(before)}
    there |= {one["id"]: superseded.get(one["id"]) for one in moved["added"]}
    if there != {one["id"]: one["superseded_by"] for one in records(after)}:
        yield "records"
    flags: Any = row["flags"]
    open_flags = {one["id"] for one in listed(before["flags"]) if one["cleared_at"] is None}
    open_flags |= {one["id"] for one in flags["raised"]}
    open_flags -= {one["id"] for one in flags["cleared"]} - {
        one["id"] for one in flags["raised"] if not one["cleared_at"]
    }
    if open_flags != {one["id"] for one in listed(after["flags"]) if one["cleared_at"] is None}:
        yield "flags"
    status = {one["id"]: one["status"] for one in listed(before["treatments"])}
    status |= {one["id"]: one["to"] for one in listed(row["treatments"])}
    if status != {one["id"]: one["status"] for one in listed(after["treatments"])}:
        yield "treatments"


def test_between_a_moment_and_itself_nothing_changed(course: Lived) -> None:
    """The difference of a moment with itself is empty in every part."""
    now = moment(course.app.clock())

    row = between_json(course.past(), now, now)

    parts = ("entries", "changed", "moves", "records", "due_items", "flags", "treatments", "requests", "deviations")
    assert [one for name in parts for one in leaves(row[name])] == []


def leaves(value: Any) -> Iterator[Any]:
    """Give what is at the ends of lists and mappings."""
    if isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from leaves(one)
    else:
        yield value


def test_from_before_the_registration_everything_is_new(course: Lived) -> None:
    """A difference may begin before the first entry: then all that is there was added."""
    past = course.past()
    first, last = past.steps[0].recorded_at - TICK, course.app.clock()

    row = between_json(past, moment(first), moment(last))

    begun: Any = row["from"]
    added: Any = row["records"]
    assert begun["entry"] is None
    assert len(listed(row["entries"])) == len(past.steps)
    assert {one["id"] for one in added["added"]} == record_ids(recorded_json(past, moment(last)))


# --- a moment as people say it ------------------------------------------------------------------------------------

NOW = datetime(2026, 12, 1, 12, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("typed", "zone", "end"),
    [
        pytest.param("2026-03-02", "Europe/Berlin", "2026-03-02T22:59:59.999999Z", id="an ordinary day"),
        pytest.param("2026-03-28", "Europe/Berlin", "2026-03-28T22:59:59.999999Z", id="the day before summer time"),
        pytest.param("2026-03-29", "Europe/Berlin", "2026-03-29T21:59:59.999999Z", id="the day of 23 hours"),
        pytest.param("2026-10-25", "Europe/Berlin", "2026-10-25T22:59:59.999999Z", id="the day of 25 hours"),
        pytest.param(
            "2026-09-05", "America/Santiago", "2026-09-06T03:59:59.999999Z", id="the next midnight is skipped"
        ),
        pytest.param("2026-04-04", "America/Santiago", "2026-04-05T03:59:59.999999Z", id="its last hour comes twice"),
        pytest.param("2026-02-28", "UTC", "2026-02-28T23:59:59.999999Z", id="no leap day"),
        pytest.param("2026-03-02T09:00:00+01:00", "UTC", "2026-03-02T08:00:00.000000Z", id="an instant"),
        pytest.param("2026-03-02T09:00Z", "Europe/Berlin", "2026-03-02T09:00:00.000000Z", id="an instant in UTC"),
        pytest.param("now", "Europe/Berlin", "2026-12-01T12:30:00.000000Z", id="now"),
        pytest.param("2026-12-01", "Europe/Berlin", "2026-12-01T12:30:00.000000Z", id="today has not ended: now"),
    ],
)
def test_a_day_means_its_end_in_the_sites_zone(typed: str, zone: str, end: str) -> None:
    """Days end at local midnight, however many hours they have; the end of today has not come."""
    assert instant(moment_asked(typed, zone, NOW).at) == end


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        ("2026-12-02", "still to come"),
        ("2026-12-01T12:30:01Z", "still to come"),
        ("2026-13-01", "no day of the calendar"),
        ("9999-12-31", "has no end on our calendar"),
        ("2026-03-02T09:00:00", "has no offset"),
        ("yesterday", "write a day"),
        ("", "write a day"),
    ],
)
def test_what_names_no_moment_of_the_past_is_refused(typed: str, why: str) -> None:
    """A later day, a day that does not exist, a time without its offset: each is refused with what to write."""
    with pytest.raises(InvalidInput, match=why):
        moment_asked(typed, "Europe/Berlin", NOW)


def test_midnight_belongs_to_the_day_that_begins() -> None:
    """What was recorded at midnight sharp is not in the day before it."""
    midnight = start_of(date(2026, 3, 3), "Europe/Berlin")

    end = moment_asked("2026-03-02", "Europe/Berlin", NOW).at

    assert end < midnight == end + TICK


def test_a_day_is_said_by_its_name_and_an_instant_with_its_offset() -> None:
    """On the night clocks change 02:30 comes twice: which of them is said."""
    twice = at_local(date(2026, 10, 25), datetime(2026, 1, 1, 2, 30, tzinfo=UTC).time(), "Europe/Berlin")

    assert moment_asked("2026-10-25", "Europe/Berlin", NOW).words() == "the end of 2026-10-25 (Europe/Berlin)"
    assert Moment(at=twice, typed="x", zone="Europe/Berlin").words() == "2026-10-25 02:30:00 +02:00"
    assert (
        Moment(at=twice + timedelta(hours=1), typed="x", zone="Europe/Berlin").words() == "2026-10-25 02:30:00 +01:00"
    )


# --- readers ------------------------------------------------------------------------------------------------------


def records(row: Row) -> list[dict[str, Any]]:
    """Give the records of a picture."""
    return listed(row["records"])


def record_ids(row: Row) -> set[str]:
    """Give their ids."""
    return {one["id"] for one in records(row)}


def derived(row: Row) -> dict[str, Any]:
    """Give the derived part of a picture."""
    found: Any = row["derived"]
    return dict(found)


def listed(value: Any) -> list[dict[str, Any]]:
    """Give a list of a picture."""
    return list(value)


def entry_of(past: Past, decision: Decision) -> int:
    """Give the entry a command became."""
    return next(step.index for step in past.steps if step.kept.decision.command.id == decision.command.id)
