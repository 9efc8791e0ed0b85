"""A decision as a response: accepted 200 or 201, waiting for a second person 202, else a problem that explains itself."""

from dataclasses import replace

from starlette.responses import Response

from engine.compiled import Compiled
from engine.decision import Decision, Put
from engine.model import DueItem, Episode, Kind, Outcome
from engine.service import Answer
from stepcare.answers import answer_json
from stepcare.unseen import PERMISSION, sees_answer, unseen
from stepcare.web.call import Call, json_answer
from stepcare.web.problem import Problem, etag

NOT_PERMITTED = "Your role or your care team does not permit this."


def answered(call: Call, answer: Answer, *, created: str | None = None) -> Response:
    """Give the response to a command. `created` is the place of what an accepted command has made."""
    if answer.repeated:
        answer = _as_then(call, answer)
    elif answer.entry is not None:
        call.service.figures.decided(answer.decision.command.kind, answer.decision.outcome)
    row, headers = answer_json(answer), _version(answer)
    if not sees_answer(call.asker.actor, answer):
        row, headers = unseen(row), []
    if answer.repeated:
        headers.append((b"idempotency-replayed", b"true"))
    _noted(call, answer)
    outcome = answer.decision.outcome
    if outcome is Outcome.ACCEPTED and created is not None:
        return json_answer(row, 201, (*headers, (b"location", created.encode())))
    if outcome in (Outcome.ACCEPTED, Outcome.NEEDS_SIGN_OFF):
        return json_answer(row, 200 if outcome is Outcome.ACCEPTED else 202, tuple(headers))
    unsaid = call.unsaid(_compiled(call, answer))
    code, detail = _problem(answer.decision, unsaid.sentence(answer.decision.problem))
    raise Problem(code, detail, headers=tuple(headers), **unsaid.decision(row))


def _noted(call: Call, answer: Answer) -> None:
    """Note what an answer shows without leaving an entry of its own: a preview, and one that was given before."""
    command = answer.decision.command
    if answer.entry is not None and not answer.repeated:
        return
    person = answer.before.person.id if isinstance(answer.before, Episode) else None
    call.looked(
        "read.episode" if answer.repeated else "preview",
        persons=[person] if person else [],
        episodes=[command.episode] if command.episode else [],
        query={"command": command.kind},
    )


def _compiled(call: Call, answer: Answer) -> Compiled | None:
    """Give the pathway a decision was made on; only what is not accepted needs its words."""
    before = answer.before
    return call.app.engine.compiled(before.pathway) if isinstance(before, Episode) else call.in_force()


def _problem(decision: Decision, problem: str) -> tuple[str, str]:
    if decision.outcome is Outcome.INVALID:
        return "invalid-answers", problem
    if PERMISSION in decision.failed:
        said = next((rule for rule in decision.rules if rule.id == PERMISSION), None)
        return "refused", f"{said.message} {said.remedy}".strip() if said else ""
    return "refused-by-rules", problem


def _version(answer: Answer) -> list[tuple[bytes, bytes]]:
    """Give the episode's version now, if there is an episode."""
    after, command = answer.after, answer.decision.command
    nobody = command.kind is Kind.REGISTER and answer.decision.outcome is not Outcome.ACCEPTED
    return [] if not isinstance(after, Episode) or nobody else [(b"etag", etag(after.version))]


# --- said before --------------------------------------------------------------------------------------------------


def _as_then(call: Call, answer: Answer) -> Answer:
    """Give a repeated answer on what it was given on first, so that new due items are told from changed ones."""
    before = answer.before
    if not isinstance(before, Episode) or answer.entry is None:
        return answer
    return replace(answer, before=replace(before, due_items=_owed_before(call, before, answer.entry)))


def _owed_before(call: Call, episode: Episode, entry: int) -> tuple[DueItem, ...]:
    """Give the due items that were there before an entry."""
    store = call.app.store
    earlier = [store.kept(one.idx).decision for one in store.entries_of(episode.id) if one.idx < entry]
    known = {
        event.item.id
        for decision in earlier
        for event in decision.events
        if isinstance(event, Put) and isinstance(event.item, DueItem)
    }
    return tuple(item for item in episode.due_items if item.id in known)
