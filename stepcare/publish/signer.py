"""Who signs for the log: a key in a file of the sealer's own, or a key that an ssh-agent holds.

The web process never loads this module (a contract in `pyproject.toml`): whoever breaks into it finds no key.
"""

import os
import socket
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from engine.errors import InvalidInput, NotFound, Unavailable
from stepcare.publish import skey
from stepcare.publish.skey import PrivateKey
from stepcare.verifier.note import ED25519, Key

AGENT_SECONDS = 10.0
MOST_ANSWER = 256 * 1024
LIST, LISTED = 11, 12  # the agent protocol's numbers of messages
SIGN, SIGNED = 13, 14
ALGORITHM = b"ssh-ed25519"


class Signer(Protocol):
    """Somebody who signs with one key."""

    @property
    def key(self) -> Key:
        """Give the public key."""

    def sign(self, message: bytes) -> bytes:
        """Give the Ed25519 signature (64 bytes) over a message; raises Unavailable where that cannot be done now."""


@dataclass(frozen=True, slots=True)
class FileSigner:
    """A key read from a file once."""

    private: PrivateKey

    @classmethod
    def read(cls, path: Path, name: str) -> "FileSigner":
        """Read the key and give it the name of the log it signs."""
        return cls(skey.read(path).named(name))

    @property
    def key(self) -> Key:
        """Give the public key."""
        return self.private.key

    def sign(self, message: bytes) -> bytes:
        """Sign."""
        return Ed25519PrivateKey.from_private_bytes(self.private.seed).sign(message)


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentSigner:
    """A key that an ssh-agent holds, and never gives away; asked over its unix socket anew each time."""

    key: Key
    path: str

    def sign(self, message: bytes) -> bytes:
        """Have the agent sign."""
        blob = _text(ALGORITHM) + _text(self.key.public)
        kind, rest = _asked(self.path, SIGN, _text(blob) + _text(message) + struct.pack(">I", 0))
        if kind != SIGNED:
            raise Unavailable(
                f"The ssh-agent does not sign with key {self.key.id.hex()}: is it unlocked, and was the key added?"
            )
        signature, _ = _taken(rest)
        algorithm, signature = _taken(signature)
        found, _ = _taken(signature)
        if algorithm != ALGORITHM or len(found) != 64:
            raise Unavailable("The ssh-agent gave a signature of another kind: give it an Ed25519 key.")
        return found


def agent_path(environ: Mapping[str, str]) -> str:
    """Give the agent's socket; NotFound where the environment names none."""
    path = environ.get("SSH_AUTH_SOCK", "")
    if not path:
        raise NotFound(what="ssh-agent", name="SSH_AUTH_SOCK", remedy="start one and name its socket there")
    return path


def agent_keys(path: str, name: str) -> dict[str, Key]:
    """Give the agent's Ed25519 keys by their comment, as keys of the log of this name."""
    kind, rest = _asked(path, LIST, b"")
    if kind != LISTED:
        raise Unavailable("The ssh-agent does not list its keys: is it locked?")
    (count,), rest = struct.unpack_from(">I", rest), rest[4:]
    found: dict[str, Key] = {}
    for _ in range(count):
        blob, rest = _taken(rest)
        comment, rest = _taken(rest)
        algorithm, public = _taken(blob)
        if algorithm == ALGORITHM:
            found[comment.decode("utf-8", "replace")] = Key.of(name, ED25519, _taken(public)[0])
    return found


def signer_of(folder: Path, name: str, environ: Mapping[str, str] | None = None) -> Signer:
    """Give who signs the log of this name: the file `key`, or else the agent's key that the file `vkey` names."""
    if (folder / "key").exists() or not (folder / "vkey").exists():
        return FileSigner.read(folder / "key", name)
    wanted = Key.parse((folder / "vkey").read_text(encoding="utf-8"))
    path = agent_path(os.environ if environ is None else environ)
    for key in agent_keys(path, name).values():
        if key.public == wanted.public:
            return AgentSigner(key=key, path=path)
    raise NotFound(what="key in the ssh-agent", name=wanted.id.hex(), remedy="add the log's key to it with ssh-add")


# --- the agent's protocol -----------------------------------------------------------------------------------------


def _asked(path: str, kind: int, body: bytes) -> tuple[int, bytes]:
    """Ask the agent one thing; Unavailable where nothing usable comes back in time."""
    message = bytes((kind,)) + body
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as agent:
            agent.settimeout(AGENT_SECONDS)
            agent.connect(path)
            agent.sendall(struct.pack(">I", len(message)) + message)
            (length,) = struct.unpack(">I", _received(agent.recv, 4))
            if not 0 < length <= MOST_ANSWER:
                raise Unavailable("The ssh-agent answered something too long to be an answer.")
            answer = _received(agent.recv, length)
    except OSError as error:
        said = error.strerror or type(error).__name__
        raise Unavailable(f"The ssh-agent at SSH_AUTH_SOCK does not answer ({said}): start it, add the key.") from None
    return answer[0], answer[1:]


def _received(recv: Callable[[int], bytes], length: int) -> bytes:
    found = b""
    while len(found) < length:
        part = recv(length - len(found))
        if not part:
            raise Unavailable("The ssh-agent hung up in the middle of an answer: look at its log.")
        found += part
    return found


def _text(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


def _taken(data: bytes) -> tuple[bytes, bytes]:
    """Take one length-prefixed string off the front."""
    if len(data) < 4:
        raise InvalidInput("The ssh-agent's answer ends within a field.")
    (length,) = struct.unpack_from(">I", data)
    if len(data) < 4 + length:
        raise InvalidInput("The ssh-agent's answer ends within a field.")
    return data[4 : 4 + length], data[4 + length :]
