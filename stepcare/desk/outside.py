"""What leads outside and what comes back from there: the file of channels, looked over; a mail that came back."""

import sys
from collections.abc import Iterator
from pathlib import Path

import typer

from engine.errors import InvalidInput
from engine.model import Json
from stepcare.channels.configured import Configured, configured
from stepcare.channels.port import Channel
from stepcare.channels.rates import Rate
from stepcare.channels.reported import take_mail
from stepcare.desk.opened import opened, settings_of
from stepcare.options import Options
from stepcare.render import emit_thing, note

MOST_BYTES = 10_000_000  # of one mail; reports give back headers, rarely a whole mail
# What each word means, and the exit code: whoever pipes mails in here keeps those that somebody has to read.
SAID: dict[str, tuple[str, int]] = {
    "kept": ("Done, and kept in the log.", 0),
    "known": ("It was taken before; nothing happened twice.", 0),
    "not_ours": ("It is about no message that went out from here.", 3),
    "nothing": ("It is no report, and no answer that says stop: somebody should read it.", 3),
    "not_kept": ("Somebody wants no more messages, and nothing here can keep that: record it by hand.", 4),
}


def take_back(options: Options, channel: str) -> None:
    """Act on the mail on stdin, which came to a channel's mailbox; exits by what it was."""
    if options.dry_run:
        raise InvalidInput("A mail that came back is acted on or not read at all: leave --dry-run out.")
    data = sys.stdin.buffer.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise InvalidInput(f"The mail is larger than {MOST_BYTES:,} bytes, which no report is: read it yourself.")
    with opened(options) as desk:
        found = take_mail(desk.app, data, channel)
    words, code = SAID[found]
    emit_thing(options.output, {"status": found}, lambda: [found])
    note(words)
    if code:
        raise typer.Exit(code)


def check_channels(options: Options, file: Path | None) -> None:
    """Say what a file of channels makes; raises BadChannels with the place of every mistake."""
    settings = settings_of(options)
    path = file or settings.channels_file
    made = configured(path, place=settings.messages_folder)
    rows = [_row(name, one, made) for name, one in sorted(made.channels.items())]
    for one in made.channels.values():
        one.close()
    row: dict[str, Json] = {
        "file": str(path) if path is not None else None,
        "channels": list[Json](rows),
        "unsubscribe": made.one_click is not None,
        "site_per_minute": _a_minute(made.site_rate),
        "site_burst": made.site_rate.burst,
    }
    emit_thing(options.output, row, lambda: _lines(path, rows, made))


def _row(name: str, channel: Channel, made: Configured) -> dict[str, Json]:
    """Say what may be shown of a channel: neither its address nor any secret is among it."""
    rates = made.rates[name]
    return {
        "name": name,
        "kind": type(channel).__name__.lower(),
        "on_unknown": channel.on_unknown,
        "at_once": channel.at_once,
        "seconds": f"{channel.deadline:g}",
        "per_minute": _a_minute(rates.channel),
        "burst": rates.channel.burst,
        "person_per_minute": _a_minute(rates.person),
        "person_burst": rates.person.burst,
        "receipts": bool(made.receipts.get(name)),
    }


def _a_minute(rate: Rate) -> str:
    return f"{rate.per_second * 60:g}"


def _lines(path: Path | None, rows: list[dict[str, Json]], made: Configured) -> Iterator[str]:
    yield f"✓ {path}" if path is not None else "No file of channels: nothing is sent, messages are written down."
    for one in rows:
        receipts = "signed receipts are taken" if one["receipts"] else "no receipts"
        yield (
            f"  {one['name']} ({one['kind']}): {one['at_once']} at once, {one['per_minute']} a minute "
            f"({one['burst']} at once), to one person {one['person_per_minute']}; unknown: {one['on_unknown']}; {receipts}"
        )
    yield f"  all together: {_a_minute(made.site_rate)} a minute ({made.site_rate.burst} at once)"
    offered = "messages offer an address for opting out" if made.one_click else "no address for opting out"
    yield f"  unsubscribe: {offered}"
