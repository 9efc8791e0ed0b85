"""Taking up again what came to nothing: a parked row is put back, a message that reached nobody is sent once more.

Putting back is the worker's own business and leaves no entry; sending once more is a decision like any other.
"""

from dataclasses import dataclass

from engine.access import why_not
from engine.audit import instant
from engine.errors import InvalidInput, NotFound, Refused
from engine.model import Actor, Command, Episode, Json, Kind
from stepcare.app import App
from stepcare.due_reasons import reason_in_words
from storage.attempts import Held, Undelivered, held_messages, held_timers, undelivered
from storage.pump import Pump, Table
from storage.pump_figures import Stuck, parked

Row = dict[str, Json]
MOST = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Put:
    """A timer or a message that is waited for, and why it had been put aside (None: it was not, and waited already)."""

    table: str
    id: str
    was: str | None


def stuck_rows(app: App) -> list[Stuck | Undelivered]:
    """Give what nobody acts on before somebody looks: what was put aside, then the messages that reached nobody."""
    return [*parked(app.database, MOST), *undelivered(app.database, MOST)]


def name_of(row: Stuck | Undelivered) -> str:
    """Name a row so that it can be given back: a message's id begins with its episode, a timer's is put after it."""
    is_timer = isinstance(row, Stuck) and row.table == "timer"
    return f"{row.episode}:{row.id}" if is_timer else row.id


def stuck_json(row: Stuck | Undelivered) -> Row:
    """Give one of them."""
    why = row.why if isinstance(row, Stuck) else row.reason
    return {
        "id": name_of(row),
        "what": row.table if isinstance(row, Stuck) else "message",
        "episode": row.episode,
        "kind": row.kind if isinstance(row, Stuck) else row.channel,
        "status": "parked" if isinstance(row, Stuck) else row.status,
        "why": why or None,
        "words": reason_in_words(why),
        "taken_up": row.attempt,
    }


def put_back(app: App, actor: Actor, episode: Episode, name: str) -> Put | None:
    """Put back what was parked under this name; None for a message that was not: then it may be sent again.

    Refused for who may not send again, NotFound where the episode has nothing of that name, InvalidInput for a timer
    that nobody waits for any more.
    """
    refusal = why_not(actor, Kind.RESEND, episode)
    if refusal:
        raise Refused(refusal)
    own = name.removeprefix(f"{episode.id}:")
    found = _found(app, episode, name, own)
    if found is None:
        remedy = "`stepcare due parked` lists what was put aside, `stepcare due explain` every message."
        raise NotFound(what="message or timer", name=name[:200], remedy=remedy)
    table, held = found
    if held.parked is None:
        return _waiting(episode, held) if table == "timer" else None
    Pump(app.database, actor.id).unpark(table, episode.id, held.id)  # or somebody else has just done it
    return Put(table=table, id=held.id, was=held.parked)


def _waiting(episode: Episode, held: Held) -> Put:
    timer = next((one for one in episode.timers if one.id == held.id), None)
    if timer is None or timer.state != "armed":
        raise InvalidInput(f"Timer {held.id[:100]} is over: there is nothing to take up again.")
    return Put(table="timer", id=held.id, was=None)


def _found(app: App, episode: Episode, name: str, own: str) -> tuple[Table, Held] | None:
    messages = held_messages(app.database, episode.id)
    message = messages.get(name) or messages.get(f"{episode.id}:{own}")
    if message is not None:
        return "message", message
    timer = held_timers(app.database, episode.id).get(own)
    return ("timer", timer) if timer is not None else None


def again(app: App, actor: Actor, episode: Episode, name: str, via: str) -> Command:
    """Give the command that sends a message once more."""
    own = name.removeprefix(f"{episode.id}:")
    values: Row = {"message": f"{episode.id}:{own}"}
    return Command(id=app.make_id(), kind=Kind.RESEND, actor=actor, episode=episode.id, values=values, via=via)


def put_json(put: Put, episode: Episode, app: App) -> Row:
    """Give what was put back."""
    return {
        "episode": episode.id,
        "at": instant(app.clock()),
        "what": put.table,
        "id": put.id,
        "was": put.was,
        "words": reason_in_words(put.was),
    }
