"""Derived facts: one function each, everywhere the same, never stored as truth.

Every function takes the view and gives a value, None when it cannot be known. `RESOLVERS` is the index
by the name conditions use; `names.py` gives the same names their types.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime

from engine.facts import Item, Number, Value
from engine.fold import current, root_of
from engine.measures import comparable, improvement, number_of, respond
from engine.model import Episode, Json, Record
from engine.view import View

ACTIVE = "active"


# --- where the episode is ---------------------------------------------------------------------------------------


def step(view: View) -> int:
    """Give the treatment step of the state, 0 outside the four."""
    state = view.compiled.pathway.states.get(view.episode.state)
    return (state.step if state else None) or 0


def visited(view: View) -> frozenset[str]:
    """Give every state the episode has been in."""
    return frozenset(stay.state for stay in view.episode.stays)


def return_to(view: View) -> str | None:
    """Give the state a hold or a concern would return to."""
    return view.episode.return_to[-1][0] if view.episode.return_to else None


def other_open(view: View) -> bool:
    """Say whether the person has another open episode for the same region."""
    region = _region(view)
    return any(
        kind in ("open", ACTIVE) and other == region
        for key, (other, kind) in view.episode.person.episodes.items()
        if key != view.episode.id
    )


def _region(view: View) -> str | None:
    record = view.latest("registration")
    return str(record.values.get("region")) if record else None


def stay_days(view: View) -> int:
    """Count the days in this state, pauses not counted."""
    start = since(view)
    return max((view.day - start).days - view.paused_days(start, view.day), 0)


def since(view: View) -> date:
    """Give the day the present stay began."""
    return view.local(view.episode.stays[view.root].since) if view.root >= 0 else view.day


def closed_days(view: View) -> int | None:
    """Count the days since the episode was closed; None while it is open."""
    kind = view.compiled.pathway.states[view.episode.state].kind if view.episode.state else "open"
    return (view.day - view.local(view.episode.stays[-1].since)).days if kind == "closed" else None


# --- onset and chronicity -----------------------------------------------------------------------------------------


def onset(view: View) -> date | None:
    """Give the day the problem began, None when it is not known."""
    found = view.value(view.compiled.pathway.chronicity.onset)
    return found if isinstance(found, date) else None


def age_days(view: View) -> int | None:
    """Count the days since onset."""
    began = onset(view)
    return max((view.day - began).days, 0) if began else None


def chronicity(view: View) -> str | None:
    """Say acute, subacute or chronic by the days since onset; None when onset is unknown."""
    age, borders = age_days(view), view.compiled.pathway.chronicity
    subacute, chronic = view.number(borders.subacute_from), view.number(borders.chronic_from)
    if age is None or subacute is None or chronic is None:
        return None
    return "acute" if age < subacute else "subacute" if age < chronic else "chronic"


# --- response -----------------------------------------------------------------------------------------------------


def _scores(view: View, instrument: str) -> Iterator[tuple[Record, Json]]:
    """Give every valid record with a score of this instrument, in order of occurrence."""
    for form, fields in view.compiled.score_fields.get(instrument, {}).items():
        for record in view.records(form):
            for key in fields:
                if record.values.get(key) is not None:
                    yield record, record.values[key]


def pair(view: View, instrument: str) -> tuple[Json, Json] | None:
    """Give (baseline, follow-up) of an instrument for the present stay; None when either is missing.

    The baseline is the last score before the stay began (else the first in it), the follow-up the last in it.
    """
    found = sorted(_scores(view, instrument), key=lambda one: (one[0].occurred_at, one[0].version))
    before: list[Json] = []
    within: list[Json] = []
    for record, score in found:
        if view.later(record):
            continue
        (within if _counts_here(view, record) else before).append(score)
        if record is not view.pending.record:
            view.reads[record.id] = record.version
    if before and within:
        return before[-1], within[-1]
    return (within[0], within[-1]) if len(within) > 1 else None


def _counts_here(view: View, record: Record) -> bool:
    return view.in_stay(record) if record.episode == view.episode.id else False


def response(view: View) -> str | None:
    """Classify the change of the first pain instrument that has a comparable baseline and follow-up."""
    settings = view.compiled.pathway.response
    thresholds = view.compiled.thresholds
    for name in settings.pain:
        instrument, found = view.compiled.pathway.instruments[name], pair(view, name)
        if found and thresholds and comparable(instrument, *found):
            return str(respond(instrument, *found, thresholds))
    return None


def same_scale(view: View) -> bool | None:
    """Say whether any pain score can be compared with the baseline; None when one of the two is missing."""
    answers = []
    names = view.compiled.pathway.response.pain
    before = [n for n in names if any(not _counts_here(view, r) for r, _ in _scores(view, n))]
    within = [n for n in names if any(_counts_here(view, r) for r, _ in _scores(view, n))]
    if not before or not within:
        return None
    for name in set(before) & set(within):
        found = pair(view, name)
        answers.append(bool(found and comparable(view.compiled.pathway.instruments[name], *found)))
    return any(answers)


def function_change(view: View) -> str | None:
    """Say how function changed: by the threshold where the site has set one, else by the clinician's word."""
    settings = view.compiled.pathway.response
    threshold = view.number(settings.function_points)
    if threshold is not None:
        for name in settings.function:
            instrument, found = view.compiled.pathway.instruments[name], pair(view, name)
            if found and comparable(instrument, *found):
                change = improvement(instrument, *found)
                return "improved" if change >= threshold else "worse" if change <= -threshold else "unchanged"
    form, _, key = settings.function_word.partition(".")
    said = [record for record in view.records(form) if record.values.get(key) is not None and view.in_stay(record)]
    return str(said[-1].values[key]) if said else None


def agrees(view: View) -> Value | None:
    """Say whether the person agrees that they are better, as the pack asks it."""
    return view.compiled.agrees.evaluate(view)


def first_and_last(view: View, instrument: str) -> tuple[Number | None, Number | None]:
    """Give the first and the last number of an instrument in this episode, for lists and trends."""
    found = [score for record, score in _scores(view, instrument) if record.episode == view.episode.id]
    if not found:
        return None, None
    sheet = view.compiled.pathway.instruments[instrument]
    return number_of(sheet, found[0]), number_of(sheet, found[-1])


# --- red flags ----------------------------------------------------------------------------------------------------


def flags(view: View, *urgencies: str) -> int:
    """Count the open red flags of these urgencies (all, when none is named)."""
    return sum(
        1 for flag in view.episode.flags if flag.cleared_at is None and (not urgencies or flag.urgency in urgencies)
    )


def emergencies(view: View) -> int:
    """Count the open emergency flags of the person over all their episodes."""
    own = {f"{view.episode.id}/{flag.id}" for flag in view.episode.flags}
    return flags(view, "emergency") + sum(1 for flag in view.episode.person.emergencies if flag not in own)


def screen(view: View) -> Record | None:
    """Give the latest red-flag screen of this episode."""
    found = [record for form in view.compiled.screens if (record := view.latest(form)) is not None]
    return max(found, key=lambda record: record.occurred_at, default=None)


def screen_days(view: View) -> int | None:
    """Count the days since the last red-flag screen."""
    found = screen(view)
    return max((view.day - view.local(found.occurred_at)).days, 0) if found else None


def _screened(count: Callable[[View, Mapping[str, Json]], int]) -> Callable[[View], int | None]:
    def ask(view: View) -> int | None:
        found = screen(view)
        return None if found is None else count(view, found.values)

    return ask


def _present(view: View, values: Mapping[str, Json]) -> int:
    return sum(1 for item in view.compiled.pathway.red_flags if values.get(item) == "present")


def _unanswered(view: View, values: Mapping[str, Json]) -> int:
    return sum(1 for item in view.compiled.pathway.red_flags if values.get(item) is None)


def _unknown_emergency(view: View, values: Mapping[str, Json]) -> int:
    items = view.compiled.pathway.red_flags.items()
    return sum(1 for item, flag in items if flag.urgency == "emergency" and values.get(item) == "unknown")


def _weighing(view: View, values: Mapping[str, Json]) -> int:
    items = view.compiled.pathway.red_flags.items()
    return sum(1 for item, flag in items if flag.on_present == "weigh" and values.get(item) == "present")


# --- treatments and work owed -------------------------------------------------------------------------------------


def treatments(view: View) -> tuple[Item, ...]:
    """Give every treatment of the episode as a list conditions can count."""
    found: list[Item] = []
    for one in view.episode.treatments:
        starts = view.values(one.record).get("starts_on")
        found.append(
            {
                "kind": one.kind,
                "group": view.compiled.pathway.treatments[one.kind].kind,
                "status": one.status,
                "this_stay": root_of(view.episode, one.stay) == view.root,
                "days_ago": max((view.day - view.local(one.since)).days, 0),
                "starts_in": (date.fromisoformat(starts) - view.day).days if isinstance(starts, str) else None,
            }
        )
    return tuple(found)


def running(view: View, group: str) -> int:
    """Count the treatments of a group that are running."""
    return sum(
        1
        for one in view.episode.treatments
        if one.status == ACTIVE and view.compiled.pathway.treatments[one.kind].kind == group
    )


def planned_found(view: View) -> bool:
    """Say whether what is recorded was planned: it names an open plan, or corrects the record that ended one."""
    for one in view.episode.treatments:
        if one.id == view.pending.of and one.status == "planned":
            return True
        ended = current(view.shelves.by_id, one.record) if one.id != one.record else None
        if ended is not None and ended.id == view.pending.supersedes:
            return True
    return False


def is_overdue(due_at: datetime | None, status: str, now: datetime) -> bool:
    """Say whether work is overdue: open, and its window has closed. The one definition, for every reader."""
    return status == "open" and due_at is not None and now >= due_at


def overdue(episode: Episode, now: datetime) -> int:
    """Count the overdue items of an episode."""
    return sum(is_overdue(item.due_at, item.status, now) for item in episode.due_items)


def tasks_open(view: View) -> int:
    """Count the open items whose window has begun."""
    return sum(1 for item in view.episode.due_items if item.status == "open" and item.opens_at <= view.now)


def late_days(view: View) -> int | None:
    """Count the days since the missed due date of the person's open visit; None when none was missed.

    A visit is work whose ladder ends in a proposal to decide: triage, assessment, reassessment, maintenance.

    In a pause it stands still like the window itself: a person on hold gets no later.
    """
    until = view.last_counted()
    missed = [
        (until - item.due_on).days
        for item in view.episode.due_items
        if item.kind in view.compiled.visits
        and item.status in ("open", "on_hold")
        and item.due_on
        and item.due_on < until
    ]
    return max(missed, default=None)


RESOLVERS: Mapping[str, Callable[[View], Value | None]] = {
    "state": lambda view: view.episode.state or None,
    "step": step,
    "today": lambda view: view.day,
    "visited": visited,
    "return_to": return_to,
    "other_open": other_open,
    "chronicity": chronicity,
    "age_days": age_days,
    "response": response,
    "function_change": function_change,
    "agrees": agrees,
    "same_scale": same_scale,
    "treatments": treatments,
    "stay.day": lambda view: view.stay_day(view.day),
    "stay.days": stay_days,
    "stay.since": since,
    "stay.clock": lambda view: view.clock(),
    "flags.open": flags,
    "flags.urgent": lambda view: flags(view, "urgent", "emergency"),
    "flags.emergency": emergencies,
    "screen.days": screen_days,
    "screen.present": _screened(_present),
    "screen.unanswered": _screened(_unanswered),
    "screen.unknown_emergency": _screened(_unknown_emergency),
    "screen.weighing": _screened(_weighing),
    "running.active": lambda view: running(view, "active"),
    "running.passive": lambda view: running(view, "passive"),
    "running.support": lambda view: running(view, "support"),
    "tasks.open": tasks_open,
    "tasks.overdue": lambda view: overdue(view.episode, view.now),
    "late.days": late_days,
    "closed.days": closed_days,
    "move.to": lambda view: view.pending.to,
    "move.legal": lambda view: view.pending.legal,
    "move.name": lambda view: view.pending.move,
    "actor.role": lambda view: str(view.pending.actor.role) if view.pending.actor else "service",
    "actor.id": lambda view: view.pending.actor.id if view.pending.actor else "service",
    "sign_off.given": lambda view: view.pending.signed,
    "planned.found": planned_found,
}


def series(view: View, instrument: str) -> tuple[tuple[datetime, Number], ...]:
    """Give every score of an instrument in this episode as (when it occurred, number), the earliest first; for trends."""
    sheet = view.compiled.pathway.instruments[instrument]
    found = [(record.occurred_at, number_of(sheet, score)) for record, score in _scores(view, instrument)]
    return tuple(sorted(((at, score) for at, score in found if score is not None), key=lambda pair: pair[0]))
