"""Registering an episode: a person in the vault first, then the registration through the door."""

from dataclasses import replace
from datetime import date

from engine.decide import decide
from engine.errors import InvalidInput, KeyReused, NotFound
from engine.fold import fold
from engine.model import Command, Episode, Kind, Outcome, Person
from engine.service import Answer
from stepcare.app import App
from storage.database import SITE_REF
from storage.refs import check_ref
from storage.vault import Details

OLDEST = date(1900, 1, 1)


def registered(app: App, command: Command, details: Details | None, *, keep: bool) -> Answer:
    """Register an episode of somebody known (`details` None) or of somebody new, who goes to the vault only.

    Decides first without keeping anything: who cannot be registered leaves no name behind. KeyReused where the key
    stands for another wish or another person.
    """
    if not keep:
        return app.engine.preview(command) if details is None else _foreseen(app, command)
    first = _first(app, command)
    if first is not None:
        return app.engine.handle(_as_first(app, command, first, details))
    if details is None:
        return app.engine.handle(command)
    answer = _foreseen(app, command)
    if answer.decision.outcome is Outcome.INVALID:
        return answer
    if answer.decision.outcome is Outcome.REFUSED:
        # The refusal is an entry too; with nobody registered there is no person to seal it for but the site.
        return app.engine.handle(replace(command, values={**command.values, "patient": SITE_REF}, key=None))
    app.store.add_person(str(command.values["patient"]), details, app.clock())
    try:
        return app.engine.handle(command)
    except KeyReused:
        first = _first(app, command)  # the same request, sent twice at once: the other one was first
        if first is None:
            raise
        return app.engine.handle(_as_first(app, command, first, details))


def _foreseen(app: App, command: Command) -> Answer:
    """Decide a registration of somebody whom the vault does not know yet."""
    site = app.store.site()
    pathway = site.pathways.get(str(command.values.get("pathway") or next(iter(site.pathways))), "")
    before = Episode(
        id=command.episode or "",
        person=Person(id=str(command.values["patient"])),
        pathway=pathway or next(iter(site.pathways.values())),
        zone=site.zone,
    )
    decision = decide(app.engine.compiled(before.pathway), before, command, app.clock())
    return Answer(decision=decision, before=before, after=fold(before, decision.events, 1), entry=None)


def _first(app: App, command: Command) -> tuple[int, Command] | None:
    """Give the registration this key stands for, with its entry; None where it stands for none."""
    remembered = app.store.look(command).known if command.key else None
    if remembered is None:
        return None
    first = app.store.decision(remembered[0]).command
    return (remembered[0], first) if first.kind is Kind.REGISTER and first.episode is not None else None


def _as_first(app: App, command: Command, found: tuple[int, Command], details: Details | None) -> Command:
    """Give a repeated registration the references of the first: they were made here, not by the caller."""
    entry, first = found
    values = dict(command.values)
    if details is not None:
        values["patient"] = first.values.get("patient")
        if _details_of(app, str(values["patient"])) != details:
            raise KeyReused(key=command.key or "", entry=entry)
    return replace(command, episode=first.episode, values=values)


def _details_of(app: App, ref: str) -> Details | None:
    try:
        return app.vault.details(ref)
    except NotFound:
        return None


def known_person(app: App, typed: str) -> str:
    """Give the reference of somebody known, however it was typed; the site's own key is nobody."""
    try:
        app.vault.details(typed)
        ref = typed
    except NotFound:
        ref = check_ref(typed)
        app.vault.details(ref)
    if ref == SITE_REF:
        raise InvalidInput(f"{SITE_REF} is no person: name somebody known, or somebody new.")
    return ref


def birth_date(typed: str | None, today: date) -> date | None:
    """Read a date of birth; one nobody living can have is a slip."""
    if typed is None:
        return None
    try:
        born = date.fromisoformat(typed)
    except ValueError:
        raise InvalidInput(f"{typed[:40]!r} is no day: write the date of birth as YYYY-MM-DD.") from None
    if not OLDEST <= born <= today:
        raise InvalidInput(f"{born} cannot be a date of birth here: check the year.")
    return born
