"""Reading an episode's past: as of a moment, between two, and its story."""

from engine.errors import InvalidInput, near
from stepcare.asof import NOT_REDECIDED, OCCURRED, RECORDED, occurred_json, recorded_json
from stepcare.between import between_json
from stepcare.desk.episodes import picture_lines, read_one
from stepcare.desk.opened import opened
from stepcare.moment import moment_asked
from stepcare.options import Options, Output
from stepcare.past import past_of
from stepcare.render import emit_lines, emit_rows, emit_thing, note
from stepcare.story import story_json
from stepcare.tell_past import STORY, between_lines, occurred_lines, recorded_heading, story_lines

WAYS = (RECORDED, OCCURRED)


def show_as_of(options: Options, typed: str, date: str, by: str) -> None:
    """Show an episode at an earlier moment."""
    _require_way(by)
    with opened(options) as desk:
        episode, _, _ = read_one(desk, typed)
        now = desk.app.clock()
        moment = moment_asked(date, desk.app.database.zone, now)
        past = past_of(desk.app, episode.id)
        if by == OCCURRED:
            row = occurred_json(past, moment, now)
            emit_thing(options.output, row, lambda: occurred_lines(row, moment))
            if options.output is not Output.TABLE:
                note(NOT_REDECIDED)
            return
        row = recorded_json(past, moment)
        stood = past.at(moment.at)
        emit_thing(
            options.output,
            row,
            lambda: (*recorded_heading(row, moment), *picture_lines(row, stood.episode, stood.compiled)),
        )


def show_between(options: Options, typed: str, first: str, last: str) -> None:
    """Show what changed of an episode between two moments."""
    with opened(options) as desk:
        episode, _, _ = read_one(desk, typed)
        zone, now = desk.app.database.zone, desk.app.clock()
        start, end = moment_asked(first, zone, now), moment_asked(last, zone, now)
        if start.at > end.at:
            raise InvalidInput(f"{first} is after {last}: say the earlier moment first.")
        past = past_of(desk.app, episode.id)
        row = between_json(past, start, end)
        emit_thing(options.output, row, lambda: between_lines(row, start, end))


def show_timeline(options: Options, typed: str, by: str) -> None:
    """Tell an episode's entries with both times, in the order of one of them."""
    _require_way(by)
    with opened(options) as desk:
        episode, compiled, _ = read_one(desk, typed)
        past = past_of(desk.app, episode.id)
        rows = story_json(past, compiled, by)
        zone = desk.app.database.zone
        if options.output is Output.TABLE:
            emit_lines(story_lines(rows, zone, by))
        else:
            emit_rows(options.output, rows, STORY, "")


def _require_way(by: str) -> None:
    if by not in WAYS:
        raise InvalidInput(f"There is no time {by[:40]!r} to go by. {near(by, WAYS)}")
