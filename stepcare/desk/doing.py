"""Giving one command to an episode, and saying what may be given next."""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import typer
from rich.text import Text

from engine.access import READS, may_read
from engine.audit import instant
from engine.compiled import Compiled
from engine.custody import FIELDS
from engine.errors import InvalidInput, NotFound, Refused, near
from engine.model import Actor, Command, Episode, Json, Kind, Outcome
from engine.pathway import FormField, Pathway
from engine.service import Answer
from stepcare.answers import answer_json, option_json
from stepcare.desk.looking import answered, looked, seen_by
from stepcare.desk.opened import Desk, actor_of, opened, os_user
from stepcare.options import Options
from stepcare.render import emit_thing, note
from stepcare.shown import citations_of
from stepcare.tell import decision_lines, option_lines
from stepcare.typed import MOST_BYTES, checked, moment_from, override_from, values_from_json, values_from_pairs
from stepcare.unseen import sees_answer, unseen
from storage.refs import check_ref

EXITS = {Outcome.ACCEPTED: 0, Outcome.REFUSED: 4, Outcome.NEEDS_SIGN_OFF: 4, Outcome.INVALID: 2}
ELSEWHERE = {
    Kind.REGISTER: "open one with `stepcare episode open`",
    Kind.PUBLISH: "publish with `stepcare pathway publish`",
    Kind.SET_PARAMETER: "set one with `stepcare pathway set`",
    Kind.FIRE: "timers are the worker's",
    Kind.DELIVER: "messages are the worker's",
    Kind.CLOCK: "the clock is the worker's",
    Kind.ABSENCE: "say who is away with `stepcare user away`",
    **dict.fromkeys(FIELDS, "see `stepcare audit --help`"),
}
COMMANDS = tuple(kind.value for kind in Kind if kind not in ELSEWHERE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What was typed for `episode do`."""

    episode: str
    command: str
    pairs: tuple[str, ...] = ()
    json: Path | None = None
    overrides: tuple[str, ...] = ()
    of: str | None = None
    occurred_at: str | None = None
    key: str | None = None
    version: int | None = None


def do_command(options: Options, asked: Asked) -> None:
    """Give a command, show the decision, exit by its outcome."""
    kind = _kind(asked.command)
    with opened(options) as desk:
        actor = actor_of(desk)
        episode = find_episode(desk, asked.episode)
        compiled = desk.app.engine.compiled(episode.pathway)
        command = Command(
            id=desk.app.make_id(),
            kind=kind,
            actor=actor,
            episode=episode.id,
            values=typed_values(asked.pairs, asked.json, compiled.pathway, kind),
            occurred_at=moment_from(asked.occurred_at),
            overrides=tuple(override_from(one) for one in asked.overrides),
            of=asked.of,
            key=asked.key,
            version=asked.version,
            via=f"cli:{os_user()}",
        )
        engine = desk.app.engine
        answer = engine.preview(checked(command)) if options.dry_run else engine.handle(checked(command))
        answered(desk, answer)
        show_answer(options, answer, compiled, actor)


def show_answer(options: Options, answer: Answer, compiled: Compiled, actor: Actor) -> None:
    """Write as much of an answer as the asker may see, and exit unless it was accepted."""
    row, seen = answer_json(answer), sees_answer(actor, answer)
    if not seen:
        row = unseen(row)
    emit_thing(
        options.output,
        row,
        lambda: (*decision_lines(row, citations_of(compiled.pathway)), *(_ways(answer, compiled) if seen else ())),
    )
    if options.dry_run:
        note("Dry run: nothing was kept.")
    code = EXITS[answer.decision.outcome]
    if code:
        raise typer.Exit(code)


def _ways(answer: Answer, compiled: Compiled) -> Iterator[Text]:
    """Say how a soft stop is passed: with which coded reasons."""
    if answer.decision.outcome is not Outcome.REFUSED:
        return
    soft = {rule.id for rule in answer.decision.rules if rule.level == "SS" and not rule.satisfied}
    for rule in compiled.pathway.rules:
        if rule.id in soft:
            reasons = rule.reasons or tuple(compiled.pathway.override_reasons)
            yield Text(f"  {rule.id} can be passed: --override {rule.id}=REASON, one of {', '.join(reasons)}")


def find_episode(desk: Desk, typed: str) -> Episode:
    """Give an episode by its reference, however it was typed."""
    try:
        return desk.app.store.episode(typed)
    except NotFound:
        if typed.lower().startswith("e-"):
            return desk.app.store.episode(check_ref(typed))
        raise


def _kind(typed: str) -> Kind:
    if typed not in {kind.value for kind in Kind}:
        raise InvalidInput(f"There is no command {typed[:60]!r}. {near(typed, COMMANDS)}")
    kind = Kind(typed)
    if kind in ELSEWHERE:
        raise InvalidInput(f"{kind} is not given to an episode: {ELSEWHERE[kind]}.")
    return kind


# --- answers ------------------------------------------------------------------------------------------------------


def typed_values(pairs: tuple[str, ...], json: Path | None, pathway: Pathway, kind: Kind) -> dict[str, Json]:
    """Read the answers, from words or from JSON; never from both, because one would silently win."""
    if json is None:
        return values_from_pairs(pairs, fields_for(pathway, kind, pairs))
    if pairs:
        raise InvalidInput("Answers come either as field=value or by --json: keep one of them.")
    if str(json) == "-":
        return values_from_json(sys.stdin.buffer.read(MOST_BYTES + 1), "stdin")
    try:
        with json.open("rb") as stream:
            data = stream.read(MOST_BYTES + 1)
    except OSError as error:
        raise InvalidInput(
            f"{json} cannot be read ({error.strerror}): name a file of answers, or - for stdin."
        ) from None
    return values_from_json(data, str(json))


def fields_for(pathway: Pathway, kind: Kind, pairs: tuple[str, ...]) -> Mapping[str, FormField]:
    """Give the fields these answers may belong to, so that words are read as what is asked."""
    said = dict(pair.partition("=")[::2] for pair in pairs)
    names = {
        Kind.REGISTER: ("registration",),
        Kind.CONTACT: ("contact",),
        Kind.STOP: ("stop",),
        Kind.SNOOZE: ("snooze",),
        Kind.RECORD: (said.get("form", ""),),
        Kind.CORRECT: tuple(pathway.forms),
    }.get(kind, ())
    treatment = pathway.treatments.get(said.get("form", ""))
    if kind in (Kind.PLAN, Kind.START) and treatment is not None:
        names = (treatment.form,)
    if kind is Kind.MOVE:
        wanted = said.get("transition", "")
        names = tuple(one.form for key, one in pathway.transitions.items() if wanted in (key, one.name) and one.form)
    found: dict[str, FormField] = {}
    for name in names:
        if name in pathway.forms:
            found |= pathway.forms[name].fields
    return found


# --- what next ----------------------------------------------------------------------------------------------------


def say_why(options: Options, typed: str, move: str | None) -> None:
    """Say of every transition from here whether it is open to this actor, and what closes it."""
    with opened(options) as desk:
        actor = actor_of(desk)
        if not may_read(actor, "episode"):
            allowed = ", ".join(sorted(READS["episode"]))
            raise Refused(f"As {actor.role} you may not read an episode: ask one of {allowed}.")
        episode = find_episode(desk, typed)
        seen_by(desk, episode.id, episode.team)
        looked(desk, what="read.episode", persons=[episode.person.id], episodes=[episode.id])
        pathway = desk.app.engine.compiled(episode.pathway).pathway
        citations, at = citations_of(pathway), instant(desk.app.clock())
        found = [option_json(one, citations) for one in desk.app.engine.options(episode.id, actor)]
        if move is not None:
            known = {str(one[key]) for one in found for key in ("transition", "name")}
            found = [one for one in found if move in (one["transition"], one["name"])]
            if not found:
                raise InvalidInput(f"From {episode.state} there is no move {move[:60]!r}. {near(move, tuple(known))}")
        row: dict[str, Json] = {
            "episode": episode.id,
            "state": episode.state,
            "at": at,
            "by": actor.id,
            "role": actor.role.value,
            "options": list[Json](found),
        }
        title = pathway.states[episode.state].title
        head = Text(f"{episode.id} is in {title} ({episode.state}), version {episode.version}; for {actor.role}:")
        tail = "Nothing leads on from here." if not found else ""
        emit_thing(options.output, row, lambda: (head, *option_lines(found, citations, at), *([tail] if tail else [])))
