"""One episode's past: its entries folded again, each with the episode before and after it, and the site beside them.

Everything `as-of`, `timeline`, `diff` and `audit show` say of earlier moments is read from here. Nothing is decided:
what was decided is folded, in the order of the log.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Generic, TypeVar

from engine.compiled import Compiled
from engine.decision import Recorded
from engine.errors import Erased, NotFound
from engine.fold import fold, fold_person, fold_site
from engine.model import Episode, Outcome, Person, Record, Site
from stepcare.app import App
from stepcare.moment import said_at
from storage.database import SITE_REF
from storage.ledger import Kept, StoredEntry, commitments_in, kept_of
from storage.store import Store
from storage.walk import opener_of

EVERY = 2**53  # the number no entry has: all of them come before it
T = TypeVar("T", Person, Site)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One entry of the episode: what it keeps, and the episode before and after it, the person left aside."""

    kept: Kept
    before: Episode
    after: Episode

    @property
    def index(self) -> int:
        """Name the entry."""
        return self.kept.envelope.index

    @property
    def recorded_at(self) -> datetime:
        """Say when it was recorded."""
        return self.kept.envelope.recorded_at

    @property
    def occurred_at(self) -> datetime:
        """Say when it happened."""
        return self.kept.envelope.occurred_at or self.kept.envelope.recorded_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Left(Generic[T]):
    """What an entry left of the person, or of the site."""

    index: int
    recorded_at: datetime
    what: T


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """Record `old` was set right by record `new`, in entry `entry`."""

    old: str
    new: str
    entry: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Wrong:
    """Something a decision relied on that was corrected after it; `entry` recorded it (None: not to be found)."""

    record: str
    form: str
    entry: int | None
    corrected_by: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """An episode as it stood at an instant, what decided there, and the last entry recorded by then.

    `later` counts the episode's entries that were recorded after it.
    """

    episode: Episode
    compiled: Compiled
    at: datetime
    entry: int
    later: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """Everything recorded of one episode, in the order of the log.

    `persons` tells what each of the person's entries left of them, `sites` what each of the site's left of it.
    `records` are the records of all the person's episodes by id, with the entry that recorded each, and `corrections`
    all that were set right.
    """

    app: App
    steps: tuple[Step, ...]
    persons: tuple[Left[Person], ...]
    sites: tuple[Left[Site], ...]
    records: dict[str, tuple[Record, int]]
    corrections: tuple[Correction, ...]

    @property
    def episode(self) -> Episode:
        """Give the episode as it is now."""
        return replace(self.steps[-1].after, person=self.persons[-1].what)

    def at(self, moment: datetime) -> Standing:
        """Give the episode as it was recorded by then; raises NotFound before its first entry.

        What counts is everything up to the last entry recorded by then: an entry that was decided on another stands
        after it, even where a clock that was set back says otherwise.
        """
        taken = [place for place, step in enumerate(self.steps) if step.recorded_at <= moment]
        if not taken:
            raise self._not_yet(moment)
        step = self.steps[taken[-1]]
        person = _last(self.persons, moment, step.index)
        episode = step.after if person is None else replace(step.after, person=person)
        compiled = self.app.engine.compiled(episode.pathway, self.site(moment).parameters)
        later = len(self.steps) - taken[-1] - 1
        return Standing(episode=episode, compiled=compiled, at=moment, entry=step.index, later=later)

    def site(self, moment: datetime) -> Site:
        """Give the site as it was recorded by then."""
        return _last(self.sites, moment, -1) or Site(zone=self.app.database.zone)

    def _not_yet(self, moment: datetime) -> NotFound:
        first, zone = self.steps[0], self.app.database.zone
        since = f"its first entry is {first.index}, recorded at {said_at(first.recorded_at, zone)}"
        remedy = f"it was not registered yet at {said_at(moment, zone)}; {since}. Ask for a moment from then on."
        return NotFound(what="record of episode", name=first.after.id, remedy=remedy)

    def corrected_by(self, record: str) -> tuple[Correction, ...]:
        """Give the corrections of a record, and of what corrected it, in order."""
        found: list[Correction] = []
        after = {one.old: one for one in self.corrections}
        while record in after:
            found.append(after.pop(record))
            record = found[-1].new
        return tuple(found)

    def relied_wrongly(self, kept: Kept) -> Iterator[Wrong]:
        """Give what a decision relied on that was corrected later; a refusal relied on what it was refused for."""
        for record, _ in kept.decision.reads:
            later = tuple(one.entry for one in self.corrected_by(record) if one.entry > kept.envelope.index)
            if later:
                known = self.records.get(record)
                form, entry = (known[0].form, known[1]) if known else ("record", None)
                yield Wrong(record=record, form=form, entry=entry, corrected_by=later)


def _last(changes: Sequence[Left[T]], moment: datetime, least: int) -> T | None:
    """Give what the last entry recorded by then left; those up to `least` count whatever their clock said."""
    return next((one.what for one in reversed(changes) if one.recorded_at <= moment or one.index <= least), None)


def past_of(app: App, episode: str) -> Past:
    """Read an episode's past; raises NotFound for one not here, Erased after an erasure."""
    store = app.store
    ref = store.episode(episode).person.id
    erased = store.erased().get(ref)
    if erased is not None:
        raise Erased(person=ref, entry=erased)
    reader = _Reader(store, episode, ref)
    for stored in store.entries_about(ref, EVERY):
        reader.take(stored)
    return Past(
        app=app,
        steps=tuple(reader.steps),
        persons=tuple(reader.persons),
        sites=tuple(_sites(store)),
        records=reader.records,
        corrections=tuple(reader.corrections),
    )


class _Reader:
    """Folds a person's entries, one after another."""

    def __init__(self, store: Store, episode: str, person: str) -> None:
        """Begin before the first of them."""
        self.steps: list[Step] = []
        self.persons: list[Left[Person]] = []
        self.records: dict[str, tuple[Record, int]] = {}
        self.corrections: list[Correction] = []
        self._opener = opener_of(store.database)
        self._person = Person(id=person)
        self._episode = Episode(id=episode, person=self._person)

    def take(self, stored: StoredEntry) -> None:
        """Fold one entry of the person."""
        if stored.ep is None:
            return  # a registration that was refused left nothing behind
        kept = kept_of(stored.entry, self._opener(stored, commitments_in(stored.entry)))
        decision, index = kept.decision, stored.idx
        for event in decision.events:
            if isinstance(event, Recorded):
                self.records[event.record.id] = (event.record, index)
                if event.supersedes is not None:
                    self.corrections.append(Correction(old=event.supersedes, new=event.record.id, entry=index))
        self._person = fold_person(self._person, stored.ep, decision.events)
        self.persons.append(Left(index=index, recorded_at=kept.envelope.recorded_at, what=self._person))
        if stored.ep == self._episode.id:
            before = self._episode
            reads = decision.reads if decision.outcome is Outcome.ACCEPTED else ()
            self._episode = replace(fold(before, decision.events, stored.epn + 1, reads), person=self._person)
            self.steps.append(Step(kept=kept, before=before, after=self._episode))


def _sites(store: Store) -> Iterator[Left[Site]]:
    """Fold the site's entries."""
    opener, site = opener_of(store.database), Site(zone=store.database.zone)
    for stored in store.entries_about(SITE_REF, EVERY):
        kept = kept_of(stored.entry, opener(stored, commitments_in(stored.entry)))
        if kept.envelope.version_after > kept.envelope.version_before:
            site = fold_site(site, kept.decision.events)
            yield Left(index=stored.idx, recorded_at=kept.envelope.recorded_at, what=site)
