"""One pass over the log: each entry hashed, chained, opened and folded; what does not fit becomes a finding."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

from engine.audit import Envelope, check_chain, check_envelope
from engine.closing import Tally
from engine.decision import Decision, Erased, Event, Published, Retained
from engine.errors import NotFound, StepcareError, Unverifiable, VerificationFailed
from engine.fold import fold, fold_person, fold_site
from engine.merkle import Frontier, leaf_hash
from engine.model import Episode, Json, Outcome, Person, Site
from storage.clear import Clear
from storage.database import SITE_REF, Database
from storage.ends import Ends
from storage.ledger import StoredEntry, decision_in, derived_in, moves_site, reads_in
from storage.retention import MESSAGES
from storage.rows import TABLE_OF, Moment, episode_row, work_put
from storage.seal import Place, open_sealed
from storage.tables import Row
from storage.vault import KeyDestroyed

REFUSED_REGISTRATION = ("episode.register", Outcome.REFUSED)
Sections = Mapping[str, Json]
Opener = Callable[[StoredEntry, Mapping[str, str]], Sections]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that is not as it was written, or that cannot be told.

    `idx` is the entry concerned (for a row: the entry that last said what it must be), None where no one entry is.
    `lost` True: it can neither be confirmed nor denied.
    """

    idx: int | None
    what: str
    reason: str
    lost: bool = False


@dataclass(slots=True)
class Folded:
    """What the log says there must be, as far as it was read.

    `rows` are the episodes' list rows; `put` tells which entry last put a due item, timer or message down, and
    `last` which was an episode's, a person's (by reference) or the site's (None) last entry. `broken` are the
    chains and persons that could not be followed to the end: their rows are not compared. `unread` are the ids of
    entries that could not be read, `keys` says who used which key for the others. `openly` is what an episode's last
    entry says of it in the clear, `erased` which entry erased a person, `runs` which took tries and receipts away.
    """

    site: Site
    episodes: dict[str, Episode] = field(default_factory=dict)
    rows: dict[str, Row] = field(default_factory=dict)
    persons: dict[str, Person] = field(default_factory=dict)
    put: dict[tuple[str, str, str], int] = field(default_factory=dict)
    last: dict[str | None, int] = field(default_factory=dict)
    broken: set[str | None] = field(default_factory=set)
    keys: dict[str, tuple[str, str | None, int]] = field(default_factory=dict)
    unread: set[str] = field(default_factory=set)
    openly: dict[str, Row] = field(default_factory=dict)
    erased: dict[str, int] = field(default_factory=dict)
    pathways: dict[str, int] = field(default_factory=dict)
    parameters: dict[str, int] = field(default_factory=dict)
    runs: dict[int, Retained] = field(default_factory=dict)


def opener_of(database: Database) -> Opener:
    """Open sealed parts with the keys of the database's own vault."""

    def opened(entry: StoredEntry, commitments: Mapping[str, str]) -> Sections:
        key = database.vault.key(entry.person_ref or "")
        if key.id != entry.key_id:
            raise VerificationFailed(f"Entry {entry.idx} names key {entry.key_id}, its person has {key.id}.")
        return open_sealed(entry.blob or b"", commitments, key, Place(origin=database.origin, entry=entry.id))

    return opened


class Walk:
    """One pass over the log."""

    def __init__(self, opener: Opener | None, site: Site) -> None:
        """Begin before the first entry; without an opener sealed parts stay closed and nothing is folded."""
        self.faults: list[Fault] = []
        self.folded = Folded(site=site)
        self.frontier = Frontier()
        self.opened = 0
        self._opener = opener
        self._chains: dict[str | None, tuple[int, str]] = {}
        self._ends = Ends()
        self._clear = Clear(site)
        self._tallies: dict[str, Tally] = {}
        self._uncounted: set[str | None] = set()
        self._closed: list[tuple[StoredEntry, StepcareError]] = []

    def fault(self, idx: int | None, what: str, error: object) -> None:
        """Note a finding."""
        # A key that is not in the vault makes a thing unreadable, not false.
        lost = isinstance(error, Unverifiable | NotFound)
        self.faults.append(Fault(idx=idx, what=what, reason=str(error), lost=lost))

    def entry(self, stored: StoredEntry) -> None:
        """Check the next entry, and fold it."""
        if stored.idx != self.frontier.size:
            self.fault(stored.idx, "order", f"Entry {self.frontier.size} was due here: one is missing or was put in.")
        leaf = leaf_hash(stored.entry)
        self.frontier = self.frontier.append(leaf)
        if leaf != stored.leaf:
            self.fault(stored.idx, "leaf", "Its bytes do not have the hash that was kept with them.")
        try:
            envelope = check_envelope(stored.entry)
        except StepcareError as error:
            self.fault(stored.idx, "entry", error)
            self.folded.broken |= {stored.ep, stored.person_ref}
            self.folded.unread.add(stored.id)
            self._uncounted.add(stored.person_ref)
            self._chains[stored.ep] = (stored.epn, leaf.hex())
            self._clear.lost()
            return
        said = (envelope.index, envelope.id, envelope.episode, envelope.episode_index)
        if said != (stored.idx, stored.id, stored.ep, stored.epn):
            self.fault(stored.idx, "columns", "Its index, id, episode or number is not what its bytes say.")
        self._follow(envelope, leaf)
        self._note(envelope, stored.person_ref)
        self._count(envelope, stored.person_ref, leaf)
        self._open(stored, envelope)

    def _follow(self, envelope: Envelope, leaf: bytes) -> None:
        chain = envelope.episode
        try:
            check_chain(envelope, self._chains.get(chain))
        except VerificationFailed as error:
            self.fault(envelope.index, "chain", error)
        self._chains[chain] = (envelope.episode_index, leaf.hex())
        if chain is not None and (envelope.version_before, envelope.version_after) != (
            envelope.episode_index,
            envelope.episode_index + 1,
        ):
            self.fault(envelope.index, "version", "Its versions do not follow from its number in the episode.")
        try:
            self._ends.follow(envelope, leaf)
        except StepcareError as error:
            self.fault(envelope.index, "census", error)

    def _note(self, envelope: Envelope, person: str | None) -> None:
        folded = self.folded
        folded.keys[envelope.id] = (envelope.actor.id, envelope.key, envelope.index)
        if envelope.episode is not None:
            known = folded.openly.get(envelope.episode)
            if known is not None and known["person_ref"] != person:
                self.fault(envelope.index, "sealed", f"It names {person}, the episode is of {known['person_ref']}.")
            folded.openly[envelope.episode] = {
                "id": envelope.episode,
                "person_ref": person if known is None else known["person_ref"],
                "state": envelope.state or "",
                "version": envelope.version_after,
                "last_idx": envelope.index,
                "pathway_sha": envelope.pathway,
            }
        folded.parameters.setdefault(envelope.parameters, envelope.index)
        if envelope.pathway is not None and envelope.episode is not None:
            folded.pathways.setdefault(envelope.pathway, envelope.index)

    def _count(self, envelope: Envelope, person: str | None, leaf: bytes) -> None:
        """Count the entry with those about its person, which an erasure of theirs must close, exactly."""
        if person is None or person == SITE_REF:
            return
        if envelope.episode is None and (envelope.type, envelope.outcome) != REFUSED_REGISTRATION:
            self.fault(envelope.index, "sealed", f"It is the site's, and its sealed part is said to be about {person}.")
        if person in self.folded.erased:
            by = self.folded.erased[person]
            self.fault(envelope.index, "erasure", f"It names {person}, who had been erased by entry {by}.")
        self._tallies.setdefault(person, Tally()).add(envelope.episode, leaf)

    def _open(self, stored: StoredEntry, envelope: Envelope) -> None:
        if self._opener is None:
            return
        if stored.blob is None:
            self.fault(stored.idx, "sealed", "Its sealed part is missing.")
            self.folded.broken |= {stored.ep, stored.person_ref}
            return
        try:
            self._require_same_person(stored)
            sections = self._opener(stored, envelope.commitments)
            decision = self._agree(stored, envelope, sections)
            self.opened += 1
            self._fold(stored, envelope, sections, decision)
        except (KeyDestroyed, NotFound) as error:
            # Whether that is an erasure or a loss is said by an entry that is still to come.
            self._closed.append((stored, error))
            self.folded.broken |= {stored.ep, stored.person_ref} - {None}
        except (StepcareError, LookupError, TypeError, ValueError) as error:
            # The last three: events that do not fit what came before, because that was changed or taken away.
            said = error if isinstance(error, StepcareError) else f"It does not follow from those before ({error!r})."
            self.fault(stored.idx, "sealed", said)
            self.folded.broken |= {stored.ep, stored.person_ref}

    def _require_same_person(self, stored: StoredEntry) -> None:
        known = self.folded.episodes.get(stored.ep or "")
        if known is not None and known.person.id != stored.person_ref:
            raise VerificationFailed(f"Its sealed part names {stored.person_ref}, the episode is of {known.person.id}.")

    def _agree(self, stored: StoredEntry, envelope: Envelope, sections: Sections) -> Decision:
        """Hold what is sealed against what is said in the clear; give the sealed decision, which is gone on from."""
        match sections:
            case {"facts": {"command": {"id": id_}}, "subject": subject}:
                if (id_, subject) == (envelope.id, {"person": stored.person_ref}):
                    decision = decision_in(envelope, sections)
                    known = self.folded.episodes.get(stored.ep or "") or self.folded.site
                    find = partial(self._index_of, envelope)
                    if unlike := self._clear.unlike(envelope, decision, known.requests, find):
                        said = ", ".join(unlike)
                        self.fault(stored.idx, "clear", f"What it says in the clear is not what is sealed: {said}.")
                    return decision
        raise VerificationFailed("Its sealed part speaks of another decision or person than the entry.")

    def _index_of(self, envelope: Envelope, entry: str) -> int | None:
        """Give the index of an earlier entry; of one that could not be read, what is said of it here."""
        if entry in self.folded.unread:
            return envelope.corrects
        known = self.folded.keys.get(entry)
        return None if known is None else known[2]

    def _fold(self, stored: StoredEntry, envelope: Envelope, sections: Sections, decision: Decision) -> None:
        events, chain = decision.events, stored.ep
        if chain is None:
            self._fold_site(envelope, events)
            self._clear.go_on(decision, self.folded.site)
        elif chain not in self.folded.broken:
            self._fold_episode(stored, envelope, events, sections)

    def _fold_site(self, envelope: Envelope, events: tuple[Event, ...]) -> None:
        folded = self.folded
        steps = moves_site(envelope.type)
        if (envelope.version_before, envelope.version_after) != (folded.site.version, folded.site.version + steps):
            self.fault(envelope.index, "version", f"The site was at version {folded.site.version} before it.")
        if steps:
            folded.site = fold_site(folded.site, events)
            for event in events:
                if isinstance(event, Published):
                    folded.pathways.setdefault(event.hash, envelope.index)
                elif isinstance(event, Retained) and event.what == MESSAGES:
                    folded.runs[envelope.index] = event
                elif isinstance(event, Erased):
                    folded.erased[event.erasure.person] = envelope.index
                    self._close(event, envelope.index)
            folded.last[None] = envelope.index

    def _close(self, event: Erased, idx: int) -> None:
        """Hold what an erasure closed against the entries that are said to be about its person."""
        person, wanted = event.erasure.person, event.closes
        found = self._tallies.get(person, Tally()).closing
        if found == wanted or person in self._uncounted:
            return
        theirs = wanted.episodes.keys() | found.episodes.keys()
        unlike = [one for one in sorted(theirs) if found.episodes.get(one, 0) != wanted.episodes.get(one, 0)]
        for episode in unlike:
            had, has = wanted.episodes.get(episode, 0), found.episodes.get(episode, 0)
            said = f"Entry {idx} erased {person} with {had} entries of episode {episode}, {has} are said to be theirs."
            last = self.folded.openly.get(episode)
            self.fault(idx if last is None else int(str(last["last_idx"])), "erasure", said)
        if not unlike:
            said = f"It erased {person} with other entries than those which are said to be theirs."
            self.fault(idx, "erasure", said)

    def _fold_episode(
        self, stored: StoredEntry, envelope: Envelope, events: tuple[Event, ...], sections: Sections
    ) -> None:
        folded, episode, ref = self.folded, stored.ep or "", stored.person_ref or ""
        person = folded.persons.get(ref) or Person(id=ref)
        after = fold_person(person, episode, events)
        before = folded.episodes.get(episode) or Episode(id=episode, person=Person(id=ref))
        now = fold(before, events, stored.epn + 1, reads_in(sections))
        if envelope.pathway != now.pathway:
            self.fault(stored.idx, "clear", f"It says pathway {envelope.pathway}, its episode is on {now.pathway}.")
        if (envelope.state or "") != now.state:
            self.fault(stored.idx, "state", f"It says {envelope.state}, its events lead to {now.state}.")
        moment = Moment(idx=stored.idx, at=envelope.recorded_at, derived=derived_in(sections))
        folded.rows[episode] = episode_row(now, after, moment, folded.rows.get(episode))
        folded.episodes[episode], folded.persons[ref] = now, after
        folded.last[episode] = stored.idx
        if after is not person:
            folded.last[ref] = stored.idx
        for item in work_put(events):
            folded.put[TABLE_OF[type(item)], episode, item.id] = stored.idx

    @property
    def closed(self) -> dict[str, int]:
        """Count the sealed parts that were closed for ever by an erasure, by person."""
        found = Counter(stored.person_ref or "" for stored, _ in self._closed)
        return {person: found[person] for person in self.folded.erased}

    def head(self, n: int, rooted: int, nodes: bytes) -> None:
        """Compare the tree of what was read with the one that was kept."""
        for stored, error in self._closed:
            if stored.person_ref not in self.folded.erased:
                self.fault(stored.idx, "sealed", error)
        if n != self.frontier.size or rooted != n:
            self.fault(None, "head", f"The head says {n} entries (tree {rooted}), {self.frontier.size} are here.")
        if nodes != self.frontier.to_bytes():
            self.fault(None, "root", "The tree of the entries is not the one that was kept with the head.")
