"""Who a message goes to, and by which address: the person themselves, or the colleagues behind an owner or a role.

Addresses come from the vault at the moment of sending and are kept nowhere else.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime

from engine.absence import covered_by
from engine.access import CLINICAL
from engine.model import Episode, Message
from engine.quiet import PATIENT
from stepcare.app import App
from storage.staff import Colleague, Staff

ADDRESSLESS = ("console", "file")  # what is written down here needs no address: it says who it is for
ROLES = {"clinician": frozenset(role.value for role in CLINICAL)}  # what a ladder calls several roles by


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiver:
    """One who is to get a message. `id` is the colleague's, '' for the patient."""

    id: str
    channel: str
    to: str = field(repr=False)

    def key_of(self, message: Message) -> str:
        """Give the key under which this receiver's copy goes, the same at each try."""
        return f"{message.id}:{self.id}" if self.id else message.id


def receivers_of(
    app: App, episode: Episode, message: Message, channels: Collection[str], now: datetime
) -> list[Receiver]:
    """Give who is to get a message through which of these channels; nobody where there is no address."""
    if message.recipient == PATIENT:
        return _patient(app, episode, message.channel)
    found: dict[str, Receiver] = {}
    for colleague in _colleagues(app, episode, message.recipient, now):
        way = _way_to(colleague, channels)
        if way is not None:
            found.setdefault(way.id, way)
    written = next((name for name in ADDRESSLESS if name in channels), None)
    if not found and written is not None:
        # Nobody of that role can be reached: whoever looks there still learns of it.
        return [Receiver(id=message.recipient, channel=written, to=message.recipient)]
    return list(found.values())


def _patient(app: App, episode: Episode, channel: str) -> list[Receiver]:
    person = episode.person.id
    if channel in ADDRESSLESS:
        return [Receiver(id="", channel=channel, to=person)]
    address = app.vault.details(person).contacts.get(channel, "").strip()
    return [Receiver(id="", channel=channel, to=address)] if address else []


def _colleagues(app: App, episode: Episode, recipient: str, now: datetime) -> list[Colleague]:
    """Give the colleagues behind an id or a role of the episode's team, those who are away replaced by their cover."""
    known, site = Staff(app.database).all(), app.store.site()
    if recipient in known:
        meant = [recipient]
    else:
        roles = ROLES.get(recipient, frozenset({recipient}))
        meant = [
            one.id
            for one in known.values()
            if not roles.isdisjoint(role.value for role in one.roles) and episode.team in one.teams
        ]
    there = (covered_by(site, one, now) for one in meant)
    return [known[one] for one in dict.fromkeys(there) if one in known]


def _way_to(colleague: Colleague, channels: Collection[str]) -> Receiver | None:
    """Give the first way, in the colleague's own order, that leads to them from here; None where there is none."""
    for wanted in dict.fromkeys((*colleague.channels, *colleague.contacts)):
        address = colleague.contacts.get(wanted, "").strip()
        if wanted in channels and (address or wanted in ADDRESSLESS):
            return Receiver(id=colleague.id, channel=wanted, to=address or colleague.id)
    return None
