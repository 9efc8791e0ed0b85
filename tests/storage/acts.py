"""Hand-made decisions for storage tests: what is kept matters here, not why it was decided."""

from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from itertools import count

from engine.audit import canonical
from engine.decision import (
    Assigned,
    Clause,
    Decision,
    Event,
    Input,
    Moved,
    ParameterSet,
    Published,
    Put,
    Recorded,
    Registered,
    RuleResult,
)
from engine.fold import fold, fold_person, fold_site
from engine.model import (
    Actor,
    Command,
    DueItem,
    Episode,
    Flag,
    Json,
    Kind,
    Level,
    Message,
    Outcome,
    Override,
    Record,
    Role,
    Stay,
    Timer,
)
from engine.service import Change, parameters_hash, request_hash
from storage.database import Database
from storage.sqlite import Files, Sqlite
from storage.store import Store
from storage.vault import Details

NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
ANN = Actor(id="ann", role=Role.COORDINATOR)
WORKER = Actor(id="worker", role=Role.SERVICE)
NOTE = "Sleeps badly since the move to Canary Wharf."
PACK = canonical(
    {
        "due": {
            "emergency_review": {"priority": "emergency"},
            "reassessment": {},
            "safety_call": {"priority": "safety"},
            "urgent_review": {"priority": "urgent"},
        },
        "forms": {"visit": {"fields": {"note": {"type": "text"}, "pain": {"type": "score"}}}},
        "id": "back",
        "version": "1",
    }
)
SHA = sha256(PACK).hexdigest()
NO_PARAMETERS = parameters_hash({})


@dataclass(slots=True)
class Acts:
    """A store, and everything that can happen to it in a test; each act is an hour after the one before."""

    store: Store
    made: "count[int]" = field(default_factory=count)
    prefix: str = "c"

    def publish(self) -> None:
        """Publish the pack, so that episodes can run on it."""
        self.keep(
            self.site_change(Kind.PUBLISH, Published(pathway="back", hash=SHA), packs=((SHA, PACK, "back", "1"),))
        )

    def keep(self, change: Change) -> int:
        """Apply one change and give its entry's index; raises why it was not kept."""
        (applied,) = self.store.apply((change,))
        if applied.error is not None:
            raise applied.error
        assert applied.index is not None
        return applied.index

    def site_change(
        self, kind: Kind, *events: Event, packs: tuple[tuple[str, bytes, str, str], ...] = (), key: str | None = None
    ) -> Change:
        """Change the site."""
        site = self.store.site()
        decision = self.decision(self.command(kind, None, {}, key), events, state="", before="")
        return Change(
            command=decision.command,
            decision=decision,
            before=site,
            after=fold_site(site, events),
            request_hash=request_hash(decision.command),
            packs=packs,
        )

    def set_parameter(self, name: str, value: Json) -> int:
        """Set one of the site's numbers."""
        return self.keep(self.site_change(Kind.SET_PARAMETER, ParameterSet(name=name, value=value)))

    def command(self, kind: Kind, episode: str | None, values: dict[str, Json], key: str | None = None) -> Command:
        """Give a command with a fresh id."""
        return Command(
            id=f"{self.prefix}{next(self.made)}", kind=kind, actor=ANN, episode=episode, values=values, key=key
        )

    def decision(
        self, command: Command, events: tuple[Event, ...], *, state: str, before: str, **more: object
    ) -> Decision:
        """Give a decision with one rule that read one fact."""
        clause = Clause(text="visit.pain >= 3", value=True, inputs=(Input(fact="visit.note", value=NOTE),))
        rule = RuleResult(
            id="PATH-05",
            level=Level.SS,
            value=None,
            satisfied=True,
            clauses=(clause,),
            message="Not reassessed.",
            remedy="Reassess.",
            sources=("site",),
            override=Override(rule="PATH-05", reason="other", text="As agreed by phone."),
        )
        shell = Decision(
            outcome=Outcome.ACCEPTED,
            command=replace(command, overrides=(rule.override,) if rule.override else ()),
            now=when(command),
            pathway=SHA if command.episode else "",
            parameters=NO_PARAMETERS if command.episode else "",
            state_before=before,
            state=state,
            rules=(rule,),
            prompts=("PATH-05",),
            events=events,
        )
        return replace(shell, **more)  # type: ignore[arg-type]  # any field of a decision

    def change(
        self,
        before: Episode,
        kind: Kind,
        *events: Event,
        values: dict[str, Json] | None = None,
        key: str | None = None,
        **more: object,
    ) -> Change:
        """Give a change of an episode: the events folded, the picture drawn."""
        command = self.command(kind, before.id, values or {}, key)
        events = tuple(recorded_at(event, when(command)) for event in events)
        after = fold(before, events, before.version + 1)
        picture: dict[str, Json] = {"response": "partial", "chronicity": "chronic", "baseline": "6", "last": "4.5"}
        decision = self.decision(command, events, state=after.state, before=before.state, derived=picture, **more)
        reads = decision.reads if decision.outcome is Outcome.ACCEPTED else ()
        return Change(
            command=decision.command,
            decision=decision,
            before=before,
            after=fold(before, events, before.version + 1, reads),
            person_before=before.person,
            person_after=fold_person(before.person, before.id, events),
            request_hash=request_hash(decision.command),
        )

    @staticmethod
    def renamed(change: Change, command: str) -> Change:
        """Give a change whose command has another id."""
        renamed = replace(change.command, id=command)
        return replace(change, command=renamed, decision=replace(change.decision, command=renamed))

    # --- acts of care -------------------------------------------------------------------------------------------------

    def registering(self, episode: str, person: str, key: str | None = None) -> Change:
        """Register an episode of a person who is in the vault from now on."""
        self.store.add_person(person, Details(name="Ánna Canary"), NOW)
        before = Episode(id=episode, person=self.store.person(person), pathway=SHA, zone="Europe/Berlin")
        stay = Stay(state="intake", since=NOW, clock=NOW.date(), transition="T1")
        registered = Registered(
            episode=episode,
            person=person,
            pathway=SHA,
            zone="Europe/Berlin",
            language="de",
            team="main",
            region="upper_back",
        )
        moved = Moved(transition="T1", source="", target="intake", kind="open", stay=stay, return_to=())
        return self.change(before, Kind.REGISTER, registered, moved, values={"region": "upper_back"}, key=key)

    def register(self, episode: str = "e1", person: str = "p1") -> int:
        """Register an episode."""
        return self.keep(self.registering(episode, person))

    def visiting(self, episode: str = "e1", *, pain: str = "6", key: str | None = None) -> Change:
        """Record a visit: a record that counts per person, a flag, a task, its timer and a message."""
        before = self.store.episode(episode)
        number = before.version
        values: dict[str, Json] = {"pain": pain, "note": NOTE}
        record = Record(
            id=f"r{number}",
            form="visit",
            values=values,
            occurred_at=NOW,
            recorded_at=NOW,
            by="ann",
            episode=episode,
            stay=0,
            version=number + 1,
        )
        return self.change(
            before,
            Kind.RECORD,
            Recorded(record=record, personal=True),
            Put(item=Flag(id=f"f{number}", item="fever", urgency="urgent", opened_at=NOW, record=record.id)),
            Put(item=a_task(number)),
            Put(item=a_timer(number)),
            Put(item=a_message(episode, number)),
            values={"form": "visit", **values},
            key=key,
            reads=((record.id, number + 1),),
        )

    def visit(self, episode: str = "e1", *, pain: str = "6") -> int:
        """Record a visit."""
        return self.keep(self.visiting(episode, pain=pain))

    def moving(self, episode: str = "e1", target: str = "self_care", kind: str = "active") -> Change:
        """Move to another state."""
        before = self.store.episode(episode)
        stay = Stay(state=target, since=NOW + timedelta(days=1), clock=date(2026, 3, 3), transition="T2")
        return self.change(
            before,
            Kind.MOVE,
            Moved(transition="T2", source=before.state, target=target, kind=kind, stay=stay, return_to=()),
            values={"transition": "enter"},
            transition="T2",
        )

    def assigning(self, episode: str = "e1", owner: str | None = "ravi") -> Change:
        """Give the episode to somebody."""
        return self.change(self.store.episode(episode), Kind.ASSIGN, Assigned(owner=owner, team="main"))

    def refusing(self, episode: str = "e1") -> Change:
        """Refuse a move by a rule: an entry that changes nothing but the version."""
        change = self.change(
            self.store.episode(episode), Kind.MOVE, outcome=Outcome.REFUSED, failed=("PATH-05",), transition="T8"
        )
        (rule,) = change.decision.rules
        rules = (replace(rule, satisfied=False, override=None),)
        return replace(change, decision=replace(change.decision, rules=rules))

    def firing(self, episode: str = "e1") -> Change:
        """Fire the episode's first armed timer, as the worker does."""
        before = self.store.episode(episode)
        timer = next(one for one in before.timers if one.state == "armed")
        change = self.change(before, Kind.FIRE, Put(item=replace(timer, state="fired")))
        command = replace(change.command, actor=WORKER, of=timer.id)
        return replace(change, command=command, decision=replace(change.decision, command=command, derived={}))

    def refused_registration(self, episode: str, person: str) -> Change:
        """Refuse a registration: no episode comes of it."""
        change = self.registering(episode, person)
        decision = replace(change.decision, outcome=Outcome.REFUSED, events=(), state="", derived={})
        after = fold(change.before, (), 1) if isinstance(change.before, Episode) else change.before
        return replace(change, decision=decision, after=after, person_after=change.person_before)


def when(command: Command) -> datetime:
    """Give when a command is decided: an hour after the one before."""
    return NOW + timedelta(hours=int(command.id[1:]))


def recorded_at(event: Event, now: datetime) -> Event:
    """Give the event as it is recorded now."""
    return replace(event, record=replace(event.record, recorded_at=now)) if isinstance(event, Recorded) else event


def a_task(number: int = 1, **changed: object) -> DueItem:
    """Give a reassessment that falls due in two weeks."""
    task = DueItem(
        id=f"reassessment:{number}",
        kind="reassessment",
        occurrence=str(number),
        title="Reassessment",
        anchor=NOW,
        opens_after="P0D",
        due_after="P14D",
        opens_at=NOW,
        due_at=NOW + timedelta(days=14),
        due_on=date(2026, 3, 15),
        owner_role=Role.ASSESSOR,
    )
    return replace(task, **changed)  # type: ignore[arg-type]  # any field of a due item


def a_timer(number: int = 1) -> Timer:
    """Give the timer of a reassessment's first rung."""
    return Timer(
        id=f"reassessment:{number}@0",
        kind="reassessment",
        occurrence=f"{number}@0",
        due_item=f"reassessment:{number}",
        at=NOW + timedelta(days=12),
        local="2026-03-14T09:00",
        zone="Europe/Berlin",
        armed_on=number,
        expires_at=NOW + timedelta(days=14),
    )


def a_message(episode: str, number: int = 1) -> Message:
    """Give a message that waits to be sent."""
    return Message(
        id=f"{episode}:reassessment:{number}@0:patient:console",
        template="reassessment_soon",
        language="de",
        recipient="patient",
        channel="console",
        due_item=f"reassessment:{number}",
        not_before=NOW,
    )


def live(acts: Acts) -> None:
    """Let a little of everything happen to two persons in three episodes."""
    acts.publish()
    acts.register("e1", "p1")
    acts.register("e2", "p2")
    acts.register("e3", "p1")
    acts.visit("e1")
    acts.keep(acts.moving("e1"))
    acts.keep(acts.refusing("e1"))
    acts.set_parameter("observe_min", 20)
    acts.keep(acts.assigning("e2"))
    acts.keep(acts.firing("e1"))
    acts.keep(acts.refused_registration("e9", "p9"))
    acts.keep(acts.visiting("e3", pain="4", key="k1"))


def files_of(database: Database) -> Files:
    """Give the files of a database that is a directory."""
    assert isinstance(database.backend, Sqlite)
    return database.backend.files
