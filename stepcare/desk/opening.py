"""Opening an episode: a person in the vault first, then the registration through the door."""

import os
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from engine.decide import decide
from engine.errors import InvalidInput, NotFound
from engine.fold import fold
from engine.model import Command, Episode, Json, Kind, Outcome, Person
from engine.service import Answer
from stepcare.desk.doing import show_answer, typed_values
from stepcare.desk.opened import Desk, actor_of, opened, os_user
from stepcare.options import Options
from stepcare.render import note
from stepcare.typed import checked, moment_from, require_text
from storage.database import SITE_REF
from storage.vault import Details, check_ref, new_ref

LONGEST_NAME = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Newcomer:
    """Whom an episode is for: somebody known (`patient`), or somebody new."""

    patient: str | None
    name: str | None
    born: str | None
    contacts: tuple[str, ...]
    language: str


def open_episode(
    options: Options, newcomer: Newcomer, pairs: tuple[str, ...], json: Path | None, steer: dict[str, str | None]
) -> None:
    """Register a new episode, show the decision, exit by its outcome."""
    with opened(options) as desk:
        actor = actor_of(desk)
        site = desk.app.store.site()
        if not site.pathways:
            remedy = "run `stepcare pathway publish mid_upper_back --as …` as a pathway owner"
            raise NotFound(what="pathway", name="published", remedy=remedy)
        details = _details(newcomer, desk.app.clock().date())
        ref = _known(desk, newcomer.patient) if newcomer.patient else new_ref("p", os.urandom)
        compiled = desk.app.engine.compiled(next(iter(site.pathways.values())))
        steered = {key: steer[key] for key in ("team", "language") if steer[key]}
        answers = typed_values(pairs, json, compiled.pathway, Kind.REGISTER)
        if "patient" in answers:
            raise InvalidInput("Name the person by --patient REF or --name, not among the answers.")
        values: dict[str, Json] = {**answers, **steered, "patient": ref}
        command = Command(
            id=desk.app.make_id(),
            kind=Kind.REGISTER,
            actor=actor,
            episode=new_ref("e", os.urandom),
            values=values,
            occurred_at=moment_from(steer["occurred_at"]),
            key=steer["key"],
            via=f"cli:{os_user()}",
        )
        answer = _registered(desk, checked(command), details, keep=not options.dry_run)
        if answer.decision.outcome is Outcome.ACCEPTED:
            note(f"Episode {answer.decision.command.episode} for person {answer.decision.command.values['patient']}.")
        show_answer(options, answer, compiled)


def _registered(desk: Desk, command: Command, details: Details | None, *, keep: bool) -> Answer:
    """Decide first without keeping anything: who cannot be registered leaves no name behind."""
    store, engine = desk.app.store, desk.app.engine
    remembered = store.remembered(command.actor.id, command.key) if command.key else None
    if details is None or remembered is not None:
        return engine.preview(command) if not keep else engine.handle(_as_remembered(desk, command, remembered))
    site = store.site()
    pathway = site.pathways.get(str(command.values.get("pathway") or next(iter(site.pathways))), "")
    before = Episode(
        id=command.episode or "",
        person=Person(id=str(command.values["patient"])),
        pathway=pathway or next(iter(site.pathways.values())),
        zone=site.zone,
    )
    decision = decide(engine.compiled(before.pathway), before, command, desk.app.clock())
    if decision.outcome is Outcome.INVALID or not keep:
        after = fold(before, decision.events, 1)
        return Answer(decision=decision, before=before, after=after, entry=None)
    if decision.outcome is Outcome.REFUSED:
        # The refusal is an entry too; with nobody registered there is no person to seal it for but the site.
        return engine.handle(_for(command, SITE_REF))
    store.add_person(str(command.values["patient"]), details, desk.app.clock())
    return engine.handle(command)


def _as_remembered(desk: Desk, command: Command, remembered: tuple[int, str] | None) -> Command:
    """Give a repeated registration the references of the first: they were made here, not by the caller."""
    if remembered is None:
        return command
    first = desk.app.store.decision(remembered[0]).command
    if first.kind is not Kind.REGISTER or first.episode is None:
        return command
    values = {**command.values, "patient": first.values.get("patient")}
    return Command(
        id=command.id,
        kind=command.kind,
        actor=command.actor,
        episode=first.episode,
        values=values,
        occurred_at=command.occurred_at,
        key=command.key,
        via=command.via,
    )


def _for(command: Command, ref: str) -> Command:
    return Command(
        id=command.id,
        kind=command.kind,
        actor=command.actor,
        episode=command.episode,
        values={**command.values, "patient": ref},
        occurred_at=command.occurred_at,
        via=command.via,
    )


def _known(desk: Desk, typed: str) -> str:
    """Give the reference of somebody known; the site's own key is nobody."""
    try:
        desk.app.vault.details(typed)
        ref = typed
    except NotFound:
        ref = check_ref(typed)
        desk.app.vault.details(ref)
    if ref == SITE_REF:
        raise InvalidInput(f"{SITE_REF} is no person: name one by --patient, or a new one by --name.")
    return ref


def _details(newcomer: Newcomer, today: date) -> Details | None:
    """Give who is to be added to the vault, None for somebody known."""
    if newcomer.patient is not None:
        if newcomer.name or newcomer.born or newcomer.contacts:
            raise InvalidInput("Either --patient REF for somebody known, or --name for somebody new: keep one.")
        return None
    if newcomer.name is None or not newcomer.name.strip():
        raise InvalidInput("Say whom it is for: --patient REF for somebody known, --name for somebody new.")
    require_text("name", newcomer.name, LONGEST_NAME)
    return Details(
        name=newcomer.name.strip(),
        born=_born(newcomer.born, today),
        contacts=dict(_contact(one) for one in newcomer.contacts),
        language=newcomer.language,
    )


def _born(typed: str | None, today: date) -> date | None:
    if typed is None:
        return None
    try:
        born = date.fromisoformat(typed)
    except ValueError:
        raise InvalidInput(f"{typed[:40]!r} is no day: write the date of birth as YYYY-MM-DD.") from None
    if not date(1900, 1, 1) <= born <= today:
        raise InvalidInput(f"{born} cannot be a date of birth here: check the year.")
    return born


def _contact(typed: str) -> tuple[str, str]:
    channel, equals, address = typed.partition("=")
    if not equals or channel not in ("email", "sms", "telephone", "letter") or not address.strip():
        raise InvalidInput("A contact is email=…, sms=…, telephone=… or letter=….")
    require_text("contact", address, LONGEST_NAME)
    return channel, address.strip()
