"""The edge: limits, headers, log lines, and errors that never repeat what was said."""

import asyncio
import io
import json
import random
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from structlog import PrintLogger

from engine.errors import Unavailable
from stepcare.log import ALLOWED, configure_log
from stepcare.web import edge
from stepcare.web.problem import CODES
from tests.web.conftest import CALLED, REGISTRATION, House

CANARY = "zyxQwertz-0815-Kanarienvogel"
UUID = "0198c0de-1111-7222-8333-444455556666"


@pytest.fixture
def lines(house: House, monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """Catch what is logged, as it would be on stderr."""
    caught = io.StringIO()
    monkeypatch.setattr(structlog, "PrintLogger", lambda **_: PrintLogger(file=caught))
    configure_log("debug", "json", house.clock)
    yield caught
    configure_log("warning", "console", house.clock)


# --- what is not served -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/api/v1/nothing", 404, "not-found"),
        ("GET", "/api/v1/episodes/", 404, "not-found"),
        ("GET", "/api/v1/episodes/e-0000000000A", 404, "not-found"),
        ("GET", f"/api/v1/{'x' * 2000}", 404, "not-found"),
        ("PUT", "/api/v1/episodes", 405, "method-not-allowed"),
        ("DELETE", "/api/v1/episodes/e-0000000000A", 405, "method-not-allowed"),
        ("GET", "/api/v1/site/commands", 405, "method-not-allowed"),
        ("GET", "/api/v1/log/first", 404, "not-found"),
    ],
)
def test_what_is_not_there_is_a_problem_too(house: House, method: str, path: str, status: int, code: str) -> None:
    """404 and 405 have the same shape as every error; 405 says what there is."""
    found = house.ask("lena", method, path)

    assert (found.status_code, found.json()["code"]) == (status, code)
    assert found.headers["content-type"] == "application/problem+json"
    assert ("allow" in found.headers) is (status == 405)


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"", 400, "invalid-input"),
        (b"{", 400, "invalid-input"),
        (b"[]", 400, "invalid-input"),
        (b"null", 400, "invalid-input"),
        (b'{"kind": "contact", "kind": "move"}', 400, "invalid-input"),
        (b'{"kind": "contact", "values": {"a": NaN}}', 400, "invalid-input"),
        (b'{"kind": "contact", "values": {"a": ' + b"9" * 5000 + b"}}", 400, "invalid-input"),
        (b'{"kind": "contact", "values": ' + b"[" * 100_000 + b"}", 400, "invalid-input"),
        (b'{"kind": "contact", "values": ' + b'{"a":' * 30 + b"1" + b"}" * 31, 400, "invalid-input"),
        (b'{"kind": "fire"}', 400, "invalid-input"),
        (b'{"kind": "contact", "more": 1}', 400, "invalid-input"),
        (b'{"kind": "contact", "occurred_at": "yesterday"}', 400, "invalid-input"),
        (b'{"kind": "contact", "occurred_at": "2026-03-01T09:00:00"}', 400, "invalid-input"),
        (b'{"kind": "contact", "values": {"note": "a\\u0000"}}', 400, "invalid-answers"),
        (b'{"kind": "contact", "of": "\\ud800"}', 400, "invalid-input"),
        (b"\xff\xfe", 400, "invalid-input"),
        (b'"' + b"x" * (edge.MOST_BODY + 1) + b'"', 413, "too-large"),
    ],
    ids=lambda one: repr(one[:30]) if isinstance(one, bytes) else str(one),
)
def test_a_body_is_read_strictly(house: House, episode: str, content: bytes, status: int, code: str) -> None:
    """What is no JSON object of ours is 400, what is too much 413; nothing is guessed, nothing is a crash."""
    headers = {
        "Authorization": f"Bearer {house.token('ann')}",
        "Content-Type": "application/json",
        "If-Match": '"1"',
    }

    found = house.client.post(f"/api/v1/episodes/{episode}/commands", content=content, headers=headers)

    assert (found.status_code, found.json()["code"]) == (status, code), found.text
    assert house.app.store.episode(episode).version == 1


def test_a_body_that_lies_about_its_length_is_measured(house: House) -> None:
    """Without a stated length the bytes are counted as they come."""

    async def stream() -> Any:
        for _ in range(40):
            yield b"x" * 8192

    headers = {"Authorization": f"Bearer {house.token('ann')}", "Content-Type": "application/json"}

    found = house.client.post("/api/v1/episodes", content=stream(), headers=headers)

    assert (found.status_code, found.json()["code"]) == (413, "too-large")


@pytest.mark.parametrize("media", ["", "text/plain", "application/xml", "application/json; charset=latin-1"])
def test_only_json_is_taken(house: House, episode: str, media: str) -> None:
    """415, and what would be taken."""
    headers = {"Authorization": f"Bearer {house.token('ann')}", "Content-Type": media, "If-Match": "*"}

    found = house.client.post(f"/api/v1/episodes/{episode}/commands", content=json.dumps(CALLED), headers=headers)

    assert (found.status_code, found.json()["code"]) == (415, "unsupported-media-type")
    assert found.headers["accept"] == "application/json"


@pytest.mark.parametrize("name", ["authorization", "if-match", "idempotency-key"])
def test_a_header_of_ours_stands_once(house: House, episode: str, name: str) -> None:
    """Sent twice, one of the two would silently win."""
    headers = [("authorization", f"Bearer {house.token('ann')}"), ("if-match", "*"), ("idempotency-key", "twice")]
    twice = [*headers, next(one for one in headers if one[0] == name)]

    found = house.client.post(f"/api/v1/episodes/{episode}/commands", json=CALLED, headers=twice)

    assert (found.status_code, found.json()["code"]) == (400, "invalid-input")


def test_headers_have_a_limit(house: House) -> None:
    """431 for too many and for too long ones."""
    many = {f"x-{number}": "1" for number in range(edge.MOST_HEADERS + 1)}

    assert house.ask("ann", "GET", "/api/v1/episodes", None, **many).status_code == 431
    assert house.get("ann", "/api/v1/episodes", X_Long="y" * edge.MOST_HEADER_BYTES).status_code == 431


def test_a_body_that_does_not_come_is_408(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody holds a place in the service by sending half a body."""
    monkeypatch.setattr(edge, "BODY_SECONDS", 0.01)

    async def stalled() -> Any:
        yield b"{"
        await asyncio.sleep(30)

    headers = {"Authorization": f"Bearer {house.token('ann')}", "Content-Type": "application/json"}

    found = house.client.post("/api/v1/episodes", content=stalled(), headers=headers)

    assert (found.status_code, found.json()["code"]) == (408, "request-timeout")


def test_too_much_at_once_is_503(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be begun is refused at once, with the time to come back."""
    monkeypatch.setattr(edge, "MOST_AT_ONCE", 0)

    found = house.get("ann", "/api/v1/episodes")

    assert (found.status_code, found.json()["code"]) == (503, "busy")
    assert found.headers["retry-after"] == "1"


# --- what every response carries ----------------------------------------------------------------------------------


def test_every_response_carries_its_id_and_the_security_headers(house: House) -> None:
    """Good answers and bad ones alike."""
    for path in ("/healthz", "/readyz", "/api/v1/episodes", "/api/v1/nothing"):
        for who in (None, "ann"):
            headers = house.get(who, path).headers
            assert headers["x-request-id"]
            assert headers["cache-control"] == "no-store"
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["x-frame-options"] == "DENY"
            assert "frame-ancestors 'none'" in headers["content-security-policy"]
            assert "server" not in headers
            assert not [name for name in headers if name.startswith("access-control-")]


def test_a_sane_request_id_is_taken_over_and_another_is_not(house: House) -> None:
    """A UUID or hex; whatever could say something is replaced."""
    taken = house.get("ann", "/api/v1/nothing", X_Request_Id=UUID)
    other = house.get("ann", "/api/v1/nothing", X_Request_Id=CANARY)

    assert taken.headers["x-request-id"] == taken.json()["instance"] == UUID
    assert CANARY not in other.headers["x-request-id"]
    assert other.headers["x-request-id"] == other.json()["instance"] != UUID


def test_one_line_a_request_and_one_a_decision_under_one_id(house: House, episode: str, lines: io.StringIO) -> None:
    """Method, template, status, time, actor and episode: nothing else, and nothing that is not on the list."""
    house.command("ann", episode, CALLED, X_Request_Id=UUID)
    house.get(None, f"/api/v1/{CANARY}?{CANARY}={CANARY}")

    decided, answered, shut = [json.loads(line) for line in lines.getvalue().splitlines()]
    assert (decided["event"], decided["request"]) == ("decided", UUID)
    assert answered.pop("at")
    assert answered.pop("ms") >= 0
    assert answered == {
        "event": "answered",
        "level": "info",
        "request": UUID,
        "method": "POST",
        "route": "/api/v1/episodes/{episode}/commands",
        "status": 200,
        "actor": "ann",
        "episode": episode,
    }
    assert (shut["route"], shut["status"]) == ("unknown", 401)
    assert set(decided) | set(shut) <= ALLOWED


def test_what_nobody_foresaw_is_500_with_the_id_and_its_kind_in_the_log(
    house: House, lines: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own words may hold anything, so neither the answer nor the log has them."""

    def broken(*_: object) -> None:
        raise LookupError(CANARY)

    monkeypatch.setattr("stepcare.web.episodes.episodes", broken)

    found = house.get("ann", "/api/v1/episodes", X_Request_Id=UUID)

    (line,) = [json.loads(one) for one in lines.getvalue().splitlines()]
    assert (found.status_code, found.json()["code"], found.json()["instance"]) == (500, "internal", UUID)
    assert (line["event"], line["error"], line["request"], line["status"]) == ("failed", "LookupError", UUID, 500)
    assert CANARY not in found.text + lines.getvalue()


def test_a_database_that_does_not_answer_is_503(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The caller may ask again; readyz says so too, healthz does not."""
    from engine.errors import Unavailable  # noqa: PLC0415 - what the storage room raises

    def gone(*_: object, **__: object) -> None:
        raise Unavailable(f"The database does not answer: {CANARY}")

    house.get("ann", "/api/v1/episodes")
    monkeypatch.setattr(house.app.database, "reading", gone)

    found = house.get("ann", "/api/v1/episodes")
    ready = house.get(None, "/readyz")

    assert (found.status_code, found.json()["code"], found.headers["retry-after"]) == (503, "unavailable", "1")
    assert (ready.status_code, ready.json()["check"]) == (503, "unavailable")
    assert house.get(None, "/healthz").status_code == 200
    assert CANARY not in found.text + ready.text


def test_each_problem_has_its_status_and_sentences() -> None:
    """The codes are a contract: each with an error status, a title and a detail that ends like a sentence."""
    for code, (status, title, detail) in CODES.items():
        assert 400 <= status <= 503, code
        assert title[0].isupper(), code
        assert detail.endswith("."), code


def test_the_figures_count_requests_and_decisions(house: House, episode: str) -> None:
    """By template, method and status; by kind and outcome; and what the writer did. No id among the labels."""
    house.command("ann", episode, CALLED, Idempotency_Key="counted")
    once = house.get("ann", "/metrics").text
    house.command("ann", episode, CALLED, Idempotency_Key="counted")
    twice = house.get("ann", "/metrics").text

    def figure(text: str, name: str) -> float:
        return float(next(line for line in text.splitlines() if line.startswith(name)).rpartition(" ")[2])

    route = 'stepcare_requests_total{method="POST",route="/api/v1/episodes/{episode}/commands",status="200"}'
    made = 'stepcare_decisions_total{kind="contact",outcome="accepted"}'
    assert figure(twice, route) == figure(once, route) + 1
    assert figure(twice, made) == figure(once, made)  # a replay is no decision
    assert figure(twice, "stepcare_writer_decisions_total") > 0
    assert "stepcare_request_seconds_bucket" in twice
    assert episode not in twice


# --- never an echo ------------------------------------------------------------------------------------------------

ECHOING = [
    {"kind": CANARY},
    {"kind": "contact", CANARY: 1},
    {"kind": "contact", "values": {CANARY: 1}},
    {"kind": "contact", "values": {"channel": CANARY, "result": "reached"}},
    {"kind": "contact", "values": {"channel": "telephone", "result": "reached", "note": [CANARY]}},
    {"kind": "record", "values": {"form": CANARY}},
    {"kind": "record", "values": {"form": f"{CANARY} {CANARY * 9}"}},
    {"kind": "move", "values": {"transition": CANARY}},
    {"kind": "move", "values": {"transition": "step_up", "to": CANARY}},
    {"kind": "move", "values": {"transition": "start_assessment", CANARY: CANARY}},
    {"kind": "move", "values": {"transition": "step_up"}, "overrides": [{"rule": CANARY, "reason": CANARY}]},
    {"kind": "move", "values": {"transition": "step_up"}, "overrides": [{"rule": "PATH-05", "reason": CANARY}]},
    {"kind": "move", "values": {"transition": "step_up"}, "overrides": [{"rule": "X" * 300, "reason": CANARY}]},
    {"kind": "move", "values": {"transition": "step_up"}, "overrides": [{"rule": f"\x01{CANARY}", "reason": "x"}]},
    {"kind": "contact", "overrides": [{"rule": CANARY, "reason": "other", "text": "\x01"}]},
    {"kind": "plan", "values": {"form": CANARY}},
    {"kind": "start", "values": {"form": CANARY}, "of": CANARY},
    {"kind": "stop", "values": {"form": CANARY}},
    {"kind": "assign", "values": {"owner": f"{CANARY} {CANARY}"}},
    {"kind": "assign", "values": {CANARY: CANARY}},
    {"kind": "snooze", "values": {"due_item": CANARY, "until": CANARY, "reason": CANARY}},
    {"kind": "correct", "values": {"record": CANARY, "nprs": CANARY}},
    {"kind": "sign_off", "values": {"answer": CANARY}, "of": CANARY},
    {"kind": "contact", "occurred_at": CANARY},
    {"kind": "contact", "values": {"channel": CANARY + "'\"\\\n", "result": CANARY}},
    {"kind": "contact", "values": {"a": {"b": {CANARY: [CANARY]}}}},
]


@pytest.mark.parametrize("body", ECHOING, ids=lambda body: json.dumps(body)[:60])
def test_no_error_repeats_what_a_body_said(house: House, episode: str, lines: io.StringIO, body: Any) -> None:
    """Whatever is wrong with it, wherever the engine would quote it: the answer and the log are in our words."""
    for who in ("ravi", "otto", "aziz"):
        for path in ("commands", "preview"):
            found = house.post(who, f"/api/v1/episodes/{episode}/{path}", body, If_Match="*")
            assert 400 <= found.status_code < 500, found.text
            assert "anarienvogel" not in found.text + str(found.headers) + lines.getvalue()


@pytest.mark.parametrize(
    "body",
    [
        {"kind": "set_parameter", "values": {"name": CANARY, "value": 1}},
        {"kind": "set_parameter", "values": {"name": "observe_min", "value": CANARY}},
        {"kind": "sign_off", "of": CANARY, "values": {"answer": CANARY}},
    ],
)
def test_no_error_repeats_what_was_said_about_the_site(house: House, lines: io.StringIO, body: Any) -> None:
    """The same for the site's own commands."""
    found = house.post("olga", "/api/v1/site/commands", body)

    assert 400 <= found.status_code < 500, found.text
    assert "anarienvogel" not in found.text + lines.getvalue()


def test_no_validation_error_repeats_a_number(house: House, episode: str) -> None:
    """What is expected is said; what came, a person's score perhaps, is not."""
    body = {"kind": "record", "values": {"form": "reassessment", "nprs": 8153}}

    found = house.command("ravi", episode, body)

    assert found.status_code == 400
    assert "8153" not in found.text
    assert "0 to 10" in found.text or "goes from 0" in found.text


SEEDS: list[tuple[str, str, bytes, dict[bytes, bytes], Any]] = [
    ("GET", "/api/v1/episodes", b"state=intake&limit=5&closed=true", {}, None),
    ("GET", "/api/v1/due", b"limit=2&role=assessor&until=2026-05-01T00:00:00Z", {}, None),
    ("GET", "/api/v1/log", b"first=0&end=5&limit=2", {}, None),
    ("GET", "/api/v1/log/1", b"", {}, None),
    ("GET", "/api/v1/pathways/mid_upper_back", b"", {}, None),
    ("GET", "/api/v1/episodes/EPISODE", b"", {}, None),
    ("GET", "/api/v1/episodes/EPISODE/timeline", b"limit=2&after=1", {}, None),
    ("POST", "/api/v1/episodes/EPISODE/preview", b"", {}, CALLED),
    ("POST", "/api/v1/episodes/EPISODE/commands", b"", {b"if-match": b'"1"'}, CALLED),
    ("POST", "/api/v1/episodes/EPISODE/commands", b"", {b"if-match": b"*", b"idempotency-key": b"k"}, ECHOING[10]),
    (
        "POST",
        "/api/v1/episodes/EPISODE/preview",
        b"",
        {},
        {"kind": "record", "values": {"form": "assessment", "nprs": 7}},
    ),
    ("POST", "/api/v1/episodes", b"", {b"idempotency-key": b"r"}, {"person": {"name": "A"}, "values": REGISTRATION}),
    (
        "POST",
        "/api/v1/site/commands",
        b"",
        {b"idempotency-key": b"s"},
        {"kind": "set_parameter", "values": {"name": "observe_min", "value": 20}},
    ),
]
PIECES = [
    CANARY.encode(),
    b'"',
    b"{",
    b"}",
    b"[",
    b"\x00",
    b"\xff",
    b"\\ud800",
    b"%00",
    b"%ff",
    b"&",
    b"=",
    b"'",
    b" ",
    b"*",
    b"W/",
    b"-1",
    b"null",
    b"1e999",
    b"\r\n",
]


def mutated(chance: random.Random, data: bytes) -> bytes:
    """Change a few bytes: put something in, take something out, double a part, overwrite."""
    for _ in range(chance.randint(1, 4)):
        place, end = sorted(chance.randint(0, len(data)) for _ in range(2))
        piece = chance.choice(PIECES)
        data = chance.choice(
            [
                data[:place] + piece + data[place:],
                data[:place] + piece + data[end:],
                data[:place] + data[end:],
                data[:end] + data[place:],
                data[:place] + bytes([chance.randrange(256)]) + data[place + 1 :],
            ]
        )
    return data


async def sent(house: House, chance: random.Random, episode: str) -> tuple[int, bytes]:
    """Send one seed with one part of it mutated, as raw ASGI; gives status, and headers with body."""
    method, path, query, headers, body = chance.choice(SEEDS)
    content = json.dumps(body).encode() if body is not None else b""
    full = path.replace("EPISODE", episode)
    who = chance.choice(["ann", "ravi", "lena", "aziz", "otto"])
    all_headers = {
        b"authorization": f"Bearer {house.token(who)}".encode(),
        b"content-type": b"application/json",
        **headers,
    }
    part = chance.choice(["path", "query", "header", "body", "body", "body"])
    if part == "path":
        full = mutated(chance, full.encode()).decode("latin-1")
    elif part == "query":
        query = mutated(chance, query)
    elif part == "header":
        name = chance.choice(sorted(all_headers))
        all_headers[name] = mutated(chance, all_headers[name])
    else:
        content = mutated(chance, content)
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "scheme": "http",
        "root_path": "",
        "method": method,
        "path": full,
        "raw_path": full.encode("latin-1"),
        "query_string": query,
        "headers": list(all_headers.items()),
        "client": None,
        "server": None,
        "state": {},
    }
    said: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": content, "more_body": False}

    async def send(message: Any) -> None:
        said.append(message)

    await house.web(scope, receive, send)
    return said[0]["status"], b"".join([repr(said[0]["headers"]).encode(), *(one.get("body", b"") for one in said[1:])])


def test_three_thousand_broken_requests_are_never_a_crash_nor_an_echo(
    house: House, episode: str, lines: io.StringIO
) -> None:
    """Bytes changed anywhere in a request: no 5xx, and what was planted is in no error and in no log line."""
    chance = random.Random(20260302)  # noqa: S311 - the same requests every time
    statuses: dict[int, int] = {}

    async def all_of_them() -> None:
        for _ in range(3000):
            status, answer = await sent(house, chance, episode)
            statuses[status] = statuses.get(status, 0) + 1
            assert status < 500, answer
            assert status < 400 or b"anarienvogel" not in answer, answer

    house.client.run(all_of_them)

    assert "anarienvogel" not in lines.getvalue()
    assert '"failed"' not in {json.loads(line)["event"] for line in lines.getvalue().splitlines()}
    assert {200, 400, 401, 404} <= set(statuses), statuses


def test_whatever_is_kept_can_be_shown(house: House, episode: str) -> None:
    """A refused command may hold numbers that no form would take; its entry is shown all the same, or never kept."""
    body = {"kind": "start", "values": {"form": "self_care", "count": 10**30, "text": "\x7f\u2028 é \U0001f9ea"}}

    found = house.command("ann", episode, body)

    assert found.status_code in (400, 403)
    if found.status_code == 403:
        assert house.get("aziz", f"/api/v1/log/{found.json()['entry']}").status_code == 200
    assert house.get("ann", f"/api/v1/episodes/{episode}/timeline").status_code == 200


def test_a_database_that_is_away_is_said_at_the_door_too(own_house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whose token cannot be looked up now is asked to come again: 503, not an error of ours."""

    def away(_: bytes) -> None:
        raise Unavailable("The server hung up: try again in a moment.")

    monkeypatch.setattr(own_house.web.service().doorkeeper, "look_up", away)

    found = own_house.get("ann", "/api/v1/due")

    assert (found.status_code, found.json()["code"]) == (503, "unavailable")
    assert found.headers["retry-after"] == "1"
