"""What an entry says in the clear, held against the decision that is sealed with it.

The clear part is what lists, searches and the published log go by. It is made again from the sealed decision, the
entry's place and the log before it, and compared field by field. Two things stand in the clear alone: when it was
recorded, and how each rule was answered; the sealed hash of the whole answer holds them, and deciding again
(`audit replay`) compares it. Here the rules must fit what is sealed of them: which failed, which were shown, and which
were overridden.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields

from engine.audit import Agent, Envelope
from engine.decision import Decision, Erased, KeyGone, ParameterSet, Published, Recorded, Registered
from engine.model import Json, Kind, Level, Request, Site
from engine.service import parameters_hash
from storage.ledger import Link, entry_of

COMPARED_APART = ("recorded_at", "rules", "engine")  # the same in both, by the way it is made again


class Clear:
    """The clear parts of a log, each compared with what is sealed; goes on with the site."""

    def __init__(self, site: Site) -> None:
        """Begin before the first entry."""
        self._packs: set[str] = set()
        self._set = parameters_hash(site.parameters)
        self._sets = {self._set}
        self._followed = True

    def lost(self) -> None:
        """Say that an entry of the site could not be read: which pathways and numbers there were is not known."""
        self._followed = False

    def go_on(self, decision: Decision, site: Site) -> None:
        """Go on by a decision that left the site like this."""
        if any(isinstance(event, ParameterSet) for event in decision.events):
            self._set = parameters_hash(site.parameters)
            self._sets.add(self._set)
        self._packs |= {event.hash for event in decision.events if isinstance(event, Published)}

    def unlike(
        self, envelope: Envelope, decision: Decision, requests: Iterable[Request], find: Callable[[str], int | None]
    ) -> tuple[str, ...]:
        """Name the fields that do not follow from the sealed decision.

        `requests` are those of its episode or site until then, `find` gives an entry's index by its id.
        """
        registered = any(isinstance(event, Registered) for event in decision.events)
        link = Link(
            index=envelope.index,
            # A refused registration leaves no episode behind: its entry is the site's.
            chain=None if envelope.episode is None and not registered else decision.command.episode,
            number=envelope.episode_index,
            previous=bytes.fromhex(envelope.previous) if envelope.previous else None,
            before=envelope.version_before,
            after=envelope.version_after,
            parameters=envelope.parameters,
            corrects=_corrected(decision, find),
        )
        again = entry_of(decision.command, decision, link, envelope.commitments)
        found = [] if again == envelope else list(_different(envelope, again))
        found += self._unknown(envelope, decision)
        if not _fit(envelope, decision, requests):
            found.append("rules")
        if any(moment != envelope.recorded_at for moment in _moments(decision)):
            found.append("recorded_at")
        return tuple(dict.fromkeys(found))

    def _unknown(self, envelope: Envelope, decision: Decision) -> Iterator[str]:
        """Name pathway and parameters where the site had no such ones.

        An episode's own pathway is compared where it is folded. Its numbers were the site's at some time before: at
        which, only the order of two commits tells.
        """
        if not self._followed:
            return
        if envelope.episode is None and decision.command.episode is None:
            named: Json = decision.command.values.get("hash")
            if envelope.parameters != self._set:
                yield "parameters"
            if (envelope.pathway or "") != str(named or ""):
                yield "pathway"
            return
        if envelope.parameters not in self._sets:
            yield "parameters"
        if envelope.episode is None and envelope.pathway not in self._packs:
            yield "pathway"


def _different(said: Envelope, again: Envelope) -> Iterator[str]:
    for one in fields(Envelope):
        if one.name not in COMPARED_APART and getattr(said, one.name) != getattr(again, one.name):
            if one.name == "actor":
                yield from (
                    f"actor's {part.name}"
                    for part in fields(Agent)
                    if getattr(said.actor, part.name) != getattr(again.actor, part.name)
                )
            else:
                yield one.name


def _corrected(decision: Decision, find: Callable[[str], int | None]) -> int | None:
    if decision.command.kind is Kind.CORRECT:
        for event in decision.events:
            if isinstance(event, Recorded) and event.supersedes:
                return find(event.supersedes)
    return None


def _fit(envelope: Envelope, decision: Decision, requests: Iterable[Request]) -> bool:
    """Say whether the rules' answers fit what is sealed: which failed, which were shown, which were overridden."""
    command = decision.command
    asked = next((one.command.overrides for one in requests if one.id == command.of), ())
    reasons = {(one.rule, f"override:{one.reason}") for one in (*command.overrides, *asked)}
    if any(line.answer.startswith("override:") and (line.id, line.answer) not in reasons for line in envelope.rules):
        return False
    no = {rule.id for rule in decision.rules if not rule.satisfied and rule.level is not Level.INFO}
    failed, shown = set(decision.failed), set(decision.prompts)
    return failed <= no <= failed | shown and shown <= {rule.id for rule in decision.rules}


def _moments(decision: Decision) -> Iterator[object]:
    """Give when it was recorded, as far as a sealed event says so."""
    for event in decision.events:
        if isinstance(event, Recorded):
            yield event.record.recorded_at
        elif isinstance(event, Erased):
            yield event.erasure.at
        elif isinstance(event, KeyGone):
            yield event.at
