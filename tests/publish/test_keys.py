"""The log's key: made once, kept to its owner, changed beside the old one, or held by an ssh-agent."""

import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from time import monotonic, sleep

import pytest

from engine.errors import Conflict, InvalidInput, NotFound, Unavailable
from stepcare.publish import skey
from stepcare.publish.keys import key_of, listed, make_key, retire, rotate, signers_of, use_agent
from stepcare.publish.signer import AgentSigner, FileSigner, agent_keys, agent_path, signer_of
from stepcare.publish.skey import PrivateKey
from stepcare.verifier.note import ED25519, Key, Note, Signature, verified_by
from tests.publish.logs import ORIGIN, SEED

KEY = PrivateKey.of(ORIGIN, SEED)
# Made by golang.org/x/mod/sumdb/note, as its own documentation shows it: others' keys must mean the same here.
GO_PRIVATE = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
GO_PUBLIC = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"


def test_a_key_is_read_as_others_write_it() -> None:
    """A key pair of the Go library of signed notes is the same pair here, in both directions."""
    found = PrivateKey.parse(GO_PRIVATE)

    assert str(found.key) == GO_PUBLIC
    assert found.text() == f"{GO_PRIVATE}\n"


@pytest.mark.parametrize(
    "text",
    [
        *("", "PRIVATE+KEY", GO_PUBLIC, GO_PRIVATE[:-4], GO_PRIVATE.replace("c74f20a3", "c74f20a4")),
        *(GO_PRIVATE.replace("+AY", "+BY"), f"x{GO_PRIVATE}", GO_PRIVATE.replace("PeterNeumann", "Peter")),
    ],
)
def test_what_is_no_key_is_refused_without_repeating_it(text: str) -> None:
    """A mistyped private key is refused, and no part of it stands in the message."""
    with pytest.raises(InvalidInput) as refused:
        PrivateKey.parse(text)
    assert "AYEKFALVFGyNh" not in str(refused.value)
    assert "AYEKFALVFGyNh" not in repr(PrivateKey.parse(GO_PRIVATE))


def test_a_key_is_its_owners_alone(tmp_path: Path) -> None:
    """The file is made for its owner only, never overwritten, and refused when others may read it."""
    path = tmp_path / "key"
    skey.keep(path, KEY)
    assert path.stat().st_mode & 0o777 == 0o600
    assert skey.read(path) == KEY
    with pytest.raises(Conflict, match="never overwritten"):
        skey.keep(path, PrivateKey.of(ORIGIN, bytes(32)))

    for mode in (0o640, 0o604, 0o660):
        path.chmod(mode)
        with pytest.raises(InvalidInput, match="chmod 600"):
            skey.read(path)


def test_a_log_has_one_key_and_two_names(tmp_path: Path) -> None:
    """The folder tells the public keys of both logs, one secret under two names; a second key is not made by chance."""
    key = make_key(tmp_path / "own", ORIGIN, secrets.token_bytes)
    second = Key.parse((tmp_path / "own/vkey-access").read_text())

    assert (tmp_path / "own").stat().st_mode & 0o777 == 0o700
    assert Key.parse((tmp_path / "own/vkey").read_text()) == key == key_of(tmp_path / "own")
    assert (second.name, second.public) == (f"{ORIGIN}/access", key.public)
    assert second.id != key.id
    assert listed(tmp_path / "own") == [("0", "-", str(key))]
    with pytest.raises(Conflict, match="is there already"):
        make_key(tmp_path / "own", ORIGIN, secrets.token_bytes)


def test_a_key_of_another_log_is_not_taken(tmp_path: Path) -> None:
    """A key given to import must have this log's name."""
    with pytest.raises(InvalidInput, match="The key given is that of PeterNeumann"):
        make_key(tmp_path, ORIGIN, secrets.token_bytes, GO_PRIVATE)


def test_keys_change_with_an_overlap(tmp_path: Path) -> None:
    """Old and new sign together until the old one is retired; the list says which signed from which size to which."""
    old = make_key(tmp_path, ORIGIN, secrets.token_bytes)
    new = rotate(tmp_path, 300, secrets.token_bytes)
    both = [one.key for one in signers_of(tmp_path, ORIGIN)]
    with pytest.raises(Conflict, match="--retire"):
        rotate(tmp_path, 310, secrets.token_bytes)
    (escrow,) = retire(tmp_path, 400)

    assert both == [new, old]
    assert [one.key for one in signers_of(tmp_path, ORIGIN)] == [new]
    assert skey.read(escrow).key == old
    assert listed(tmp_path) == [("0", "400", str(old)), ("300", "-", str(new))]
    assert Key.parse((tmp_path / "vkey").read_text()) == new
    assert retire(tmp_path, 400) == []


def test_a_change_of_keys_that_was_killed_is_finished(tmp_path: Path) -> None:
    """Killed after the old key was put aside and before the new one took its place: run again, it ends as it would have."""
    old = make_key(tmp_path, ORIGIN, secrets.token_bytes)
    waiting = PrivateKey.make(ORIGIN, secrets.token_bytes)
    skey.keep(tmp_path / "key.next", waiting)
    skey.keep(tmp_path / f"key.{old.id.hex()}.old", skey.read(tmp_path / "key"))

    assert rotate(tmp_path, 5, secrets.token_bytes) == waiting.key
    assert [one.key for one in signers_of(tmp_path, ORIGIN)] == [waiting.key, old]


def test_without_a_key_nothing_signs(tmp_path: Path) -> None:
    """No key yet: the sealer says how to make one."""
    with pytest.raises(NotFound, match="stepcare sealer key"):
        signers_of(tmp_path, ORIGIN)
    with pytest.raises(NotFound, match="stepcare sealer key"):
        key_of(tmp_path)


# --- ssh-agent ----------------------------------------------------------------------------------------------------

NO_AGENT = "ssh-agent, ssh-add and ssh-keygen are not here (Debian: apt-get install openssh-client): not tested."


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[str]:
    """Give the socket of a real ssh-agent that holds an Ed25519 key called `log` and one of another kind."""
    if not all(shutil.which(one) for one in ("ssh-agent", "ssh-add", "ssh-keygen")):
        pytest.skip(NO_AGENT)
    near = tempfile.TemporaryDirectory(prefix="sc-")  # a socket's path must be short
    socket = f"{near.name}/agent"
    with near, subprocess.Popen(["ssh-agent", "-D", "-a", socket], stdout=subprocess.DEVNULL) as process:  # noqa: S603, S607
        try:
            over = monotonic() + 10
            while not Path(socket).exists() and monotonic() < over:
                sleep(0.01)
            for kind, name in (("ecdsa", "other"), ("ed25519", "log")):
                path = str(tmp_path / name)
                subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", name, "-f", path], check=True)  # noqa: S603, S607
                env = {**os.environ, "SSH_AUTH_SOCK": socket}
                subprocess.run(["ssh-add", "-q", path], check=True, env=env)  # noqa: S603, S607
            yield socket
        finally:
            process.terminate()


def test_a_real_ssh_agent_signs(agent: str, tmp_path: Path) -> None:
    """The key stays in the agent: the folder holds its public half only, and what it signs is a signature of the log."""
    own = tmp_path / "own"
    key = use_agent(own, ORIGIN, agent, "log")
    (signer,) = signers_of(own, ORIGIN, {"SSH_AUTH_SOCK": agent})
    text = f"{ORIGIN}\n1\n{'A' * 43}=\n"
    note = Note(text=text, signatures=(Signature(name=key.name, id=key.id, data=signer.sign(text.encode())),))

    assert set(agent_keys(agent, ORIGIN)) == {"log"}
    assert not (own / "key").exists()
    assert isinstance(signer, AgentSigner)
    assert [seen.key for seen in verified_by(note, [key])] == [key]


def test_an_agent_without_the_key_is_told(agent: str, tmp_path: Path) -> None:
    """A key that is not in the agent: neither taken nor signed with."""
    with pytest.raises(NotFound, match="there is log"):
        use_agent(tmp_path / "own", ORIGIN, agent, "nobody")
    with pytest.raises(Unavailable, match="does not sign"):
        AgentSigner(key=KEY.key, path=agent).sign(b"text")
    (tmp_path / "vkey").write_text(f"{KEY.key}\n")
    with pytest.raises(NotFound, match="ssh-add"):
        signer_of(tmp_path, ORIGIN, {"SSH_AUTH_SOCK": agent})


def test_no_agent_is_told(tmp_path: Path) -> None:
    """Neither a missing setting nor a socket nobody listens on looks like a key."""
    with pytest.raises(NotFound, match="SSH_AUTH_SOCK"):
        agent_path({})
    with pytest.raises(Unavailable, match="does not answer"):
        agent_keys(str(tmp_path / "none"), ORIGIN)


def test_file_and_note_agree() -> None:
    """A key from a file signs what the verifier accepts."""
    signer = FileSigner(KEY)
    note = Note(text="a\n", signatures=(Signature(name=ORIGIN, id=KEY.key.id, data=signer.sign(b"a\n")),))

    assert (KEY.key.kind, len(verified_by(note, [KEY.key]))) == (ED25519, 1)
