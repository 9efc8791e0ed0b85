"""The site's own decisions: what is published, and which numbers it runs with; safety numbers take two people."""

from dataclasses import replace
from datetime import timedelta

import pytest

from engine.decision import Decision
from engine.fold import fold_site
from engine.model import Actor, Command, Json, Kind, Outcome, Role, Site
from engine.site import decide_site
from tests.worlds import ANN, LENA, shipped, utc

OTTO = Actor(id="otto", role=Role.PATHWAY_OWNER)
NOW = utc(2026, 3, 2, 8)


def ask(site: Site, by: Actor, kind: Kind, of: str | None = None, /, **values: Json) -> Decision:
    """Decide one command of the site."""
    command = Command(id=f"s{site.version}", kind=kind, actor=by, values=values, of=of)
    return decide_site(site, shipped(), command, NOW)


def test_a_plain_number_is_set_by_the_pathway_owner_alone() -> None:
    """A reminder's day is not a safety number: it counts at once."""
    decision = ask(Site(), OTTO, Kind.SET_PARAMETER, name="remind_first_at", value="-P5D")

    assert decision.outcome is Outcome.ACCEPTED
    assert fold_site(Site(), decision.events).parameters == {"remind_first_at": "-P5D"}


def test_a_safety_number_takes_two_people() -> None:
    """The dose cap waits for another person's yes, and nobody says yes to themselves."""
    asked = ask(Site(), OTTO, Kind.SET_PARAMETER, name="lidocaine_max_mg", value=200)
    site = fold_site(Site(), asked.events)

    alone = ask(site, OTTO, Kind.SIGN_OFF, asked.command.id, answer="yes")
    signed = ask(site, LENA, Kind.SIGN_OFF, asked.command.id, answer="yes")

    assert asked.outcome is Outcome.NEEDS_SIGN_OFF
    assert "lidocaine_max_mg" not in site.parameters
    assert alone.failed == ("SIGN-02",)
    assert fold_site(site, signed.events).parameters == {"lidocaine_max_mg": 200}


def test_a_no_and_a_late_yes_change_nothing() -> None:
    """A refused request is closed; an expired one can no longer be answered."""
    asked = ask(Site(), OTTO, Kind.SET_PARAMETER, name="lidocaine_max_mg", value=200)
    site = fold_site(Site(), asked.events)
    late = replace(site, requests=tuple(replace(one, expires_at=NOW - timedelta(seconds=1)) for one in site.requests))

    no = fold_site(site, ask(site, LENA, Kind.SIGN_OFF, asked.command.id, answer="no").events)

    assert no.parameters == {}
    assert ask(no, LENA, Kind.SIGN_OFF, asked.command.id, answer="yes").failed == ("SIGN-01",)
    assert ask(late, LENA, Kind.SIGN_OFF, asked.command.id, answer="yes").failed == ("SIGN-01",)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("no_such_number", 1),
        ("lidocaine_max_mg", 301),
        ("lidocaine_max_mg", "much"),
        ("reassess_opens", "14 days"),
        ("timer_time", "9 o'clock"),
        ("payer_profile", "us_lcd2"),
    ],
)
def test_a_value_that_cannot_be_is_an_error(name: str, value: Json) -> None:
    """Unknown names, values out of range and mistyped durations leave nothing behind."""
    decision = ask(Site(), OTTO, Kind.SET_PARAMETER, name=name, value=value)

    assert decision.outcome is Outcome.INVALID
    assert decision.problem
    assert decision.events == ()


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        ("closed_days", ["2026-12-25", "2026-01-01", "2026-12-25"], ["2026-01-01", "2026-12-25"]),
        ("closed_days", [], []),
        ("closed_days", "2026-12-25", None),
        ("closed_days", ["25.12.2026"], None),
        ("working_days", ["mon", "sat"], ["mon", "sat"]),
        ("working_days", [], None),
        ("working_days", ["monday"], None),
        ("quiet_from", "13:00", "13:00"),
        ("quiet_from", "21:00", "21:00"),
        ("quiet_from", "21:01", None),
        ("quiet_from", "00:00", None),
        ("quiet_until", "07:59", None),
        ("send_jitter", "PT0M", "PT0M"),
        ("send_jitter", "PT1H", "PT1H"),
        ("send_jitter", "PT61M", None),
        ("send_jitter", "-PT1M", None),
        ("remind_expires", "PT0M", None),
    ],
)
def test_calendars_and_hours_of_silence_are_set_within_bounds(name: str, value: Json, kept: Json) -> None:
    """A site has a working day, real dates, and may be quieter than eight to nine, never louder."""
    decision = ask(Site(), OTTO, Kind.SET_PARAMETER, name=name, value=value)

    assert (decision.outcome is Outcome.INVALID) is (kept is None)
    assert fold_site(Site(), decision.events).parameters.get(name) == kept


def test_the_administrator_keeps_the_calendar() -> None:
    """Holidays are no clinical matter: who runs the place may enter them, and nothing clinical."""
    admin = Actor(id="adam", role=Role.ADMINISTRATOR)

    told = ask(Site(), admin, Kind.SET_PARAMETER, name="closed_days", value=["2026-12-25"])

    assert told.outcome is Outcome.ACCEPTED, told.failed
    assert ask(Site(), admin, Kind.SET_PARAMETER, name="reassess_due", value="P28D").failed == ("ROLE-01",)


def test_who_may_not_is_told_who_may() -> None:
    """The coordinator sets no parameter; the lead sets none that belongs to the pathway owner."""
    assert ask(Site(), ANN, Kind.SET_PARAMETER, name="remind_first_at", value="-P5D").failed == ("ROLE-01",)
    assert ask(Site(), LENA, Kind.SET_PARAMETER, name="remind_first_at", value="-P5D").failed == ("ROLE-01",)


def test_an_unset_parameter_is_gone_from_the_set() -> None:
    """Taking a value back leaves the pack's default, not a null."""
    site = Site(parameters={"remind_first_at": "-P5D"})

    decision = ask(site, OTTO, Kind.SET_PARAMETER, name="remind_first_at", value=None)

    assert fold_site(site, decision.events).parameters == {}


def test_publishing_names_a_version_by_its_hash() -> None:
    """What new episodes run on is a hash, or nothing."""
    good = ask(Site(), OTTO, Kind.PUBLISH, pathway="mid_upper_back", hash="a" * 64)

    assert fold_site(Site(), good.events).pathways == {"mid_upper_back": "a" * 64}
    assert ask(Site(), OTTO, Kind.PUBLISH, pathway="mid_upper_back", hash="latest").outcome is Outcome.INVALID
    assert ask(Site(), ANN, Kind.PUBLISH, pathway="mid_upper_back", hash="a" * 64).failed == ("ROLE-01",)


def test_an_answer_is_yes_or_no_to_a_request_that_is_there() -> None:
    """Anything else is an error with what to do."""
    asked = ask(Site(), OTTO, Kind.SET_PARAMETER, name="lidocaine_max_mg", value=200)
    site = fold_site(Site(), asked.events)

    assert ask(site, LENA, Kind.SIGN_OFF, "s9", answer="yes").outcome is Outcome.INVALID
    assert ask(site, LENA, Kind.SIGN_OFF, asked.command.id, answer="perhaps").outcome is Outcome.INVALID
