"""Deciding the whole log again: each entry with the pack, the parameters and the facts it had.

The episode, the person and the site are folded up to just before the entry, from the log alone; then the same pure
functions decide at the entry's own time, and everything they say is compared with what was kept.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from engine.audit import RuleLine
from engine.codec import to_json
from engine.compile import compile_pathway
from engine.compiled import Compiled
from engine.custody import custody_asked, person_asked
from engine.decide import decide
from engine.decision import Decision
from engine.decision import Erased as Erasing
from engine.errors import Erased, NotFound, StepcareError, Unverifiable, VerificationFailed
from engine.fold import fold, fold_person, fold_site
from engine.model import Episode, Json, Outcome, Person, Site
from engine.service import SITE_KINDS
from engine.site import decide_site
from storage.database import SITE_REF
from storage.ledger import ENGINE, Kept, StoredEntry, answer_hash, commitments_in, kept_of
from storage.store import Store
from storage.walk import opener_of
from workflows.load import pathway_from_bytes

PARTS = ("outcome", "state_before", "state", "transition", "recommended", "taken", "problem", "derived", "relied_on_by")
LISTS = ("failed", "prompts", "events", "reads")


@dataclass(frozen=True, slots=True, kw_only=True)
class Redone:
    """An entry decided again. `differences` names the parts that came out otherwise, empty: the same.

    `before` is what it was decided on. `lost` says why it could not be decided again, None where it was.
    """

    index: int
    kept: Kept | None
    before: Episode | Site | None = None
    decision: Decision | None = None
    differences: tuple[str, ...] = ()
    lost: StepcareError | None = None

    @property
    def ours(self) -> bool:
        """Say whether this very engine wrote the entry; another may decide otherwise without anybody's fault."""
        return self.kept is None or self.kept.envelope.engine == ENGINE


@dataclass(slots=True, kw_only=True)
class Replay:
    """One pass over the log, from its beginning."""

    store: Store
    site: Site = field(init=False)
    episodes: dict[str, Episode] = field(default_factory=dict)
    persons: dict[str, Person] = field(default_factory=dict)
    broken: dict[str | None, int] = field(default_factory=dict)
    _compiled: dict[tuple[str, str], Compiled] = field(default_factory=dict)
    _erased: Mapping[str, int] = field(init=False)

    def __post_init__(self) -> None:
        """Begin before the first entry."""
        self.site = Site(zone=self.store.database.zone)
        self._erased = self.store.erased()

    def every(self) -> Iterator[Redone]:
        """Decide every entry again, in order."""
        for stored in self.store.entries():
            yield self._redone(stored, decides=True)

    def one(self, index: int) -> Redone:
        """Decide one entry again; of the others only those of the same person, and the site's, are folded."""
        found = next(self.store.entries(index, index + 1), None)
        if found is None:
            remedy = "`stepcare audit show` without a number lists the latest"
            raise NotFound(what="entry", name=str(index), remedy=remedy)
        about = {found.person_ref or SITE_REF, SITE_REF, *self._asked_about(found)}
        entries = [one for who in about for one in self.store.entries_about(who, index)]
        for stored in sorted(entries, key=lambda one: one.idx):
            self._redone(stored, decides=False)
        return self._redone(found, decides=True)

    def _asked_about(self, stored: StoredEntry) -> Iterator[str]:
        """Give the person a decision of the site needs to know about."""
        if stored.ep is None and stored.person_ref == SITE_REF:
            events = self._kept(stored).decision.events
            named = self._kept(stored).decision.command.values.get("person")
            if isinstance(named, str):
                yield named
            yield from (event.erasure.person for event in events if isinstance(event, Erasing))

    def _redone(self, stored: StoredEntry, *, decides: bool) -> Redone:
        kept, before = None, None
        try:
            kept = self._kept(stored)
            before = self._before(kept)
            decision = self._decided(kept, before) if decides else None
        except (StepcareError, LookupError, TypeError, ValueError) as error:
            # The last three: what came before was changed or taken away, so it cannot be followed.
            if not isinstance(error, Erased):
                self.broken.setdefault(stored.ep, stored.idx)
            elif kept is not None and before is not None:
                self._fold(kept, before)  # what the site decided is known, though not on what it was decided
            said = f"Entry {stored.idx} does not follow from those before ({error!r}): run `stepcare audit verify`."
            lost = error if isinstance(error, StepcareError) else VerificationFailed(said)
            return Redone(index=stored.idx, kept=kept, lost=lost)
        self._fold(kept, before)
        different = differences(kept, decision) if decision is not None else ()
        return Redone(index=stored.idx, kept=kept, before=before, decision=decision, differences=different)

    def _kept(self, stored: StoredEntry) -> Kept:
        self._require_not_erased(stored.person_ref)
        if stored.ep in self.broken:
            raise Unverifiable(f"It comes after entry {self.broken[stored.ep]}, which could not be followed.")
        return kept_of(stored.entry, opener_of(self.store.database)(stored, commitments_in(stored.entry)))

    def _require_not_erased(self, person: str | None) -> None:
        if person is not None and person in self._erased:
            raise Erased(person=person, entry=self._erased[person])

    def _before(self, kept: Kept) -> Episode | Site:
        """Give what the command was about, as it was then."""
        command = kept.decision.command
        if command.kind in SITE_KINDS or command.episode is None:
            return self.site
        person = self.persons.get(kept.person) or Person(id=kept.person)
        known = self.episodes.get(command.episode)
        if known is not None:
            return replace(known, person=person)
        pathway = str(command.values.get("pathway") or next(iter(self.site.pathways)))
        return Episode(id=command.episode, person=person, pathway=self.site.pathways[pathway], zone=self.site.zone)

    def _decided(self, kept: Kept, before: Episode | Site) -> Decision:
        was, envelope = kept.decision, kept.envelope
        if isinstance(before, Episode):
            return decide(self._compile(before.pathway, envelope.parameters), before, was.command, was.now)
        if custody_asked(before, was.command) is not None:
            ref = person_asked(before, was.command)
            self._require_not_erased(ref)
            person = None if ref is None else self.persons.get(ref) or Person(id=ref)
            return decide_site(before, None, was.command, was.now, person)
        published = str(was.command.values.get("hash") or next(iter(before.pathways.values()), ""))
        pathway = self._compile(published, envelope.parameters).pathway
        return decide_site(before, pathway, was.command, was.now)

    def _compile(self, pathway: str, parameters: str) -> Compiled:
        found = self._compiled.get((pathway, parameters))
        if found is None:
            settings: Mapping[str, Json] = json.loads(self.store.parameters(parameters))
            model = pathway_from_bytes(self.store.pack(pathway))
            found = compile_pathway(model, hash_=pathway, parameters_hash=parameters, settings=settings)
            self._compiled[pathway, parameters] = found
        return found

    def _fold(self, kept: Kept, before: Episode | Site) -> None:
        """Go on from what was kept, never from what was decided now: one difference must not make a hundred."""
        decision = kept.decision
        if isinstance(before, Site):
            self.site = fold_site(before, decision.events)
        elif kept.envelope.episode is not None:
            reads = decision.reads if decision.outcome is Outcome.ACCEPTED else ()
            self.persons[kept.person] = fold_person(before.person, before.id, decision.events)
            self.episodes[before.id] = fold(before, decision.events, before.version + 1, reads)


def recaller(store: Store) -> Callable[[int], Decision]:
    """Make what gives the decision of an entry as it was told: with every clause, from what the entry keeps.

    Where this program would decide otherwise, it is what was kept: every rule's answer, without clauses and words.
    """
    compiled: dict[tuple[str, str], Compiled] = {}

    def recall(index: int) -> Decision:
        redone = Replay(store=store, _compiled=compiled).one(index)
        if redone.decision is not None and not redone.differences:
            return redone.decision
        return store.decision(index)

    return recall


def differences(kept: Kept, decision: Decision) -> tuple[str, ...]:
    """Name the parts of a decision that came out otherwise than they were kept."""
    was, now = _parts(kept.decision), _parts(decision)
    found = [name for name in (*PARTS, *LISTS) if was.get(name) != now.get(name)]
    if [RuleLine.of(rule) for rule in decision.rules] != list(kept.envelope.rules):
        found.append("rules")
    if not found and answer_hash(decision) != kept.answer:
        found.append("explanation")
    return tuple(found)


def _parts(decision: Decision) -> dict[str, Json]:
    written = to_json(decision)
    return written if isinstance(written, dict) else {}
