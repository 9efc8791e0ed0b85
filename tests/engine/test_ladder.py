"""Rungs: where they go from a closed day, what becomes of those that were missed, and which clock they follow."""

import struct
import zoneinfo
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from pathlib import Path

import pytest

from engine import time as engine_time
from engine.calendar import WEEK
from engine.compiled import Compiled
from engine.fire import RESOLVE
from engine.ladder import instant_of, moved_by_zone, newest_repeat, next_timer, verdict
from engine.model import DueItem, Json, Kind, Outcome, Timer
from engine.pathway import Pathway
from engine.time import local_day
from engine.view import Pending, View
from tests.worlds import ANN, RAVI, WORKER, World, compiled, shipped, utc
from tests.worlds_pathway import episode_in, on, screen

SATURDAY = "2026-03-28"  # day 26 of every story here


def with_ladder(kind: str, *rungs: Mapping[str, Json], **settings: Json) -> Compiled:
    """Give the shipped pathway with another ladder for one kind of work."""
    policy = shipped().due[kind]
    read = type(policy).model_validate({**policy.model_dump(mode="json"), "ladder": list(rungs)})
    due = {**shipped().due, kind: read}
    return compiled(shipped().model_copy(update={"due": due}), **settings)


def cared_for(**settings: Json) -> World:
    """Give a world in self-care under these numbers."""
    return under(episode_in("self_care"), compiled(shipped(), **settings))


def under(world: World, site: Compiled) -> World:
    """Put a world under other numbers, and give its armed work these numbers, too."""
    world.compiled = site
    assert world.do(WORKER, Kind.FIRE, of="replan").outcome is Outcome.ACCEPTED
    return world


def seen(world: World) -> View:
    """Give what a decision would see of the world now."""
    return View(world.compiled, world.episode, Pending(), world.now, local_day(world.now, world.episode.zone))


def item_of(world: World, kind: str = "reassessment") -> DueItem:
    """Give the last due item of a kind."""
    return [item for item in world.episode.due_items if item.kind == kind][-1]


def armed(world: World, kind: str = "reassessment") -> Timer:
    """Give the timer that waits for a kind of work."""
    return next(one for one in world.episode.timers if one.state == "armed" and one.kind == kind)


def told(world: World, kind: str = "reassessment") -> list[tuple[str, str]]:
    """Give to whom and when messages of a kind were written."""
    zone = engine_time.zone(world.episode.zone)
    mine = [one for one in world.episode.timers if one.state == "fired" and one.kind == kind]
    by_id = {f"{world.episode.id}:{one.id}:": one for one in mine}
    return [
        (message.recipient, f"{timer.at.astimezone(zone):%m-%d %H:%M}")
        for message in world.episode.messages
        for stem, timer in by_id.items()
        if message.id.startswith(stem)
    ]


# --- from a closed day ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "goes"),
    [
        ({}, "2026-03-30T09:00"),
        ({"closed_days": ["2026-03-30"]}, "2026-03-31T09:00"),
        ({"closed_days": ["2026-03-30"], "opened_days": ["2026-03-30"]}, "2026-03-30T09:00"),
        ({"opened_days": [SATURDAY]}, "2026-03-28T09:00"),
        ({"working_days": ["sun"]}, "2026-03-29T09:00"),
        ({"working_days": list(WEEK)}, "2026-03-28T09:00"),
        ({"timer_time": "10:30"}, "2026-03-30T10:30"),
    ],
)
def test_overdue_work_of_a_saturday_goes_to_the_next_working_day(settings: dict[str, Json], goes: str) -> None:
    """The window ends on Friday, so the coordinator hears on Monday at nine; on Tuesday where Monday is a holiday."""
    world = cared_for(reassess_due="P25D", **settings)
    view, policy = seen(world), world.compiled.pathway.due["reassessment"]

    at = instant_of(view, policy, item_of(world), 2)

    assert at is not None
    assert f"{at.astimezone(engine_time.zone(world.episode.zone)):%Y-%m-%dT%H:%M}" == goes


def test_a_reminder_to_the_person_comes_on_a_sunday_too() -> None:
    """Two days before a Tuesday is a Sunday, and the person reads it then."""
    world = cared_for(reassess_due="P29D")
    policy = world.compiled.pathway.due["reassessment"]

    at = instant_of(seen(world), policy, item_of(world), 1)

    assert at is not None
    assert at.strftime("%A") == "Sunday"


def test_notice_of_a_stated_day_comes_before_it_and_not_after() -> None:
    """A hold ends on Monday; two days before is Saturday: the owner hears on Friday."""
    world = episode_in("self_care").day(10)
    world.move("hold", ANN, reason="travel", until="2026-03-30")

    assert armed(world, "hold_end").local == "2026-03-27T09:00"


def test_what_repeats_daily_is_said_once_on_a_monday() -> None:
    """Saturday's, Sunday's and Monday's call are one call on Monday; the next is Tuesday's."""
    world = episode_in("self_care")
    flagged(world, "inflammatory_pattern")
    world.to(utc(2026, 3, 25, 12))

    calls = [when for who, when in told(world, "flag_routine") if who == "lead"]

    assert calls == [f"03-{day} 09:00" for day in (10, 11, 12, 13, 16, 17, 18, 19, 20, 23, 24, 25)]


def templates(world: World) -> list[str]:
    """Give what was written about the reassessments."""
    return [one.template for one in world.episode.messages if (one.due_item or "").startswith("reassessment:")]


def flagged(world: World, item: str) -> None:
    """Raise a flag by the screen."""
    decision = world.record("red_flag_screen", RAVI, **screen(world.compiled, **{item: "present"}))
    assert decision.outcome is Outcome.ACCEPTED, decision.problem


# --- what was missed --------------------------------------------------------------------------------------------------


def asleep(world: World, until: datetime) -> None:
    """Let time go by without a worker; then let it catch up at one instant."""
    world.now = until
    for _ in range(200):
        waiting = [timer for timer in world.episode.timers if timer.state == "armed" and timer.at <= until]
        if not waiting:
            return
        world.do(WORKER, Kind.FIRE, of=min(waiting, key=lambda one: (one.at, one.id)).id)
    pytest.fail("it never comes to an end")


def test_a_month_without_a_worker_is_made_up_for_once() -> None:
    """Thirty days down: of five staff messages the newest is sent, of three reminders none, and the proposal is made."""
    world = episode_in("self_care").day(20)
    before = len(world.episode.messages)

    asleep(world, world.now + timedelta(days=40))

    late = [
        (one.recipient, one.template) for one in world.episode.messages[before:] if one.due_item == item_of(world).id
    ]
    assert late == [("clinician", "work_overdue"), ("coordinator", "work_decide")]
    assert {one.state for one in world.episode.timers if one.kind == "reassessment"} <= {"fired", "expired"}


def test_a_reminder_a_day_late_is_still_sent_and_three_days_late_is_not() -> None:
    """The site says how late a reminder is worth anything: two days."""
    for days, sent in ((1, True), (3, False)):
        world = episode_in("self_care").day(20)
        late = armed(world).at + timedelta(days=days)

        asleep(world, late)

        assert bool([one for one in world.episode.messages if one.template == "visit_ahead"]) is sent


def test_of_two_missed_reminders_only_the_newer_is_sent() -> None:
    """Down from day 20 to day 26 with reminders that last a week: the person hears once, of the nearer day."""
    world = under(episode_in("self_care").day(20), compiled(shipped(), remind_expires="P9D"))

    asleep(world, world.now + timedelta(days=7))

    theirs = [one.template for one in world.episode.messages if one.recipient == "patient"]
    assert theirs == ["visit_soon"]


def test_emergencies_are_called_out_late_rather_than_never() -> None:
    """Three days down with an emergency flag open: the clinician hears, and the lead once, not seventy-two times."""
    world = episode_in("self_care")
    flagged(world, "cord_signs")
    raised = [one.kind for one in world.episode.timers if one.state == "armed" and one.kind.startswith("flag")]
    before = len(world.episode.messages)

    asleep(world, world.now + timedelta(days=3))

    assert raised == ["flag_emergency"]
    assert [one.recipient for one in world.episode.messages[before:]] == ["clinician", "lead"]
    assert armed(world, "flag_emergency").at - world.now <= timedelta(hours=1)


def test_the_newest_of_a_year_of_calls_is_found_at_once() -> None:
    """8,760 hourly calls are one division; the next is armed within the hour."""
    world = episode_in("self_care")
    flagged(world, "cord_signs")
    world.now += timedelta(days=365)
    policy, item = world.compiled.pathway.due["flag_emergency"], item_of(world, "flag_emergency")

    newest = newest_repeat(seen(world), policy, replace(item, fired=1))

    at = instant_of(seen(world), policy, item, newest)
    assert at is not None
    assert at <= world.now < at + timedelta(hours=1)
    assert newest == 8760


REMIND: Mapping[str, Json] = {
    "at": "remind_second_at", "kind": "remind", "to": "patient", "template": "visit_soon", "expires": "weekly",
}  # fmt: skip
AFTER: Mapping[str, Json] = {
    "at": "remind_missed_at", "kind": "remind", "to": "patient", "template": "visit_missed", "expires": "weekly",
}  # fmt: skip


@pytest.mark.parametrize(
    ("catch_up", "sent"),
    [
        ("late", ["visit_soon", "visit_missed"]),
        ("latest", ["visit_missed"]),
        ("skip", []),
    ],
)
def test_a_rung_says_what_becomes_of_it_when_it_was_missed(catch_up: str, sent: list[str]) -> None:
    """Late: all the same. Latest: the newest. Skip: nothing, and the ladder goes on."""
    rungs = [{**rung, "catch_up": catch_up} for rung in (REMIND, AFTER)]
    world = under(episode_in("self_care").day(20), with_ladder("reassessment", *rungs))

    asleep(world, world.now + timedelta(days=12))

    assert templates(world) == sent


def test_a_rung_that_is_skipped_when_missed_fires_when_it_is_not() -> None:
    """A worker that comes some minutes late has missed nothing."""
    world = under(episode_in("self_care").day(20), with_ladder("reassessment", {**REMIND, "catch_up": "skip"}))

    asleep(world, armed(world).at + timedelta(minutes=20))

    assert templates(world) == ["visit_soon"]


def test_a_newer_rung_that_has_expired_itself_silences_nobody() -> None:
    """The newer reminder is worth nothing any more, so the older one that still is goes out."""
    rungs = ({**REMIND, "expires": "weekly"}, {**AFTER, "expires": "at_once_exact"})
    world = under(episode_in("self_care").day(20), with_ladder("reassessment", *rungs))
    world.to(armed(world).at - timedelta(minutes=1))

    asleep(world, armed(world).at + timedelta(days=6))

    assert templates(world) == ["visit_soon"]


def test_a_timer_whose_rung_is_gone_says_nothing() -> None:
    """The ladder of a newer pack may be shorter: what was armed for a rung that is not there is skipped."""
    world = episode_in("self_care").day(20)
    policy = world.compiled.pathway.due["reassessment"]
    timer = replace(armed(world), id="reassessment:s2@40", expires_at=None)

    assert verdict(seen(world), policy, item_of(world), timer) == "skipped"
    assert newest_repeat(seen(world), policy.model_copy(update={"ladder": ()}), item_of(world)) == -1
    assert next_timer(seen(world), policy, replace(item_of(world), fired=40), 1) is None
    assert next_timer(seen(world), policy, replace(item_of(world), due_at=None), 1) is None


def test_a_repetition_that_rolls_back_comes_before_its_day() -> None:
    """A weekly call on Sundays that goes back to Friday: what has come is counted by when it came."""
    rung: Mapping[str, Json] = {
        "at": "daily", "kind": "escalate", "to": "lead", "template": "work_overdue", "repeat": "weekly",
        "roll": "preceding",
    }  # fmt: skip
    world = under(episode_in("self_care"), with_ladder("reassessment", rung, reassess_due="P26D"))
    policy, item = world.compiled.pathway.due["reassessment"], item_of(world)
    world.now = utc(2026, 4, 10, 12)  # a Friday; the Sundays are 29 March, 5 and 12 April

    assert newest_repeat(seen(world), policy, item) == 2
    assert instant_of(seen(world), policy, item, 2) == utc(2026, 4, 10, 7)


# --- the clock on the wall --------------------------------------------------------------------------------------------


def test_put_off_work_waits_for_the_start_of_its_day_and_keeps_its_due_day() -> None:
    """Remind later moves the timer, never the window; a reminder's worth counts from then."""
    world = episode_in("self_care").day(20)
    due = item_of(world).due_at

    world.do(ANN, Kind.SNOOZE, {"due_item": item_of(world).id, "until": on(27), "reason": "travel"})

    assert armed(world).local == "2026-03-29T00:00"
    assert armed(world).expires_at == utc(2026, 3, 30, 22)
    assert item_of(world).due_at == due


@pytest.fixture
def without_summer_time(tmp_path: Path) -> Iterator[None]:
    """Let a new edition of the time zone rules abolish summer time in Berlin, until the test is over."""
    kept = zoneinfo.TZPATH
    place = tmp_path / "Europe" / "Berlin"
    place.parent.mkdir()
    block = struct.pack(">lbB", 3600, 0, 0) + b"CET\0"
    header = struct.pack(">4sc15x6l", b"TZif", b"2", 0, 0, 0, 0, 1, 4)
    place.write_bytes(header + block + header + block + b"\nCET-1\n")
    zoneinfo.reset_tzpath([tmp_path.resolve()])
    _forget()
    yield
    zoneinfo.reset_tzpath(kept)
    _forget()


def _forget() -> None:
    """Do what a restart does."""
    zoneinfo.ZoneInfo.clear_cache()
    for known in (
        engine_time.zone,
        engine_time.local_day,
        engine_time.at_local,
        engine_time.start_of,
        engine_time.after,
    ):
        known.cache_clear()


def test_new_time_zone_rules_move_what_the_wall_clock_armed(request: pytest.FixtureRequest) -> None:
    """Summer time is abolished: the reminder of 30 March still comes at nine, which is an hour later in UTC."""
    world = cared_for(reassess_due="P35D")
    world.to(utc(2026, 3, 10))
    before = armed(world)
    assert (before.local, before.at) == ("2026-03-30T09:00", utc(2026, 3, 30, 7))

    request.getfixturevalue("without_summer_time")
    moved = moved_by_zone(seen(world))
    decision = world.do(WORKER, Kind.FIRE, of=RESOLVE)

    assert [one.at for one in moved if one.kind == "reassessment"] == [utc(2026, 3, 30, 8)]
    assert decision.taken == "resolved"
    after = armed(world)
    assert (after.id, after.local, after.at) == (before.id, before.local, utc(2026, 3, 30, 8))
    assert after.expires_at == utc(2026, 4, 1, 8)
    assert after.armed_on > before.armed_on
    assert moved_by_zone(seen(world)) == ()
    assert world.do(WORKER, Kind.FIRE, of=RESOLVE).events == ()


def test_what_counts_hours_keeps_its_instant_under_new_rules(request: pytest.FixtureRequest) -> None:
    """A safety contact 24 hours after an injection is so many hours, whatever the wall shows."""
    world = episode_in("self_care")
    world.to(utc(2026, 3, 29, 0, 30))
    flagged(world, "systemic_illness")
    world.to(world.now)
    at = armed(world, "flag_urgent").at

    request.getfixturevalue("without_summer_time")

    assert at == utc(2026, 3, 30, 0, 30)
    assert "flag_urgent" not in {one.kind for one in moved_by_zone(seen(world))}


def test_work_put_off_to_a_day_moves_with_that_day(request: pytest.FixtureRequest) -> None:
    """A day begins at midnight, under the new rules as under the old."""
    world = episode_in("self_care").day(22)
    world.do(ANN, Kind.SNOOZE, {"due_item": item_of(world).id, "until": on(30), "reason": "travel"})

    request.getfixturevalue("without_summer_time")

    assert [one.at for one in moved_by_zone(seen(world)) if one.kind == "reassessment"] == [utc(2026, 3, 31, 23)]


def test_a_timer_of_an_unknown_kind_is_left_alone() -> None:
    """A kind that was renamed is nobody's to move."""
    world = episode_in("self_care")
    strange = replace(armed(world), id="gone:x@0", kind="gone")
    world.episode = replace(world.episode, timers=(strange,))

    assert moved_by_zone(seen(world)) == ()


def test_a_new_list_of_closed_days_moves_what_is_armed_when_it_is_replanned() -> None:
    """Monday becomes a holiday: the timer of Monday is Tuesday's once the plan is made anew, and not before."""
    world = cared_for(reassess_due="P25D")
    world.to(utc(2026, 3, 26, 12))
    assert armed(world).local == "2026-03-30T09:00"

    world.compiled = compiled(shipped(), reassess_due="P25D", closed_days=["2026-03-30"])
    world.record("contact", ANN, channel="telephone", result="reached")
    kept = armed(world).local
    under(world, world.compiled)

    assert kept == "2026-03-30T09:00"
    assert armed(world).local == "2026-03-31T09:00"


def test_the_shipped_ladders_are_read_from_top_to_bottom_in_time() -> None:
    """With every weekday possible as the first, no rung of the shipped pathway comes before the one above it."""
    pathway: Pathway = shipped()
    for first in range(7):
        world = episode_in("self_care")
        view = seen(world)
        for kind, policy in pathway.due.items():
            if not policy.calendar:
                continue  # these count hours, each from a base of its own
            start = engine_time.start_of(date(2026, 3, 2) + timedelta(days=first), world.episode.zone)
            due = engine_time.after(start, "P29D", world.episode.zone)
            item = DueItem(
                id="x", kind=kind, occurrence="x", title="", anchor=start, opens_after="P0D", due_after="P28D",
                opens_at=start, due_at=due, due_on=local_day(due, world.episode.zone) - timedelta(days=1),
                owner_role=policy.owner,
            )  # fmt: skip
            staff = [place for place, rung in enumerate(policy.ladder) if rung.to != "patient"]
            instants = [instant_of(view, policy, item, place) for place in staff]
            assert all(instants), kind
            assert instants == sorted(one for one in instants if one), kind


def test_nine_o_clock_is_the_site_s_to_choose() -> None:
    """Timers act at the site's time of day."""
    world = cared_for(timer_time="07:45")

    assert engine_time.clock_from(armed(world).local[11:]) == time(7, 45)
