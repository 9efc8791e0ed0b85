"""`stepcare sealer` and `stepcare audit proof`, as they are typed."""

import base64
import hashlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stepcare.verifier.asked import Asked
from stepcare.verifier.bundle import check_bundle
from stepcare.verifier.check import check
from stepcare.verifier.kept import Trust
from stepcare.verifier.note import Key
from stepcare.verifier.outcome import Outcome
from tests.stepcare.conftest import Run

Ask = Callable[..., Any]


def trust_of(site: Path) -> Trust:
    """Give the log's key, as an auditor was given it."""
    return Trust(keys=(Key.parse((site / "sealer/vkey").read_text()),))


@pytest.fixture
def sealed(site: Path, asked: Ask, episode: str) -> Path:
    """Give a site whose log is sealed."""
    asked("sealer", "once", "--make-key")
    return site


def test_without_a_key_it_says_how_to_make_one(run: Run, episode: str) -> None:
    """The sealer makes no key by itself: whoever verifies must be given it first."""
    found = run("sealer", "once")

    assert found.exit_code == 3
    assert "stepcare sealer key" in found.stderr


def test_the_key_is_shown_and_never_the_secret(run: Run, asked: Ask, site: Path) -> None:
    """`sealer key` makes the key once, and shows the same public key ever after."""
    first, second = asked("sealer", "key"), run("sealer", "key")

    assert second.stdout.splitlines() == [first["vkey"], first["vkey_access"]]
    assert first["vkey_access"].startswith(first["vkey"].split("+")[0] + "/access+")
    assert "PRIVATE" in (site / "sealer/key").read_text()
    assert "PRIVATE" not in first["vkey"] + second.stdout + second.stderr


def test_a_sealed_log_verifies_without_us(sealed: Path, asked: Ask) -> None:
    """What `sealer once` publishes is verified by the stand-alone verifier; a second time there is nothing new."""
    report = check(sealed / "published", Asked(trust=trust_of(sealed)))

    assert report.outcome is Outcome.VERIFIED
    (decisions, access) = asked("sealer", "once")
    assert (decisions["log"], decisions["new"], decisions["signatures"]) == ("decisions", 0, 1)
    assert access["log"] == "access"
    assert decisions["size"] == report.entries


def test_status_tells_how_far_it_is(sealed: Path, asked: Ask) -> None:
    """Committed, signed, published; a decision more, and that much is not sealed."""
    before = asked("sealer", "status")[0]
    asked("episode", "open", "--as", "ann", "--name", "Bo Ludens", "region=upper_back", "onset=2026-01-12")
    after = asked("sealer", "status")[0]

    assert (before["state"], before["committed"]) == ("sealed, no witness asked for", before["published"])
    assert after["state"] == f"{after['committed'] - after['published']} not sealed"


def test_both_logs_are_published(sealed: Path, asked: Ask) -> None:
    """Looking at the log is an entry of the second log, which is sealed beside the first."""
    asked("audit", "show", "0", "--as", "aziz")
    (_, access) = asked("sealer", "once")
    key = Key.parse((sealed / "sealer/vkey-access").read_text())

    report = check(sealed / "published/access", Asked(trust=Trust(keys=(key,))))

    assert access["new"] > 0
    assert (report.outcome, report.entries) == (Outcome.VERIFIED, access["size"])


def test_a_restored_backup_is_refused_with_exit_5(sealed: Path, run: Run, asked: Ask, tmp_path: Path) -> None:
    """The database from before the last checkpoint: the sealer refuses and says what to do."""
    backup = (sealed / "stepcare.db").read_bytes()
    asked("episode", "open", "--as", "ann", "--name", "Bo Ludens", "region=upper_back", "onset=2026-01-12")
    asked("sealer", "once")
    for file in sealed.glob("stepcare.db*"):
        file.unlink()
    (sealed / "stepcare.db").write_bytes(backup)
    (sealed / "stepcare.db").chmod(0o600)
    found = run("sealer", "once")

    assert found.exit_code == 5
    assert "older backup" in found.stderr
    assert "docs/operate.md" in found.stderr


def test_it_runs_until_it_is_stopped(site: Path, asked: Ask, episode: str) -> None:
    """`stepcare sealer` seals what is there, and ends with 0 on SIGTERM."""
    asked("sealer", "key")
    command = [sys.executable, "-m", "stepcare", "--data", str(site), "sealer", "run", "--every", "1"]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process:  # noqa: S603 - our own program
        over = time.monotonic() + 30
        while not (site / "published/checkpoint").exists() and time.monotonic() < over:
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0

    assert check(site / "published", Asked(trust=trust_of(site))).outcome is Outcome.VERIFIED


def test_keys_change_on_the_command_line(sealed: Path, asked: Ask, run: Run) -> None:
    """A new key beside the old one signs at once; retired, the old one names its file for escrow."""
    old = asked("sealer", "key")["vkey"]
    new = asked("sealer", "rotate")["vkey"]
    (both, _) = asked("sealer", "once")
    kept = asked("sealer", "rotate", "--retire")["retired"]
    (alone, _) = asked("sealer", "once")

    assert old != new
    assert (both["signatures"], alone["signatures"]) == (2, 1)
    assert [Path(one).name for one in kept] == [f"key.{old.split('+')[1]}.retired"]
    assert run("sealer", "rotate", "--retire").exit_code == 3


# --- proofs -------------------------------------------------------------------------------------------------------


def test_a_bundle_proves_an_entry_by_itself(sealed: Path, asked: Ask, tmp_path: Path) -> None:
    """Every entry's bundle verifies with the key alone; one bit changed in it, and it does not."""
    for index in range(asked("sealer", "status")[0]["published"]):
        out = tmp_path / f"proof{index}"
        row = asked("audit", "proof", str(index), "--out", str(out), "--as", "aziz")
        report, _ = check_bundle(out, trust_of(sealed))

        assert (row["entry"], report.outcome) == (index, Outcome.VERIFIED), report
        assert "pathway.json" in {one.name for one in out.iterdir()}
    changed = bytearray((out / "entry.json").read_bytes())
    changed[-3] ^= 1
    (out / "entry.json").write_bytes(changed)

    assert check_bundle(out, trust_of(sealed))[0].outcome is Outcome.TAMPERED


def test_the_readme_is_enough(sealed: Path, asked: Ask, tmp_path: Path) -> None:
    """Following the README's steps by hand, with nothing but SHA-256, leads to the root that is in the checkpoint."""
    for number in range(4):
        asked("episode", "open", "--as", "ann", "--name", f"Bo {number}", "region=upper_back", "onset=2026-01-12")
    (decisions, _) = asked("sealer", "once")
    for index in range(decisions["size"]):
        out = tmp_path / f"proof{index}"
        asked("audit", "proof", str(index), "--out", str(out), "--as", "aziz")
        readme = (out / "README.txt").read_text()
        node = hashlib.sha256(b"\x00" + (out / "entry.json").read_bytes()).digest()
        assert node.hex() in readme
        i, last = index, decisions["size"] - 1
        for line in readme.split("sibling first):\n")[1].split("     Begin")[0].strip().splitlines():
            coded = line.strip().partition(". ")[2]
            if coded:
                other = base64.b64decode(coded)
                if i % 2 or i == last:
                    node = hashlib.sha256(b"\x01" + other + node).digest()
                    while i % 2 == 0 and i:
                        i, last = i // 2, last // 2
                else:
                    node = hashlib.sha256(b"\x01" + node + other).digest()
                i, last = i // 2, last // 2

        assert last == 0
        assert base64.b64encode(node).decode() == (out / "checkpoint").read_text().split("\n")[2]
        assert node.hex() in readme


def test_an_episode_is_proved_whole(sealed: Path, asked: Ask, episode: str, tmp_path: Path) -> None:
    """All entries of one episode, each proved, and the chain from the first to the last."""
    out = tmp_path / "whole"
    row = asked("audit", "proof", "--episode", episode, "--out", str(out), "--as", "aziz")
    said = json.loads((out / "episode.json").read_text())

    assert row["entries"] == [one["index"] for one in said["entries"]]
    assert [one["number"] for one in said["entries"]] == list(range(len(row["entries"])))
    for one in said["entries"]:
        report, _ = check_bundle(out / str(one["index"]), trust_of(sealed))
        leaf = hashlib.sha256(b"\x00" + (out / str(one["index"]) / "entry.json").read_bytes()).hexdigest()
        assert (report.outcome, one["leaf"]) == (Outcome.VERIFIED, leaf)


def test_a_census_closes_an_episodes_end(sealed: Path, asked: Ask, episode: str, tmp_path: Path) -> None:
    """After a census the bundle shows that the last entry is the last: by hand from the episode's leaf to its root."""
    asked("episode", "open", "--as", "ann", "--name", "Bo Ludens", "region=upper_back", "onset=2026-01-12")
    asked("audit", "census")
    asked("sealer", "once")
    out = tmp_path / "whole"
    row = asked("audit", "proof", "--episode", episode, "--out", str(out), "--as", "aziz")
    said = json.loads((out / "episode.json").read_text())
    census, last = said["census"], said["entries"][-1]
    entry = json.loads((out / "census/entry.json").read_bytes())

    assert row["census"] == census["entry"] == entry["idx"]
    assert check_bundle(out / "census", trust_of(sealed))[0].outcome is Outcome.VERIFIED
    assert entry["trigger"] == f"{census['size']} {census['count']} {census['root']}"
    assert (census["last_number"], census["last_leaf"]) == (last["number"], last["leaf"])
    end = json.dumps([episode, last["number"], last["leaf"]], separators=(",", ":")).encode()
    (other,) = (bytes.fromhex(one) for one in census["proof"])  # two episodes: one hash
    leaf = hashlib.sha256(b"\x00" + end).digest()
    pair = other + leaf if census["place"] else leaf + other
    assert hashlib.sha256(b"\x01" + pair).hexdigest() == census["root"]


def test_what_is_not_sealed_cannot_be_proved_yet(sealed: Path, asked: Ask, run: Run, tmp_path: Path) -> None:
    """An entry of this moment: exit 3, with how long it takes; nothing is written."""
    asked("episode", "open", "--as", "ann", "--name", "Bo Ludens", "region=upper_back", "onset=2026-01-12")
    latest = asked("sealer", "status")[0]["committed"] - 1
    found = run("audit", "proof", str(latest), "--out", str(tmp_path / "p"), "--as", "aziz")

    assert found.exit_code == 3
    assert "sealed within seconds" in found.stderr
    assert not (tmp_path / "p").exists()


@pytest.mark.usefixtures("sealed")
def test_a_reference_is_mended_as_everywhere(
    asked: Ask, run: Run, episode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Typed in small letters it is the same episode, and the folder has its proper name; a slip in it is noticed."""
    monkeypatch.chdir(tmp_path)

    row = asked("audit", "proof", "--episode", episode.lower(), "--as", "aziz")

    assert (row["episode"], row["folder"]) == (episode, f"proof-{episode}")
    assert (tmp_path / f"proof-{episode}").is_dir()
    assert run("audit", "proof", "--episode", f"{episode}X", "--as", "aziz").exit_code == 2
    assert run("audit", "proof", "--episode", "nothing", "--as", "aziz").exit_code == 3


def test_proofs_are_for_who_may_read_the_log(sealed: Path, run: Run, episode: str, tmp_path: Path) -> None:
    """A coordinator may not have a proof made, whichever way it is asked for."""
    for words in (["0"], ["--episode", episode]):
        assert run("audit", "proof", *words, "--out", str(tmp_path / "p"), "--as", "ann").exit_code == 4
    assert run("audit", "proof", "--as", "aziz").exit_code == 2
    assert run("audit", "proof", "999", "--as", "aziz").exit_code == 3
    assert [one.name for one in tmp_path.iterdir()] == ["data"]
