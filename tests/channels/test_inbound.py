"""What comes in from outside: signed receipts act once, and whoever opens the address in a message decides for themselves."""

import json
import os
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from anyio.from_thread import start_blocking_portal

from engine.model import Command, Episode, Kind, Message, Outcome
from stepcare.app import open_app
from stepcare.channels.configured import Configured
from stepcare.channels.mail import message_id
from stepcare.channels.opting_out import Declined, OneClick
from stepcare.channels.reported import OUTSIDE, Reported, opt_out, take_mail, take_report
from stepcare.channels.signing import signed
from stepcare.web.api import Web
from storage.pump import Pump
from storage.verify import verify_log
from storage.walk import opener_of
from tests.web.conftest import REGISTRATION, Client, Clock, House, ready
from tests.worker.clinic import ANN, COURSE, RAVI

__all__ = ["ready"]
SECRET, OTHER = bytes(range(32)), bytes(32)
ONE_CLICK = OneClick(address="https://clinic.example", key=bytes(range(64)))
OUTSIDE_WORLD = Configured(channels={}, rates={}, receipts={"email": (SECRET,)}, one_click=ONE_CLICK)
SENT = message_id("a-key", "clinic.example")  # as a mail is known


@pytest.fixture
def house(ready: Path, tmp_path: Path) -> Iterator[House]:
    """Give a house that is spoken to from outside."""
    place, clock = shutil.copytree(ready, tmp_path / "data"), Clock()
    web = Web(lambda: open_app(place, clock), random=os.urandom, monotonic=clock.monotonic, channels=OUTSIDE_WORLD)
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(web.living()):
        yield House(Client(web, portal), web.service().app, clock, web)


def a_sent_message(house: House, to: str = "patient") -> tuple[str, Message]:
    """Bring somebody to self-care, let a message fall due, and send it as the worker would; gives both."""
    episode = house.register()
    for who, kind, values in COURSE:
        actor = {"ann": ANN, "ravi": RAVI}[who]
        command = Command(id=house.app.make_id(), kind=kind, actor=actor, episode=episode, values=values)
        answer = house.app.engine.handle(command)
        assert answer.decision.outcome is Outcome.ACCEPTED, answer.decision.problem
    message = _due(house, episode, to)
    house.clock.now = max(house.clock.now, message.not_before)
    pump = Pump(house.app.database, "w1")
    claim = next(one for one in pump.claim_messages(house.clock()) if one.id == message.id)
    assert pump.intend(claim, house.clock(), house.app.store.episode(episode).version)
    assert pump.attempted(claim, house.clock(), "accepted", reference=SENT)
    said: dict[str, Any] = {"message": message.id, "result": "accepted", "reason": "taken", "reference": SENT}
    house.app.engine.handle(
        Command(id=house.app.make_id(), kind=Kind.DELIVER, actor=OUTSIDE, episode=episode, values=said)
    )
    assert status(house, episode, message) == "accepted"
    return episode, message


def _due(house: House, episode: str, to: str) -> Message:
    """Let time pass until a message is queued."""
    for _ in range(60):
        for one in house.app.store.episode(episode).messages:
            if one.status == "queued" and (one.recipient == "patient") is (to == "patient"):
                return one
        house.clock.forward(days=1)
        house.app.engine.fire_due(house.app.make_id, limit=100)
    raise AssertionError("no message fell due")


def status(house: House, episode: str, message: Message) -> str:
    """Say what has become of a message."""
    return next(one.status for one in house.app.store.episode(episode).messages if one.id == message.id)


def receipt(house: House, body: Any, *, channel: str = "email", secret: bytes = SECRET, **headers: str) -> int:
    """Send a receipt as its provider would; gives the status of the answer."""
    data = json.dumps(body).encode()
    said = {**signed((secret,), "r-1", data, house.clock()), "Content-Type": "application/json"}
    said |= {name.replace("_", "-"): value for name, value in headers.items()}
    return house.client.request("POST", f"/hooks/receipts/{channel}", content=data, headers=said).status_code


def declined(episode: Episode) -> list[Any]:
    """Give every record by which a person said how they want to be written to."""
    records = {one.id: one for one in (*episode.records, *episode.person.records)}
    return [one.values for one in records.values() if one.form == "contact_preferences"]


# --- receipts -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "becomes"), [("delivered", "delivered"), ("bounced", "failed")])
def test_a_receipt_says_what_became_of_a_message(house: House, kind: str, becomes: str) -> None:
    """By the provider's own name for it; an entry says so, and the log still verifies."""
    episode, message = a_sent_message(house)

    found = receipt(house, {"reference": SENT, "kind": kind, "code": "5.1.1", "more": "is passed over"})

    assert (found, status(house, episode, message)) == (200, becomes)
    assert verify_log(house.app.database, opener_of(house.app.database)).faults == ()


def test_a_receipt_that_comes_again_changes_nothing(house: House) -> None:
    """The same one, sent again with a fresh signature: answered, and no further entry."""
    episode, _ = a_sent_message(house)
    receipt(house, {"reference": SENT, "kind": "delivered"})
    version = house.app.store.episode(episode).version

    again = receipt(house, {"reference": SENT, "kind": "delivered"})

    assert (again, house.app.store.episode(episode).version) == (200, version)


def test_only_the_provider_of_a_channel_is_believed(house: House) -> None:
    """No signature, a wrong one, one that is old, another channel, another method: nothing happens."""
    episode, message = a_sent_message(house)
    body = {"reference": SENT, "kind": "bounced"}
    old = signed((SECRET,), "r-1", json.dumps(body).encode(), house.clock() - timedelta(minutes=6))

    found = {
        "another secret": receipt(house, body, secret=OTHER),
        "no signature": receipt(house, body, webhook_signature=""),
        "old": receipt(house, body, **dict[str, Any]({name.replace("-", "_"): value for name, value in old.items()})),
        "no such channel": receipt(house, body, channel="sms"),
    }

    assert found == dict.fromkeys(found, 401)
    assert house.client.request("GET", "/hooks/receipts/email").status_code == 405
    assert status(house, episode, message) == "accepted"


def test_a_receipt_about_nothing_of_ours_may_come_again(house: House) -> None:
    """Perhaps it came before we had kept the name: 404, so that the provider tells us once more."""
    assert receipt(house, {"reference": "m-99", "kind": "delivered"}) == 404


@pytest.mark.parametrize(
    "body",
    [{"reference": SENT}, {"reference": SENT, "kind": "eaten"}, {"reference": "a b", "kind": "delivered"},
     {"reference": SENT, "kind": "bounced", "code": "No such user Zelda"}, [], "x"],
)  # fmt: skip
def test_a_receipt_says_what_it_must_and_no_free_text(house: House, body: Any) -> None:
    """A reference, a kind, and a code that cannot hold a sentence."""
    assert receipt(house, body) == 400


@pytest.mark.parametrize("kind", ["complaint", "opted_out"])
def test_a_complaint_and_a_stop_opt_the_person_out(house: House, kind: str) -> None:
    """Of that channel, in every open episode of theirs; once, however often it is said."""
    episode, _ = a_sent_message(house)

    found = [receipt(house, {"reference": SENT, "kind": kind}) for _ in range(2)]

    said = declined(house.app.store.episode(episode))
    assert found == [200, 200]
    assert [(one["opted_out"], one["how"]) for one in said] == [
        (["email"], "unsubscribe" if kind == "complaint" else "stop_reply")
    ]


def test_a_colleague_s_no_is_not_the_person_s(house: House) -> None:
    """A message to staff that was complained about opts nobody out; its bounce says what became of it."""
    episode, message = a_sent_message(house, "staff")

    found = [receipt(house, {"reference": SENT, "kind": kind}) for kind in ("complaint", "bounced")]

    assert (found, status(house, episode, message)) == ([200, 200], "failed")
    assert declined(house.app.store.episode(episode)) == []


# --- the address in a message -------------------------------------------------------------------------------------


def address(house: House, episode: str, channel: str = "email") -> str:
    """Give the path by which the person of an episode says no."""
    person = house.app.store.episode(episode).person.id
    return f"/u/{ONE_CLICK.token(Declined(person=person, channel=channel, category='visit'))}"


def one_click(house: House, path: str, **sent: Any) -> httpx.Response:
    """Post as a mail program does (RFC 8058)."""
    return house.client.request("POST", path, **(sent or {"data": {"List-Unsubscribe": "One-Click"}}))


def test_looking_at_the_address_changes_nothing(house: House) -> None:
    """Mail programs and virus scanners open every address: a plain page with a button, and no entry."""
    episode = house.register()
    before = house.app.store.episode(episode).version

    found = house.client.request("GET", address(house, episode))

    assert (found.status_code, found.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert '<form method="post"><button>' in found.text
    assert found.headers["content-security-policy"].startswith("default-src 'none'")
    assert found.headers["referrer-policy"] == "no-referrer"
    assert house.app.store.episode(episode).version == before


@pytest.mark.parametrize(
    "sent",
    [
        {"data": {"List-Unsubscribe": "One-Click"}},
        {"files": {"List-Unsubscribe": (None, "One-Click")}},
        {"content": b""},
    ],
    ids=["form", "multipart", "button"],
)
def test_posting_to_the_address_stops_the_messages(house: House, sent: Any) -> None:
    """As mail programs do it and as the page's button does; said twice it stands once."""
    episode = house.register()

    found = [one_click(house, address(house, episode), **sent).status_code for _ in range(2)]

    said = declined(house.app.store.episode(episode))
    assert found == [200, 200]
    assert [(one["opted_out"], one["how"]) for one in said] == [(["email"], "unsubscribe")]
    assert verify_log(house.app.database, opener_of(house.app.database)).faults == ()


def test_an_address_of_nobody_gets_the_same_answers(house: House) -> None:
    """Made up, of another key, of a person who is not here: the very same pages."""
    episode = house.register()
    foreign = OneClick(address="https://clinic.example", key=bytes(32))
    strange = [
        "/u/abc",
        f"/u/{foreign.token(Declined(person='p', channel='email', category='visit'))}",
        f"/u/{ONE_CLICK.token(Declined(person='p-nobody', channel='email', category='visit'))}",
    ]
    right = address(house, episode)
    asked, done = house.client.request("GET", right), one_click(house, right)

    for path in strange:
        for method, answer in (("GET", asked), ("POST", done)):
            found = house.client.request(method, path)
            assert (found.status_code, found.content) == (answer.status_code, answer.content)
            assert {*found.headers} == {*answer.headers}


def test_a_channel_declined_once_stays_so_when_another_is(house: House) -> None:
    """What was said before stands, and is said again."""
    episode = house.register()
    for channel in ("email", "sms", "email"):
        one_click(house, address(house, episode, channel))

    said = declined(house.app.store.episode(episode))
    assert [one["opted_out"] for one in said] == [["email"], ["email", "sms"]]


def test_a_no_is_said_in_every_open_episode(house: House) -> None:
    """Each gets an entry of its own, so that whoever was about to send from one of them has to look again."""
    first = house.register()
    second = another_episode(house, first)
    before = versions(house, first, second)

    one_click(house, address(house, first))

    after = versions(house, first, second)
    assert [now - was for was, now in zip(before, after, strict=True)] == [1, 1]
    one_click(house, address(house, first))
    assert versions(house, first, second) == after


def test_a_no_after_the_last_episode_is_kept_there(house: House) -> None:
    """Nothing is open any more, and the person may come back: it is known then."""
    first = house.register()
    die = {"transition": "died", "died_on": "2026-03-01", "source": "the family telephoned"}
    command = Command(id=house.app.make_id(), kind=Kind.MOVE, actor=ANN, episode=first, values=die)
    assert house.app.engine.handle(command).decision.outcome is Outcome.ACCEPTED

    count = opt_out(house.app, house.app.store.episode(first).person.id, "email", "stop_reply", "mail")

    assert (count, [one["opted_out"] for one in declined(house.app.store.episode(first))]) == (1, [["email"]])


def test_a_no_that_nothing_can_keep_is_said_to_be_lost(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever told us hears that it stands nowhere, and no receipt says that it does."""
    a_sent_message(house)
    monkeypatch.setattr("stepcare.channels.reported._about", lambda *_: [])

    said = Reported(channel="email", reference=SENT, kind="opted_out")
    assert [take_report(house.app, said, "mail") for _ in range(2)] == ["not_kept", "not_kept"]


def another_episode(house: House, first: str) -> str:
    """Register the same person for another region."""
    person, second = house.app.store.episode(first).person.id, f"{first}b"
    values: dict[str, Any] = {**REGISTRATION, "region": "mid_back", "patient": person}
    command = Command(id=house.app.make_id(), kind=Kind.REGISTER, actor=ANN, episode=second, values=values)
    assert house.app.engine.handle(command).decision.outcome is Outcome.ACCEPTED
    return second


def versions(house: House, *episodes: str) -> list[int]:
    """Give the version of each episode."""
    return [house.app.store.episode(one).version for one in episodes]


def test_a_house_that_hears_nothing_from_outside_says_nothing_else(house: House) -> None:
    """Where no key is configured, addresses have the same page and receipts the same refusal."""
    episode = house.register()
    house.web.service().channels = None

    assert one_click(house, address(house, episode)).status_code == 200
    assert receipt(house, {"reference": SENT, "kind": "delivered"}) == 401
    assert declined(house.app.store.episode(episode)) == []


def test_a_mail_that_came_back_is_acted_on(house: House) -> None:
    """A person's STOP in the mailbox opts them out, once; any other answer is for somebody to read."""
    episode, _ = a_sent_message(house)
    mails = [
        f"In-Reply-To: {reference}\r\n\r\n{text}\r\n".encode()
        for reference, text in (
            (SENT, "please don't stop"), (SENT, "Stop!"), (SENT, "STOP"), (f"<{'0' * 40}@clinic.example>", "STOP")
        )
    ]  # fmt: skip

    found = [take_mail(house.app, one, "email") for one in (*mails, b"Hello")]

    assert found == ["nothing", "kept", "known", "not_ours", "nothing"]
    assert [one["opted_out"] for one in declined(house.app.store.episode(episode))] == [["email"]]


def test_a_bounce_and_a_stop_reply_come_in_by_mail_as_well(house: House) -> None:
    """The same acts, for whoever reads the mailbox."""
    episode, message = a_sent_message(house)
    bounce = Reported(channel="email", reference=SENT, kind="bounced", code="5.1.1")

    said = [take_report(house.app, bounce, "mail") for _ in range(2)]
    count = opt_out(house.app, house.app.store.episode(episode).person.id, "sms", "stop_reply", "mail")

    assert (said, status(house, episode, message), count) == (["kept", "known"], "failed", 1)
    assert [one.reason for one in house.app.store.episode(episode).messages if one.id == message.id] == [
        "bounced:5.1.1"
    ]
