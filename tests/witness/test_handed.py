"""Handing a checkpoint over: as a file, a letter, a page to print; what is handed over is what was published."""

import email
import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from email import policy
from email.message import EmailMessage
from html import unescape
from pathlib import Path

import pytest
import segno
from typer.testing import CliRunner, Result

from engine.errors import InvalidInput
from stepcare.cli import app
from stepcare.verifier.note import Note
from stepcare.witness.handed import MOST_IN_QR, Handed, letter, page, qr_svg
from tests.witness.logs import NOW, ORIGIN, Ledger, Pen, a_witness

AT = datetime(2026, 11, 24, 12, 3, tzinfo=UTC)
KEY = Pen.of(ORIGIN).key


def cosigned(witnesses: int) -> Note:
    """Give a checkpoint of 1,204 entries with so many cosignatures."""
    note = Ledger().grow(1204).note()
    lines = [a_witness(f"w{number}").sign(note.text, NOW) for number in range(witnesses)]
    return Note(text=note.text, signatures=(*note.signatures, *lines))


def handed(witnesses: int = 2, *, known: bool = True) -> Handed:
    """Give it as it is handed over."""
    return Handed(note=cosigned(witnesses), published_at=AT, handed_at=AT, key=KEY if known else None)


# --- a page -------------------------------------------------------------------------------------------------------


def test_the_page_holds_the_checkpoint_to_the_letter_in_a_code_and_in_print() -> None:
    """Whoever scans the code has the file; whoever has no telephone can type it."""
    one = handed()
    made = page(one)

    # There is no reader of codes here: the code is held against one made from the published text.
    due = segno.make_qr(one.note.bytes(), error="m", boost_error=False).matrix
    assert one.in_qr == one.text
    assert segno.make_qr(one.in_qr, error="m", mode="byte", encoding="utf-8", boost_error=False).matrix == due
    assert qr_svg(one.text) in made
    printed = made.partition("<pre>")[2].partition("</pre>")[0].replace("</span>", "\n").replace("<span>", "")
    assert unescape(printed) == one.text


def test_the_page_says_what_it_is_how_to_keep_and_how_to_check_it() -> None:
    """Log, size, root, times, key, and the command: it must still make sense in ten years."""
    made = page(handed())

    root = handed().checkpoint.root.hex()
    for due in (ORIGIN, "1204", root[:8], root[-8:], "2026-11-24 12:03 UTC", str(KEY), "--checkpoint kept.txt"):
        assert due in made
    for heading in ("How to keep it", "How to check it later", "Received by"):
        assert heading in made


def test_the_page_is_whole_in_itself() -> None:
    """Nothing is fetched from anywhere, nothing runs: it opens on a machine without a network."""
    made = page(handed()).replace("http://www.w3.org/2000/svg", "")

    for word in ("http:", "https:", "src=", "url(", "@import", "<script", "<link", "onload"):
        assert word not in made


def test_a_name_cannot_write_into_the_page() -> None:
    """An origin is text, whatever it looks like."""
    note = Ledger(pen=Pen.of("<script>alert(1)</script>&amp;")).grow(3).note()

    made = page(Handed(note=note, published_at=AT, handed_at=AT, key=None))

    assert "<script" not in made
    assert "&lt;script&gt;alert(1)&lt;/script&gt;&amp;amp;" in made


def test_a_crowd_of_witnesses_leaves_the_code_readable() -> None:
    """Too many signatures make a code too fine to scan: then it holds the log's own, and the page says so."""
    one = handed(12)

    assert len(one.note.bytes()) > MOST_IN_QR
    assert Note.parse(one.in_qr.encode()) == cosigned(0)
    assert "those of witnesses stand below only" in page(one)
    assert page(one).count("w11.example/w") == 2


def test_without_the_log_s_key_the_page_does_not_name_one() -> None:
    """Whoever may not look into the sealer's folder can hand over all the same."""
    assert "Key of the log" not in page(handed(known=False))


# --- a letter -----------------------------------------------------------------------------------------------------


def read(data: bytes) -> EmailMessage:
    """Read a letter as a mail program does."""
    return email.message_from_bytes(data, policy=policy.default)


def test_the_letter_carries_the_checkpoint_to_the_letter() -> None:
    """The attachment's bytes are those published, whatever mail servers do to text."""
    one = handed()
    found = read(letter(one, "root@clinic.example", "vera@court.example"))
    (attached,) = found.iter_attachments()

    assert attached.get_content() == one.note.bytes()
    assert attached.get_filename() == "checkpoint-1204.txt"
    assert (found["From"], found["To"]) == ("root@clinic.example", "vera@court.example")
    assert found["Date"].datetime == AT
    assert not found.defects


def test_the_letter_says_in_plain_text_what_to_do() -> None:
    """Size, root, how to keep and how to check it; lines end as mail's do."""
    data = letter(handed(), "root@clinic.example", "vera@court.example")
    body = read(data).get_body(("plain",))
    assert body is not None
    text = body.get_content()

    assert handed().checkpoint.root.hex() in text
    assert "--checkpoint checkpoint-1204.txt" in text
    assert str(KEY) in text
    assert b"\n" not in data.replace(b"\r\n", b"")
    assert all(len(line) <= 998 for line in data.split(b"\r\n"))


@pytest.mark.parametrize("address", ["", "vera", "vera@", "@court.example", "a@b\nBcc: c@d", "a@b, c@d", "V <a@b>"])
def test_what_is_no_address_is_refused(address: str) -> None:
    """One address, and nothing that could write further headers."""
    with pytest.raises(InvalidInput, match="no e-mail address"):
        letter(handed(), "root@clinic.example", address)


# --- the command --------------------------------------------------------------------------------------------------

Ran = Callable[..., Result]


@pytest.fixture
def ran(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ran:
    """Run `audit checkpoint` where a log is published, and no database is there at all."""
    published, sealer = tmp_path / "published", tmp_path / "sealer"
    (published / "access").mkdir(parents=True)
    sealer.mkdir()
    (published / "checkpoint").write_bytes(cosigned(1).bytes())
    (published / "access" / "checkpoint").write_bytes(Ledger(pen=Pen.of(f"{ORIGIN}/access")).grow(7).note().bytes())
    for name in [one for one in os.environ if one.startswith("STEPCARE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("STEPCARE_DATABASE", str(tmp_path))
    return lambda *words: CliRunner().invoke(app, ["audit", "checkpoint", *words], prog_name="stepcare")


def test_the_checkpoint_is_printed_as_it_is_published(ran: Ran) -> None:
    """Straight into a file, a pipe, another program."""
    assert ran().stdout == cosigned(1).bytes().decode()


def test_a_file_is_written_once_and_never_over(ran: Ran, tmp_path: Path) -> None:
    """What is there may be the older checkpoint that proves something."""
    out = tmp_path / "kept.txt"

    assert ran("--out", str(out)).exit_code == 0
    assert out.read_bytes() == cosigned(1).bytes()
    again = ran("--out", str(out))
    assert (again.exit_code, "may be an older checkpoint" in again.stderr) == (2, True)
    assert out.read_bytes() == cosigned(1).bytes()


def test_the_page_and_the_letter_go_where_they_are_told(ran: Ran, tmp_path: Path) -> None:
    """Into a file, or to stdout."""
    assert ran("--print", "--out", str(tmp_path / "page.html")).exit_code == 0
    assert (tmp_path / "page.html").read_text().startswith("<!doctype html>")
    assert ran("--print").stdout.startswith("<!doctype html>")
    found = read(ran("--mail", "vera@court.example").stdout_bytes)
    assert [one.get_content() for one in found.iter_attachments()] == [cosigned(1).bytes()]
    assert ran("--mail", "vera@court.example", "--print").exit_code == 2


def test_programs_get_json(ran: Ran) -> None:
    """What it states, beside the checkpoint itself."""
    found = json.loads(ran("--output", "json").stdout)

    assert (found["origin"], found["size"]) == (ORIGIN, 1204)
    assert found["checkpoint"] == cosigned(1).bytes().decode()
    assert found["signatures"] == [ORIGIN, "w0.example/w"]


def test_the_log_of_reads_has_a_checkpoint_too(ran: Ran) -> None:
    """Who looked at whom is proved the same way."""
    assert ran("--access").stdout.startswith(f"{ORIGIN}/access\n7\n")


def test_nothing_published_is_said(ran: Ran, tmp_path: Path) -> None:
    """Before the first seal there is nothing to hand over: exit 3, and what to do."""
    (tmp_path / "published" / "checkpoint").unlink()

    result = ran()

    assert (result.exit_code, "run `stepcare sealer`" in result.stderr) == (3, True)


def test_what_is_no_checkpoint_or_not_the_log_s_is_not_handed_over(ran: Ran, tmp_path: Path) -> None:
    """A custodian must not be given somebody else's signature to keep: exit 6."""
    place = tmp_path / "published" / "checkpoint"
    (tmp_path / "sealer" / "vkey").write_text(f"{KEY}\n")
    assert ran().exit_code == 0

    place.write_bytes(Ledger(pen=Pen.of(ORIGIN, seed=2)).grow(9).note().bytes())
    assert (ran().exit_code, "is not signed by a key of" in ran().stderr) == (6, True)
    place.write_bytes(cosigned(1).bytes().replace(b"\n1204\n", b"\n1205\n"))
    assert ran().exit_code == 6
    place.write_bytes(b"\xff")
    assert ran().exit_code == 6


def test_a_former_key_s_signature_is_handed_over(ran: Ran, tmp_path: Path) -> None:
    """Between a change of keys and the next seal the published checkpoint is by the former one."""
    present = Pen.of(ORIGIN, seed=2).key
    (tmp_path / "sealer" / "vkey").write_text(f"{present}\n")
    (tmp_path / "sealer" / "vkeys").write_text(f"0 1204 {KEY}\n1204 - {present}\n")

    result = ran("--output", "json")

    assert (result.exit_code, json.loads(result.stdout)["vkey"]) == (0, str(KEY))


def test_a_dry_run_writes_nothing(ran: Ran, tmp_path: Path) -> None:
    """It says what would be written."""
    result = ran("--out", str(tmp_path / "kept.txt"), "--dry-run")

    assert result.exit_code == 0
    assert not (tmp_path / "kept.txt").exists()
