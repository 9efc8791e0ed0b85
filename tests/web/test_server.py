"""The service as a process: it says where it listens, stops without losing anything, and says why it cannot start."""

import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from engine.model import Role
from stepcare.app import open_app, wall_clock
from storage.tokens import Scope, Token, add_token, hash_of
from tests.web.conftest import CALLED, REGISTRATION, SECRET

SECONDS = 120  # for anything to happen, on a machine that does much else
TOKEN = f"sc_{'a' * 12}_{SECRET}"
REGISTERING = {"person": {"name": "Alva Ludens"}, "values": REGISTRATION}


@pytest.fixture
def place(ready: Path, tmp_path: Path) -> Path:
    """Give a site of this test's own, with a token of Ann's."""
    where = shutil.copytree(ready, tmp_path / "data")
    with open_app(where) as app:
        now = wall_clock()
        add_token(
            app.database,
            Token(
                id="a" * 12,
                secret_hash=hash_of(SECRET),
                actor="ann",
                role=Role.COORDINATOR,
                scopes=frozenset(Scope),
                created_at=now,
                expires_at=now.replace(year=now.year + 1, day=1),
            ),
        )
    return where


def command(place: Path, *words: str) -> list[str]:
    """Give the words of the command line."""
    return [sys.executable, "-m", "stepcare", "serve", "--data", str(place), *words]


def environment() -> dict[str, str]:
    """Give an environment without settings of the tester's own."""
    return {name: value for name, value in os.environ.items() if not name.startswith("STEPCARE_")}


@contextmanager
def running(place: Path, *words: str) -> Iterator["subprocess.Popen[str]"]:
    """Run the service until the end of the block; it is killed if it has not stopped by itself."""
    process = subprocess.Popen(  # noqa: S603 - our own program
        command(place, *words), stderr=subprocess.PIPE, text=True, env=environment()
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        if process.stderr is not None:
            process.stderr.close()


def said(process: "subprocess.Popen[str]") -> str:
    """Give the line that says where it listens."""
    assert process.stderr is not None
    line = process.stderr.readline()
    assert line.startswith("stepcare: serving on "), line + process.stderr.read()
    return line


class Wire(http.client.HTTPConnection):
    """A client of a unix socket."""

    def __init__(self, at: Path) -> None:
        """Talk to whoever listens at a path."""
        super().__init__("stepcare", timeout=SECONDS)
        self._at = at

    def connect(self) -> None:
        """Connect, and leave nothing open where nobody listens."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(SECONDS)
        try:
            self.sock.connect(str(self._at))
        except OSError:
            self.close()
            raise

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        """Send a request; gives status and JSON."""
        sent = {"Authorization": f"Bearer {TOKEN}"} | {name.replace("_", "-"): value for name, value in headers.items()}
        content = None if body is None else json.dumps(body)
        self.request(method, path, content, sent | ({} if body is None else {"Content-Type": "application/json"}))
        found = self.getresponse()
        return found.status, json.loads(found.read())


def client(at: Path) -> closing[Wire]:
    """Give a client of a unix socket, closed at the end."""
    return closing(Wire(at))


def ready_at(at: Path) -> None:
    """Wait until it is ready."""
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        try:
            with client(at) as asking:
                if asking.ask("GET", "/readyz")[0] == 200:
                    return
        except (OSError, http.client.HTTPException):
            threading.Event().wait(0.05)
    raise AssertionError("not ready in time")


def registered(asking: Wire, key: str) -> str:
    """Register an episode and give its reference."""
    status, body = asking.ask("POST", "/api/v1/episodes", REGISTERING, Idempotency_Key=key)
    assert status == 201, body
    return str(body["episode"])


def stopped(process: "subprocess.Popen[str]") -> int:
    """Wait for the end and give the exit code."""
    return process.wait(timeout=SECONDS)


def test_a_stop_finishes_what_was_begun_and_loses_nothing(place: Path, tmp_path: Path) -> None:
    """SIGTERM while eight clients command: each 200 is in the log afterwards, and the exit is 0."""
    at = tmp_path / "s"
    kept: list[int] = []

    with running(place, "--uds", str(at)) as process:
        said(process)
        ready_at(at)
        with client(at) as asking:
            made = [registered(asking, f"r{number}") for number in range(8)]
        threads = [threading.Thread(target=commanding, args=(at, episode, kept)) for episode in made]
        for thread in threads:
            thread.start()
        until = time.monotonic() + SECONDS
        while len(kept) < 20 and time.monotonic() < until:
            threading.Event().wait(0.01)
        process.send_signal(signal.SIGTERM)
        code = stopped(process)
        for thread in threads:
            thread.join()

    assert code == 0
    assert len(kept) >= 20
    assert not at.exists()
    with open_app(place) as app:
        assert {entry.idx for entry in app.store.entries()} >= set(kept)


def commanding(at: Path, episode: str, kept: list[int]) -> None:
    """Command again and again until nobody answers."""
    with client(at) as asking:
        for number in range(10_000):
            try:
                path = f"/api/v1/episodes/{episode}/commands"
                status, body = asking.ask("POST", path, CALLED, If_Match="*", Idempotency_Key=f"{episode}-{number}")
            except (OSError, http.client.HTTPException):
                return
            if status == 200:
                kept.append(body["entry"])


def test_a_request_that_is_half_sent_is_answered_before_the_end(place: Path, tmp_path: Path) -> None:
    """The stop waits for the rest of a body, answers it, and takes nobody new meanwhile."""
    at = tmp_path / "s"
    content = json.dumps(REGISTERING).encode()
    head = (
        "POST /api/v1/episodes HTTP/1.1\r\nhost: stepcare\r\ncontent-type: application/json\r\n"
        f"authorization: Bearer {TOKEN}\r\nidempotency-key: half\r\ncontent-length: {len(content)}\r\n\r\n"
    ).encode()

    with running(place, "--uds", str(at)) as process:
        said(process)
        ready_at(at)
        with closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as raw:
            raw.settimeout(SECONDS)
            raw.connect(str(at))
            raw.sendall(head + content[:20])
            threading.Event().wait(0.5)  # until it has been read that far
            process.send_signal(signal.SIGTERM)
            threading.Event().wait(0.5)
            raw.sendall(content[20:])
            answer = raw.recv(65536)
        code = stopped(process)

    assert answer.startswith(b"HTTP/1.1 201 Created")
    assert code == 0


def test_two_processes_share_a_socket_and_stop_with_0(place: Path, tmp_path: Path) -> None:
    """Each has the database open for itself; what one keeps the other sees."""
    at = tmp_path / "s"

    with running(place, "--uds", str(at), "--workers", "2") as process:
        assert "2 processes" in said(process)
        ready_at(at)
        for number in range(6):
            with client(at) as asking:
                episode = registered(asking, f"r{number}")
            with client(at) as other:
                assert other.ask("GET", f"/api/v1/episodes/{episode}")[0] == 200
        process.send_signal(signal.SIGTERM)
        code = stopped(process)

    assert code == 0


def test_what_it_logs_is_json_and_begins_with_where_it_listens(place: Path, tmp_path: Path) -> None:
    """One line for people, then one JSON line a request; Ctrl-C stops it as SIGTERM does."""
    at = tmp_path / "s"

    with running(place, "--uds", str(at)) as process:
        first = said(process)
        ready_at(at)
        process.send_signal(signal.SIGINT)
        code = stopped(process)
        assert process.stderr is not None
        rest = process.stderr.read().splitlines()

    assert code == 0
    assert first == f"stepcare: serving on unix:{at}, 1 process; stop with Ctrl-C.\n"
    lines = [json.loads(line) for line in rest]
    assert {one["route"] for one in lines if one["event"] not in ("worker began", "worker ended")} == {"/readyz"}


def refused(place: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    """Run a service that cannot start."""
    return subprocess.run(  # noqa: S603 - our own program
        command(place, *words), capture_output=True, text=True, env=environment(), timeout=SECONDS, check=False
    )


def test_a_taken_port_is_said_and_is_5(place: Path) -> None:
    """The second service names the address and what to do."""
    with running(place, "--port", "0") as process:
        found = re.search(r":(\d+),", said(process))
        assert found is not None

        second = refused(place, "--port", found[1])

    assert second.returncode == 5
    assert f"127.0.0.1:{found[1]}" in second.stderr
    assert "--port" in second.stderr


def test_a_taken_socket_is_said_and_is_5_and_a_left_one_is_taken_over(place: Path, tmp_path: Path) -> None:
    """Somebody listens: refused. Nobody does any more: its place is free. A file that is no socket stays."""
    at, file = tmp_path / "s", tmp_path / "file"
    file.write_text("mine")
    with running(place, "--uds", str(at)) as process:
        said(process)
        ready_at(at)
        second = refused(place, "--uds", str(at))
        process.kill()
        process.wait()
    assert at.exists()
    with running(place, "--uds", str(at)) as process:
        said(process)
        ready_at(at)
        assert at.stat().st_mode & 0o777 == 0o660
        process.send_signal(signal.SIGTERM)
        assert stopped(process) == 0

    third = refused(place, "--uds", str(file))

    assert (second.returncode, third.returncode) == (5, 5)
    assert "listens" in second.stderr
    assert file.read_text() == "mine"


def test_a_missing_database_is_said_before_anything_listens(tmp_path: Path) -> None:
    """Exit 3, with the remedy, once, however many workers were asked for."""
    found = refused(tmp_path / "nothing", "--uds", str(tmp_path / "s"), "--workers", "2")

    assert found.returncode == 3
    assert "stepcare migrate" in found.stderr
    assert "serving" not in found.stderr
    assert not (tmp_path / "s").exists()


# --- on the wire --------------------------------------------------------------------------------------------------


def test_headers_without_an_end_are_431_and_broken_http_is_400(place: Path, tmp_path: Path) -> None:
    """Nobody fills the memory with a header; what is no HTTP ends its connection."""
    at = tmp_path / "s"

    with running(place, "--uds", str(at)) as process:
        said(process)
        ready_at(at)
        long = exchanged(at, b"GET / HTTP/1.1\r\nx: " + b"a" * 100_000)
        many = exchanged(at, b"GET / HTTP/1.1\r\n" + b"x: a\r\n" * 10_000)
        broken = exchanged(at, b"\x00\x01 nothing\r\n\r\n")

    assert long.startswith(b"HTTP/1.1 431")
    assert many.startswith(b"HTTP/1.1 431")
    assert broken.startswith(b"HTTP/1.1 400")


def exchanged(at: Path, data: bytes) -> bytes:
    """Send bytes and give what comes back until the end of the connection."""
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as raw:
        raw.settimeout(SECONDS)
        raw.connect(str(at))
        found = b""
        with suppress(BrokenPipeError, ConnectionResetError):
            raw.sendall(data)
        with suppress(ConnectionResetError):
            while piece := raw.recv(65536):
                found += piece
        return found


def test_the_demonstration_serves_its_pages_until_it_is_stopped(tmp_path: Path) -> None:
    """One click signs in; the worker and the sealer run beside it, and all of it ends with it."""
    data, wire = tmp_path / "demo", tmp_path / "wire"
    words = ["--data", str(data), "demo", "--episodes", "2", "--days", "5", "--uds", str(wire)]
    process = subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-m", "stepcare", *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    client = Wire(wire)
    try:
        assert process.stderr is not None
        assert any(line.startswith("stepcare: serving on ") for line in process.stderr), process.poll()
        status = 0
        for _ in range(SECONDS * 10):
            with suppress(OSError):
                client.request("GET", "/sign-in")
                answer = client.getresponse()
                status, page = answer.status, answer.read().decode()
                break
            time.sleep(0.1)
        assert status == 200
        assert "One click is enough" in page
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        client.request("POST", "/sign-in", "who=ann", form)
        signed = client.getresponse()
        signed.read()
        cookie = signed.getheader("set-cookie", "").partition(";")[0]
        client.request("GET", "/worklist", headers={"Cookie": cookie})
        worklist = client.getresponse()
        assert (worklist.status, b">Worklist</h1>" in worklist.read()) == (200, True)
        client.close()
        process.send_signal(signal.SIGINT)
        process.stderr.read()
        assert process.wait(SECONDS) == 0
    finally:
        client.close()
        if process.poll() is None:
            process.kill()
        process.wait()
        if process.stderr is not None:
            process.stderr.close()


def test_nobody_is_let_in_by_a_click_where_people_may_be_real(place: Path) -> None:
    """The setting of a demonstration is refused over a database that no demonstration made."""
    asked = {**environment(), "STEPCARE_DEMONSTRATION": "true"}
    told = subprocess.run(  # noqa: S603 - our own program
        command(place, "--port", "0"), capture_output=True, text=True, env=asked, timeout=SECONDS, check=False
    )
    assert told.returncode == 2
    assert "lets anybody in" in told.stderr
