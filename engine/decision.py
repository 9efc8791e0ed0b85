"""What was decided: what it changes (the only things `fold` understands), and why, with every rule and its clauses."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from engine.closing import Closing
from engine.model import (
    Absence,
    Command,
    Deviation,
    DueItem,
    Erasure,
    Flag,
    Hold,
    Json,
    Level,
    LogKey,
    Message,
    Outcome,
    Override,
    Record,
    Request,
    Stay,
    Timer,
    Treatment,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """An episode begins, on this pathway version, for this person."""

    episode: str
    person: str
    pathway: str
    zone: str
    language: str
    team: str
    region: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """A form was filled in; `supersedes` names the record it corrects; `personal`: it counts per person."""

    record: Record
    supersedes: str | None = None
    personal: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """The episode changed state by a named transition; `stay` None: it repeats a treatment in the same stay.

    `kind` is the target's kind: open, active, closed or void. `silent`: the person hears nothing more from us.
    """

    transition: str
    source: str
    target: str
    kind: str
    stay: Stay | None
    return_to: tuple[tuple[str, int], ...]
    silent: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Put:
    """One item of the episode is now as given; same id replaces, new id adds."""

    item: Treatment | Flag | DueItem | Timer | Message | Request | Deviation


@dataclass(frozen=True, slots=True, kw_only=True)
class Assigned:
    """Who answers for the episode from now on (None: the team's unassigned queue)."""

    owner: str | None
    team: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """New episodes of this pathway run on this version from now on."""

    pathway: str
    hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterSet:
    """A site's number is now as given (None: unset)."""

    name: str
    value: Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A legal hold is in force from now on."""

    hold: Hold


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """A legal hold (by its id) is over."""

    hold: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Erased:
    """Nothing new is sealed about this person; their lists are emptied now, their key is destroyed next.

    `closes` are the entries about them until then: these are closed by it, and no others.
    """

    erasure: Erasure
    closes: Closing


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyGone:
    """The erased person's data key was destroyed, and their identity with it."""

    person: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Retained:
    """A retention run took away `count` things of one kind, those from before `before`."""

    what: str
    before: datetime
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyAnnounced:
    """The log is signed with this key from a size on."""

    key: LogKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Away:
    """Somebody is away, and somebody stands in; the same id replaces what was said before."""

    absence: Absence


Event = (
    Registered
    | Recorded
    | Moved
    | Put
    | Assigned
    | Published
    | ParameterSet
    | Held
    | Released
    | Erased
    | KeyGone
    | Retained
    | KeyAnnounced
    | Away
)


# --- what it explains ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """A fact a clause used: its value, where it came from, and when it occurred and was recorded.

    `record` None and times None: derived or a parameter; `value` None: unknown.
    """

    fact: str
    value: Json
    record: str | None = None
    version: int | None = None
    occurred_at: datetime | None = None
    recorded_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Clause:
    """One atom of a condition with its answer (None: unknown)."""

    text: str
    value: bool | None
    inputs: tuple[Input, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleResult:
    """A rule's answer for one command.

    `value` is the condition's (None: unknown); `satisfied` what follows from it, from `on_unknown` and from an
    override or a sign-off. `level` is the level it acted with.
    """

    id: str
    level: Level
    value: bool | None
    satisfied: bool
    clauses: tuple[Clause, ...]
    message: str
    remedy: str
    sources: tuple[str, ...]
    override: Override | None = None
    signed_off: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What a command means, and why.

    `rules` holds every rule that applied. `failed` are those not satisfied and not overridden. `prompts` are
    the rules that were shown (unsatisfied or INFO), in order. `events` is empty unless something is to change.
    `reads` are (record id, version) pairs the rules used. `derived` is the derived picture afterwards.
    `problem` says in one sentence why the outcome is INVALID or refused by permission; empty otherwise.
    `relied_on_by` lists, for a correction, the decisions (episode version after) that used the old record.
    """

    outcome: Outcome
    command: Command
    now: datetime
    pathway: str
    parameters: str
    state_before: str
    state: str
    rules: tuple[RuleResult, ...] = ()
    failed: tuple[str, ...] = ()
    prompts: tuple[str, ...] = ()
    events: tuple[Event, ...] = ()
    reads: tuple[tuple[str, int], ...] = ()
    recommended: str | None = None
    taken: str | None = None
    transition: str | None = None
    problem: str = ""
    relied_on_by: tuple[int, ...] = ()
    derived: Mapping[str, Json] = field(default_factory=dict)
