"""Webhooks: signed, with a key of their own, and never sent anywhere but where they were meant to go."""

import base64
import hashlib
import hmac
import ssl
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from stepcare.channels.signing import is_signed, secret_from, signed
from stepcare.channels.webhook import Webhook, retry_after, secure
from tests.channels.conftest import CANARIES, NOW, PARCEL, a_parcel
from tests.channels.mailhost import Certificate
from tests.channels.webhost import HOST, Handler, Service, a_service, drips, hangs, hangs_up, says

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])
SECRET = bytes(range(32))


def posting(url: str, seconds: float = 0.4, context: ssl.SSLContext | None = None) -> Webhook:
    """Give a channel to a service on loopback."""
    return Webhook(
        url=url,
        secrets=(SECRET,),
        clock=lambda: NOW,
        context=context,
        connect_seconds=seconds,
        seconds=seconds,
    )


LONG = b'{"id": "' + b"x" * 200_000 + b'"}'
ANSWERS: dict[str, tuple[Callable[[Handler, Service], None], tuple[str, str]]] = {
    "takes it": (says(200), ("accepted", "taken:200")),
    "takes it for later": (says(202), ("accepted", "taken:202")),
    "has it already": (says(409), ("accepted", "already:409")),
    "sends us elsewhere": (says(307, Location="http://127.0.0.1:9/"), ("temporary", "redirect:307")),
    "cannot read it": (says(400), ("permanent", "refused:400")),
    "knows no such address": (says(410), ("permanent", "address:410")),
    "took too long itself": (says(408), ("temporary", "server:408")),
    "is too busy": (says(429), ("temporary", "busy:429")),
    "broke": (says(500), ("temporary", "server:500")),
    "has a broken gateway": (says(502), ("temporary", "server:502")),
    "rests": (says(503), ("temporary", "busy:503")),
    "answers after we have gone": (hangs, ("unknown", "silent")),
    "answers a byte at a time": (drips, ("unknown", "silent")),
    "breaks off": (hangs_up, ("unknown", "broken_off")),
    "talks without end": (says(200, LONG), ("accepted", "taken:200")),
}


@pytest.mark.parametrize(("answer", "meaning"), ANSWERS.values(), ids=ANSWERS)
def test_each_answer_has_one_meaning(answer: Callable[[Handler, Service], None], meaning: tuple[str, str]) -> None:
    """The status decides; where none comes, the message may have been taken. It is sent once, and nowhere else."""
    with a_service(answer) as service:
        result = posting(service.url).send(PARCEL)

    assert (result.status, result.code, result.retry_after) == (*meaning, None)
    assert len(service.came) == 1
    assert not [canary for canary in CANARIES if canary in repr(result) + repr(posting(service.url))]


def test_nobody_listens() -> None:
    """A service that is not there has taken nothing."""
    with a_service(says(200)) as service:
        url = service.url

    assert (posting(url).send(PARCEL).status, posting(url).send(PARCEL).code) == ("temporary", "unreachable")


def test_a_message_is_signed_and_has_its_key() -> None:
    """As the Standard Webhooks scheme says: HMAC-SHA256 over id, time and body; checked here by hand."""
    with a_service(says(200, b'{"id": "m-17"}')) as service:
        result = posting(service.url).send(PARCEL)

    headers, body = service.came[0]
    content = f"{PARCEL.key}.{int(NOW.timestamp())}.".encode() + body
    mac = base64.b64encode(hmac.new(SECRET, content, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{mac}"
    assert (headers["idempotency-key"], headers["webhook-id"]) == (PARCEL.key, PARCEL.key)
    assert service.bodies()[0]["to"] == PARCEL.to
    assert result.reference == "m-17"


def test_every_try_is_the_same_request() -> None:
    """The body does not depend on the try: a service that compares bodies under one key sees one message."""
    with a_service(says(200)) as service:
        for attempt in (1, 2):
            posting(service.url).send(a_parcel(attempt=attempt))

    assert service.came[0] == service.came[1]


def test_a_service_that_knows_the_key_does_it_once() -> None:
    """Answered too late, then sent again: one effect."""
    effects = set[str]()

    def answer(handler: Handler, service: Service) -> None:
        key, is_first = service.came[-1][0]["idempotency-key"], len(service.came) == 1
        known = key in effects
        effects.add(key)
        (hangs if is_first else says(409 if known else 200))(handler, service)

    with a_service(answer) as service:
        results = [posting(service.url).send(PARCEL) for _ in range(2)]

    assert [one.status for one in results] == ["unknown", "accepted"]
    assert effects == {PARCEL.key}


def test_half_of_the_receivers_failing_spoils_nothing_for_the_others() -> None:
    """Each message has its own result, whatever became of the one before."""

    def answer(handler: Handler, service: Service) -> None:
        says(500 if len(service.came) % 2 else 200)(handler, service)

    with a_service(answer) as service:
        channel = posting(service.url)
        found = [channel.send(a_parcel(key=f"k{number}")).status for number in range(6)]

    assert found == ["temporary", "accepted"] * 3


@pytest.mark.parametrize(
    ("said", "wait"),
    [
        ("120", timedelta(seconds=120)),
        ("0", timedelta(0)),
        ("999999999999", timedelta(hours=6)),
        ("Mon, 02 Mar 2026 09:10:00 GMT", timedelta(minutes=10)),
        ("Mon, 02 Mar 2026 08:00:00 GMT", None),
        ("Mon, 02 Mar 2099 09:10:00 GMT", timedelta(hours=6)),
        ("soon", None),
        ("-5", None),
        ("", None),
        (None, None),
    ],
)
def test_a_receiver_may_ask_for_patience(said: str | None, wait: timedelta | None) -> None:
    """Retry-After in seconds or as a date, never more than six hours; what is neither is passed over."""
    assert retry_after(said, NOW) == wait


def test_patience_is_asked_for_by_429_and_503() -> None:
    """And passed on with the result."""
    found = []
    for status in (429, 503):
        with a_service(says(status, Retry_After="90")) as service:
            found.append(posting(service.url).send(PARCEL).retry_after)

    assert found == [timedelta(seconds=90)] * 2


def test_messages_go_encrypted_or_not_at_all(certificate: Certificate) -> None:
    """A certificate nobody vouches for, and a service that speaks no TLS, get nothing."""
    with a_service(says(200), certificate.serving()) as service:
        url = service.url.replace("http:", "https:")
        trusted = posting(url, 2, certificate.trusting()).send(PARCEL)
        untrusted = posting(url, 2).send(PARCEL)
        assert len(service.came) == 1
    with a_service(says(200)) as service:
        plain = posting(service.url.replace("http:", "https:"), 2).send(PARCEL)
        assert not service.came

    assert (trusted.status, untrusted.status, untrusted.code) == ("accepted", "temporary", "tls")
    assert (plain.status, plain.code) == ("temporary", "tls")
    assert untrusted.is_about_the_channel


def test_only_safe_addresses_are_posted_to() -> None:
    """Https anywhere; http only to this very machine."""
    urls = {"https://sms.example/x": True, f"http://{HOST}:8/x": True, "http://localhost/x": True,
            "http://sms.example/x": False, "ftp://sms.example": False, "https://": False,
            "http://127.0.0.1.example/": False}  # fmt: skip

    assert {url: secure(url) for url in urls} == urls


def test_a_signature_holds_for_its_words_and_its_time() -> None:
    """Another byte, another id, another secret, or five minutes: not believed. While a secret is replaced, both hold."""
    old, new, body = SECRET, bytes(reversed(SECRET)), b'{"kind": "delivered"}'
    headers = signed((new, old), "id1", body, NOW)
    cases: dict[str, tuple[Any, ...]] = {
        "as sent": ((new,), headers, body, NOW),
        "by the old secret": ((old,), headers, body, NOW),
        "just in time": ((new,), headers, body, NOW + timedelta(minutes=5)),
        "too old": ((new,), headers, body, NOW + timedelta(minutes=5, seconds=1)),
        "from the future": ((new,), headers, body, NOW - timedelta(minutes=5, seconds=1)),
        "another body": ((new,), headers, body + b" ", NOW),
        "another id": ((new,), {**headers, "webhook-id": "id2"}, body, NOW),
        "another time": ((new,), {**headers, "webhook-timestamp": str(int(NOW.timestamp()) + 1)}, body, NOW),
        "no time": ((new,), {**headers, "webhook-timestamp": "now"}, body, NOW),
        "another secret": ((b"x" * 32,), headers, body, NOW),
        "no secret": ((), headers, body, NOW),
        "no signature": ((new,), {**headers, "webhook-signature": ""}, body, NOW),
        "another scheme": ((new,), {**headers, "webhook-signature": "v1a,AAAA"}, body, NOW),
    }

    found = [name for name, (secrets, *rest) in cases.items() if is_signed(secrets, *rest)]

    assert found == ["as sent", "by the old secret", "just in time"]


def test_a_secret_is_long_enough() -> None:
    """whsec_ and base64 of 24 bytes or more."""
    right = "whsec_" + base64.b64encode(SECRET).decode()

    assert secret_from(f" {right}\n") == SECRET
    assert [secret_from(one) for one in ("whsec_AAAA", right[6:], "whsec_???", "")] == [None] * 4
