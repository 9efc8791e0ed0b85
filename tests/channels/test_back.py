"""What comes back: bounces and complaints as mails, answers of people, and the addresses they say no by."""

from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stepcare.channels.dsn import Report, answer_in, report_in
from stepcare.channels.mail import mail_of, message_id
from stepcare.channels.opting_out import Declined, OneClick
from stepcare.channels.replies import is_opt_out
from tests.channels.conftest import NOW, PARCEL, SENDER, mailbox

OURS = message_id(PARCEL.key, "clinic.example")
FAILED = "Reporting-MTA: dns; mail.example\r\n\r\nFinal-Recipient: rfc822; x@y.example\r\nAction: {}\r\nStatus: {}\r\n"


def a_report(fields: str, returned: str = "headers", kind: str = "delivery-status") -> bytes:
    """Write a report as mail servers do; `returned`: what of our mail comes back with it."""
    ours = mail_of(PARCEL, mailbox(PARCEL.to), SENDER, NOW).as_bytes()
    back = {
        "headers": b"Content-Type: text/rfc822-headers\r\n\r\n" + ours.partition(b"\r\n\r\n")[0],
        "whole": b"Content-Type: message/rfc822\r\n\r\n" + ours,
        "another": b"Content-Type: message/rfc822\r\n\r\nMessage-ID: <somebody@else.example>\r\n\r\nHello\r\n",
        "nothing": b"Content-Type: text/plain\r\n\r\nNothing.",
    }
    parts = [
        b"Content-Type: text/plain\r\n\r\nYour message could not be delivered.",
        f"Content-Type: message/{kind}\r\n\r\n{fields}".encode(),
        back[returned],
    ]
    top = (
        "From: mailer-daemon@mail.example\r\nSubject: Undelivered\r\nMIME-Version: 1.0\r\n"
        f'Content-Type: multipart/report; report-type={kind}; boundary="b0"\r\n\r\n'
    )
    return top.encode() + b"".join(b"--b0\r\n" + part + b"\r\n" for part in parts) + b"--b0--\r\n"


@pytest.mark.parametrize("returned", ["headers", "whole"])
def test_a_bounce_names_our_message_and_why(returned: str) -> None:
    """Found by its Message-ID, in the headers or the mail that came back (RFC 3464)."""
    assert report_in(a_report(FAILED.format("failed", "5.1.1"), returned)) == Report(
        reference=OURS, kind="bounced", code="5.1.1"
    )


def test_a_bounce_with_nothing_returned_names_the_envelope() -> None:
    """The id that we gave with MAIL (RFC 3461)."""
    fields = f"Original-Envelope-Id: {OURS.strip('<>')}\r\n" + FAILED.format("failed", "5.2.1 (mailbox disabled)")

    assert report_in(a_report(fields, "nothing")) == Report(reference=OURS, kind="bounced", code="5.2.1")


@pytest.mark.parametrize(
    ("action", "kind"),
    [("failed", "bounced"), ("Failed", "bounced"), ("delivered", "delivered"), ("delayed", None), ("relayed", None),
     ("expanded", None), ("", None)],
)  # fmt: skip
def test_only_what_is_final_counts(action: str, kind: str | None) -> None:
    """A delay is followed by something; relayed and expanded are no delivery."""
    found = report_in(a_report(FAILED.format(action, "4.0.0")))

    assert (found.kind if found else None) == kind


def test_a_complaint_is_one_and_an_opt_out_is_one() -> None:
    """The abuse reports of mailbox providers (RFC 5965)."""
    found = [
        report_in(a_report(f"Feedback-Type: {kind}\r\nVersion: 1\r\n", kind="feedback-report"))
        for kind in ("abuse", "opt-out")
    ]

    assert [one.kind if one else None for one in found] == ["complaint", "opted_out"]


def test_what_is_no_report_about_a_mail_of_ours_is_nothing() -> None:
    """An answer, somebody else's bounce, a bounce in prose, rubbish, something enormous."""
    answer = EmailMessage()
    answer["In-Reply-To"] = OURS
    answer.set_content("STOP")
    prose = b"From: daemon\r\nSubject: failure\r\n\r\nMessage-ID: " + OURS.encode() + b" failed 5.1.1\r\n"
    mails = [answer.as_bytes(), a_report(FAILED.format("failed", "5.1.1"), "another"), prose, b"", b"\xff\x00" * 50]

    assert [report_in(one) for one in (*mails, b"x" * 2_000_000)] == [None] * 6


def test_an_answer_names_the_message_it_answers() -> None:
    """By In-Reply-To or References; what a machine answered is no answer, nor is one to somebody else."""
    found = []
    for name, value, auto in (
        ("In-Reply-To", OURS, ""),
        ("References", f"<a@b.example> {OURS}", ""),
        ("In-Reply-To", "<a@b.example>", ""),
        ("In-Reply-To", OURS, "auto-replied"),
    ):
        mail = EmailMessage()
        mail[name] = value
        if auto:
            mail["Auto-Submitted"] = auto
        mail.set_content("Stop.\n\n> Please call")
        mail.add_alternative("<p>Stop.", subtype="html")
        found.append(answer_in(mail.as_bytes()))

    assert found == [(OURS, "Stop.\n\n> Please call\n")] * 2 + [None] * 2


@given(st.binary(max_size=400))
def test_no_mail_breaks_the_reader(data: bytes) -> None:
    """Whatever comes: a report, or nothing."""
    whole = a_report(FAILED.format("failed", "5.1.1"))
    at = len(data) % len(whole)

    report_in(whole[:at] + data + whole[at:])
    report_in(data)
    answer_in(whole[:at] + data + whole[at:])


# --- answers ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    ["STOP", "stop", "  Stop. ", "Stop!", "STOPP", "\u201estopp\u201c", "UNSUBSCRIBE", "unsubscribe\n", "Abmelden", "ABMELDEN!!",
     "Abbestellen", "stop all", "STOP\n\n> Your next visit\n> Please call", "Stop\n-- \nZelda", "opt out",
     "STOP\n\nOn Mon, 2 March 2026 Clinic wrote:\n Please", "\uff33\uff34\uff2f\uff30"],
)  # fmt: skip
def test_these_answers_mean_no_more(text: str) -> None:
    """One of the words and nothing else, above what is quoted."""
    assert is_opt_out(text)


@pytest.mark.parametrize(
    "text",
    ["please don't stop", "Stop, I meant Tuesday", "stop smoking?", "I cannot stop the pain", "nicht stoppen",
     "non-stop", "", "  ", "> STOP", "yes", "cancel", "end", "can you stop by?", "STOP " * 200, "Abmelden? Nein!",
     "On Monday I wrote: stop"],
)  # fmt: skip
def test_these_answers_are_for_a_person_to_read(text: str) -> None:
    """A further word makes it something else; "cancel" means the appointment more often than the messages."""
    assert not is_opt_out(text)


# --- the address by which people say no ---------------------------------------------------------------------------

ONE_CLICK = OneClick(address="https://clinic.example", key=bytes(range(32)))
SAID = Declined(person="p-7f3a", channel="email", category="visit")


def test_an_address_says_who_and_what_to_us_alone() -> None:
    """The same for the same three, another for any other; nothing in it can be read."""
    link = ONE_CLICK.link(SAID)

    assert link == ONE_CLICK.link(SAID)
    assert ONE_CLICK.read(link.rpartition("/")[2]) == SAID
    assert link.startswith("https://clinic.example/u/")
    assert not [word for word in ("7f3a", "email", "visit") if word in link]
    others = [Declined(person="p-7f3b", channel="email", category="visit"),
              Declined(person="p-7f3a", channel="sms", category="visit")]  # fmt: skip
    assert len({link, *(ONE_CLICK.link(one) for one in others)}) == 3


def test_an_address_made_up_or_changed_is_nobody_s() -> None:
    """Each character changed, cut short, of another key, or no base64 at all."""
    token = ONE_CLICK.token(SAID)
    changed = [token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :] for at in range(len(token) - 1)]
    other = OneClick(address="https://clinic.example", key=bytes(32)).token(SAID)

    tried = [*changed, token[:-4], token + "AAAA", other, "", "\u00e9", "a b", "A" * 5000]
    assert [one for one in tried if ONE_CLICK.read(one) is not None] == []


def test_the_key_is_not_printed() -> None:
    """Nor is anything that could be made with it."""
    assert repr(ONE_CLICK) == "OneClick(address='https://clinic.example')"
