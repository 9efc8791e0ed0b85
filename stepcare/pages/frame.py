"""How a page is made: our templates, the design system's components, and the words for times and numbers.

Our own templates may not name what is not there (a mistyped name is an error, never a blank). The design system's
macros rely on the opposite, so they live in an environment of their own.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import ChainableUndefined, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from engine.audit import instant_from
from engine.errors import NotFound
from engine.time import local_day, zone

STATIC = Path(__file__).parent.parent / "static" / "vendor"
MADE_BY = "`make setup` builds them (or install the wheel, which carries them)"
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
LANES = {
    "emergency": "Emergency",
    "urgent": "Urgent",
    "late_safety": "Safety contact late",
    "escalated": "Escalated",
    "overdue": "Overdue",
    "due": "Due",
    "coming": "Coming",
    "undated": "No date",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What every page says besides its own: who is signed in, which part is open, where the log stands."""

    title: str
    part: str
    zone: str
    now: datetime
    nonce: str
    who: str = ""
    role: str = ""
    csrf: str = ""
    parts: tuple[tuple[str, str], ...] = ()
    demonstration: bool = False


@cache
def assets() -> dict[str, str]:
    """Give the address of every built file by its name, with its hash so that it may be kept for ever.

    Raises NotFound where they were never built.
    """
    made = STATIC / "made.json"
    if not made.is_file():
        raise NotFound(what="folder of built pages", name=str(STATIC), remedy=MADE_BY)
    hashes: dict[str, str] = json.loads(made.read_text())["sha256"]
    return {name: f"/static/{name}?v={sha256[:12]}" for name, sha256 in hashes.items()}


@cache
def static_file(name: str) -> tuple[bytes, str] | None:
    """Give a built file and its media type; None where there is none of this name."""
    if name not in assets():
        return None
    kinds = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
    path = STATIC / name
    return path.read_bytes(), kinds.get(path.suffix, "text/plain; charset=utf-8")


def page(template: str, frame: Frame, **said: Any) -> bytes:
    """Make a page."""
    return _ours().get_template(template).render(frame=frame, **said).encode()


def component(name: str, /, **params: Any) -> Markup:
    """Make a component of the design system by its macro's name, such as `errorSummary`."""
    folder = "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in name)
    module = _theirs().get_template(f"nhsuk/components/{folder}/macro.jinja").module
    return Markup(getattr(module, name)(params))  # noqa: S704 - the macro has escaped what it was given


@cache
def _theirs() -> Environment:
    return Environment(loader=PackageLoader("nhsuk_frontend_jinja"), undefined=ChainableUndefined, autoescape=True)


@cache
def _ours() -> Environment:
    found = Environment(
        loader=PackageLoader("stepcare.pages"),
        undefined=StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.globals.update(component=component, asset=lambda name: assets()[name], lanes=LANES)
    found.filters.update(
        day=day,
        moment=moment,
        days=days,
        words=words,
        number=number,
        lasting=lasting,
        plural=plural,
        reference=reference,
    )
    return found


# --- times and numbers as people read them ------------------------------------------------------------------------


def day(value: str | date | None) -> str:
    """Give a calendar day: 24 Nov 2026; a dash for none."""
    if value is None:
        return "–"
    found = date.fromisoformat(value[:10]) if isinstance(value, str) else value
    return f"{found.day} {MONTHS[found.month - 1]} {found.year}"


def moment(value: str | datetime | None, zone_name: str) -> str:
    """Give an instant in the site's zone: 24 Nov 2026, 15:30."""
    if value is None:
        return "–"
    found = (instant_from(value) if isinstance(value, str) else value.astimezone(UTC)).astimezone(zone(zone_name))
    return f"{day(found.date())}, {found:%H:%M}"


def days(count: int) -> str:
    """Say a number of days."""
    return plural(count, "day")


def plural(count: int, one: str, many: str = "") -> str:
    """Say a number of things."""
    return f"{count:,} {one if count == 1 else many or f'{one}s'}".replace(",", "\u202f")


def lasting(seconds: int) -> str:
    """Say how long something has lasted, in the largest unit that fits."""
    for size, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= size:
            return plural(seconds // size, unit)
    return plural(seconds, "second")


def words(code: object) -> str:
    """Give a code as words: `self_care` is Self care."""
    text = str(code).replace("_", " ")
    return text[:1].upper() + text[1:]


def number(value: object) -> str:
    """Give a decimal as it was recorded, a dash for none."""
    return "–" if value is None else str(value)


def reference(value: str) -> str:
    """Give a reference for an attribute that must hold letters, digits and hyphens only."""
    return hashlib.sha256(value.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True, kw_only=True)
class When:
    """When work is due, as a coordinator reads it: a lane's class for the tag, its words, and the day itself."""

    tag: str
    said: str
    on: str


def when(row: Mapping[str, Any], now: datetime, zone_name: str) -> When:
    """Say how late a line of the worklist is, or when it falls due."""
    rank, due_on, late = str(row["rank"]), row["due_on"], int(row["late_days"])
    on = day(due_on)
    if rank in ("emergency", "urgent"):
        said = LANES[rank] + (f", {days(late)} late" if late else "")
        return When(tag=rank, said=said, on=on)
    if rank == "late_safety":
        return When(tag="safety", said=f"Safety contact {days(late)} late", on=on)
    if late:
        return When(tag="escalated" if rank == "escalated" else "overdue", said=f"Overdue {days(late)}", on=on)
    if due_on is None:
        return When(tag="later", said="No date", on="")
    ahead = (date.fromisoformat(str(due_on)) - local_day(now, zone_name)) // timedelta(days=1)
    said = "Today" if ahead <= 0 else "Tomorrow" if ahead == 1 else f"In {days(ahead)}"
    return When(tag="due" if ahead <= 0 else "soon" if ahead <= 1 else "later", said=said, on=on)
