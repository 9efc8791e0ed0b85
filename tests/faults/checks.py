"""What must hold after any accident: nothing acknowledged is lost, nothing is there twice, and the log verifies."""

from collections import Counter
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from engine.audit import check_envelope
from stepcare.app import App, open_app
from stepcare.replay import Replay
from storage.verify import Verdict, verify_log
from storage.walk import opener_of
from tests.faults.course import Acked, Course
from tests.faults.load import Direct, Door
from tests.faults.running import Said

SAMPLE = 8  # of the answers, so many are asked for again


@contextmanager
def opened(where: str | Path, course: Course, vault: Path | None = None) -> Generator[App, None, None]:
    """Open a database at the time of the course."""
    with open_app(where, lambda: course.now, vault) as app:
        yield app


def survives(where: str | Path, course: Course, said: Said, vault: Path | None = None) -> None:
    """Open the database again and check everything; then send again what was not answered, and some of what was."""
    with opened(where, course, vault) as app:
        _none(lost(app, said.acked), "acknowledged and lost")
        _none(unverified(app), "found by verifying")
        stands(app, course, resent(Direct(app, course), said))


def stands(app: App, course: Course, said: Said) -> None:
    """Check everything, where each wish was answered."""
    _none(said.broken, "errors that are not ours")
    _none(lost(app, said.acked), "acknowledged and lost")
    _none(twice(app, said), "answered otherwise")
    _none(wrong_in(app), "found by verifying and replaying")


def _none(found: Sequence[object], what: str) -> None:
    assert not found, f"{what}: {found}"


def lost(app: App, acked: Iterable[Acked]) -> list[Acked]:
    """Give the acknowledged answers whose entry is not there as it was first said to be."""
    there = {}
    for stored in app.store.entries():
        envelope = check_envelope(stored.entry)
        there[stored.idx] = (stored.ep, envelope.version_after, envelope.outcome)
    first = {one.key: one for one in reversed(list(acked))}
    return [one for one in first.values() if there.get(one.entry) != (one.episode, one.version, one.outcome)]


def unverified(app: App) -> list[str]:
    """Give what verifying finds: the log, and every row that must follow from it."""
    report = verify_log(app.database, opener_of(app.database))
    return [] if report.verdict is Verdict.VERIFIED else [f"{report.verdict}: {report.faults[:3]}"]


def wrong_in(app: App) -> list[str]:
    """Give what is wrong in the database by itself: the log, its replay, and rows without their entries."""
    wrong = unverified(app)
    wrong.extend(
        f"entry {one.index} replays otherwise: {one.differences or one.lost}"
        for one in Replay(store=app.store).every()
        if one.differences or one.lost
    )
    chains = Counter(stored.ep for stored in app.store.entries() if stored.ep is not None)
    with app.database.reading() as connection:
        rows = dict(connection.execute("SELECT id, version FROM episode").fetchall())
    if rows != dict(chains):
        wrong.append(
            f"Episodes whose version is not the length of their chain: {set(rows.items()) ^ set(chains.items())}"
        )
    return wrong


def resent(door: Door, said: Said) -> Said:
    """Send again what was not answered, twice, and some of what was; gives all answers there are now."""
    first = {one.key for one in said.acked}
    open_ = [key for key in dict.fromkeys(said.sent) if key not in first]
    sample = list(dict.fromkeys(one.key for one in said.acked))[:: max(1, len(first) // SAMPLE)]
    return replace(said, acked=[*said.acked, *(door.send(key) for key in (*open_, *open_, *sample))])


def twice(app: App, said: Said) -> list[str]:
    """Give the keys that were answered differently, and the episodes that have more entries than wishes, or less."""
    first = {one.key: one for one in reversed(said.acked)}
    wrong = [f"{one} and {first[one.key]}" for one in said.acked if _answer(one) != _answer(first[one.key])]
    wrong.extend(f"{key}: never answered" for key in said.sent if key not in first)
    wishes = Counter(one.episode for one in first.values())
    chains = Counter(stored.ep for stored in app.store.entries())
    wrong.extend(
        f"{episode}: {count} wishes, {chains[episode]} entries"
        for episode, count in wishes.items()
        if chains[episode] != count
    )
    return wrong


def _answer(one: Acked) -> tuple[int, str, str]:
    """Give what must be the same in every answer to a key; the version is that of the moment it is asked at."""
    return one.entry, one.outcome, one.digest
