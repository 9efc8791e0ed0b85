"""A play file is read whole: times, actors, episodes and expectations settled, or every finding with its place."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from engine.errors import BadScenario, InvalidInput
from engine.model import Kind, Override, Role
from workflows.scenario import Line, Scenario, moment_of, read_scenario, scenario_from

HEAD = """\
pathway: small
start: 2026-03-02T09:00:00+01:00
zone: Europe/Berlin
actors: {ann: coordinator, ravi: assessor, lena: {role: lead, teams: [north], person: p7}}
parameters: {payer_profile: us_lcd}
do:
"""
REGISTER = "  - {at: +0d, by: ann, command: register, with: {region: upper_back, onset: 2026-01-12, dose: 0.5}}\n"

STORY = (
    HEAD
    + """\
  - {at: +0d, by: ann, command: register, episode: e1, with: {region: upper_back, onset: 2026-01-12, dose: 0.5}}
  - {at: +14d 10:00, occurred_at: +12d, by: ravi, command: record, with: {form: visit}, key: k1}
  - {at: +20d, by: ravi, command: move, with: {transition: step_up},
     overrides: [{rule: PATH-05, reason: other, text: "…"}, {rule: PATH-06, reason: severe}],
     expect: {outcome: accepted, state: therapy, failed: []}}
  - {at: +30d, command: wait}
  - {at: +40d, by: ravi, command: plan, as: p1, with: {form: injection}}
  - {at: 2026-04-12T08:00:00+02:00, by: lena, command: sign_off, of: p1, with: {answer: yes}}
  - {at: +41d, by: lena, command: set_parameter, with: {name: strictness, value: SS}}
"""
)


def scenario(text: str) -> Scenario:
    """Read a play file that must be sound."""
    return scenario_from(text.encode(), "play.yaml")


def lines(text: str) -> tuple[Line, ...]:
    """Read the lines below the usual head and registration."""
    return scenario(HEAD + REGISTER + text).do[1:]


def findings_of(text: str) -> list[tuple[str, str, str]]:
    """Read a play file that must be refused; give place, code and message of every finding."""
    with pytest.raises(BadScenario) as caught:
        scenario(text)
    assert caught.value.exit == 2
    return [(f"{one.line}:{one.column}", one.code, one.message) for one in caught.value.findings]


def test_a_story_is_read_line_by_line() -> None:
    """Every line knows who asks what, when, and about which episode."""
    read = scenario(STORY)

    assert (read.pathway, read.zone, read.title) == ("small", "Europe/Berlin", "")
    assert read.start == datetime(2026, 3, 2, 8, tzinfo=UTC)
    assert read.parameters == {"payer_profile": "us_lcd"}
    assert [line.command for line in read.do] == [
        Kind.REGISTER, Kind.RECORD, Kind.MOVE, None, Kind.PLAN, Kind.SIGN_OFF, Kind.SET_PARAMETER,
    ]  # fmt: skip
    assert [line.episode for line in read.do] == ["e1", "e1", "e1", None, "e1", "e1", None]
    assert [line.by for line in read.do] == ["ann", "ravi", "ravi", None, "ravi", "lena", "lena"]
    assert (read.do[1].key, read.do[4].named, read.do[5].of) == ("k1", "p1", "p1")


def test_values_stay_as_typed() -> None:
    """Decimals and dates are text, `yes` is the code yes."""
    read = scenario(STORY)

    assert read.do[0].values == {"region": "upper_back", "onset": "2026-01-12", "dose": "0.5"}
    assert read.do[5].values == {"answer": "yes"}


def test_overrides_and_expectations_belong_to_their_line() -> None:
    """Each soft stop passed has its rule and coded reason; no `expect` expects nothing."""
    read = scenario(STORY)

    assert read.do[2].overrides == (
        Override(rule="PATH-05", reason="other", text="…"),
        Override(rule="PATH-06", reason="severe"),
    )
    assert read.do[2].expect == {"outcome": "accepted", "state": "therapy", "failed": []}
    assert read.do[0].expect is None


def test_actors_have_a_role_and_may_have_teams_and_a_person() -> None:
    """Sign-off compares persons: one person in two roles is written as one person."""
    actors = scenario(STORY).actors

    assert actors["ann"].role is Role.COORDINATOR
    assert (actors["ann"].id, actors["ann"].teams) == ("ann", frozenset({"main"}))
    assert (actors["lena"].id, actors["lena"].teams) == ("p7", frozenset({"north"}))


def test_lines_know_where_they_stand() -> None:
    """A mismatch can be shown in the file."""
    read = scenario(STORY)

    assert [str(line.place) for line in read.do[:3]] == ["play.yaml:7:5", "play.yaml:8:5", "play.yaml:9:5"]
    assert read.do[1].said_at == "+14d 10:00"


def test_a_play_file_is_read_from_disk(tmp_path: Path) -> None:
    """The path is what its findings call it."""
    path = tmp_path / "story.yaml"
    path.write_text(STORY, encoding="utf-8")

    assert read_scenario(path).do[0].place.file == str(path)


def test_late_entry_keeps_both_times() -> None:
    """A visit of day 12 recorded on day 14: `occurred_at` beside `at`."""
    line = scenario(STORY).do[1]

    assert line.occurred_at == datetime(2026, 3, 14, 8, tzinfo=UTC)
    assert line.at == datetime(2026, 3, 16, 9, tzinfo=UTC)


# --- times --------------------------------------------------------------------------------------------------------

START = datetime(2026, 3, 2, 8, tzinfo=UTC)


@pytest.mark.parametrize(
    ("said", "instant"),
    [
        ("+0d", "2026-03-02T08:00Z"),
        ("+2h", "2026-03-02T10:00Z"),
        ("+30m", "2026-03-02T08:30Z"),
        ("+1d 2h30m", "2026-03-03T10:30Z"),
        ("+1d +2h", "2026-03-03T10:00Z"),
        ("+0d 17:15", "2026-03-02T16:15Z"),
        ("+26d", "2026-03-28T08:00Z"),
        ("+27d", "2026-03-29T07:00Z"),
        ("+648h", "2026-03-29T08:00Z"),
        ("+27d 02:30", "2026-03-29T01:30Z"),
        ("+27d 03:30", "2026-03-29T01:30Z"),
        ("+237d 02:30", "2026-10-25T00:30Z"),
        ("+237d 03:00", "2026-10-25T02:00Z"),
        ("2026-03-02T09:00:00+01:00", "2026-03-02T08:00Z"),
        ("2026-03-02 08:00Z", "2026-03-02T08:00Z"),
        ("2026-10-25T02:30:00.250+01:00", "2026-10-25T01:30:00.250Z"),
    ],
)
def test_times_are_offsets_from_the_start_or_instants(said: str, instant: str) -> None:
    """Days keep the wall clock over 29 March, hours are exact; 02:30 moves forward there and is the first on 25 October."""
    assert moment_of(said, START, "Europe/Berlin") == datetime.fromisoformat(instant)


def test_an_offset_of_nothing_is_the_start_itself() -> None:
    """Also in the second 02:30 of a night the clocks go back; a year on, 02:30 is the first again."""
    second = datetime(2026, 10, 25, 1, 30, tzinfo=UTC)

    assert moment_of("+0d", second, "Europe/Berlin") == second
    assert moment_of("+371d", second, "Europe/Berlin") == datetime(2027, 10, 31, 0, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("20d", "is no time here: write +20d"),
        ("+20", "is no time here"),
        ("+d", "is no time here"),
        ("-1d", "is no time here"),
        ("+1d 2h 10:00", "is no time here"),
        ("+1d 25:00", "is not a time of day"),
        ("+1000000d", "is no time here"),
        ("+1d10:00", "is no time here"),
        ("tomorrow", "is no time here"),
        ("2026-03-02", "is no time here"),
        ("2026-03-02T09:00:00", "has no offset: add one, such as +01:00 or Z"),
        ("2026-02-30T09:00:00Z", "is no time here"),
        ("0001-01-01T00:00:00+14:00", "is no time here"),
        ("2026-03-02T09:00:00+99:00", "is no time here"),
    ],
)
def test_other_times_are_refused(said: str, words: str) -> None:
    """A naive time names no instant; nothing is guessed."""
    with pytest.raises(InvalidInput) as caught:
        moment_of(said, START, "Europe/Berlin")

    assert words in str(caught.value)


@pytest.mark.parametrize("said", ["+99999d", "+1h", "+0d 23:59"], ids=["days", "hours", "clock"])
def test_times_beyond_the_calendar_are_refused(said: str) -> None:
    """The year 9999 ends."""
    with pytest.raises(InvalidInput, match="beyond the calendar"):
        moment_of(said, datetime(9999, 12, 31, 23, 30, tzinfo=UTC), "America/New_York" if ":" in said else "UTC")


# --- which episode ------------------------------------------------------------------------------------------------


def test_the_only_episode_needs_no_name() -> None:
    """One registration, named or not, and every line is about it."""
    assert [line.episode for line in lines("  - {at: +1d, by: ann, command: record}\n")] == ["episode"]


def test_a_line_that_answers_is_about_the_episode_it_answers() -> None:
    """With two episodes, a sign-off needs only `of`."""
    text = (
        "  - {at: +0d, by: ann, command: register, episode: e2}\n"
        "  - {at: +1d, by: ann, command: plan, episode: e2, as: p1}\n"
        "  - {at: +1d, by: lena, command: sign_off, of: p1}\n"
    )

    assert lines(text)[-1].episode == "e2"


def test_a_wait_may_look_at_an_episode() -> None:
    """What is expected after a wait is expected of an episode."""
    (line,) = lines("  - {at: +1d, command: wait, episode: episode, expect: {state: intake}}\n")

    assert (line.command, line.episode, line.expect) == (None, "episode", {"state": "intake"})


# --- what is wrong ------------------------------------------------------------------------------------------------

LINES = {
    "unknown key": ("{at: +1d, by: ann, command: record, whith: {}}", "8:41 play-unknown-key", "'whith' is not known here: did you mean 'with'?"),
    "no time": ("{by: ann, command: record}", "8:5 play-missing", "`at` is missing: write +20d"),
    "bad time": ("{at: 20d, by: ann, command: record}", "8:10 play-time", "'20d' is no time here: write +20d"),
    "number for a time": ("{at: 20, by: ann, command: record}", "8:10 play-value", "expected text, found the number 20"),
    "naive time": ("{at: 2026-03-03T09:00:00, by: ann, command: record}", "8:10 play-time", "has no offset"),
    "bad occurred_at": ("{at: +1d, occurred_at: today, by: ann, command: record}", "8:28 play-time", "'today' is no time here"),
    "before the start": ("{at: 2026-03-01T09:00:00Z, by: ann, command: record}", "8:10 play-order", "before the line above (2026-03-02T08:00:00+00:00): time only goes forward"),
    "no command": ("{at: +1d, by: ann}", "8:5 play-missing", "`command` is missing"),
    "no such command": ("{at: +1d, by: ann, command: recrod}", "8:33 play-value", "there is no command 'recrod': did you mean 'record'?"),
    "the worker's command": ("{at: +1d, by: ann, command: fire}", "8:33 play-value", "there is no command 'fire'"),
    "nobody": ("{at: +1d, command: record}", "8:5 play-missing", "`by` is missing"),
    "no such actor": ("{at: +1d, by: anna, command: record}", "8:19 play-value", "there is no actor 'anna' in this file: did you mean 'ann'?"),
    "somebody waits": ("{at: +1d, by: ann, command: wait}", "8:15 play-wait", "nobody acts in a `wait`, so it has no `by`: remove it"),
    "no such episode": ("{at: +1d, by: ann, command: record, episode: e9}", "8:50 play-episode", "no line above registers episode 'e9': known here: episode"),
    "episode of a site command": ("{at: +1d, by: ann, command: publish, episode: e1}", "8:42 play-value", "`publish` is about the site: remove `episode`"),
    "no such request": ("{at: +1d, by: lena, command: sign_off, of: p1}", "8:48 play-value", "no line above is named 'p1' by `as`"),
    "list for with": ("{at: +1d, by: ann, command: record, with: [1]}", "8:41 play-value", "expected a mapping, found a list"),
    "mapping for overrides": ("{at: +1d, by: ann, command: record, overrides: {}}", "8:41 play-value", "expected a list, found a mapping"),
    "text for an override": ("{at: +1d, by: ann, command: record, overrides: [PATH-05]}", "8:53 play-value", "expected {rule: …, reason: …}, found the text 'PATH-05'"),
    "override without reason": ("{at: +1d, by: ann, command: record, overrides: [{rule: PATH-05}]}", "8:53 play-missing", "`reason` is missing"),
    "unknown part of an override": ("{at: +1d, by: ann, command: record, overrides: [{rule: A, reason: b, txt: c}]}", "8:74 play-unknown-key", "did you mean 'text'?"),
    "unknown expectation": ("{at: +1d, by: ann, command: record, expect: {outcom: accepted}}", "8:50 play-unknown-key", "'outcom' is not known here: did you mean 'outcome'?"),
    "no such outcome": ("{at: +1d, by: ann, command: record, expect: {outcome: ok}}", "8:59 play-value", "expected one of accepted, refused, needs_sign_off, invalid, found the text 'ok'"),
    "text for expect": ("{at: +1d, by: ann, command: record, expect: ok}", "8:49 play-value", "expected a mapping, found the text 'ok'"),
    "number for a key": ("{at: +1d, by: ann, command: record, key: 7}", "8:46 play-value", "expected text, found the number 7: put it in quotes if it is text"),
    "no line": ("register", "8:5 play-value", "expected a line such as {at: +0d, …}, found the text 'register'"),
}  # fmt: skip


@pytest.mark.parametrize(("line", "place", "words"), LINES.values(), ids=LINES.keys())
def test_a_wrong_line_is_placed(line: str, place: str, words: str) -> None:
    """One mistake is one finding, at its key or value, with what was expected."""
    ((at, code, message),) = findings_of(f"{HEAD}{REGISTER}  - {line}\n")

    assert f"{at} {code}" == place
    assert words in message


HEADS = {
    "unknown section": ("parameters:", "paramaters:", "5:1 play-unknown-key", "did you mean 'parameters'?"),
    "no pathway": ("pathway: small\n", "", "1:1 play-missing", "`pathway` is missing"),
    "empty pathway": ("pathway: small", "pathway: ''", "1:10 play-missing", "`pathway` is missing"),
    "naive start": ("09:00:00+01:00", "09:00:00", "2:8 play-time", "2026-03-02T09:00:00 has no offset: add one, such as +01:00 or Z"),
    "no start": ("start: 2026-03-02T09:00:00+01:00\n", "", "1:1 play-missing", "`start` is missing"),
    "no such zone": ("Europe/Berlin", "Europe/Berln", "3:7 play-value", "There is no time zone 'Europe/Berln'"),
    "zone outside the zones": ("Europe/Berlin", "../../etc/passwd", "3:7 play-value", "There is no time zone"),
    "no such role": ("coordinator", "cordinator", "4:15 play-value", "expected a role, found the text 'cordinator': did you mean 'coordinator'?"),
    "no role": ("ann: coordinator", "ann: {teams: [a]}", "4:10 play-value", "expected a role, found nothing"),
    "unknown part of an actor": ("role: lead, teams", "role: lead, team", "4:63 play-unknown-key", "'team' is not known here: did you mean 'teams'?"),
    "number for a team": ("[north]", "[1]", "4:71 play-value", "expected the name of a team, found the number 1"),
    "list for actors": ("parameters: {payer_profile: us_lcd}", "parameters: [1]", "5:1 play-value", "expected a mapping, found a list"),
}  # fmt: skip


@pytest.mark.parametrize(("old", "new", "place", "words"), HEADS.values(), ids=HEADS.keys())
def test_a_wrong_head_is_placed(old: str, new: str, place: str, words: str) -> None:
    """The lines below are not blamed for what is wrong above them."""
    ((at, code, message),) = findings_of((HEAD + REGISTER).replace(old, new, 1))

    assert f"{at} {code}" == place
    assert words in message


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("do: []", "6:1", "`do` is missing: expected a list of lines"),
        ("", "1:1", "`do` is missing"),
        ("do: {}", "6:1", "`do` is missing"),
        ("do: soon", "6:5", "expected a list, found the text 'soon'"),
    ],
    ids=["empty", "none", "empty mapping", "text"],
)
def test_a_story_has_lines(text: str, place: str, words: str) -> None:
    """A play file without lines tests nothing."""
    found = findings_of(HEAD.replace("do:\n", f"{text}\n"))

    assert any(at == place and words in message for at, _, message in found)


def test_time_only_goes_forward() -> None:
    """A line before the line above it is a finding; one at the same instant is not."""
    text = (
        "  - {at: +2d, by: ann, command: record}\n"
        "  - {at: +2d, by: ann, command: record}\n"
        "  - {at: +1d, by: ann, command: record}\n"
        "  - {at: +1d 12:00, by: ann, command: record}\n"
    )

    found = findings_of(HEAD + REGISTER + text)

    assert [(at, code) for at, code, _ in found] == [("10:10", "play-order"), ("11:10", "play-order")]
    assert found[0][2].startswith("+1d is 2026-03-03T08:00:00+00:00, before the line above (2026-03-04T08:00:00+00:00)")


def test_a_story_does_not_begin_before_its_start() -> None:
    """The first line may be at the start, not before."""
    found = findings_of(HEAD + REGISTER.replace("+0d", "2026-03-02T07:59:59Z"))

    assert found[0][2].endswith("before the start (2026-03-02T08:00:00+00:00): time only goes forward")


def test_with_several_episodes_each_line_says_which() -> None:
    """Nothing is guessed between two."""
    text = "  - {at: +0d, by: ann, command: register, episode: e2}\n  - {at: +1d, by: ann, command: record}\n"

    assert findings_of(HEAD + REGISTER + text) == [
        ("9:5", "play-episode", "this file has several episodes: say which by `episode`")
    ]


def test_an_episode_is_registered_before_it_is_spoken_of() -> None:
    """Later is too late, and never is never."""
    line = "  - {at: +0d, by: ann, command: record}\n"

    assert findings_of(HEAD + line + REGISTER)[0][1:] == (
        "play-episode",
        "no line above registers episode 'episode': known here: nothing",
    )
    assert findings_of(HEAD + line)[0][2] == "this file has no episode: register one first"


def test_a_name_is_given_once() -> None:
    """`of: p1` must mean one request."""
    text = "  - {at: +1d, by: ann, command: plan, as: p1}\n  - {at: +1d, by: ann, command: plan, as: p1}\n"

    assert findings_of(HEAD + REGISTER + text) == [
        ("9:43", "play-duplicate", "'p1' is taken, first at play.yaml:8:43: choose another name")
    ]


def test_all_findings_come_at_once() -> None:
    """Zone, role, command, actor and a doubled key in one run, from top to bottom."""
    text = HEAD.replace("Europe/Berlin", "Nowhere").replace("assessor", "asessor") + REGISTER
    text += "  - {at: +1d, at: +2d, by: nobody, command: recrod}\n"

    assert [(at, code) for at, code, _ in findings_of(text)] == [
        ("3:7", "play-value"),
        ("4:34", "play-value"),
        ("8:15", "yaml-duplicate-key"),
        ("8:28", "play-value"),
        ("8:45", "play-value"),
    ]


@pytest.mark.parametrize(
    ("text", "place", "code"),
    [("do: [", "1:6", "yaml-syntax"), ("- a", "1:1", "yaml-not-a-mapping"), ("", "1:1", "yaml-not-a-mapping")],
    ids=["broken", "list", "empty"],
)
def test_a_file_that_cannot_be_read_is_only_that(text: str, place: str, code: str) -> None:
    """No further findings about what was not there to read."""
    ((at, found, _),) = findings_of(text)

    assert (at, found) == (place, code)


def test_an_empty_mapping_misses_everything() -> None:
    """`{}` is read, and what is missing is named."""
    assert {message.split(":")[0] for _, _, message in findings_of("{}")} == {
        "`pathway` is missing", "`zone` is missing", "`start` is missing", "`do` is missing",
    }  # fmt: skip
