"""A parcel as a mail: plain text alone, nothing that reports back, and the same Message-ID at every try."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from email import policy
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime

from stepcare.channels.port import Parcel

LONGEST_LOCAL, LONGEST = 64, 254  # octets (RFC 5321, 4.5.3.1)
NOT_IN_AN_ADDRESS = frozenset(' ()<>[]:;@\\,"')


@dataclass(frozen=True, slots=True, kw_only=True)
class Mailbox:
    """A mail address. `domain` is in its ASCII form; `local` may need a server that speaks SMTPUTF8."""

    local: str
    domain: str

    @classmethod
    def parse(cls, text: str) -> "Mailbox | None":
        """Read one bare address; None where it is none that a mail can be sent to."""
        local, at, domain = text.strip().rpartition("@")
        try:
            domain = domain.encode("idna").decode("ascii").lower()
            local.encode()  # a lone surrogate is no letter
        except UnicodeError:
            return None
        found = cls(local=local, domain=domain)
        is_sound = (
            at
            and local.isprintable()
            and not NOT_IN_AN_ADDRESS & set(local)
            and all(local.split("."))
            and all(part and part.replace("-", "").isalnum() for part in domain.split("."))
            and len(local.encode()) <= LONGEST_LOCAL
            and len(str(found).encode()) <= LONGEST
        )
        return found if is_sound else None

    @property
    def is_ascii(self) -> bool:
        """Say whether every server takes it."""
        return self.local.isascii()

    def __str__(self) -> str:
        """Give the address as it goes over the line."""
        return f"{self.local}@{self.domain}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """Who mails come from. `name` is shown beside the address; `reply_to`: where answers go, None: to the sender."""

    mailbox: Mailbox
    name: str = ""
    reply_to: Mailbox | None = None


def message_id(key: str, domain: str) -> str:
    """Give the Message-ID of a key: the same at every try, so that a mailbox can drop the second copy.

    The key itself would name an episode to every server on the way: it goes as a hash.
    """
    return f"<{hashlib.sha256(key.encode()).hexdigest()[:40]}@{domain}>"


def mail_of(parcel: Parcel, to: Mailbox, sender: Sender, now: datetime) -> EmailMessage:
    """Write the mail; `now` is its date. ValueError where a header would hold a line break or what is no letter."""
    mail = EmailMessage(policy=policy.SMTP if to.is_ascii else policy.SMTPUTF8)
    mail["From"] = _shown(sender.mailbox, sender.name)
    mail["To"] = _shown(to)
    if sender.reply_to is not None:
        mail["Reply-To"] = _shown(sender.reply_to)
    mail["Subject"] = parcel.subject
    mail["Date"] = format_datetime(now)
    mail["Message-ID"] = message_id(parcel.key, sender.mailbox.domain)
    if parcel.about is not None:
        earlier = message_id(parcel.about, sender.mailbox.domain)
        mail["In-Reply-To"] = mail["References"] = earlier
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: no machine answers it
    mail["X-Auto-Response-Suppress"] = "All"  # the same, for those who never read that
    if parcel.unsubscribe is not None:
        mail["List-Unsubscribe"] = f"<{parcel.unsubscribe}>"
        mail["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"  # RFC 8058
    # Never the server's choice of 8 bits: what is signed on the way must not be rewritten.
    mail.set_content(parcel.text, cte="7bit" if _is_plain(parcel.text) else "base64")
    mail["Content-Language"] = parcel.language  # after the text, which takes all Content- headers away
    return mail


def _shown(mailbox: Mailbox, name: str = "") -> Address:
    return Address(display_name=name, username=mailbox.local, domain=mailbox.domain)


def _is_plain(text: str) -> bool:
    return text.isascii() and all(len(line) < 900 for line in text.splitlines())
