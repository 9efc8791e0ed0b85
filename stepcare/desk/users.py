"""How colleagues are reached, and when they are away. Addresses go to the vault only, and are never printed whole."""

import re
import sys
from dataclasses import dataclass, replace
from getpass import getpass
from typing import cast

import typer

from engine.errors import InvalidInput, Refused
from engine.model import Command, Json, Kind, Outcome, Role
from stepcare.answers import answer_json
from stepcare.desk.doing import EXITS
from stepcare.desk.opened import actor_of, opened, os_user
from stepcare.options import Options
from stepcare.render import emit_thing, note
from stepcare.tell import decision_lines
from stepcare.typed import checked, require_text
from storage.passwords import LONGEST as MOST_PASSWORD
from storage.passwords import Passwords
from storage.sessions import end_all
from storage.staff import Colleague

CHANNEL = re.compile(r"[a-z][a-z0-9_-]{0,39}")
LONGEST = 254  # letters of an address
MAIL = "email"
STDIN = "-"
HOW = "write channel=address, such as email=ann@clinic.example; channel= takes one away, channel=- reads it from stdin."


@dataclass(frozen=True, slots=True, kw_only=True)
class Contacts:
    """What was asked of `user contact`: `channel=address` words, and the order in which they want to hear."""

    who: str
    pairs: tuple[str, ...]
    order: str | None


def set_contacts(options: Options, asked: Contacts) -> None:
    """Keep how a colleague is reached; without anything to keep, show it."""
    given = dict(_pair(one) for one in asked.pairs)
    with opened(options) as desk:
        colleague = desk.staff.find(asked.who)
        contacts = {name: address for name, address in {**colleague.contacts, **given}.items() if address}
        order = _order(asked.order, colleague, contacts)
        changed = replace(colleague, contacts=contacts, channels=order)
        differs = changed != colleague
        if differs and not options.dry_run:
            desk.staff.add(changed)
    row: dict[str, Json] = {
        "id": changed.id,
        "contacts": {name: veiled(address) for name, address in sorted(contacts.items())},
        "channels": list[Json](order),
        "changed": differs,
    }
    ways = ", ".join(f"{name} ({veiled(address)})" for name, address in sorted(contacts.items())) or "nothing yet"
    first = f"; first by {order[0]}" if order else ""
    emit_thing(options.output, row, lambda: [f"{'✓ ' if differs else ''}{changed.id} is reached by {ways}{first}."])
    if options.dry_run:
        note("Dry run: nothing was kept.")


def _pair(typed: str) -> tuple[str, str]:
    channel, equals, address = typed.partition("=")
    if not equals or not CHANNEL.fullmatch(channel):
        raise InvalidInput(f"That is no contact: {HOW}")  # it may be an address: it is not repeated
    if address == STDIN:
        address = sys.stdin.readline(LONGEST + 2)
    address = address.strip()
    require_text(f"{channel} address", address, LONGEST)
    if channel == MAIL and address and not re.fullmatch(r"[^@\s<>\",;]+@[^@\s<>\",;]+", address):
        raise InvalidInput("An email address has one @ and no spaces: type it again.")
    return channel, address


def _order(typed: str | None, colleague: Colleague, contacts: dict[str, str]) -> tuple[str, ...]:
    """Give the order of channels; those whose address was taken away are left out, a channel without one may stay."""
    if typed is None:
        gone = colleague.contacts.keys() - contacts.keys()
        return tuple(name for name in colleague.channels if name not in gone)
    names = tuple(dict.fromkeys(one.strip() for one in typed.split(",") if one.strip()))
    for name in names:
        if not CHANNEL.fullmatch(name):
            raise InvalidInput(f"{name[:40]!r} is no channel: name those of the site, such as email,sms.")
    return names


def veiled(address: str) -> str:
    """Give as much of an address as tells it from another, and not enough to write to it."""
    local, at, domain = address.rpartition("@")
    if at:
        return f"{local[:1]}…@{domain}"
    return f"…{address[-3:]}" if len(address) > 6 else "…"


@dataclass(frozen=True, slots=True, kw_only=True)
class Away:
    """What was asked of `user away`: from which day or instant until which, the last day included."""

    who: str
    cover: str
    since: str
    until: str


def set_away(options: Options, asked: Away) -> None:
    """Say that a colleague is away and who hears in their stead: a command of the site, and an entry."""
    with opened(options) as desk:
        actor = actor_of(desk)
        for name in (asked.who, asked.cover):
            desk.staff.find(name)
        values: dict[str, Json] = {"who": asked.who, "cover": asked.cover, "from": asked.since, "until": asked.until}
        command = checked(
            Command(id=desk.app.make_id(), kind=Kind.ABSENCE, actor=actor, values=values, via=f"cli:{os_user()}")
        )
        answer = desk.app.engine.preview(command) if options.dry_run else desk.app.engine.handle(command)
    outcome = answer.decision.outcome
    row = answer_json(answer)
    kept = f"✓ {asked.who} is away from {asked.since} until {asked.until}; {asked.cover} hears in their stead."
    emit_thing(options.output, row, lambda: [kept] if outcome is Outcome.ACCEPTED else decision_lines(row, {}))
    if options.dry_run:
        note("Dry run: nothing was kept.")
    if outcome is not Outcome.ACCEPTED:
        raise typer.Exit(EXITS[cast("Outcome", outcome)])


def set_password(options: Options, who: str) -> None:
    """Set somebody's password for the pages, typed twice or read from stdin; every session of theirs ends."""
    with opened(options) as desk:
        asker = actor_of(desk)
        colleague = desk.staff.find(who)
        if asker.role is not Role.ADMINISTRATOR and asker.id != colleague.id:
            raise Refused(f"As {asker.role} you may set your own password only: ask an administrator.")
        password = _typed_twice() if sys.stdin.isatty() else sys.stdin.readline(MOST_PASSWORD + 2).rstrip("\n")
        Passwords(desk.app.database).keep(colleague.id, password)
        end_all(desk.app.database, colleague.id, desk.app.clock())
    emit_thing(
        options.output, {"user": who}, lambda: [f"✓ {who} signs in with it from now on; what was open is signed out."]
    )


def _typed_twice() -> str:
    first, second = getpass("Password: "), getpass("Again: ")
    if first != second:
        raise InvalidInput("The two were not the same: nothing was changed.")
    return first
