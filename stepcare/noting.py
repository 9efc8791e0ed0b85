"""What the log of reads is told, by the command line and the API alike: who, what for, whom, and in which coded words.

A filter's value stands in the log only where it is one of our own words, a number, a time, a reference with its check
character, or a colleague's id. Everything else may be about a person, so only its length is kept.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

from engine.access import purpose_of
from engine.errors import InvalidInput
from engine.model import Actor, Json, Kind, Level, Outcome, Role
from engine.pathway import Pathway
from stepcare.app import App
from storage.access import Read, note_read
from storage.access_read import person_of
from storage.refs import check_ref
from storage.staff import Staff

# The types of entries, and what each shows; `stepcare audit access --type` takes these.
TYPES = {
    "read.episode": "an episode",
    "read.list": "a list of episodes or of work",
    "read.names": "a list with the persons' names",
    "read.log": "entries of the log",
    "log.search": "a search of the log",
    "log.export": "an export of the log",
    "log.verify": "a verification or replay of the log",
    "log.proof": "a proof of an entry",
    "log.access": "who looked at whom",
    "log.published": "the published log",
    "log.disclose": "a sealed section, disclosed",
    "preview": "what a command would come to",
    "break_glass.opened": "an episode opened for a time by somebody of another care team",
    "break_glass.reviewed": "a review of such an opening",
    "break_glass.queue": "the openings that wait for review",
    "subject.export": "everything on one person",
}
WORDS = frozenset(word.value for kind in (Kind, Role, Outcome, Level) for word in kind) | TYPES.keys()
# A number (shorter than anybody's telephone or insurance number), a day, an instant; also from one to another.
_ONE = r"(\d{1,9}|\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:\d\d)?)?)"
PLAIN = re.compile(rf"-?{_ONE}|{_ONE}?\.\.{_ONE}?")
# Filters whose values are never typed freely: the program names a list, and a file of the published log has a form.
NAMED = frozenset({"list", "file"})
NAME = re.compile(r"[a-z0-9_./ -]{1,80}")
SORTS = re.compile(r"-?[a-z_]{1,20}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Who reads, and how they came: `via` (`cli:` and the operating-system user, `api:` and the token's id).

    `actor` None: nobody said who; then `via` is all that is known. `opening`: the break-glass entry they read by.
    """

    actor: Actor | None
    via: str
    request: str
    opening: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What a read shows: persons and episodes by reference, and the filters they were found by."""

    persons: Iterable[str] = ()
    episodes: Iterable[str] = ()
    query: Mapping[str, object] = field(default_factory=dict)


def note(app: App, reader: Reader, what: str, shown: Shown) -> int:
    """Note one read before its answer is given; gives its number. NotNoted when it cannot be, and nothing is shown.

    Whose the episodes are is looked up where no persons are given.
    """
    about, whose = list(shown.episodes), list(shown.persons)
    if about and not whose:
        whose = person_of(app.database, about)
    actor = reader.actor
    return note_read(
        app.database,
        Read(
            id=app.make_id(),
            at=app.clock(),
            actor=actor.id if actor else reader.via,
            role=actor.role.value if actor else "unnamed",
            purpose=purpose_of(actor.role) if actor else "administration",
            request=reader.request,
            what=what,
            persons=whose,
            episodes=about,
            query=coded(app, shown.query),
            via=reader.via,
            opening=reader.opening,
        ),
    )


def coded(app: App, query: Mapping[str, object]) -> dict[str, Json]:
    """Give filters as the log of reads may keep them; of free text only its length stays."""
    vocabulary: set[str] = set()

    def said(name: str, value: object) -> Json:
        if value is None or isinstance(value, bool | int):
            return value
        if isinstance(value, datetime | date):
            return value.isoformat()
        if isinstance(value, list | tuple | set | frozenset):
            return [said(name, one) for one in value]
        text = str(value)
        if name == "text":
            return {"length": len(text)}
        if name in NAMED and NAME.fullmatch(text):
            return text
        if text in WORDS or PLAIN.fullmatch(text) or _is_ref(text) or (name == "sort" and SORTS.fullmatch(text)):
            return text
        if not vocabulary:
            vocabulary.update(_words(app))
        return text if text in vocabulary else {"length": len(text)}

    return {name: said(name, value) for name, value in query.items() if value not in (None, (), [], "")}


def _words(app: App) -> Iterable[str]:
    """Give our own words: those of the pathways in force, and the ids and care teams of colleagues."""
    yield ""
    for sha256 in app.store.site().pathways.values():
        yield from _names(app.engine.compiled(sha256).pathway)
    for colleague in Staff(app.database).all().values():
        yield colleague.id
        yield from colleague.teams


def _names(pathway: Pathway) -> Iterable[str]:
    for names in (pathway.states, pathway.transitions, pathway.forms, pathway.due, pathway.treatments):
        yield from names
    yield from (rule.id for rule in pathway.rules)
    yield from (one.name for one in pathway.transitions.values())


def _is_ref(text: str) -> bool:
    try:
        return check_ref(text) == text
    except InvalidInput:
        return False
