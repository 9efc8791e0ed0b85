"""Nobody is woken for what can wait: quiet hours on the person's own clock, over midnight, and when the clocks change."""

from dataclasses import replace
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as some

from engine.model import DueItem, Episode, Json, Message, Person, Record, Role
from engine.quiet import QuietWindow, drawn, first_try, message_allowed, next_allowed, window_of, zone_of
from engine.time import at_local
from tests.worlds import compiled, shipped, utc

BERLIN, NEW_YORK = "Europe/Berlin", "America/New_York"
MINUTE = timedelta(minutes=1)
USUAL = compiled(shipped())
EXACT = compiled(shipped(), quiet_spread="PT0M", send_jitter="PT0M")
CHANGES = {
    "Berlin, spring": (BERLIN, utc(2026, 3, 28, 12), 36),
    "Berlin, autumn": (BERLIN, utc(2026, 10, 24, 12), 36),
    "New York, autumn": (NEW_YORK, utc(2026, 10, 31, 12), 36),
    "Lord Howe, spring": ("Australia/Lord_Howe", utc(2026, 10, 3, 0), 36),
    "Lord Howe, autumn": ("Australia/Lord_Howe", utc(2026, 4, 4, 0), 36),
    "Cairo, spring": ("Africa/Cairo", utc(2026, 4, 23, 12), 24),
    "Cairo, autumn": ("Africa/Cairo", utc(2026, 10, 29, 12), 24),
    "Nuuk, spring": ("America/Nuuk", utc(2026, 3, 28, 12), 36),
    "Kathmandu, an ordinary night": ("Asia/Kathmandu", utc(2026, 6, 1, 12), 24),
}
WINDOWS = {
    "the usual": (time(20), time(8)),
    "late": (time(23, 30), time(1, 45)),
    "into a repeated hour": (time(22), time(2, 30)),
    "begins in a repeated hour": (time(1, 30), time(9)),
    "a nap": (time(0, 15), time(0, 45)),
    "the siesta": (time(13), time(15)),
}


def wanting(where: str = BERLIN, /, **said: Json) -> Episode:
    """Give an episode at a place, of a person who said this of how to reach them."""
    at = utc(2026, 1, 5, 12)
    own = Record(
        id="r1",
        form="contact_preferences",
        values=said,
        occurred_at=at,
        recorded_at=at,
        by="ann",
        episode="e1",
        stay=0,
        version=1,
    )
    return Episode(id="e1", person=Person(id="p1"), zone=where, records=(own,) if said else ())


def shown(at: datetime, where: str = BERLIN) -> str:
    """Give what the wall shows at an instant."""
    return f"{at.astimezone(ZoneInfo(where)):%d %H:%M}"


@pytest.mark.parametrize("window", WINDOWS.values(), ids=WINDOWS.keys())
@pytest.mark.parametrize("night", CHANGES.values(), ids=CHANGES.keys())
def test_a_message_waits_for_the_first_minute_the_wall_allows(
    night: tuple[str, datetime, int], window: tuple[time, time]
) -> None:
    """Minute by minute through the nights the clocks change: never in the window, and never later than need be."""
    where, start, hours = night
    quiet = QuietWindow(start=window[0], until=window[1], zone=where)
    minutes = [start + number * MINUTE for number in range(hours * 60)]
    silent = [is_within(at, where, *window) for at in minutes]
    ends = list(first_ends(minutes, silent, where))

    for at, is_silent, end in zip(minutes, silent, ends, strict=True):
        assert quiet.holds(at) is is_silent
        if is_silent and end is not None:
            found = quiet.end_after(at)
            assert not quiet.holds(found)
            # An end that the clocks skip moves forward by the gap; every other end is the first minute allowed.
            skipped = turned(end, where) > timedelta(0) and found - end <= timedelta(hours=1)
            assert found == end or skipped


def first_ends(minutes: list[datetime], silent: list[bool], where: str) -> list[datetime | None]:
    """Give, for each minute, the first from it on at which the window is over; None: not within these minutes.

    A clock that is turned back out of the window does not end a night that had begun.
    """
    over = [not is_silent for is_silent in silent]
    for number in range(1, len(minutes)):
        if over[number] and not over[number - 1]:
            over[number] = silent[number - 1] and turned(minutes[number], where) >= timedelta(0)
    found: list[datetime | None] = []
    end: datetime | None = None
    for at, is_over in zip(reversed(minutes), reversed(over), strict=True):
        end = at if is_over else end
        found.append(end)
    return found[::-1]


def turned(at: datetime, where: str) -> timedelta:
    """Give by how much the clock was turned at this minute, forward or (negative) back."""
    before, after = (one.astimezone(ZoneInfo(where)).utcoffset() or timedelta(0) for one in (at - MINUTE, at))
    return after - before


def is_within(at: datetime, where: str, start: time, until: time) -> bool:
    """Say whether the hands of the clock stand between two times, over midnight or not."""
    hands = at.astimezone(ZoneInfo(where))
    now, first, last = (one.hour * 60 + one.minute for one in (hands, start, until))
    return (now - first) % 1440 < (last - first) % 1440


@pytest.mark.parametrize(
    ("at", "goes"),
    [
        (utc(2026, 6, 1, 17, 59), "01 19:59"),
        (utc(2026, 6, 1, 18), "02 08:00"),
        (utc(2026, 6, 1, 22), "02 08:00"),
        (utc(2026, 6, 2, 5, 59), "02 08:00"),
        (utc(2026, 6, 2, 6), "02 08:00"),
        (utc(2026, 3, 28, 23), "29 08:00"),  # the short night
        (utc(2026, 10, 24, 23), "25 08:00"),  # the long night
    ],
)
def test_the_usual_night_is_from_eight_to_eight(at: datetime, goes: str) -> None:
    """19:59 goes at once, 20:00 waits for 08:00, which is allowed again."""
    assert shown(next_allowed(EXACT, wanting(), "patient", at, "m")) == goes


def test_what_waits_for_the_morning_is_spread_over_a_quarter_of_an_hour() -> None:
    """Eight o'clock is no burst: each message draws its own delay from its id, and always the same one."""
    ten_pm, names = utc(2026, 6, 1, 22), [f"m{number}" for number in range(200)]
    told = {name: next_allowed(USUAL, wanting(), "patient", ten_pm, name) for name in names}

    eight = utc(2026, 6, 2, 6)
    assert all(eight <= at <= eight + timedelta(minutes=15) for at in told.values())
    assert len(set(told.values())) > 100
    assert told == {key: next_allowed(USUAL, wanting(), "patient", utc(2026, 6, 2, 1), key) for key in told}


def test_the_delay_is_drawn_from_the_id_by_sha_256() -> None:
    """Anybody can work it out: the first eight bytes of the hash, modulo the seconds there are."""
    assert drawn("e1:reassessment:s2@0:patient:email", timedelta(minutes=15)) == timedelta(seconds=667)
    assert drawn("anything", timedelta(0)) == timedelta(0)


@given(some.text(max_size=40), some.integers(0, 3600))
def test_a_delay_is_never_longer_than_allowed(key: str, seconds: int) -> None:
    """None to all of it, in whole seconds, and the same each time."""
    longest = timedelta(seconds=seconds)

    assert timedelta(0) <= drawn(key, longest) <= longest
    assert drawn(key, longest) == drawn(key, longest)


@given(
    some.integers(0, 730 * 24 * 60),
    some.text(max_size=9),
)
def test_what_is_allowed_stays_allowed(minute: int, key: str) -> None:
    """The question may be asked again before sending: asked about its own answer it gives it back, for ever."""
    episode, at = wanting("Australia/Lord_Howe"), utc(2026, 1, 1) + minute * MINUTE
    goes = next_allowed(USUAL, episode, "patient", at, key)

    assert goes >= at
    assert next_allowed(USUAL, episode, "patient", goes, key) == goes


def test_reminders_due_at_nine_do_not_all_go_at_nine() -> None:
    """A hundred reminders of one morning: apart by their ids, within a quarter of an hour, and staff not delayed."""
    nine = at_local(date(2026, 6, 2), time(9), BERLIN)
    told = [first_try(USUAL, wanting(), "patient", nine, f"m{number}") for number in range(100)]

    assert all(nine <= at <= nine + timedelta(minutes=15) for at in told)
    assert len(set(told)) > 80
    assert first_try(EXACT, wanting(), "patient", nine, "m1") == nine
    assert first_try(USUAL, wanting(), "coordinator", nine, "m1") == nine


def test_a_delay_never_ends_in_the_quiet_hours() -> None:
    """A minute to eight in the evening the herd is not spread into the night: it goes at once."""
    late = utc(2026, 6, 1, 17, 59)

    assert {first_try(USUAL, wanting(), "patient", late, f"m{number}") for number in range(50)} <= {
        late + timedelta(seconds=seconds) for seconds in range(60)
    }


def test_a_person_has_quiet_hours_of_their_own() -> None:
    """Who works nights asks for the morning: their own hours count, and one of them alone changes only that end."""
    at_nine, at_ten_pm = utc(2026, 6, 2, 7), utc(2026, 6, 1, 20)
    sleeper = wanting(quiet_from="06:00", quiet_until="14:00")

    assert shown(next_allowed(EXACT, sleeper, "patient", at_nine, "m")) == "02 14:00"
    assert shown(next_allowed(EXACT, sleeper, "patient", at_ten_pm, "m")) == "01 22:00"
    assert shown(next_allowed(EXACT, wanting(quiet_until="10:30"), "patient", at_nine, "m")) == "02 10:30"


def test_what_was_said_of_something_else_later_leaves_the_hours_alone() -> None:
    """Who later gives their language alone keeps the hours and the zone they gave before; who gives one anew, that one."""
    said = wanting(quiet_from="06:00", quiet_until="14:00", zone=NEW_YORK)
    later_said: tuple[dict[str, Json], ...] = ({"language": "de"}, {"opted_out": ["sms"]}, {"quiet_until": "15:00"})
    for count, values in enumerate(later_said, start=2):
        at = said.records[-1].recorded_at + timedelta(days=1)
        later = replace(said.records[0], id=f"r{count}", values=values, occurred_at=at, recorded_at=at, version=count)
        said = replace(said, records=(*said.records, later))

    assert window_of(EXACT, said, "patient", "normal") == QuietWindow(start=time(6), until=time(15), zone=NEW_YORK)


def test_a_person_who_moved_is_not_woken_where_they_are_now() -> None:
    """Nine in Berlin is three in the morning in New York: who lives there hears at eight, New York's."""
    nine = at_local(date(2026, 6, 2), time(9), BERLIN)
    moved = wanting(zone=NEW_YORK)

    assert zone_of(EXACT, moved, "patient") == NEW_YORK
    assert zone_of(EXACT, moved, "coordinator") == BERLIN
    assert shown(next_allowed(EXACT, moved, "patient", nine, "m"), NEW_YORK) == "02 08:00"
    assert next_allowed(EXACT, wanting(), "patient", nine, "m") == nine


@pytest.mark.parametrize("said", [{"zone": "Mars/Olympus"}, {"zone": 5}, {"quiet_from": "late"}, {"quiet_from": 8}])
def test_what_no_clock_can_show_leaves_the_site_s_hours(said: dict[str, Json]) -> None:
    """A zone that was renamed or a word that is no time of day stops nothing: the site's window counts."""
    assert window_of(EXACT, wanting(**said), "patient", "normal") == QuietWindow(
        start=time(20), until=time(8), zone=BERLIN
    )


@pytest.mark.parametrize(
    ("priority", "waits"), [("emergency", False), ("urgent", False), ("safety", True), ("normal", True)]
)
def test_an_emergency_is_called_out_at_any_hour(priority: str, waits: bool) -> None:
    """Three in the morning: the clinician is woken for an emergency or urgent flag, and for nothing else."""
    three = utc(2026, 6, 2, 1)

    goes = next_allowed(EXACT, wanting(), "clinician", three, "m", priority=priority)

    assert (shown(goes) == "02 07:00") is waits
    assert (goes == three) is not waits


@pytest.mark.parametrize(
    ("kind", "waits"), [("flag_emergency", False), ("reassessment", True), ("gone", True), (None, True)]
)
def test_a_message_waits_by_the_work_it_is_about(kind: str | None, waits: bool) -> None:
    """What the pack calls an emergency is one to the sender, too; what nobody knows can wait."""
    three = utc(2026, 6, 2, 1)
    item = DueItem(
        id=f"{kind}:x",
        kind=str(kind),
        occurrence="x",
        title="",
        anchor=three,
        opens_after="P0D",
        due_after="P0D",
        opens_at=three,
        due_at=three,
        due_on=None,
        owner_role=Role.LEAD,
    )
    episode = replace(wanting(), due_items=(item,) if kind else ())
    message = Message(
        id="m",
        template="work_due",
        language="en",
        recipient="lead",
        channel="staff",
        due_item=item.id,
        not_before=three,
    )

    assert (message_allowed(EXACT, episode, message, three) > three) is waits


def test_a_site_may_have_no_quiet_hours_for_staff() -> None:
    """A ward that is never closed sets both ends alike."""
    ward = compiled(shipped(), staff_quiet_from="00:00", staff_quiet_until="00:00")

    assert window_of(ward, wanting(), "lead", "normal") is None


def test_a_pathway_without_quiet_hours_sends_at_any_hour() -> None:
    """A pack that does not speak of them has none."""
    names = ("quiet_from", "quiet_until")
    kept = {name: one for name, one in shipped().parameters.items() if name not in names}
    bare = compiled(shipped().model_copy(update={"parameters": kept}))

    assert window_of(bare, wanting(), "patient", "normal") is None


def test_an_end_that_is_skipped_moves_forward() -> None:
    """Quiet until 02:30, and the clocks go from 02:00 to 03:00: it is 03:30 then, as for every other time of day."""
    night = QuietWindow(start=time(22), until=time(2, 30), zone=BERLIN)

    assert shown(night.end_after(utc(2026, 3, 29, 0, 30))) == "29 03:30"


def test_an_opening_that_falls_into_a_gap_waits_for_the_next_night() -> None:
    """Half an hour is open, 02:15 to 02:45, and this night skips it: the message waits a day."""
    night = QuietWindow(start=time(2, 45), until=time(2, 15), zone=BERLIN)

    assert shown(night.end_after(utc(2026, 3, 29, 0, 30))) == "30 02:15"
