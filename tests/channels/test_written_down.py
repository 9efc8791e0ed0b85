"""What is written down instead of sent: the file, whose line counts once it is on the disk, and the console."""

import io
import json
import os
import stat
import threading
from pathlib import Path

import pytest

from stepcare.channels.console import Console
from stepcare.channels.files import File
from tests.channels.conftest import CANARIES, PARCEL, a_parcel


def lines(path: Path) -> list[dict[str, object]]:
    """Give the messages in a file; a torn line is passed over."""
    found = []
    for line in path.read_text().splitlines():
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return found


def test_a_message_is_one_line_of_json(tmp_path: Path) -> None:
    """With everything somebody needs to send it on, in a file of its owner's alone."""
    path = tmp_path / "out.jsonl"

    result = File(path=path).send(PARCEL)

    assert result.status == "accepted"
    assert [(one["key"], one["to"], one["text"]) for one in lines(path)] == [(PARCEL.key, PARCEL.to, PARCEL.text)]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_same_key_is_written_once(tmp_path: Path) -> None:
    """By this channel, by another one on the same file, and after a restart: accepted each time, one line."""
    path = tmp_path / "out.jsonl"
    first, other = File(path=path), File(path=path)

    results = [one.send(PARCEL) for one in (first, other, first, File(path=path))]

    assert [one.code for one in results] == ["written", "already", "already", "already"]
    assert len(lines(path)) == 1


def test_the_file_itself_says_what_is_in_it(tmp_path: Path) -> None:
    """Asked after a crash: there, or certainly not there; where it cannot be read, nobody knows."""
    path = tmp_path / "out.jsonl"
    File(path=path).send(PARCEL)
    asked = File(path=path)

    there, missing = asked.ask(PARCEL), asked.ask(a_parcel(key="k2"))
    path.chmod(0o644)
    unreadable = asked.ask(PARCEL)

    assert there is not None
    assert missing is not None
    assert (there.status, missing.status, unreadable) == ("accepted", "temporary", None)


def test_a_line_torn_by_a_crash_is_no_message(tmp_path: Path) -> None:
    """Half a line was never accepted: the message is written again, whole, on a line of its own."""
    path = tmp_path / "out.jsonl"
    File(path=path).send(PARCEL)
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])

    result = File(path=path).send(PARCEL)

    assert result.code == "written"
    assert [one["key"] for one in lines(path)] == [PARCEL.key]


def test_a_file_may_be_moved_away_at_any_time(tmp_path: Path) -> None:
    """A new one is begun, and what went into the old one is not repeated by this process."""
    path = tmp_path / "out.jsonl"
    channel = File(path=path)
    channel.send(PARCEL)
    path.rename(tmp_path / "old.jsonl")

    results = [channel.send(PARCEL), channel.send(a_parcel(key="k2"))]

    assert [one.code for one in results] == ["already", "written"]
    assert [one["key"] for one in lines(path)] == ["k2"]


def test_many_threads_write_whole_lines(tmp_path: Path) -> None:
    """Four channels on one file, each key sent by two of them."""
    path = tmp_path / "out.jsonl"

    def send(number: int) -> None:
        channel = File(path=path)
        for key in range(20):
            channel.send(a_parcel(key=f"k{key + 10 * (number % 2)}"))

    threads = [threading.Thread(target=send, args=(number,)) for number in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()

    assert sorted(str(one["key"]) for one in lines(path)) == sorted(f"k{key}" for key in range(30))


@pytest.mark.parametrize("odd", ["no folder", "a folder", "open to others", "a link"])
def test_a_place_that_cannot_be_written_is_temporary(tmp_path: Path, odd: str) -> None:
    """And against the channel, whatever is wrong; nothing is written where others read."""
    path = tmp_path / "out.jsonl"
    match odd:
        case "no folder":
            path = tmp_path / "none" / "out.jsonl"
        case "a folder":
            path.mkdir()
        case "open to others":
            path.touch(0o644)
            path.chmod(0o644)
        case "a link":
            (tmp_path / "target").touch(0o600)
            path.symlink_to(tmp_path / "target")

    result = File(path=path).send(PARCEL)

    assert (result.status, result.is_about_the_channel) == ("temporary", True)
    assert not path.is_file() or not path.read_bytes()


def test_what_did_not_reach_the_disk_is_taken_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk refuses the fsync: the line is taken out again, so that not taken is true."""
    path = tmp_path / "out.jsonl"
    channel = File(path=path)
    channel.send(PARCEL)

    def refuses(_: int) -> None:
        raise OSError(5, "input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", refuses)
        failed = channel.send(a_parcel(key="k2"))
    again = channel.send(a_parcel(key="k2"))

    assert (failed.status, failed.code, again.code) == ("temporary", "disk", "written")
    assert [one["key"] for one in lines(path)] == [PARCEL.key, "k2"]


def test_the_console_says_that_a_message_went_out_and_not_what() -> None:
    """Key and language; the words only where it was asked for, the address never."""
    quiet, loud = io.StringIO(), io.StringIO()

    results = [Console(stream=quiet).send(PARCEL), Console(stream=loud, words=True).send(PARCEL)]

    assert [one.status for one in results] == ["accepted", "accepted"]
    assert quiet.getvalue() == f"message {PARCEL.key} (en)\n"
    assert PARCEL.subject in loud.getvalue()
    assert CANARIES[0] not in loud.getvalue()


def test_a_console_that_went_away_is_temporary() -> None:
    """The terminal was closed."""
    gone = io.StringIO()
    gone.close()

    assert Console(stream=gone).send(PARCEL).status == "temporary"
