"""litewitness, a witness that others wrote (Debian's package `torchwood`, in unstable only): fetched, unpacked, run.

Nothing of it is installed: a private apt directory knows unstable beside what the machine uses, and ends with it.
"""

import base64
import fcntl
import hashlib
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from stepcare.verifier.note import COSIGNATURE, Key
from stepcare.witness.policy import Witness

SECONDS = 60.0  # for fetching it, in all
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
NAME = "witness.example/lite"


class NotHad(Exception):
    """It cannot be had here; the message says why."""


def programs(shared: Path) -> Path:
    """Give the folder with `litewitness` and `witnessctl`, fetched once for all who share a place; raises NotHad."""
    place = shared / "torchwood"
    place.mkdir(exist_ok=True)
    with (place / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (place / "tried").exists():
            (place / "tried").write_text("it could not be fetched")
            (place / "tried").write_text(_fetched(place))
    why = (place / "tried").read_text()
    if why:
        raise NotHad(why)
    return place / "unpacked" / "usr" / "bin"


def _fetched(place: Path) -> str:
    """Fetch and unpack; gives why not, or nothing."""
    over = time.monotonic() + SECONDS
    missing = [one for one in ("apt-get", "dpkg", "ssh-agent", "ssh-add") if shutil.which(one) is None]
    mirror = _mirror()
    if missing or mirror is None or not KEYRING.exists():
        return f"this is no Debian with {', '.join(missing) or 'a mirror in its apt sources and its keyring'}"
    for name in ("lists/partial", "cache/archives/partial"):
        (place / name).mkdir(parents=True)
    (place / "status").touch()
    (place / "sources.list").write_text(f"deb [signed-by={KEYRING}] {mirror} sid main\n")
    said = {
        "Dir::Etc::sourcelist": place / "sources.list",
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::State::lists": place / "lists",
        "Dir::State::status": place / "status",
        "Dir::Cache": place / "cache",
        "Acquire::Languages": "none",
        "Acquire::Retries": "0",
        "APT::Sandbox::User": "root",
    }
    apt = ["apt-get", "-q", *(word for name, value in said.items() for word in ("-o", f"{name}={value}"))]
    for words in ([*apt, "update"], [*apt, "download", "torchwood"]):
        why = _run(words, place, over)
        if why:
            return why
    package = next(place.glob("torchwood_*.deb"), None)
    return "nothing was fetched" if package is None else _run(["dpkg", "-x", package.name, "unpacked"], place, over)


def _run(words: list[str], place: Path, over: float) -> str:
    left = max(0.1, over - time.monotonic())
    try:
        done = subprocess.run(words, cwd=place, capture_output=True, text=True, check=False, timeout=left)  # noqa: S603 - apt
    except subprocess.TimeoutExpired:
        return f"it did not come within {SECONDS:g} s"
    return "" if done.returncode == 0 else f"{words[0]} {words[-1]}: {done.stderr.strip()[-300:]}"


def _mirror() -> str | None:
    """Give the mirror this machine takes its packages from."""
    for file in [Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("*"))]:
        for line in file.read_text(errors="replace").splitlines() if file.is_file() else ():
            found = re.search(r"(?:^URIs:|^deb\s)[^#]*?(https?://\S+/debian)/?(?:\s|$)", line)
            if found is not None:
                return found[1]
    return None


# --- running it ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Lite:
    """A running litewitness, as a policy names it."""

    witness: Witness


@contextmanager
def running(programs: Path, place: Path, logs: dict[str, str]) -> Iterator[Lite]:
    """Run one on loopback, with a key of its own in an agent of its own, that knows these logs (origin to key)."""
    private = Ed25519PrivateKey.generate()
    database = place / "w.db"
    (place / "key").touch(mode=0o600)
    (place / "key").write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    for origin, vkey in logs.items():
        _do([programs / "witnessctl", "add-log", "-db", database, "-origin", origin])
        _do([programs / "witnessctl", "add-key", "-db", database, "-origin", origin, "-key", vkey])
    port, agent = _free_port(), Path(tempfile.mkdtemp(prefix="agent-")) / "s"  # a socket's path must be short
    words: list[str | Path] = [programs / "litewitness", "-db", database, "-name", NAME, "-key", _fingerprint(private)]
    words += ["-ssh-agent", agent, "-listen", f"127.0.0.1:{port}"]
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, agent.parent, ignore_errors=True)
        stack.enter_context(_child(["ssh-agent", "-D", "-a", agent], place / "agent.log"))
        _until(lambda: _answers(socket.AF_UNIX, str(agent)))
        _do(["ssh-add", "-q", place / "key"], {**os.environ, "SSH_AUTH_SOCK": str(agent)})
        stack.enter_context(_child(words, place / "litewitness.log"))
        _until(lambda: _answers(socket.AF_INET, ("127.0.0.1", port)))
        public = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        key = Key.of(NAME, COSIGNATURE, public)
        yield Lite(witness=Witness(name="lite", key=key, url=f"http://127.0.0.1:{port}"))


def _fingerprint(private: Ed25519PrivateKey) -> str:
    line = private.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    blob = base64.b64decode(line.split()[1])
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def _do(words: list[str | Path], environment: dict[str, str] | None = None) -> None:
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False, timeout=30)  # noqa: S603 - what was fetched
    assert done.returncode == 0, done.stderr


@contextmanager
def _child(words: list[str | Path], log: Path) -> Iterator[None]:
    with log.open("wb") as out, subprocess.Popen(words, stdout=out, stderr=out) as process:  # noqa: S603 - what was fetched
        try:
            yield
        finally:
            process.terminate()
            process.wait(10)


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _answers(family: socket.AddressFamily, address: str | tuple[str, int]) -> bool:
    with socket.socket(family) as one:
        return one.connect_ex(address) == 0


def _until(there: Callable[[], bool]) -> None:
    over = time.monotonic() + 20
    while not there():
        assert time.monotonic() < over, "it did not start"
        time.sleep(0.02)
