"""Due work over HTTP: how it goes, why something was or was not sent, and taking up again what came to nothing."""

from urllib.parse import urlencode

import pytest

from engine.model import Actor, Command, Kind, Role
from storage.pump import Pump
from tests.web.conftest import House

WORKER = Actor(id="worker", role=Role.SERVICE)
NAMES = ("Alva", "Ludens")


def explained(house: House, episode: str, query: str = "") -> dict[str, list[dict[str, object]]]:
    """Ask what will be and was sent, as the coordinator."""
    answer = house.get("ann", f"/api/v1/episodes/{episode}/due/explain{query}")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def parked(house: House, episode: str) -> str:
    """Have a timer put aside; gives its id."""
    timer = next(one for one in house.app.store.episode(episode).timers if one.state == "armed")
    Pump(house.app.database, "w").park("timer", episode, timer.id, "unknown_kind", house.clock())
    return timer.id


def undelivered(house: House, episode: str) -> str:
    """Have a message to the team of which nobody knows whether it was sent; gives its id."""
    for answer in house.app.engine.fire_due(house.app.make_id):
        assert answer.entry is not None
    message = next(one for one in house.app.store.episode(episode).messages if one.status == "queued")
    values = {"message": message.id, "result": "unknown", "reason": "timeout"}
    command = Command(id=house.app.make_id(), kind=Kind.DELIVER, actor=WORKER, episode=episode, values=dict(values))
    assert house.app.engine.handle(command).entry is not None
    return message.id


# --- reading ------------------------------------------------------------------------------------------------------


def test_what_comes_is_told_as_the_command_line_tells_it(house: House, episode: str) -> None:
    """What is owed, what comes in so many days, every message and every timer."""
    near, far = explained(house, episode, "?days=1"), explained(house, episode, "?days=60")

    assert set(near) == {"episode", "state", "at", "until", "due_items", "coming", "messages", "timers"}
    assert near["coming"] == []
    assert far["coming"]
    assert far["due_items"] == near["due_items"]


def test_no_name_is_in_it(house: House, episode: str) -> None:
    """References and codes only: whoever needs a name asks for it by itself."""
    told = house.get("ann", f"/api/v1/episodes/{episode}/due/explain?days=60").text

    assert [name for name in NAMES if name in told] == []


def test_one_message_is_told_whole(own_house: House) -> None:
    """By its id, with its entries; a name nobody has is 404."""
    episode = own_house.register()
    own_house.clock.forward(days=9)
    name = undelivered(own_house, episode)

    told = own_house.get("ann", f"/api/v1/episodes/{episode}/due/explain?{urlencode({'message': name})}").json()
    nobody = own_house.get("ann", f"/api/v1/episodes/{episode}/due/explain?message=nobody")

    assert (told["id"], told["status"], told["reason"]) == (name, "unknown", "timeout")
    assert [turn["status"] for turn in told["history"]] == ["queued", "unknown"]
    assert nobody.status_code == 404


@pytest.mark.parametrize("query", ["?days=-1", "?days=400", "?days=soon", "?since=now"])
def test_what_cannot_be_asked_is_refused_by_its_name(house: House, episode: str, query: str) -> None:
    """The problem names the field, and repeats nothing of what came."""
    answer = house.get("ann", f"/api/v1/episodes/{episode}/due/explain{query}")

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid-input")
    assert "soon" not in answer.text


def test_reading_it_is_noted(own_house: House) -> None:
    """The log of reads has who looked at whose work; the figures are about nobody, and leave nothing there."""
    episode = own_house.register()
    explained(own_house, episode)
    own_house.get("ann", "/api/v1/due/stats")

    found = own_house.get("aziz", f"/api/v1/audit/access?episode={episode}").json()["items"]

    assert [one["type"] for one in found if one["actor"] == "ann"] == ["read.episode"]


def test_another_team_sees_nothing_of_it(own_house: House) -> None:
    """Neither one episode's work nor its line among what was put aside."""
    episode = own_house.register()
    parked(own_house, episode)

    assert own_house.get("otto", f"/api/v1/episodes/{episode}/due/explain").status_code == 403
    assert own_house.get("otto", "/api/v1/due/parked").json() == {"items": []}
    assert [one["episode"] for one in own_house.get("ann", "/api/v1/due/parked").json()["items"]] == [episode]


def test_the_figures_say_how_late_it_is(own_house: House) -> None:
    """As `stepcare due stats` says it."""
    own_house.register()
    own_house.clock.forward(days=9)

    told = own_house.get("adam", "/api/v1/due/stats").json()

    assert told["lag_seconds"]["fire"] == 25 * 3600  # due on the 10th at nine; it is the 11th, ten o'clock here
    assert [(one["stage"], one["kind"]) for one in told["backlog"]] == [("fire", "triage")]


# --- taking up again ------------------------------------------------------------------------------------------------


def test_what_was_put_aside_waits_again(own_house: House) -> None:
    """The coordinator gives the id of the list; the list is empty afterwards."""
    episode = own_house.register()
    timer = parked(own_house, episode)
    (listed,) = own_house.get("ann", "/api/v1/due/parked").json()["items"]

    answer = own_house.post("ann", f"/api/v1/episodes/{episode}/due/retry", {"id": listed["id"]})

    assert answer.status_code == 200, answer.text
    assert (answer.json()["id"], answer.json()["was"]) == (timer, "unknown_kind")
    assert own_house.get("ann", "/api/v1/due/parked").json() == {"items": []}


def test_sending_again_is_a_decision(own_house: House) -> None:
    """It has its entry, and the same key gives the same answer; the auditor may not."""
    episode = own_house.register()
    own_house.clock.forward(days=9)
    name = undelivered(own_house, episode)
    path = f"/api/v1/episodes/{episode}/due/retry"

    refused = own_house.post("aziz", path, {"id": name})
    first = own_house.post("ann", path, {"id": name}, Idempotency_Key="k1")
    again = own_house.post("ann", path, {"id": name}, Idempotency_Key="k1")

    assert refused.status_code == 403
    assert (first.status_code, first.json()["command"]) == (200, "resend")
    assert first.json()["messages"]["queued"][0]["follows"] == name
    assert again.json()["entry"] == first.json()["entry"]
    assert again.headers["idempotency-replayed"] == "true"


def test_one_that_is_not_there_is_404(house: House, episode: str) -> None:
    """And it says where to look, without repeating what was sent."""
    answer = house.post("ann", f"/api/v1/episodes/{episode}/due/retry", {"id": "triage:secret@7"})

    assert answer.status_code == 404
    assert "secret" not in answer.text


def test_a_command_may_be_sent_again_and_opt_out_too(own_house: House) -> None:
    """The two commands of due work that people give go by the ordinary route as well."""
    episode = own_house.register()

    answer = own_house.post(
        "ann",
        f"/api/v1/episodes/{episode}/commands",
        {"kind": "opt_out", "values": {"channel": "email", "how": "asked"}},
        If_Match="*",
    )

    assert answer.status_code == 200, answer.text
    assert answer.json()["outcome"] == "accepted"
