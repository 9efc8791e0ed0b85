"""The one door: a command comes in, a decision and its entry go out.

Reads the clock once a command. Everything below is pure; everything kept is kept in one commit by the store.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from threading import Lock
from typing import Protocol

import structlog

from engine.closing import Closing
from engine.codec import asked, digest_of
from engine.compile import compile_pathway
from engine.compiled import Compiled
from engine.custody import FIELDS, custody_asked, person_asked
from engine.decide import decide
from engine.decision import Decision
from engine.errors import BadPack, InvalidInput, KeyReused, NotFound, StaleEpisode, StepcareError
from engine.fire import REPLAN
from engine.fold import fold, fold_person, fold_site
from engine.model import Actor, Command, Episode, Json, Kind, Outcome, Person, Role, Site
from engine.names import names
from engine.pathway import Pathway
from engine.prove import prove_pathway
from engine.site import PATHLESS, decide_site
from engine.why import Option, options

log = structlog.get_logger("stepcare")

TRIES = 3
SITE_KINDS = (Kind.PUBLISH, Kind.SET_PARAMETER, *PATHLESS, *FIELDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Everything one decision asks the store to keep, in one commit.

    `before` and `after` are the episode or the site. For the site `person_after` is None, and `person_before` whom it
    was decided about (None: nobody). `packs` are (sha256, bytes, pathway id, version label) to add, `parameter_sets`
    (sha256, bytes).
    """

    command: Command
    decision: Decision
    before: Episode | Site
    after: Episode | Site
    person_before: Person | None = None
    person_after: Person | None = None
    request_hash: str = ""
    packs: tuple[tuple[str, bytes, str, str], ...] = ()
    parameter_sets: tuple[tuple[str, bytes], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """What became of a change: its entry's index, or why it was not kept.

    `repeated`: the entry is that of an earlier sending of the same request, which was decided in its own way.
    """

    index: int | None
    error: Exception | None = None
    repeated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a command is about, as it was at one moment.

    `episode` None: there is none, or none was asked for. `known`: (entry, request hash) that the actor's idempotency
    key stands for, None for a new key.
    """

    site: Site
    episode: Episode | None
    known: tuple[int, str] | None


class Store(Protocol):
    """Where episodes are kept. Owned by this module; `storage.store.Store` fulfils it."""

    def look(self, command: Command) -> Seen:
        """Give what a command is about as it is now."""

    def site(self) -> Site:
        """Give the site as it is now."""

    def episode(self, episode: str) -> Episode:
        """Give an episode as it is now; raises NotFound."""

    def person(self, person: str) -> Person:
        """Give a person as they are now; raises NotFound for one the vault does not know."""

    def closing(self, person: str) -> Closing:
        """Give the entries about a person so far, which erasing them would close for ever."""

    def pack(self, sha256: str) -> bytes:
        """Give the bytes of a published pack; raises NotFound."""

    def decision(self, index: int) -> Decision:
        """Give the decision an entry keeps, as it was explained; raises NotFound."""

    def apply(self, changes: Sequence[Change]) -> Sequence[Applied]:
        """Keep decisions durably, all that can be kept; returns after COMMIT."""

    def due_timers(self, now: datetime, limit: int) -> Sequence[tuple[str, str]]:
        """Give (episode, timer) of armed timers whose instant has come, the earliest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the door gives back. `entry` None: nothing was kept (invalid). `repeated`: the key was known."""

    decision: Decision
    before: Episode | Site
    after: Episode | Site
    entry: int | None
    repeated: bool = False


@dataclass(slots=True)
class Engine:
    """The door. Thread-safe: it holds nothing but caches of compiled pathways.

    `read_pack` reads the stored bytes of a pack. `recall` gives the decision of an entry as it was told (None: as it
    was kept, without clauses and words).
    """

    store: Store
    clock: Callable[[], datetime]
    read_pack: Callable[[bytes], Pathway] = Pathway.model_validate_json
    recall: Callable[[int], Decision] | None = None
    _compiled: dict[tuple[str, str], Compiled] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def handle(self, command: Command) -> Answer:
        """Decide a command and keep it. A lost race without a stated version is decided again, at most thrice.

        Raises StaleEpisode where the caller stated a version that is no longer current, KeyReused where the key
        stands for another request, NotFound where the episode is not here.
        """
        now = self.clock()
        for attempt in range(TRIES):
            seen = self.store.look(command)
            known = self._known(command, seen)
            if known is not None:
                return known
            change = self._change(command, now, seen)
            if change.decision.outcome is Outcome.INVALID:
                return Answer(decision=change.decision, before=change.before, after=change.before, entry=None)
            (applied,) = self.store.apply((change,))
            if applied.error is None:
                return self._answer(change, applied)
            retry = isinstance(applied.error, StaleEpisode) and command.version is None and attempt + 1 < TRIES
            if not retry:
                raise applied.error
        raise AssertionError("the last try returns or raises")

    def handle_each(self, commands: Sequence[Command]) -> list[Answer | Exception]:
        """Handle several commands, each on its own: one that fails leaves the others untouched (bulk work).

        Those about different episodes share a commit. Where one has lost a race, it is handled again by itself.
        """
        found: dict[int, Answer | Exception] = {}
        waiting = list(enumerate(commands))
        while waiting:
            together, waiting = _apart(waiting)
            found.update(self._handle_together(together))
        return [found[position] for position in range(len(commands))]

    def _handle_together(self, commands: Sequence[tuple[int, Command]]) -> Iterator[tuple[int, Answer | Exception]]:
        now = self.clock()
        changes: list[tuple[int, Change]] = []
        for position, command in commands:
            try:
                seen = self.store.look(command)
                known = self._known(command, seen)
                change = self._change(command, now, seen) if known is None else None
            except StepcareError as error:
                yield position, error
                continue
            if known is not None:
                yield position, known
            elif change is not None and change.decision.outcome is Outcome.INVALID:
                yield position, Answer(decision=change.decision, before=change.before, after=change.after, entry=None)
            elif change is not None:
                changes.append((position, change))
        kept = self.store.apply([change for _, change in changes]) if changes else ()
        for (position, change), applied in zip(changes, kept, strict=True):
            yield position, self._kept(change, applied)

    def _answer(self, change: Change, applied: Applied) -> Answer:
        if applied.repeated and applied.index is not None:
            return self._repeated(applied.index, change.before)
        self._tell(change, applied.index)
        return Answer(decision=change.decision, before=change.before, after=change.after, entry=applied.index)

    def _repeated(self, index: int, present: Episode | Site) -> Answer:
        told = (self.recall or self.store.decision)(index)
        return Answer(decision=told, before=present, after=present, entry=index, repeated=True)

    def _kept(self, change: Change, applied: Applied) -> Answer | Exception:
        if applied.error is None:
            return self._answer(change, applied)
        if not isinstance(applied.error, StaleEpisode) or change.command.version is not None:
            return applied.error
        try:
            return self.handle(change.command)
        except StepcareError as error:
            return error

    def replan(self, episodes: Sequence[str], make_id: Callable[[], str]) -> list[Answer | Exception]:
        """Give armed due work the site's present numbers, episode by episode, one entry each."""
        service = Actor(id="worker", role=Role.SERVICE)
        return self.handle_each(
            [Command(id=make_id(), kind=Kind.FIRE, actor=service, episode=episode, of=REPLAN) for episode in episodes]
        )

    def preview(self, command: Command) -> Answer:
        """Decide a command and keep nothing."""
        change = self._change(command, self.clock(), self.store.look(command))
        return Answer(decision=change.decision, before=change.before, after=change.after, entry=None)

    def options(self, episode: str, actor: Actor) -> tuple[Option, ...]:
        """Give every transition from here, open or with each rule that closes it."""
        found = self.store.episode(episode)
        return options(self.compiled(found.pathway), found, actor, self.clock())

    def compiled(self, pathway: str, settings: Mapping[str, Json] | None = None) -> Compiled:
        """Give a published pathway compiled under these numbers; None: the site's present parameter set."""
        return self._compile(pathway, self.store.site().parameters if settings is None else settings)

    def fire_due(self, make_id: Callable[[], str], limit: int = 100) -> list[Answer]:
        """Fire the timers whose instant has come, each as an entry of its own; the worker calls this."""
        service = Actor(id="worker", role=Role.SERVICE)
        commands = [
            Command(id=make_id(), kind=Kind.FIRE, actor=service, episode=episode, of=timer)
            for episode, timer in self.store.due_timers(self.clock(), limit)
        ]
        found = []
        for answer in self.handle_each(commands):
            if isinstance(answer, Exception):
                raise answer
            found.append(answer)
        return found

    # --- how a change is made ---------------------------------------------------------------------------------

    def _known(self, command: Command, seen: Seen) -> Answer | None:
        if seen.known is None:
            return None
        index, hashed = seen.known
        if hashed != request_hash(command):
            raise KeyReused(key=command.key or "", entry=index)
        present: Episode | Site = _there(command, seen) if command.episode else seen.site
        return self._repeated(index, present)

    def _change(self, command: Command, now: datetime, seen: Seen) -> Change:
        if command.kind in SITE_KINDS or command.episode is None:
            return self._site_change(command, now, seen.site)
        before = _there(command, seen) if command.kind is not Kind.REGISTER else self._new(command, seen)
        if command.version is not None and command.version != before.version:
            raise StaleEpisode(episode=before.id, seen=command.version, current=before.version)
        compiled = self._compile(before.pathway, seen.site.parameters)
        decision = decide(compiled, before, command, now)
        reads = decision.reads if decision.outcome is Outcome.ACCEPTED else ()
        return Change(
            command=command,
            decision=decision,
            before=before,
            after=fold(before, decision.events, before.version + 1, reads),
            person_before=before.person,
            person_after=fold_person(before.person, before.id, decision.events),
            request_hash=_bound(command),
        )

    def _new(self, command: Command, seen: Seen) -> Episode:
        """Give the episode a registration is about: empty, on the published pathway, unless it is there already."""
        if seen.episode is not None:
            return seen.episode
        site, wanted = seen.site, command.values.get("pathway")
        pathway = str(wanted) if wanted else next(iter(site.pathways), "")
        if pathway not in site.pathways:
            raise InvalidInput(f"No pathway {pathway!r} is published here: publish it first.")
        person = self.store.person(str(command.values.get("patient") or ""))
        return Episode(id=command.episode or "", person=person, pathway=site.pathways[pathway], zone=site.zone)

    def _site_change(self, command: Command, now: datetime, site: Site) -> Change:
        if command.kind is Kind.PUBLISH:
            raise InvalidInput("A pathway is published with its proved pack: use `stepcare pathway publish`.")
        if command.kind not in (*SITE_KINDS, Kind.SIGN_OFF):
            raise InvalidInput(f"{command.kind} needs an episode: say which.")
        free = command.kind in PATHLESS or custody_asked(site, command) is not None
        return self._site_decided(site, None if free else self._published(site), command, now)

    def _site_decided(self, site: Site, pathway: Pathway | None, command: Command, now: datetime) -> Change:
        ref = person_asked(site, command)
        person = self.store.person(ref) if ref else None
        decision = decide_site(site, pathway, command, now, person, self.store.closing(ref) if ref else None)
        after, bound = fold_site(site, decision.events), _bound(command)
        return Change(
            command=command, decision=decision, before=site, after=after, person_before=person, request_hash=bound
        )

    def _published(self, site: Site) -> Pathway:
        if not site.pathways:
            raise InvalidInput("No pathway is published here: publish one first.")
        return self._compile(next(iter(site.pathways.values())), site.parameters).pathway

    def publish(self, command: Command, pathway: Pathway, bytes_: bytes) -> Answer:
        """Publish a pack: its bytes are what the hash says, and it is proved here, whoever asks.

        Raises BadPack with every finding (the loader gives them their places), InvalidInput for other bytes.
        """
        if hashlib.sha256(bytes_).hexdigest() != command.values.get("hash"):
            raise InvalidInput("These are not the bytes of that hash: load the pack anew and publish what was loaded.")
        findings = prove_pathway(pathway, names(pathway))
        if findings:
            raise BadPack(findings)
        site = self.store.site()
        pack = (hashlib.sha256(bytes_).hexdigest(), bytes_, pathway.id, pathway.version)
        change = replace(self._site_decided(site, pathway, command, self.clock()), packs=(pack,))
        if change.decision.outcome is Outcome.INVALID:
            return Answer(decision=change.decision, before=site, after=site, entry=None)
        (applied,) = self.store.apply((change,))
        if applied.error is not None:
            raise applied.error
        self._tell(change, applied.index)
        return Answer(decision=change.decision, before=site, after=change.after, entry=applied.index)

    def _compile(self, pathway: str, settings: Mapping[str, Json]) -> Compiled:
        parameters = parameters_hash(settings)
        with self._lock:
            found = self._compiled.get((pathway, parameters))
        if found is not None:
            return found
        model = self.read_pack(self.store.pack(pathway))
        made = compile_pathway(model, hash_=pathway, parameters_hash=parameters, settings=settings)
        with self._lock:
            return self._compiled.setdefault((pathway, parameters), made)

    def _tell(self, change: Change, index: int | None) -> None:
        """Write the one log line of a command: ids and codes, never names or clinical text."""
        decision = change.decision
        log.info(
            "decided",
            entry=index,
            episode=change.command.episode,
            kind=change.command.kind.value,
            outcome=decision.outcome.value,
            move=decision.transition,
            failed=list(decision.failed),
        )


def _there(command: Command, seen: Seen) -> Episode:
    if seen.episode is None:
        raise NotFound(
            what="episode",
            name=command.episode or "",
            remedy="`stepcare episode list` shows those that are here",
        )
    return seen.episode


def _apart(
    waiting: Sequence[tuple[int, Command]],
) -> tuple[list[tuple[int, Command]], list[tuple[int, Command]]]:
    """Split off the first commands, up to one about an episode (or with a key) that is among them already."""
    seen: set[object] = set()
    for position, (_, command) in enumerate(waiting):
        own = {command.episode, (command.actor.id, command.key) if command.key is not None else command.episode}
        if own & seen:
            return list(waiting[:position]), list(waiting[position:])
        seen |= own
    return list(waiting), []


def _bound(command: Command) -> str:
    """Give what the command's key binds; nothing where it has none."""
    return "" if command.key is None else request_hash(command)


def request_hash(command: Command) -> str:
    """Give what an idempotency key binds: everything asked, nothing that differs between two sendings."""
    return digest_of(
        {
            **asked(command),
            "occurred_at": command.occurred_at.isoformat() if command.occurred_at else None,
        }
    )


def parameters_hash(settings: Mapping[str, Json]) -> str:
    """Give the identity of a parameter set."""
    return digest_of(dict(sorted(settings.items())))
