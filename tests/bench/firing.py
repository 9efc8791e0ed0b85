"""Due reminders, fired and delivered by one and two workers, beside others that do as much of it as they can."""

import json
import os
import signal
import sys
import time
from collections import Counter
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from stepcare.app import open_app
from tests.bench.due_peers import NAMES, NO_PEERS, Reminded, lines_in, peers_on, reminded_by
from tests.bench.figures import Figure, Section, unmeasured
from tests.bench.fleet import PEERS, Driven
from tests.bench.raw import Commits
from tests.bench.reminders import REMINDING, bring_to_self_care, copy_of, length, once_each
from tests.bench.sites import Place, Start, on_postgres, on_sqlite
from tests.bench.work import CLOCK
from tests.servers import NoServer, Server

MANY = 400
SENDING = REMINDING + timedelta(minutes=30)  # messages are spread over some minutes: all may go then
LATER = SENDING + timedelta(minutes=2)  # every lease of whoever died is over
FLOORS = {"SQLite": 8000, "PostgreSQL": 4000}
RAW_SECONDS = 0.5
TITLE = "Due work: fired and delivered"
NOTES = (
    f"{MANY:,} people in self-care are each due one reminder on day 21. *Fired*: claim, the episode as it is, the "
    "decision, message, next timer, sealed entry, COMMIT, a hundred to a transaction; each episode is new to the worker, and "
    "is read from its eight entries. *Delivered*: lease, everything "
    "asked again, intent, a synced line in a file of messages, outcome, entry. After each run every timer has one "
    "entry, every message one line, nothing is leased and the log verifies, or the bench ends. *Beside others* a "
    "reminder is one durable row and one appended line by code of the peer's user; they keep no log, decide nothing and "
    "ask nothing again. *Killed*: SIGKILL when a third of the lines is there, then another worker; *lost* has no line "
    "when that one has nothing more to do, *doubled* has two. Single runs: one figure each, no median."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What workers did together. `cpu` is of all their processes; both in seconds."""

    seconds: float
    cpu: float
    counts: Counter[str]

    @property
    def total(self) -> int:
        """Give how many came to an end."""
        return sum(self.counts.values())

    @property
    def rate(self) -> float:
        """Give how many in a second."""
        return self.total / self.seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """A site where everybody is due, to be copied; `since` is where its log ends. `server` None: SQLite."""

    database: str
    place: Place
    server: Server | None
    folder: Path
    since: int

    def copy(self, name: str) -> Place:
        """Give one to work on."""
        return copy_of(self.place, self.server, self.folder / name)


def fire_and_deliver(start: Start, folder: Path) -> Section:
    """Measure on both databases."""
    sqlite = on_sqlite(folder / "site")
    with closing(Commits(folder)) as raw:
        limit = raw.rate(RAW_SECONDS)
    figures = _on(_ready("SQLite", sqlite, None, folder), f"raw commits of two rows then {limit:,.0f}/s")
    try:
        server = start()
    except NoServer as missing:
        figures.append(unmeasured("fired on PostgreSQL", missing, f"≥ {FLOORS['PostgreSQL']:,}/s"))
    else:
        place = on_postgres(server, folder / "vault")
        figures += _on(_ready("PostgreSQL", place, server, folder), "")
    return Section(title=TITLE, notes=NOTES, figures=figures)


def _ready(database: str, place: Place, server: Server | None, folder: Path) -> Ready:
    bring_to_self_care(place, MANY)
    with open_app(place.database, CLOCK, place.vault) as app:
        since = length(app)
    return Ready(database=database, place=place, server=server, folder=folder / database, since=since)


def _on(ready: Ready, beside: str) -> list[Figure]:
    ready.folder.mkdir()
    one, two, known = (ready.copy(name) for name in ("one", "two", "known"))
    alone = _together(one, 1, "fire", ready.folder / "one.jsonl")
    said = once_each(one, ready.since, MANY)
    pair = _together(two, 2, "fire", ready.folder / "two.jsonl")
    once_each(two, ready.since, MANY)
    again = _together(known, 1, "remembered", ready.folder / "known.jsonl")
    once_each(known, ready.since, MANY)
    sent = _delivered(one, ready.folder / "one.jsonl")
    floor, where = FLOORS[ready.database], f"on {ready.database}"
    return [
        Figure(
            what=f"fired {where}, one worker",
            measured=f"{alone.rate:,.0f}/s",
            beside="; ".join(filter(None, (_each(alone), said, beside))),
            floor=f"≥ {floor:,}/s",
            held=alone.rate >= floor,
        ),
        Figure(
            what=f"fired {where}, two workers",
            measured=f"{pair.rate:,.0f}/s",
            beside=f"**{pair.rate / alone.rate:.2f} ×** one worker; every timer has one entry",
        ),
        Figure(
            what=f"fired {where}, one worker, episodes remembered",
            measured=f"{again.rate:,.0f}/s",
            beside=f"**{again.rate / alone.rate:.2f} ×** one to whom they are new; {_each(again)}",
        ),
        Figure(
            what=f"delivered {where}, one worker",
            measured=f"{sent.rate:,.0f}/s",
            beside=f"{_each(sent)}; {sent.total:,} messages, one line each",
        ),
        *_beside(ready),
    ]


def _together(place: Place, workers: int, what: str, receiver: Path, at: datetime = REMINDING) -> Done:
    """Let so many workers do all there is to do."""
    with ExitStack() as stack:
        chosen = [_worker(place, f"w{number}", receiver) for number in range(workers)]
        for one in chosen:
            stack.callback(one.stop)
            _prepare(one, what, at)
        for one in chosen:
            one.tell("go")
        heard = [one.hear() for one in chosen]
    counts = sum((Counter[str](one["counts"]) for one in heard), Counter[str]())
    return Done(seconds=max(one["seconds"] for one in heard), cpu=sum(one["cpu"] for one in heard), counts=counts)


def _each(done: Done) -> str:
    return f"{done.cpu / done.total * 1e6:,.0f} µs of processor each"


def _worker(place: Place, name: str, receiver: Path) -> Driven:
    words: list[str | Path] = [
        sys.executable,
        "-m",
        "tests.bench.worked",
        place.database,
        str(place.vault or ""),
        name,
        receiver,
    ]
    worker = Driven(words)
    worker.hear()
    return worker


def _prepare(worker: Driven, what: str, at: datetime) -> None:
    order = {"do": what, "at": at.isoformat(), "sending": max(at, SENDING).isoformat()}
    worker.tell(json.dumps(order | ({"do": "fire", "remembered": True} if what == "remembered" else {})))
    worker.hear()


def _delivered(place: Place, receiver: Path) -> Done:
    done = _together(place, 1, "deliver", receiver, SENDING)
    lines = lines_in(receiver)
    if set(done.counts) != {"accepted"} or len(lines) != len(set(lines)) or len(lines) != done.total:
        raise SystemExit(
            f"The figures are worthless: {done.counts}, {len(lines)} lines, {len(set(lines))} of them once"
        )
    return done


# --- beside others --------------------------------------------------------------------------------------------------


def _beside(ready: Ready) -> list[Figure]:
    whole = _both(ready)
    figures = [_figure(ready.database, "Stepcare", whole, None)]
    if not PEERS.exists():
        return [*figures, *(unmeasured(f"{ready.database}: {name}", NO_PEERS) for name in NAMES[ready.database])]
    for name, there in peers_on(ready.database, ready.server, ready.folder):
        figures.append(_figure(ready.database, name, reminded_by(there), whole))
    return figures


def _both(ready: Ready) -> Reminded:
    """Fire and deliver all with one worker; then once more, the worker killed on the way."""
    whole, receiver = ready.copy("whole"), ready.folder / "whole.jsonl"
    done = _together(whole, 1, "both", receiver)
    keys = lines_in(receiver)
    seconds = done.seconds
    broken, receiver = ready.copy("broken"), ready.folder / "broken.jsonl"
    worker = _worker(broken, "dying", receiver)
    _prepare(worker, "both", REMINDING)
    worker.tell("go")
    while len(lines_in(receiver)) < MANY // 3:
        time.sleep(0.01)
    os.kill(worker.id, signal.SIGKILL)
    worker.stop()
    _together(broken, 1, "both", receiver, LATER)
    once_each(broken, ready.since, MANY)
    again = Counter(lines_in(receiver))
    return Reminded(
        rate=len(keys) / seconds, lost=MANY - len(again), doubled=sum(number > 1 for number in again.values()), of=MANY
    )


def _figure(database: str, name: str, found: Reminded, ours: Reminded | None) -> Figure:
    killed = f"killed: {found.lost} of {found.of:,} lost, {found.doubled} doubled"
    return Figure(
        what=f"{database}, reminder to line: {name}",
        measured=f"{found.rate:,.0f}/s",
        beside="; ".join(
            filter(None, (f"ours is **{ours.rate / found.rate:.1f} ×**" if ours else "", killed, found.said))
        ),
        floor="none lost, none doubled" if ours is None else "",
        held=not found.lost and not found.doubled if ours is None else None,
    )
