"""From a command to a wish: its fields read, its record made, its move resolved; or every problem found.

A wish says which rules to ask (`bindings`) and what would follow if they all agree (`effects.py`).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime

from engine.compiled import Compiled
from engine.errors import near
from engine.fold import current
from engine.forms import Problem, read_form
from engine.model import Command, Episode, Json, Kind, Record, Treatment, Values
from engine.moves import resolve
from engine.outbox import why_not_again
from engine.pathway import Pathway
from engine.reach import PREFERENCES, opting_out
from engine.snooze import SNOOZE, snooze_answers, snooze_problems
from engine.time import local_day, require_aware
from engine.view import Pending, View

OPENING = ("planned", "active")
RAISE = "raise_concern"
PSEUDONYM = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,39}")  # owners and teams stand in clear columns: never words
NOT_GIVEN = ("declined", "unavailable", "contraindicated")
# Keys of `values` that steer the command and are no answers; a form may ask `to` wherever nothing moves.
STEERS: Mapping[Kind, tuple[str, ...]] = {
    Kind.MOVE: ("form", "transition", "to"),
    Kind.CORRECT: ("form", "record"),
}
NAMES_FORM = ("form",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a command would do, before any rule is asked.

    `strict`: a correction that is held to the rules of a plan, not kept as what happened. `as_of`: the transition
    whose roles count although nothing moves. `illegal`: the words are a move, but the machine does not permit it from here. `treatment` and `status`: the
    treatment as it would be. `problems` not empty: nothing else counts.
    """

    now: datetime
    at: datetime
    day: date
    pending: Pending
    bindings: tuple[str, ...] = ()
    transition: str | None = None
    target: str | None = None
    illegal: bool = False
    treatment: Treatment | None = None
    strict: bool = False
    as_of: str | None = None
    problems: tuple[Problem, ...] = ()


def read_wish(compiled: Compiled, episode: Episode, command: Command, now: datetime) -> Wish:
    """Read a command for an episode; raises InvalidInput only for a time that is no time."""
    at = require_aware(command.occurred_at, "occurred_at") if command.occurred_at else now
    zone = str(command.values.get("zone") or "") if command.kind is Kind.REGISTER else episode.zone
    pending = Pending(actor=command.actor, of=command.of)
    wish = Wish(now=now, at=at, day=local_day(at, zone or episode.zone), pending=pending)
    if at > now:
        return _wrong(wish, "occurred_at", "It lies in the future. Say when it happened, or plan it instead.")
    read = READERS.get(command.kind)
    if read is None:
        return _wrong(wish, "command", f"{command.kind} is no command for an episode.")
    if episode.version == 0 and command.kind is not Kind.REGISTER:
        return _wrong(wish, "episode", f"Episode {episode.id} is not registered yet: register it first.")
    early = _too_early(compiled, episode, command, wish)
    if early:
        return _wrong(wish, "occurred_at", early)
    return read(compiled, episode, command, wish)


def _too_early(compiled: Compiled, episode: Episode, command: Command, wish: Wish) -> str:
    """Say why an act cannot have been that long ago: rules are judged on its day, so its day must be a true one."""
    if command.occurred_at is None or not episode.stays:
        return ""
    today = local_day(wish.now, episode.zone)
    if command.kind is Kind.PLAN and wish.day < today:
        return "A plan is made today. Record what was done instead."
    if command.kind is Kind.MOVE and compiled.pathway.states[episode.state].kind == "closed" and wish.day < today:
        return "A closed episode changes today or not at all: leave `occurred_at` out."
    if command.kind in (Kind.MOVE, Kind.START, Kind.STOP) and wish.at < episode.stays[-1].since:
        began = episode.stays[-1].since.isoformat()
        return f"The present state began at {began}. Give a time after that, or correct what came before."
    return ""


def _wrong(wish: Wish, field: str, message: str, rule: str | None = None) -> Wish:
    return replace(wish, problems=(*wish.problems, Problem(field=field, message=message, rule=rule)))


def answers(values: Values, *taken: str) -> dict[str, Json]:
    """Give the answers among a command's values, without the words that steer it."""
    return {key: value for key, value in values.items() if key not in taken}


def with_form(wish: Wish, compiled: Compiled, episode: Episode, command: Command, form: str) -> Wish:
    """Read the form's answers into the wish's own record."""
    blank = blank_record(episode, command, form, wish)
    return read_into(wish, compiled.pathway, blank, answers(command.values, *STEERS.get(command.kind, NAMES_FORM)))


def read_into(wish: Wish, pathway: Pathway, blank: Record, raw: Mapping[str, Json]) -> Wish:
    """Read these answers into a blank record of a form."""
    values, problems = read_form(pathway, blank.form, raw)
    pending = replace(wish.pending, form=blank.form, record=replace(blank, values=values))
    return replace(wish, pending=pending, problems=(*wish.problems, *problems))


def blank_record(episode: Episode, command: Command, form: str, wish: Wish) -> Record:
    """Give the record a command would make of a form, still without answers; it takes the command's id."""
    return Record(
        id=command.id,
        form=form,
        values={},
        occurred_at=wish.at,
        recorded_at=wish.now,
        by=command.actor.id,
        episode=episode.id,
        stay=len(episode.stays) - 1,
        version=episode.version + 1,
    )


def text_of(values: Values, key: str) -> str | None:
    """Give a steering word of a command as text; None when absent or not text."""
    found = values.get(key)
    return found if isinstance(found, str) and found else None


def _register(compiled: Compiled, episode: Episode, command: Command, wish: Wish) -> Wish:
    if episode.version:
        return _wrong(wish, "episode", f"Episode {episode.id} is registered already: open it, or use a new one.")
    key = next(key for key, one in compiled.pathway.transitions.items() if not one.source)
    steer = ("zone", "language", "team", "patient", "pathway")
    blank = blank_record(episode, command, "registration", wish)
    wish = read_into(wish, compiled.pathway, blank, answers(command.values, *steer))
    language, team = command.values.get("language"), command.values.get("team")
    if language is not None and language not in compiled.pathway.languages:
        wish = _wrong(wish, "language", f"Messages are written in {', '.join(compiled.pathway.languages)}.")
    if team is not None and team not in command.actor.teams:
        wish = _wrong(wish, "team", f"Choose one of your own care teams: {', '.join(sorted(command.actor.teams))}.")
    return replace(wish, bindings=("register", key), transition=key, target=compiled.pathway.initial)


def _record(compiled: Compiled, episode: Episode, command: Command, wish: Wish) -> Wish:
    form = text_of(command.values, "form")
    if form is None:
        return _wrong(wish, "form", "Say which form is recorded.")
    if form not in compiled.pathway.forms:
        return _wrong(wish, "form", f"There is no form {form!r}. {near(form, compiled.pathway.forms)}")
    if form == SNOOZE:
        return _wrong(wish, "form", "Putting work off is a command of its own: snooze it.")
    wish = with_form(wish, compiled, episode, command, form)
    closes = compiled.pathway.forms[form].closes
    if closes is None:
        return replace(wish, bindings=(f"record {form}",))
    planned = _find(episode, closes, command.of)
    if command.of and planned is None:
        wish = _wrong(wish, "of", f"There is no planned {closes} {command.of} here: leave `of` out, or name its plan.")
    pending = replace(wish.pending, of=planned.id if planned else None)
    done = _treatment(episode, command, wish, closes, "done")
    if planned is not None:
        done = replace(done, id=planned.id, stay=planned.stay)
    return replace(wish, pending=pending, treatment=done, bindings=(f"record {form}",))


def _contact(compiled: Compiled, episode: Episode, command: Command, wish: Wish) -> Wish:
    return with_form(replace(wish, bindings=("contact", "record contact")), compiled, episode, command, "contact")


def _find(episode: Episode, kind: str, of: str | None) -> Treatment | None:
    """Find the treatment a command speaks of: the one it names, else the last of its kind that is not over."""
    for one in reversed(episode.treatments):
        if one.kind == kind and (one.id == of if of else one.status in OPENING):
            return one
    return None


def _treatment(episode: Episode, command: Command, wish: Wish, kind: str, status: str) -> Treatment:
    return Treatment(
        id=command.id, kind=kind, status=status, since=wish.at, record=command.id, stay=len(episode.stays) - 1
    )


def _kind(compiled: Compiled, command: Command, wish: Wish) -> tuple[str, Wish]:
    kind = text_of(command.values, "form") or ""
    if kind not in compiled.pathway.treatments:
        return kind, _wrong(wish, "form", f"There is no treatment {kind!r}. {near(kind, compiled.pathway.treatments)}")
    return kind, wish


def _plan(compiled: Compiled, episode: Episode, command: Command, wish: Wish) -> Wish:
    kind, wish = _kind(compiled, command, wish)
    if wish.problems:
        return wish
    definition = compiled.pathway.treatments[kind]
    wish = with_form(wish, compiled, episode, command, definition.form)
    wish = replace(wish, treatment=_treatment(episode, command, wish, kind, "planned"), bindings=(f"plan {kind}",))
    wish = _allowed_here(compiled, episode, wish, kind)
    again = definition.again
    here = [one for one in episode.treatments if one.kind == kind and one.status == "done" and _this_stay(episode, one)]
    if again and here and not wish.illegal:
        return replace(wish, transition=again, target=episode.state, bindings=(*wish.bindings, again, "move"))
    return wish


def _this_stay(episode: Episode, one: Treatment) -> bool:
    now = len(episode.stays) - 1
    resumed = episode.stays[now].resumed if now >= 0 else None
    return one.stay >= (now if resumed is None else resumed)


def _allowed_here(compiled: Compiled, episode: Episode, wish: Wish, kind: str) -> Wish:
    """A treatment belongs to certain states; elsewhere planning or starting it is not permitted."""
    states = compiled.pathway.treatments[kind].states or tuple(
        name for name, state in compiled.pathway.states.items() if state.kind == "active"
    )
    if episode.state in states:
        return wish
    pending = replace(wish.pending, legal=False)
    return replace(wish, illegal=True, pending=pending, bindings=("move",))


def _start(compiled: Compiled, episode: Episode, command: Command, wish: Wish) -> Wish:
    kind, wish = _kind(compiled, command, wish)
    if wish.problems:
        return wish
    wish = with_form(wish, compiled, episode, command, compiled.pathway.treatments[kind].form)
    started = _treatment(episode, command, wish, kind, "active")
    planned = _find(episode, kind, command.of)
    if command.of and planned is None:
        wish = _wrong(wish, "of", f"There is no planned {kind} {command.of} here.")
    if planned is not None:
        started = replace(started, id=planned.id)
    return _allowed_here(compiled, episode, replace(wish, treatment=started, bindings=(f"start {kind}",)), kind)


def _stop(compiled: Compiled, episode: Episode, command: Command, wish: Wish) -> Wish:
    kind, wish = _kind(compiled, command, wish)
    if wish.problems:
        return wish
    wish = with_form(wish, compiled, episode, command, "stop")
    record = wish.pending.record
    status = str(record.values.get("status", "stopped")) if record else "stopped"
    running = _find(episode, kind, command.of)
    if running is None and status not in NOT_GIVEN:
        return _wrong(wish, "form", f"{kind} is neither planned nor running: nothing to stop.")
    ended = _treatment(episode, command, wish, kind, status)
    if running is not None:
        # The treatment keeps the record of what it was; the stop has its own record beside it.
        ended = replace(running, status=status, since=wish.at)
    return replace(wish, treatment=ended, bindings=(f"stop {kind}",))


def _move(compiled: Compiled, episode: Episode, command: Command, wish: Wish) -> Wish:
    name, to = text_of(command.values, "transition"), text_of(command.values, "to")
    if name is None:
        return _wrong(wish, "transition", "Say which transition is wanted.")
    transitions = compiled.pathway.transitions
    said = transitions[name].name if name in transitions else name
    pending = replace(wish.pending, move=said, to=to)
    key = next((key for key, one in transitions.items() if one.name == said == RAISE), None)
    if key is not None and episode.state == transitions[key].target[0]:
        # A further concern while one is looked into: its flags are added, and the episode stays where it is.
        wish = replace(wish, pending=pending, as_of=key)
        return with_form(wish, compiled, episode, command, transitions[key].form or "")
    found = resolve(View(compiled, episode, pending, wish.at, wish.day), name, to)
    if found.problem:
        return _wrong(replace(wish, pending=pending), "transition", found.problem)
    if found.transition is None:
        return replace(wish, illegal=True, pending=replace(pending, legal=False), bindings=("move",))
    again = next((k for k, t in compiled.pathway.treatments.items() if t.again == found.transition), None)
    wish = replace(wish, transition=found.transition, target=found.target)
    wish = replace(wish, pending=replace(pending, to=found.target), bindings=("move", found.transition))
    if again is not None:
        wish = replace(wish, bindings=(*wish.bindings, f"plan {again}"))
        wish = with_form(wish, compiled, episode, command, compiled.pathway.treatments[again].form)
        return replace(wish, treatment=_treatment(episode, command, wish, again, "planned"))
    form = transitions[found.transition].form
    if form is not None:
        return with_form(wish, compiled, episode, command, form)
    for key in answers(command.values, *STEERS[Kind.MOVE]):
        wish = _wrong(wish, key, f"{key} is not asked by {said}.")
    return wish


def _correct(compiled: Compiled, episode: Episode, command: Command, wish: Wish) -> Wish:
    name = text_of(command.values, "record") or ""
    old = next((record for record in episode.records if record.id == name), None)
    if old is None or old.superseded_by is not None:
        why = "was corrected already: correct the one that stands" if old else "is not here"
        return _wrong(wish, "record", f"Record {name!r} {why}.")
    fresh = answers(command.values, *STEERS[Kind.CORRECT])
    merged = {key: value for key, value in {**old.values, **fresh}.items() if value is not None}
    at = wish.at if command.occurred_at else old.occurred_at
    wish = replace(wish, at=at, day=local_day(at, episode.zone))
    blank = replace(blank_record(episode, command, old.form, wish), stay=old.stay)
    wish = read_into(wish, compiled.pathway, blank, merged)
    wish = replace(wish, pending=replace(wish.pending, supersedes=old.id), bindings=(f"record {old.form}",))
    return _held_to(compiled, episode, old.id, wish)


def _held_to(compiled: Compiled, episode: Episode, old: str, wish: Wish) -> Wish:
    """A correction is no way past a rule: what is still a plan, or still in force, meets the rules it met before."""
    by_id = {record.id: record for record in episode.records}

    def is_it(record: str | None) -> bool:
        standing = current(by_id, record) if record else None
        return standing is not None and standing.id == old

    for one in episode.treatments:
        if one.status == "planned" and is_it(one.record):
            return replace(wish, strict=True, bindings=(*wish.bindings, f"plan {one.kind}"))
    if wish.pending.form == "registration":
        return replace(wish, strict=True, bindings=(*wish.bindings, "register"))
    for place, stay in enumerate(episode.stays):
        if is_it(stay.record):
            in_force = place == len(episode.stays) - 1 and compiled.pathway.transitions[stay.transition].returns
            bindings = (*wish.bindings, stay.transition) if in_force else wish.bindings
            return replace(wish, as_of=stay.transition, strict=in_force, bindings=bindings)
    return wish


def _assign(_: Compiled, episode: Episode, command: Command, wish: Wish) -> Wish:
    for key, value in command.values.items():
        if key not in ("owner", "team"):
            wish = _wrong(wish, key, f"{key} is not asked by assign: owner and team are.")
        elif value is not None and not (isinstance(value, str) and PSEUDONYM.fullmatch(value)):
            wish = _wrong(wish, key, f"{key} is a pseudonym: letters, digits, dot, dash and underscore, at most 40.")
    if not command.values:
        wish = _wrong(wish, "owner", f"Say who answers for {episode.id}: owner (none for the team's queue) or team.")
    return wish


def _snooze(compiled: Compiled, episode: Episode, command: Command, wish: Wish) -> Wish:
    wish = replace(wish, problems=tuple(snooze_problems(compiled, episode, command, wish.day)))
    if SNOOZE not in compiled.pathway.forms:
        return wish  # an older pack keeps no record of it
    return read_into(wish, compiled.pathway, blank_record(episode, command, SNOOZE, wish), snooze_answers(command))


def _resend(compiled: Compiled, episode: Episode, command: Command, wish: Wish) -> Wish:
    view = View(compiled, episode, wish.pending, wish.now, wish.day)
    why = why_not_again(view, command.values.get("message"))
    return _wrong(wish, "message", why) if why else wish


def _opt_out(compiled: Compiled, episode: Episode, command: Command, wish: Wish) -> Wish:
    """Keep that the person wants no more on a channel as what they said last; it never needs anybody's leave."""
    if PREFERENCES not in compiled.pathway.forms:
        return _wrong(wish, "command", "This pathway keeps no contact preferences.")
    channel, how = text_of(command.values, "channel"), text_of(command.values, "how")
    if channel is None or how is None:
        return _wrong(wish, "channel", "Say which channel (or all) the person does not want, and how they said so.")
    view = View(compiled, episode, wish.pending, wish.now, wish.day)
    blank = blank_record(episode, command, PREFERENCES, wish)
    return read_into(wish, compiled.pathway, blank, opting_out(view, channel, how))


READERS = {
    Kind.REGISTER: _register,
    Kind.RECORD: _record,
    Kind.MOVE: _move,
    Kind.PLAN: _plan,
    Kind.START: _start,
    Kind.STOP: _stop,
    Kind.CONTACT: _contact,
    Kind.ASSIGN: _assign,
    Kind.SNOOZE: _snooze,
    Kind.RESEND: _resend,
    Kind.OPT_OUT: _opt_out,
    Kind.CORRECT: _correct,
}
