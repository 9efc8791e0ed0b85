"""From what happened to what is: the only way an episode, a person or a site changes.

`decide` folds its own events to see the picture afterwards, `storage` folds the log to load an episode, and the
auditor folds it to compare with the rows. All three use this.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from operator import attrgetter
from typing import Any, Protocol, TypeVar, assert_never

from engine.decision import (
    Assigned,
    Away,
    Erased,
    Event,
    Held,
    KeyAnnounced,
    KeyGone,
    Moved,
    ParameterSet,
    Published,
    Put,
    Recorded,
    Registered,
    Released,
    Retained,
)
from engine.model import (
    Deviation,
    DueItem,
    Episode,
    Flag,
    Message,
    Person,
    Record,
    Request,
    Site,
    Stay,
    Timer,
    Treatment,
)


class Identified(Protocol):
    """Anything kept by its id."""

    @property
    def id(self) -> str:
        """Name it, once and for all."""


Item = TypeVar("Item", bound=Identified)
Reads = Sequence[tuple[str, int]]
IN_ORDER = attrgetter("occurred_at", "version", "id")
SHELVES: Mapping[type, str] = {
    Treatment: "treatments",
    Flag: "flags",
    DueItem: "due_items",
    Timer: "timers",
    Message: "messages",
    Request: "requests",
    Deviation: "deviations",
}


def fold(episode: Episode, events: Sequence[Event], version: int, reads: Reads = ()) -> Episode:
    """Give the episode after one entry: its events applied, its version, and what the decision relied on."""
    draft = _Draft(episode)
    for event in events:
        draft.apply(event)
    relied = episode.relied
    if reads:
        relied = {**relied, **{record: (*relied.get(record, ()), version) for record, _ in reads}}
    plan_version = episode.plan_version + draft.replanned
    return replace(episode, version=version, plan_version=plan_version, relied=relied, **draft.changed)


class _Draft:
    """What changes of an episode while its events are applied; one copy is made at the end, not one an event."""

    __slots__ = ("changed", "episode", "replanned")

    def __init__(self, episode: Episode) -> None:
        """Begin with nothing changed."""
        self.episode = episode
        self.changed: dict[str, Any] = {}
        self.replanned = False

    def now(self, name: str) -> Any:
        """Give a field as it stands after the events so far."""
        return self.changed.get(name, getattr(self.episode, name))

    def apply(self, event: Event) -> None:
        """Apply one event."""
        match event:
            case Put():
                name = SHELVES[type(event.item)]
                self.changed[name] = _upsert(self.now(name), event.item)
                self.replanned |= isinstance(event.item, Timer) and event.item.state in ("armed", "cancelled")
            case Recorded():
                self.changed["records"] = _recorded(self.now("records"), event)
            case Moved():
                self._move(event)
            case Registered():
                for name in ("pathway", "zone", "language", "team"):
                    self.changed[name] = getattr(event, name)
            case Assigned():
                self.changed |= {"owner": event.owner, "team": event.team}
            case Published() | ParameterSet() | Held() | Released() | Erased() | KeyGone() | Retained():
                pass  # the site's, as are the next
            case KeyAnnounced() | Away():
                pass
            case _:
                assert_never(event)

    def _move(self, event: Moved) -> None:
        self.changed["state"] = event.target
        if event.stay is None:
            return
        stays: tuple[Stay, ...] = self.now("stays")
        if stays:
            stays = (*stays[:-1], replace(stays[-1], until=event.stay.since))
        self.changed |= {"stays": (*stays, event.stay), "return_to": event.return_to}


def _recorded(records: tuple[Record, ...], event: Recorded) -> tuple[Record, ...]:
    if event.supersedes is None:
        return (*records, event.record)
    kept = (
        replace(record, superseded_by=event.record.id) if record.id == event.supersedes else record
        for record in records
    )
    return (*kept, event.record)


def _upsert(items: tuple[Item, ...], item: Item) -> tuple[Item, ...]:
    for position, old in enumerate(items):
        if old.id == item.id:
            return (*items[:position], item, *items[position + 1 :])
    return (*items, item)


def fold_person(person: Person, episode: str, events: Sequence[Event]) -> Person:
    """Give the person after one entry of one of their episodes; the version rises if anything changed here."""
    after = person
    for event in events:
        after = _apply_person(after, episode, event)
    return after if after is person else replace(after, version=person.version + 1)


def _apply_person(person: Person, episode: str, event: Event) -> Person:
    match event:
        case Registered():
            return replace(person, episodes={**person.episodes, episode: (event.region, "open")})
        case Recorded() | Put() if person.episodes.get(episode, ("", ""))[1] == "void":
            return person  # entered in error: what is added later counts for nobody either
        case Recorded() if event.personal:
            kept = tuple(record for record in person.records if record.id != event.supersedes)
            return replace(person, records=(*kept, event.record))
        case Recorded() if event.record.form == "registration" and event.supersedes:
            region, kind = str(event.record.values.get("region", "")), person.episodes[episode][1]
            return replace(person, episodes={**person.episodes, episode: (region, kind)})
        case Moved() if event.source and (episode in person.deceased) != _by_death(event):
            others = tuple(one for one in person.deceased if one != episode)
            person = replace(person, deceased=(*others, episode) if _by_death(event) else others)
            return _kind_changed(person, episode, event.kind)
        case Moved() if event.source and person.episodes[episode][1] != event.kind:
            return _kind_changed(person, episode, event.kind)
        case Put(item=Flag() as flag) if flag.urgency == "emergency":
            name = f"{episode}/{flag.id}"
            others = tuple(one for one in person.emergencies if one != name)
            over = flag.cleared_at is not None or person.episodes[episode][1] == "closed"
            return replace(person, emergencies=others if over else (*others, name))
        case _:
            return person


def _by_death(event: Moved) -> bool:
    return event.silent and event.kind == "closed"


def _kind_changed(person: Person, episode: str, kind: str) -> Person:
    """An episode that is over warns no other; a voided one was an error: what it recorded counts for nobody."""
    if kind in ("closed", "void"):
        mine = tuple(one for one in person.emergencies if not one.startswith(f"{episode}/"))
        person = replace(person, emergencies=mine)
    episodes = {**person.episodes, episode: (person.episodes[episode][0], kind)}
    if kind != "void":
        return replace(person, episodes=episodes)
    return replace(
        person, episodes=episodes, records=tuple(record for record in person.records if record.episode != episode)
    )


def fold_site(site: Site, events: Sequence[Event]) -> Site:
    """Give the site after one entry of its own; the version is the number of those entries."""
    pathways, parameters = dict(site.pathways), dict(site.parameters)
    known = site.requests
    for event in events:
        site = _fold_custody(site, event)
        match event:
            case Published():
                pathways[event.pathway] = event.hash
            case ParameterSet(value=None):
                parameters.pop(event.name, None)
            case ParameterSet():
                parameters[event.name] = event.value
            case Put(item=Request() as request):
                known = _upsert(known, request)
            case Away():
                site = replace(site, absences=_upsert(site.absences, event.absence))
            case _:
                pass
    return replace(site, version=site.version + 1, pathways=pathways, parameters=parameters, requests=known)


def _fold_custody(site: Site, event: Event) -> Site:
    match event:
        case Held():
            return replace(site, holds=_upsert(site.holds, event.hold))
        case Released():
            return replace(site, holds=tuple(hold for hold in site.holds if hold.id != event.hold))
        case Erased():
            return replace(site, erasures=_upsert(site.erasures, event.erasure))
        case KeyGone():
            done = (replace(one, destroyed=event.at) if one.person == event.person else one for one in site.erasures)
            return replace(site, erasures=tuple(done))
        case KeyAnnounced():
            return replace(site, log_keys=(*site.log_keys, event.key))
        case _:
            return site


def root_of(episode: Episode, position: int) -> int:
    """Give the first position of the stay chain that a position belongs to (returns from hold continue it)."""
    if not 0 <= position < len(episode.stays):
        return position
    resumed = episode.stays[position].resumed
    return position if resumed is None else resumed


def valid(records: Sequence[Record]) -> list[Record]:
    """Give the records that no correction superseded, in order of occurrence."""
    return sorted([record for record in records if record.superseded_by is None], key=IN_ORDER)


def current(records: Mapping[str, Record], record: str) -> Record | None:
    """Follow corrections from a record to the one that stands now; None if it was never here."""
    found = records.get(record)
    while found is not None and found.superseded_by is not None:
        found = records.get(found.superseded_by)
    return found
