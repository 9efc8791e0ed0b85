"""Telling the log of reads what was looked at on the command line, before it is shown."""

from collections.abc import Iterable, Mapping

from engine.errors import NotNoted
from engine.model import Kind
from engine.service import Answer
from stepcare.desk.opened import Desk, os_user
from stepcare.glass import require_open
from stepcare.noting import Reader, Shown, note
from stepcare.render import note as tell


def looked(
    desk: Desk,
    *,
    what: str,
    persons: Iterable[str] = (),
    episodes: Iterable[str] = (),
    query: Mapping[str, object] | None = None,
) -> None:
    """Note in the log of reads who looked at what; call it before the answer is given.

    `what` is the entry's type, such as `read.episode` or `log.search`; `query` names the filters and their values; what
    may be free text is not kept in the clear. None: there were no filters. The reader is whoever `reader_of` or
    `actor_of` gave last. What one command has noted once is not noted twice. NotNoted when it cannot be noted: then
    nothing may be shown.
    """
    seat, about = desk.seat, tuple(episodes)
    if not seat.request:
        seat.request = desk.app.make_id()
    if (what, about) in seat.noted:
        return
    reader = Reader(actor=seat.actor, via=f"cli:{os_user()}", request=seat.request, opening=seat.opening)
    note(desk.app, reader, what, Shown(persons=persons, episodes=about, query=query or {}))
    seat.noted.add((what, about))


def looked_if_possible(desk: Desk, *, what: str) -> None:
    """Note it, or say that it could not be noted: for verifying, which shows nobody's data.

    A database that is damaged or can only be read must still be verifiable.
    """
    try:
        looked(desk, what=what)
    except NotNoted as error:
        tell(f"Not noted in the log of reads: {error.why}")


def seen_by(desk: Desk, episode: str, team: str) -> None:
    """Refuse an episode that the reader may not see, and that nobody has opened for them."""
    desk.seat.opening = require_open(desk.app, desk.seat.actor, episode, team)


def answered(desk: Desk, answer: Answer) -> None:
    """Note what an answer shows without leaving an entry of its own: a preview, and one that was given before."""
    command = answer.decision.command
    if answer.entry is not None and not answer.repeated:
        return
    patient = command.values.get("patient") if command.kind is Kind.REGISTER else None
    looked(
        desk,
        what="read.episode" if answer.repeated else "preview",
        persons=[patient] if isinstance(patient, str) else [],
        episodes=[command.episode] if command.episode else [],
        query={"command": command.kind},
    )
