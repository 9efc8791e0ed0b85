"""What Prometheus reads of the due work, and that the example board and alarms ask for nothing else."""

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from engine.model import Actor, Command, Kind, Role
from stepcare.lateness import DELIVER, FIRE, lateness_counts
from storage.pump import Pump
from tests.web.conftest import House
from workflows.yaml_source import read_yaml

DEPLOY = Path(__file__).parent.parent.parent / "deploy"
NAME = re.compile(r"\bstepcare_[a-z_]+\b")
LABELS = re.compile(r"\b(stepcare_[a-z_]+)\{([^}]*)\}")
WORKER = Actor(id="worker", role=Role.SERVICE)


def busy(house: House) -> None:
    """Have the due work do everything once: wait, be late, be done, be put aside, and be foretold."""
    late, soon = house.register(), house.register()
    pump = Pump(house.app.database, "w:1")
    house.clock.forward(days=13, hours=12)  # the evening before the lead hears of it
    pump.beat(house.clock(), "1", "here")
    for answer in house.app.engine.fire_due(house.app.make_id, limit=1):
        assert answer.entry is not None
    message = next(one for one in (*of(house, late), *of(house, soon)) if one.status == "queued")
    episode = message.id.partition(":")[0]
    values = {"message": message.id, "result": "unknown", "reason": "timeout"}
    house.app.engine.handle(
        Command(id=house.app.make_id(), kind=Kind.DELIVER, actor=WORKER, episode=episode, values=dict(values))
    )
    pump.count(timer_fired=1, message_unknown=1, lease_expired=1, clock_back=1, daily_planned=2, daily_done=1)
    pump.count(**lateness_counts(FIRE, [timedelta(seconds=3)]), **lateness_counts(DELIVER, [timedelta(hours=2)]))
    pump.gauge("breaker_email", 1, house.clock())
    pump.gauge("replay_guard", 1, house.clock())


def of(house: House, episode: str) -> Any:
    """Give an episode's messages."""
    return house.app.store.episode(episode).messages


def scraped(house: House) -> dict[str, float]:
    """Read the figures as Prometheus does: each sample by its name and labels."""
    lines = house.get("ann", "/metrics").text.splitlines()
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if not line.startswith("#")}


def test_every_figure_of_the_due_work_is_told(own_house: House) -> None:
    """How late, how much waits by kind and age, what was done, leases, heartbeats, the clock, breakers."""
    busy(own_house)

    found = scraped(own_house)

    assert found["stepcare_timer_lag_seconds"] >= 86400
    assert found['stepcare_backlog{age="older",kind="triage",stage="fire"}'] == 1
    assert found['stepcare_due_events_total{stage="fire",what="fired"}'] == 1
    assert found['stepcare_due_events_total{stage="jobs",what="daily_planned"}'] == 2
    assert found['stepcare_lateness_seconds_bucket{le="5",stage="fire"}'] == 1
    assert found['stepcare_lateness_seconds_bucket{le="2",stage="fire"}'] == 0
    assert found['stepcare_lateness_seconds_sum{stage="deliver"}'] == 7200
    assert found['stepcare_undelivered{status="unknown"}'] == 1
    assert found["stepcare_lease_expiries_total"] == 1
    assert found["stepcare_workers"] == 1
    assert found["stepcare_worker_heartbeat_age_seconds"] == 0
    assert found['stepcare_clock_steps_total{direction="back"}'] == 1
    assert found['stepcare_breaker_open{channel="email"}'] == 1
    assert found["stepcare_replay_guard"] == 1


def test_a_dead_fleet_is_seen_by_its_age(own_house: House) -> None:
    """No worker alive is nought workers and an age that grows; where there never was one there is no age."""
    before = scraped(own_house)
    Pump(own_house.app.database, "w:1").beat(own_house.clock(), "1", "here")
    own_house.clock.forward(minutes=5)

    after = scraped(own_house)

    assert "stepcare_worker_heartbeat_age_seconds" not in before
    assert (after["stepcare_workers"], after["stepcare_worker_heartbeat_age_seconds"]) == (0, 300)


def test_no_figure_names_anybody(own_house: House) -> None:
    """Labels are kinds, channels and codes; never a person, an episode or a colleague."""
    busy(own_house)
    said = own_house.get("ann", "/metrics").text

    episodes = [one["id"] for one in own_house.get("ann", "/api/v1/episodes").json()["items"]]

    assert len(episodes) == 2
    assert [name for name in (*episodes, "Alva", "Ludens", "w:1") if name in said] == []


# --- what the example board and alarms ask ------------------------------------------------------------------------


def asked() -> Iterator[tuple[str, str]]:
    """Give every expression of the example board and of the alarms, with where it stands."""
    board = json.loads((DEPLOY / "grafana" / "stepcare.json").read_text(encoding="utf-8"))
    for panel in board["panels"]:
        for target in panel["targets"]:
            yield f"board: {panel['title']}", target["expr"]
    source = read_yaml(DEPLOY / "alerts.yaml")
    assert source.findings == ()
    rules: Any = source.data
    for group in rules["groups"]:
        for rule in group["rules"]:
            assert {"alert", "expr", "labels", "annotations"} <= set(rule), rule
            assert {"summary", "description"} == set(rule["annotations"])
            yield f"alarm: {rule['alert']}", rule["expr"]


def test_the_board_and_the_alarms_ask_only_for_what_there_is(own_house: House) -> None:
    """Every metric and every label they name is in a real answer of the service."""
    busy(own_house)
    samples = scraped(own_house)
    there: dict[str, set[str]] = {}
    for sample in samples:
        name, _, labels = sample.partition("{")
        there.setdefault(name, set()).update(re.findall(r"(\w+)=\"", labels))

    expressions = list(asked())
    unknown = [(place, name) for place, text in expressions for name in NAME.findall(text) if name not in there]
    unlabelled = [
        (place, name, label)
        for place, text in expressions
        for name, inside in LABELS.findall(text)
        for label in re.findall(r"(\w+)\s*(?:=|!=|=~|!~)\s*\"", inside)
        if label not in there.get(name, set())
    ]

    assert len(expressions) > 20
    assert unknown == []
    assert unlabelled == []


def test_each_panel_is_in_its_place_and_says_what_it_shows() -> None:
    """No two panels lie over each other, and every id is one panel's."""
    panels = json.loads((DEPLOY / "grafana" / "stepcare.json").read_text(encoding="utf-8"))["panels"]
    cells = [
        (x, y)
        for one in panels
        for x in range(one["gridPos"]["x"], one["gridPos"]["x"] + one["gridPos"]["w"])
        for y in range(one["gridPos"]["y"], one["gridPos"]["y"] + one["gridPos"]["h"])
    ]

    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
    assert len({one["id"] for one in panels}) == len(panels)
    assert all(one["title"] for one in panels)
