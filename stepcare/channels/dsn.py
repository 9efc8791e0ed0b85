"""Mails that come back: what a delivery report (RFC 3464) or a complaint (RFC 5965) says about which of our messages.

Only reports made for machines are read. A bounce in prose is not guessed at: it is nothing to us.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from email import policy
from email.message import Message
from email.parser import BytesParser
from typing import Literal

ReportKind = Literal["delivered", "bounced", "complaint", "opted_out"]
LARGEST = 1024 * 1024  # bytes; what is longer is no report
OURS = re.compile(r"<[0-9a-f]{40}@[A-Za-z0-9.-]{1,253}>")
STATUS = re.compile(r"([245])\.(\d{1,3})\.(\d{1,3})")
BOUNCED, DELIVERED = ("failed",), ("delivered",)
MOST_PARTS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a mail reports. `reference` is our Message-ID; `code` the status digits, or the kind of complaint."""

    reference: str
    kind: ReportKind
    code: str


def report_in(data: bytes) -> Report | None:
    """Read a mail; None where it reports nothing final about a message of ours.

    A delay is not final. "Relayed" and "expanded" are no delivery: the server that said so will not say more.
    """
    if len(data) > LARGEST:
        return None
    try:
        mail = BytesParser(policy=policy.compat32).parsebytes(data)
        parts = [part for _, part in zip(range(MOST_PARTS), mail.walk(), strict=False)]
    except (ValueError, LookupError, RecursionError):
        return None
    if mail.get_content_type() != "multipart/report":
        return None
    match str(mail.get_param("report-type", "")).lower():
        case "delivery-status":
            return _delivery(parts)
        case "feedback-report":
            return _complaint(parts)
    return None


def answer_in(data: bytes) -> tuple[str, str] | None:
    """Read an answer of a person: which message of ours it answers, and its text; None for any other mail.

    What a machine answered (RFC 3834) is none.
    """
    if len(data) > LARGEST:
        return None
    try:
        mail = BytesParser(policy=policy.compat32).parsebytes(data)
        parts = [part for _, part in zip(range(MOST_PARTS), mail.walk(), strict=False)]
        text = next((_text(part) for part in parts if part.get_content_type() == "text/plain"), "")
        said = " ".join(str(value) for name in ("In-Reply-To", "References") for value in mail.get_all(name, []))
        is_a_machine_s = str(mail.get("Auto-Submitted", "no")).strip().lower() != "no"
    except (ValueError, LookupError, RecursionError):
        return None
    found = OURS.findall(said)
    return None if is_a_machine_s or not found else (found[-1], text)


def _delivery(parts: list[Message]) -> Report | None:
    reference, fields = _reference(parts), list(_fields(parts, "message/delivery-status"))
    if reference is None:
        return None
    for group in fields:
        action = group.get("Action", "").strip().lower()
        status = STATUS.search(group.get("Status", ""))
        code = status[0] if status else ""
        if action in BOUNCED:
            return Report(reference=reference, kind="bounced", code=code)
        if action in DELIVERED:
            return Report(reference=reference, kind="delivered", code=code)
    return None


def _complaint(parts: list[Message]) -> Report | None:
    reference = _reference(parts)
    if reference is None:
        return None
    said = [group.get("Feedback-Type", "").strip().lower() for group in _fields(parts, "message/feedback-report")]
    kind: ReportKind = "opted_out" if "opt-out" in said else "complaint"
    return Report(reference=reference, kind=kind, code=said[0] if said and said[0].isalpha() else "")


def _reference(parts: list[Message]) -> str | None:
    """Find our Message-ID: in the returned message or its headers, else in the envelope's id."""
    for part in parts:
        kind = part.get_content_type()
        if kind == "text/rfc822-headers":
            found = re.search(r"^message-id:\s*(\S+)", _text(part), re.IGNORECASE | re.MULTILINE)
            if found and OURS.fullmatch(found[1]):
                return found[1]
        elif kind == "message/rfc822" and part.is_multipart():
            said = str(part.get_payload(0).get("Message-ID", "")).strip()  # type: ignore[union-attr]  # it is a Message
            if OURS.fullmatch(said):
                return said
    for group in _fields(parts, "message/delivery-status"):
        said = f"<{str(group.get('Original-Envelope-Id', '')).strip()}>"
        if OURS.fullmatch(said):
            return said
    return None


def _fields(parts: list[Message], kind: str) -> Iterator[Message]:
    """Give the groups of fields in parts of a kind: the parser has made a message of each."""
    for part in parts:
        if part.get_content_type() != kind:
            continue
        payload = part.get_payload()
        if isinstance(payload, list):
            yield from (one for one in payload if isinstance(one, Message))
        else:
            yield BytesParser(policy=policy.compat32).parsebytes(_text(part).encode(), headersonly=True)


def _text(part: Message) -> str:
    data = part.get_payload(decode=True)
    return data.decode("utf-8", "replace") if isinstance(data, bytes) else ""
