"""What must hold in a house after everything that went wrong in it: nothing lost, nothing twice, all accounted for."""

from collections import Counter
from collections.abc import Iterable

from engine.audit import check_envelope, instant
from engine.model import Episode
from stepcare.app import App
from storage.connection import rows
from storage.pump import Pump
from tests.faults.checks import wrong_in
from tests.fleet.desk import Acknowledged
from tests.fleet.receiver import Receiver

OVER = ("fired", "stale", "expired", "cancelled", "skipped")
BY_A_FIRING = ("fired", "stale", "expired", "skipped")
TAKEN = ("accepted", "delivered")
DIGEST = "digest-"


def wrong_in_the_house(app: App, acknowledged: Iterable[Acknowledged], receiver: Receiver) -> list[str]:
    """Give everything that is wrong; nothing, where all is well."""
    episodes = [app.store.episode(id_) for id_ in _episodes(app)]
    return [
        *wrong_in(app),
        *_lost(app, list(acknowledged)),
        *_unaccounted(app, episodes),
        *_fired_otherwise(app, episodes),
        *_received_otherwise(app, episodes, receiver),
    ]


def _episodes(app: App) -> list[str]:
    with app.database.reading() as connection:
        return [row["id"] for row in rows(connection.execute("SELECT id FROM episode", {}))]


def _lost(app: App, acknowledged: list[Acknowledged]) -> list[str]:
    """Each acknowledged wish is one entry, and there is no entry of a wish besides."""
    there: dict[int, str | None] = {}
    asked: Counter[str] = Counter()
    for stored in app.store.entries():
        there[stored.idx] = stored.ep
        envelope = check_envelope(stored.entry)
        if envelope.key is not None and envelope.episode is not None:
            asked[envelope.episode] += 1
    wrong = [f"acknowledged and lost: {one.key}" for one in acknowledged if there.get(one.entry) != one.episode]
    wanted = Counter(one.episode for one in acknowledged)
    wrong += [
        f"two wishes, one entry: {n} × {entry}" for entry, n in Counter(o.entry for o in acknowledged).items() if n > 1
    ]
    return wrong + [f"{id_}: {asked[id_]} entries of {n} wishes" for id_, n in wanted.items() if asked[id_] != n]


def _unaccounted(app: App, episodes: list[Episode]) -> list[str]:
    """Every timer is armed for later or over, every message ended or waits for later; nobody holds or has put aside."""
    now, wrong = app.clock(), []
    for episode in episodes:
        wrong += [
            f"timer {episode.id}:{one.id} is {one.state} at {one.at}, it is {now}"
            for one in episode.timers
            if not (one.state in OVER or (one.state == "armed" and one.at > now))
        ]
        wrong += [
            f"message {one.id} is {one.status} {one.reason}"
            for one in episode.messages
            if one.status in ("queued", "unknown", "dead", "failed") and one.not_before <= now
        ]
    for table in ("timer", "message"):
        with app.database.reading() as connection:
            statement = f"SELECT id, parked FROM {table} WHERE parked IS NOT NULL OR lease_until > :now"  # noqa: S608 - ours
            held = rows(connection.execute(statement, {"now": instant(now)}))
            wrong += [f"{table} {row['id']} is held, or parked: {row['parked']}" for row in held]
    return wrong


def _fired_otherwise(app: App, episodes: list[Episode]) -> list[str]:
    """Each timer that is over by a firing has one entry that did it, and each message that ended so one of that.

    A worker that comes too late, after it was frozen say, leaves an entry too: it says `stale`, and changes nothing.
    """
    fired: Counter[tuple[str, str]] = Counter()
    delivered: Counter[str] = Counter()
    for stored in app.store.entries():
        envelope = check_envelope(stored.entry)
        if envelope.episode is None or envelope.outcome != "accepted":
            continue
        if envelope.type == "timer.fired" and app.store.decision(stored.idx).events:
            fired[envelope.episode, envelope.trigger] += 1
        elif envelope.type == "episode.deliver":
            delivered[envelope.episode] += 1
    over = Counter((episode.id, one.id) for episode in episodes for one in episode.timers if one.state in BY_A_FIRING)
    wrong = [f"timer {one}: {fired[one]} firings, {over[one]} over" for one in fired | over if fired[one] != over[one]]
    for episode in episodes:
        ended = sum(one.status in (*TAKEN, "suppressed", "expired") for one in episode.messages)
        if delivered[episode.id] != ended:
            wrong.append(f"{episode.id}: {delivered[episode.id]} deliveries of {ended} messages")
    return wrong


def _received_otherwise(app: App, episodes: list[Episode], receiver: Receiver) -> list[str]:
    """What was handed over is at the receiver once a key, nothing else is, and each post had been announced."""
    messages = {one.id: (episode.id, one) for episode in episodes for one in episode.messages}
    pump, wrong = Pump(app.database, "checks"), [f"{key} came again otherwise" for key in receiver.otherwise]
    reached: set[str] = set()
    for key in (one for one in receiver.posts if not one.startswith(DIGEST)):
        stem, receiver_id = (key, "") if key in messages else (key.rpartition(":")[0], key.rpartition(":")[2])
        if stem not in messages:
            wrong.append(f"{key} is no message")
            continue
        episode, message = messages[stem]
        if message.status not in TAKEN:
            wrong.append(f"{key} was sent, and is {message.status}")
        announced = sum(step.status == "sending" and step.receiver == receiver_id for step in pump.tries(episode, stem))
        if receiver.posts[key] > announced:
            wrong.append(f"{key} was sent {receiver.posts[key]} times, and meant {announced} times")
        if key in receiver.taken:
            reached.add(stem)
    lost = [id_ for id_, (_, one) in messages.items() if one.status in TAKEN and id_ not in reached]
    return wrong + [f"{id_} is {messages[id_][1].status}, and nobody has it" for id_ in lost]
