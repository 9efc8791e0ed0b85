"""The program, as an auditor runs it."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from stepcare.verifier.__main__ import main
from stepcare.verifier.proof import Proof
from stepcare.verifier.zip import write_zip
from tests.verifier.logs import (
    OTHER,
    PEN,
    WITNESSES,
    checkpoint,
    entries,
    inclusion,
    leaf,
    publish,
    small,
    written,
)

FREE = "import socket\n\ndef no(*_, **__):\n    raise OSError('no network here')\n\nsocket.socket = no\n"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Give a published log."""
    return publish(tmp_path / "log", small(), PEN, WITNESSES[0])


def ran(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str]:
    """Run the program here, and give its exit and what it printed."""
    code = main([str(one) for one in words])
    return code, capsys.readouterr().out


def found(capsys: pytest.CaptureFixture[str], *words: object) -> dict[str, Any]:
    """Give what it says as JSON."""
    code, out = ran(capsys, *words, "--json")
    row: dict[str, Any] = json.loads(out)
    assert row["exit"] == code
    return row


# --- four answers ---------------------------------------------------------------------------------------------------


def test_four_answers_and_their_exits(log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Verified 0, tampered 6, unverifiable 7, absent 3."""
    assert ran(capsys, log)[0] == 0
    assert ran(capsys, tmp_path / "nothing")[0] == 3
    assert ran(capsys, log, "--vkey", OTHER.key)[0] == 7
    (log / "tile/0/000").write_bytes(bytes(8192))
    assert ran(capsys, log)[0] == 6


def test_the_first_bad_entry_is_named(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Number, id and reason, for people and for programs."""
    bundle = log / "tile/entries/001"
    bundle.write_bytes(bundle.read_bytes().replace(b'"accepted"', b'"refused!"', 1))

    row = found(capsys, log)
    _, out = ran(capsys, log)

    assert row["first"]["entry"] == 256
    assert row["first"]["id"] == json.loads(small()[256])["id"]
    assert f"first: entry 256 ({row['first']['id']}): its bytes do not have the hash" in out
    assert out.startswith("✗ Tampered")


def test_what_was_not_checked_is_said(log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a key, a kept checkpoint, a policy: each is named; with them it is not."""
    policy, kept, key = tmp_path / "policy", tmp_path / "kept", tmp_path / "vkey"
    policy.write_text(f"witness w {WITNESSES[0].key}\nquorum w\n")
    kept.write_bytes(checkpoint(small()[:300]))
    key.write_text(f"{PEN.key}\n")

    _, bare = ran(capsys, log)
    _, full = ran(capsys, log, "--vkey", key, "--checkpoint", kept, "--policy", policy)

    for words in ("no key of the log was given", "no checkpoint kept elsewhere", "no policy was given"):
        assert f"not checked: {words}" in bare.replace(": who signed the checkpoint", "") or words in bare
        assert words not in full
    for out in (bare, full):
        assert "not checked: whether all that happened was written down" in out
        assert "not checked: what is sealed" in out
    assert "2 signatures, 1 cosignatures" in full
    assert "1 kept checkpoints" in full


WORD = (
    "as far as it agrees with itself: nobody's key or kept checkpoint was given, so whoever holds the files could have"
)


def test_who_holds_the_log_against_nothing_is_told_so_first(
    log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A log that agrees with itself only is no more than that: the first line says it, and the JSON; the exit stays."""
    kept, policy = tmp_path / "kept", tmp_path / "policy"
    kept.write_bytes(checkpoint(small()[:300], OTHER))
    policy.write_text(f"witness w {WITNESSES[0].key}\nquorum w\n")

    code, out = ran(capsys, log)

    assert (code, out.split("\n")[0]) == (0, f"✓ Verified, {WORD} rewritten them all: {log}")
    assert found(capsys, log)["anchored"] is False
    for words in (("--vkey", PEN.key), ("--checkpoint", kept), ("--policy", policy)):
        assert found(capsys, log, *words)["anchored"] is True
        assert ran(capsys, log, *words)[1].startswith(f"✓ Verified: {log}\n")


def test_a_database_is_anchored_by_what_was_kept_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It holds no signature, so a key says nothing about it."""
    database, kept = written(tmp_path / "stepcare.db", small()), tmp_path / "kept"
    kept.write_bytes(checkpoint(small()[:300]))

    _, out = ran(capsys, database, "--vkey", PEN.key)

    assert out.startswith("✓ Verified, as far as it agrees with itself: no kept checkpoint was given")
    assert found(capsys, database, "--vkey", PEN.key)["anchored"] is False
    assert found(capsys, database, "--checkpoint", kept)["anchored"] is True


def test_a_kept_checkpoint_of_nothing_anchors_nothing(
    log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every log continues the empty one."""
    (tmp_path / "kept").write_bytes(checkpoint([]))

    assert found(capsys, log, "--checkpoint", tmp_path / "kept")["anchored"] is False


def test_the_json_keeps_its_shape(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Programs of auditors read it: names stay."""
    row = found(capsys, log)

    assert set(row) == {
        *("outcome", "exit", "what", "origin", "entries", "root", "first", "findings", "more", "checked"),
        *("anchored", "not_checked", "seconds"),
    }
    assert (row["outcome"], row["entries"], row["first"], row["findings"]) == ("verified", 600, None, [])


def test_several_kept_checkpoints_must_all_agree(log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One that does not is enough."""
    words: list[object] = [log]
    for size in (1, 255, 256, 257, 600):
        (tmp_path / str(size)).write_bytes(checkpoint(small()[:size]))
        words += ["--checkpoint", tmp_path / str(size)]
    (tmp_path / "other").write_bytes(checkpoint(entries(400, e1={"outcome": "refused"})))

    assert ran(capsys, *words)[0] == 0
    assert ran(capsys, *words, "--checkpoint", tmp_path / "other")[0] == 6


@pytest.mark.parametrize(
    "words",
    [
        ("--vkey", "no key"),
        ("--vkey", "a+b+c"),
        ("--vkey", "/nowhere/vkey"),
        ("--vkey", "."),
        ("--vkey", "x" * 5000),
        ("--checkpoint", "/nowhere"),
        ("--checkpoint", "."),
        ("--policy", "/nowhere"),
        ("--policy", __file__),
    ],
)
def test_what_cannot_be_used_is_unverifiable_and_no_traceback(
    words: tuple[str, str], log: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A key, a checkpoint or a policy that is none: nothing is compared, and that is said."""
    code, out = ran(capsys, log, *words)

    assert code == 7
    assert out.startswith("? Unverifiable")


@pytest.mark.parametrize("words", [(), ("--nonsense",), ("a", "b")])
def test_wrong_usage_is_two(words: tuple[str, ...]) -> None:
    """Nothing to check, an unknown option, two logs."""
    with pytest.raises(SystemExit) as ended:
        main(words)

    assert ended.value.code == 2


# --- bundles --------------------------------------------------------------------------------------------------------


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """Give a proof bundle of entry 123."""
    folder = tmp_path / "bundle"
    folder.mkdir()
    data = small()[123]
    proof = Proof(
        index=123,
        hashes=tuple(inclusion(123, list(map(leaf, small())))),
        checkpoint=checkpoint(small(), PEN, WITNESSES[0]),
    )
    (folder / "entry.json").write_bytes(data)
    (folder / "proof").write_bytes(proof.bytes())
    (folder / "checkpoint").write_bytes(proof.checkpoint)
    (folder / "vkey").write_text(f"{PEN.key}\n")
    (folder / "policy").write_text(f"log {PEN.key}\nwitness w {WITNESSES[0].key}\nquorum w\n")
    return folder


def test_a_bundle_proves_its_entry(bundle: Path, log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By itself it says that its key came with it; with a key of one's own, and beside the log, it does not."""
    _, alone = ran(capsys, "--proof", bundle)
    code, known = ran(capsys, "--proof", bundle, "--vkey", PEN.key)

    assert (alone.startswith("✓ Verified"), code) == (True, 0)
    assert "it came with the bundle. Compare" in alone
    assert "that the key is the log's" not in known
    assert ran(capsys, "--proof", bundle, log, "--vkey", PEN.key)[0] == 0
    assert ran(capsys, "--proof", bundle, "--vkey", OTHER.key)[0] == 7


def test_a_bundle_of_another_history_does_not_fit_the_log(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both are well made, and signed with the log's key: held against each other they show two logs."""
    other = publish(tmp_path / "other", entries(700, e1={"outcome": "refused"}))

    assert ran(capsys, "--proof", bundle)[0] == 0
    assert ran(capsys, other)[0] == 0
    assert ran(capsys, "--proof", bundle, other)[0] == 6


def test_a_bundle_that_brings_its_own_key_is_not_anchored(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever made the bundle could have made the key."""
    assert found(capsys, "--proof", bundle)["anchored"] is False
    assert found(capsys, "--proof", bundle, "--vkey", PEN.key)["anchored"] is True


@pytest.mark.parametrize("name", ["entry.json", "proof", "checkpoint", "vkey", "policy"])
def test_no_file_of_a_bundle_can_be_changed(name: str, bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every seventh byte of each file: never verified with the log's key. Comments and spaces of a policy are free."""
    data = (bundle / name).read_bytes()
    for at in range(0, len(data), 7):
        (bundle / name).write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        code, _ = ran(capsys, "--proof", bundle)

        assert code in (6, 7), (name, at)


@pytest.mark.parametrize("name", ["entry.json", "proof", "vkey"])
def test_a_bundle_without_what_it_needs_is_unverifiable(
    name: str, bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A missing file is no tampering, and no proof."""
    (bundle / name).unlink()
    (bundle / "policy").unlink()

    assert ran(capsys, "--proof", bundle)[0] == 7


def test_an_entry_that_says_another_number_than_its_proof_is_tampering(
    bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Truly in the log, truly signed, and at a place that is not its own."""
    log = entries(20, e7={"idx": 8})
    proof = Proof(
        index=7, hashes=tuple(inclusion(7, list(map(leaf, log)))), checkpoint=checkpoint(log, PEN, WITNESSES[0])
    )
    (bundle / "entry.json").write_bytes(log[7])
    (bundle / "proof").write_bytes(proof.bytes())
    (bundle / "checkpoint").write_bytes(proof.checkpoint)

    code, out = ran(capsys, "--proof", bundle)

    assert (code, "says it is number 8" in out) == (6, True)


def test_the_pathway_in_a_bundle_is_the_one_the_entry_names(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its hash stands in the entry."""
    (bundle / "pathway.json").write_text("{}")

    assert ran(capsys, "--proof", bundle)[0] == 6


# --- alone ----------------------------------------------------------------------------------------------------------


def alone(program: Path, *words: object) -> subprocess.CompletedProcess[str]:
    """Run the one-file verifier far from this repository, isolated, and with no way to open a socket."""
    place = program.parent / "elsewhere"
    place.mkdir(exist_ok=True)
    start = f"{FREE}import runpy, sys\nsys.argv = sys.argv[1:]\nrunpy.run_path(sys.argv[0], run_name='__main__')\n"
    command = [sys.executable, "-I", "-c", start, str(program), *map(str, words)]
    environment = {"PATH": os.environ["PATH"], "LANG": "C"}
    return subprocess.run(  # noqa: S603 - our own program
        command, cwd=place, env=environment, capture_output=True, text=True, encoding="utf-8", check=False, timeout=60
    )


def test_the_one_file_verifier_runs_alone(log: Path, tmp_path: Path) -> None:
    """From a copied file, isolated, without network, and without this repository: the same answers."""
    program = tmp_path / "stepcare-verifier.pyz"
    write_zip(program)
    kept = tmp_path / "kept"
    kept.write_bytes(checkpoint(small()[:300]))

    good = alone(program, log, "--vkey", PEN.key, "--checkpoint", kept)
    (log / "checkpoint").write_bytes(checkpoint(entries(600, e9={"outcome": "refused"})))
    bad = alone(program, log, "--checkpoint", kept)

    assert (good.returncode, good.stderr) == (0, "")
    assert "\u2713 Verified" in good.stdout or "\\u2713 Verified" in good.stdout
    assert (bad.returncode, bad.stderr) == (6, "")


def test_the_one_file_verifier_is_the_same_bytes_each_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An auditor compares it with one they made from the same sources, perhaps on another system."""
    write_zip(tmp_path / "a")
    monkeypatch.setattr(sys, "platform", "win32")
    write_zip(tmp_path / "b")

    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("how", ["a module", "one file"])
@pytest.mark.parametrize(("harm", "code"), [(False, 0), (True, 6)], ids=["good", "tampered"])
def test_a_reader_that_goes_away_ends_it_quietly(how: str, harm: bool, code: int, log: Path, tmp_path: Path) -> None:
    """`… | head -1`, or a pager that is left: no traceback, and still the outcome's exit."""
    program = tmp_path / "verifier.pyz"
    write_zip(program)
    if harm:
        file = log / "tile/entries/000"
        file.write_bytes(file.read_bytes().replace(b'"accepted"', b'"refused!"'))
    words = ["-m", "stepcare.verifier"] if how == "a module" else [str(program)]
    read, write = os.pipe()
    os.close(read)

    with os.fdopen(write, "wb") as gone:
        done = subprocess.run(  # noqa: S603 - our own program
            [sys.executable, *words, str(log)], stdout=gone, stderr=subprocess.PIPE, check=False, timeout=60
        )

    assert (done.returncode, done.stderr) == (code, b"")
