"""Opening an episode: a person in the vault first, then the registration through the door."""

import os
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from engine.errors import InvalidInput, NotFound
from engine.model import Command, Json, Kind, Outcome
from stepcare.desk.doing import show_answer, typed_values
from stepcare.desk.looking import answered
from stepcare.desk.opened import actor_of, opened, os_user
from stepcare.options import Options
from stepcare.registering import birth_date, known_person, registered
from stepcare.render import note
from stepcare.typed import checked, moment_from, require_text
from storage.refs import new_ref
from storage.vault import Details

LONGEST_NAME = 200
CHANNELS = ("email", "sms", "telephone", "letter")


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
        ref = known_person(desk.app, newcomer.patient) if newcomer.patient else new_ref("p", os.urandom)
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
        answer = registered(desk.app, checked(command), details, keep=not options.dry_run)
        answered(desk, answer)
        if answer.decision.outcome is Outcome.ACCEPTED:
            note(f"Episode {answer.decision.command.episode} for person {answer.decision.command.values['patient']}.")
        show_answer(options, answer, compiled, actor)


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
        born=birth_date(newcomer.born, today),
        contacts=dict(_contact(one) for one in newcomer.contacts),
        language=newcomer.language,
    )


def _contact(typed: str) -> tuple[str, str]:
    channel, equals, address = typed.partition("=")
    if not equals or channel not in CHANNELS or not address.strip():
        raise InvalidInput("A contact is email=…, sms=…, telephone=… or letter=….")
    require_text("contact", address, LONGEST_NAME)
    return channel, address.strip()
