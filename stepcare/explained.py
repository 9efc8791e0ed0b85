"""One entry as its decision was seen: everything that was asked, answered and shown, made again and held to its seal.

Of an explanation an entry keeps the answers, the values read and a hash; the clauses and words are made again by
deciding with the same pack, numbers and facts. What is made again is committed to with the salt the entry was sealed
with: the same commitment, and it is what was decided then, down to the last word.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from engine.audit import Envelope, check_envelope, instant
from engine.decision import Recorded
from engine.errors import NotFound, StepcareError, Unverifiable
from engine.model import Json, Kind, Request
from engine.pathway import Pathway
from stepcare.answers import put
from stepcare.app import App
from stepcare.past import EVERY, Past, past_of
from stepcare.replay import Redone, Replay
from stepcare.shown import citations_of, entry_json, entry_line_json
from stepcare.story import LATE, wrong_json
from stepcare.words import words_of
from storage.beside import neighbours, unlike
from storage.database import SITE_REF
from storage.ledger import Kept, StoredEntry
from storage.store import Store
from storage.vault import KeyDestroyed
from workflows.load import pathway_from_bytes

Row = dict[str, Json]
EQUAL, DIFFERS, OTHER_ENGINE, LOST = "equal", "differs", "other_engine", "lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """An entry with what could be made again of it.

    `redone` None: its sealed part cannot be opened, and `lost` says why. `unlike` names the sections whose commitment
    the decision made again does not give; `past` is the episode's, None for the site's own entries.
    """

    stored: StoredEntry
    envelope: Envelope
    redone: Redone | None = None
    lost: StepcareError | None = None
    unlike: tuple[str, ...] = ()
    past: Past | None = None

    @property
    def verdict(self) -> str:
        """Say what making it again came to."""
        if self.redone is None:
            return LOST
        same = not self.redone.differences and not self.unlike
        return EQUAL if same else DIFFERS if self.redone.ours else OTHER_ENGINE


def explained(app: App, index: int) -> Explained:
    """Decide an entry again and hold it to its seal; NotFound where there is none, VerificationFailed for bytes not ours."""
    store = app.store
    stored = next(store.entries(index, index + 1), None)
    if stored is None:
        raise NotFound(what="entry", name=str(index), remedy="`stepcare audit show` without a number lists the latest")
    envelope = check_envelope(stored.entry)
    lost = _key_lost(app, stored)
    if lost is not None:
        return Explained(stored=stored, envelope=envelope, lost=lost)
    redone = Replay(store=store).one(index)
    if redone.lost is not None or redone.decision is None:
        return Explained(stored=stored, envelope=envelope, lost=redone.lost)
    return Explained(
        stored=stored,
        envelope=envelope,
        redone=redone,
        unlike=unlike(store.database, stored, redone.decision),
        past=past_of(app, envelope.episode) if envelope.episode else None,
    )


def _key_lost(app: App, stored: StoredEntry) -> StepcareError | None:
    """Say why an entry's sealed part cannot be opened, None where it can."""
    person = stored.person_ref
    if person is None or stored.blob is None:
        return Unverifiable(f"Entry {stored.idx} has no sealed part here: it was taken away, or never came.")
    entry = app.store.erased().get(person)
    if entry is not None:
        return Unverifiable(f"its person was erased, the key is gone by entry {entry}.")
    try:
        app.database.vault.key(person)
    except KeyDestroyed as error:
        return error
    except NotFound:
        return Unverifiable(f"the vault has no key of {person}: open the vault it was sealed with.")
    return None


# --- as JSON ------------------------------------------------------------------------------------------------------


def explained_json(app: App, found: Explained) -> Row:
    """Give an entry with everything that explains it; where it cannot be opened, what it says in the clear."""
    before, after = neighbours(app.database, found.stored.ep, found.stored.epn)
    beside: Row = {"number": found.stored.epn, "previous": before, "next": after}
    check = _check_json(found)
    redone = found.redone
    if redone is None or redone.kept is None or redone.decision is None:
        return {**_clear_json(found.envelope), "chain": beside, "check": check}
    pathway = _pack(app.store, redone.decision.pathway)
    row = entry_json(redone)
    row["messages"] = _messages(row["messages"], pathway)
    late = found.envelope.recorded_at - (found.envelope.occurred_at or found.envelope.recorded_at)
    return {
        **row,
        **_who_json(found.envelope),
        "happened_at": instant(found.envelope.occurred_at or found.envelope.recorded_at),
        "late_seconds": int(late.total_seconds()) if late >= LATE else None,
        "pack": _pack_json(pathway, redone.decision.pathway),
        "citations": _citations(redone, pathway),
        "recorded_in": _recorded_in(found, redone),
        "parameter_values": _parameters(app.store, redone),
        "reads": list(_reads(found)),
        "relied_wrongly": [wrong_json(one) for one in found.past.relied_wrongly(redone.kept)] if found.past else [],
        "corrects": found.envelope.corrects,
        "corrected_by": list(_corrected_by(found)),
        "misled": list(_misled(found)),
        "sign_off": _sign_off(app.store, found),
        "chain": beside,
        "check": check,
    }


def _clear_json(envelope: Envelope) -> Row:
    """Give what an entry says without its sealed part."""
    values: dict[str, Json] = {"t": True, "f": False, "u": "unknown"}
    rules: list[Json] = [
        {"id": one.id, "level": one.level, "value": values[one.value], "answer": one.answer} for one in envelope.rules
    ]
    return {
        **entry_line_json(envelope),
        "id": envelope.id,
        "state_before": envelope.state_before,
        "state": envelope.state,
        "rules": rules,
        "pathway": envelope.pathway,
        "parameters": envelope.parameters,
        "engine": envelope.engine,
        "happened_at": instant(envelope.occurred_at or envelope.recorded_at),
        "commitments": dict[str, Json](envelope.commitments),
        **_who_json(envelope),
    }


def _who_json(envelope: Envelope) -> Row:
    who = envelope.actor
    return {
        "actor": {"id": who.id, "kind": who.kind, "role": who.role, "on_behalf_of": who.on_behalf_of},
        "purpose": envelope.purpose,
        "key": envelope.key,
        "request_id": envelope.request,
    }


def _check_json(found: Explained) -> Row:
    redone = found.redone
    if redone is None or redone.kept is None:
        lost = found.lost
        return {"verdict": LOST, "why": str(lost) if lost else "", "code": lost.code if lost else "", "sections": {}}
    sections = {name: "differs" if name in found.unlike else "equal" for name in found.envelope.commitments}
    return {
        "verdict": found.verdict,
        "answer": redone.kept.answer,
        "sections": dict[str, Json](sections),
        "differences": list[Json](redone.differences),
    }


def _pack(store: Store, sha256: str) -> Pathway | None:
    """Give the pack an entry was decided with, None for one of the site's that needs none."""
    return pathway_from_bytes(store.pack(sha256)) if sha256 else None


def _pack_json(pathway: Pathway | None, sha256: str) -> Json:
    if pathway is None:
        return None
    return {"id": pathway.id, "version": pathway.version, "sha256": sha256, "worded_in": pathway.languages[0]}


def _citations(redone: Redone, pathway: Pathway | None) -> Row:
    """Give the sources of the rules that were asked, in words."""
    asked = {source for rule in (redone.decision.rules if redone.decision else ()) for source in rule.sources}
    known = citations_of(pathway) if pathway else {}
    return {source: known[source] for source in sorted(asked) if source in known}


def _recorded_in(found: Explained, redone: Redone) -> Row:
    """Give the entry that recorded each record a value came from."""
    rules = redone.decision.rules if redone.decision else ()
    named = {one.record for rule in rules for clause in rule.clauses for one in clause.inputs if one.record}
    records = found.past.records if found.past else {}
    return {record: records[record][1] for record in sorted(named) if record in records}


def _messages(messages: Json, pathway: Pathway | None) -> Json:
    """Give queued messages with their words, in the language they go out in."""
    said: Any = messages
    for one in said["queued"]:
        one["text"] = words_of(pathway, one["template"], one["language"]) if pathway else None
    return said  # type: ignore[no-any-return]  # JSON


def _parameters(store: Store, redone: Redone) -> Row:
    """Give the numbers that were read, and those the site had set; what was not read had its default."""
    decision = redone.decision
    inputs = (one for rule in (decision.rules if decision else ()) for clause in rule.clauses for one in clause.inputs)
    used = {one.fact.removeprefix("param."): one.value for one in inputs if one.fact.startswith("param.")}
    sha256 = redone.kept.envelope.parameters if redone.kept else ""
    return {"used": dict(sorted(used.items())), "set": json.loads(store.parameters(sha256))}


def _reads(found: Explained) -> Iterator[Row]:
    """Give the records the decision relied on."""
    if found.redone is None or found.redone.decision is None or found.past is None:
        return
    for record, version in found.redone.decision.reads:
        known = found.past.records.get(record)
        yield {
            "record": record,
            "version": version,
            "form": known[0].form if known else None,
            "entry": known[1] if known else None,
            "occurred_at": instant(known[0].occurred_at) if known else None,
            "recorded_at": instant(known[0].recorded_at) if known else None,
        }


def _corrected_by(found: Explained) -> Iterator[int]:
    """Give the entries that corrected what this one recorded."""
    if found.past is not None and found.redone is not None and found.redone.decision is not None:
        for event in found.redone.decision.events:
            if isinstance(event, Recorded):
                yield from (one.entry for one in found.past.corrected_by(event.record.id))


def _misled(found: Explained) -> Iterator[Row]:
    """Give, for a correction, the decisions that had relied on what it corrects."""
    past, index = found.past, found.stored.idx
    for step in past.steps if past is not None and found.envelope.corrects is not None else ():
        for wrong in past.relied_wrongly(step.kept) if past is not None else ():
            if index in wrong.corrected_by:
                yield {"entry": step.index, "outcome": step.kept.decision.outcome.value, "relied_on": wrong_json(wrong)}


# --- two persons --------------------------------------------------------------------------------------------------


def _sign_off(store: Store, found: Explained) -> Json:
    """Give the request this entry opened or answered, with both persons; None where it did neither."""
    decision = found.redone.decision if found.redone else None
    if decision is None:
        return None
    name = decision.command.of if decision.command.kind is Kind.SIGN_OFF else None
    opened = next(put(decision, Request), None)
    name = name or (opened.id if opened else None)
    if name is None:
        return None
    asked: Row | None = None
    answered: Row | None = None
    last: Request | None = None
    for kept in _chain(store, found):
        request = next((one for one in put(kept.decision, Request) if one.id == name), None)
        if request is None:
            continue
        last = request
        if request.status == "open":
            asked = _person_json(kept)
        else:
            answered = {**_person_json(kept), "answer": kept.decision.command.values.get("answer")}
    if last is None:
        return {"request": name, "status": "unknown", "asked": None, "answered": None}
    roles = [role.value for role in last.roles]
    said: Row = {"request": name, "rules": list(last.rules), "roles": list[Json](roles), "status": last.status}
    return {**said, "why": last.why, "asked": asked, "answered": answered}


def _chain(store: Store, found: Explained) -> Iterator[Kept]:
    if found.past is not None:
        yield from (step.kept for step in found.past.steps)
    else:
        yield from (store.kept(one.idx) for one in store.entries_about(SITE_REF, EVERY))


def _person_json(kept: Kept) -> Row:
    envelope = kept.envelope
    return {
        "entry": envelope.index,
        "by": envelope.actor.id,
        "role": envelope.actor.role,
        "at": instant(envelope.recorded_at),
        "outcome": envelope.outcome,
    }
