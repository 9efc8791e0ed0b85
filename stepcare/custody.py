"""What is done to the log and the vault as a whole: finishing erasures, taking a census, running retention.

Each is a step that can be repeated: the command line calls it now, a worker may call it every day.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from engine.audit import instant
from engine.custody import erasure_of
from engine.model import Actor, Command, Json, Kind, Role
from engine.service import Answer
from stepcare.app import App
from storage.erasures import destroy, old_keys, people_closed_before, take_census, to_destroy
from storage.retention import old_reads, old_tries

SERVICE = Actor(id="worker", role=Role.SERVICE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """How long one kind of thing is kept; `days` None: until somebody decides. `why` is for people."""

    what: str
    days: int | None
    why: str


# A retention run takes away what is older. Whole persons are never taken away by a run: it says who is due, and two
# people decide (`stepcare audit erase`).
RULES: Mapping[str, Rule] = {
    rule.what: rule
    for rule in (
        Rule(what="idempotency_keys", days=30, why="a request may be repeated so long; a key's row holds a hash"),
        Rule(
            what="messages",
            days=365,
            why="a complaint about a message comes within a year; that it was sent, the log says",
        ),
        Rule(what="reads", days=2192, why="who looked at whom is kept six years"),
        Rule(what="due_for_erasure", days=3653, why="treatment records are kept ten years after the last episode"),
    )
}


def finish_erasures(app: App, via: str = "") -> Iterator[tuple[str, bool, int | None]]:
    """Go on with every erasure that is not ended: (person, whether no trace is left, the entry that says so).

    The entry is None where there is one already, or where something still holds old pages: call it again.
    """
    for person in to_destroy(app.database):
        gone = destroy(app.database, person, app.clock())
        known = erasure_of(app.store.site(), person)
        if not gone or known is None or known.destroyed is not None:
            yield person, gone, None
            continue
        answer = app.engine.handle(_service(app, Kind.DESTROYED, {"person": person}, via))
        yield person, gone, answer.entry


def census(app: App, via: str = "") -> Answer:
    """Take a census and keep it as an entry."""
    return app.engine.handle(_service(app, Kind.CENSUS, take_census(app.database).values(), via))


def _service(app: App, kind: Kind, values: Mapping[str, Json], via: str) -> Command:
    return Command(id=app.make_id(), kind=kind, actor=SERVICE, values=values, via=via)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What a retention run finds of one kind: `count` things from before `before`. `people` are due for erasure."""

    rule: Rule
    before: datetime
    count: int
    people: tuple[str, ...] = ()


def due_by_retention(app: App) -> list[Run]:
    """Give what a retention run would take away now, and who is due for erasure."""
    now, found = app.clock(), []
    for rule in RULES.values():
        before = now - timedelta(days=rule.days or 0)
        if rule.what == "idempotency_keys":
            found.append(Run(rule=rule, before=before, count=old_keys(app.database, instant(before))))
        elif rule.what == "reads":
            until, count = old_reads(app.database, before)
            found.append(Run(rule=rule, before=until, count=count))
        elif rule.what == "messages":
            found.append(Run(rule=rule, before=before, count=old_tries(app.database, before)))
        else:
            held = {hold.person for hold in app.store.site().holds}
            people = tuple(one for one in people_closed_before(app.database, instant(before)) if one not in held)
            found.append(Run(rule=rule, before=before, count=len(people), people=people))
    return found


def retain(app: App, runs: list[Run], actor: Actor, via: str = "") -> Answer:
    """Take away what these runs found, with one entry that counts it."""
    said: list[Json] = [{"what": run.rule.what, "before": instant(run.before), "count": run.count} for run in runs]
    command = Command(id=app.make_id(), kind=Kind.RETAIN, actor=actor, values={"runs": said}, via=via)
    return app.engine.handle(command)
