"""Mail: what a server does at each step has one meaning here, and what may have arrived is never called failed."""

import email
from email.policy import default
from typing import Any

import pytest

from stepcare.channels.mail import Mailbox, message_id
from stepcare.channels.port import Result
from tests.channels.conftest import CANARIES, NOW, PARCEL, a_parcel, mailbox, mailing
from tests.channels.mailhost import Box, Certificate, a_server, an_odd_server

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

SIGNING_IN: dict[str, Any] = {"user": "clinic", "password": "s3cret"}
# At which step the server does what, and what that means: (status, code).
MOODS: dict[str, tuple[dict[str, bytes | str], tuple[str, str]]] = {
    "refuses us at once": ({"greeting": b"554 5.3.2 go away"}, ("temporary", "busy:554:5.3.2")),
    "is too busy": ({"greeting": b"421 4.3.2 later"}, ("temporary", "busy:421:4.3.2")),
    "hangs before its greeting": ({"greeting": "hang"}, ("temporary", "silent")),
    "greets a byte at a time": ({"greeting": "drip"}, ("temporary", "silent")),
    "hangs up on our greeting": ({"EHLO": "drop"}, ("temporary", "broken_off")),
    "refuses our sender": ({"MAIL": b"550 5.7.1 not you"}, ("temporary", "sender:550:5.7.1")),
    "finds it too large": ({"MAIL": b"552 5.3.4 too large"}, ("permanent", "too_large:552:5.3.4")),
    "hangs at the sender": ({"MAIL": "hang"}, ("temporary", "silent")),
    "drops at the sender": ({"MAIL": "drop"}, ("temporary", "broken_off")),
    "does not know the address": ({"RCPT": b"550 5.1.1 unknown"}, ("permanent", "address:550:5.1.1")),
    "does not know it, tersely": ({"RCPT": b"550 no such user"}, ("permanent", "address:550")),
    "knows no such domain": ({"RCPT": b"550 5.1.2 no domain"}, ("permanent", "address:550:5.1.2")),
    "will not relay": ({"RCPT": b"554 5.7.1 relay denied"}, ("permanent", "refused:554:5.7.1")),
    "has a full mailbox": ({"RCPT": b"552 5.2.2 full"}, ("permanent", "mailbox_full:552:5.2.2")),
    "has it full for now": ({"RCPT": b"452 4.2.2 full"}, ("temporary", "mailbox_full:452:4.2.2")),
    "greylists": ({"RCPT": b"451 4.7.1 greylisted"}, ("temporary", "later:451:4.7.1")),
    "hangs at the address": ({"RCPT": "hang"}, ("temporary", "silent")),
    "drops at the address": ({"RCPT": "drop"}, ("temporary", "broken_off")),
    "babbles": ({"RCPT": b"hello"}, ("temporary", "broken_off")),
    "hangs at DATA": ({"DATA": "hang"}, ("temporary", "silent")),
    "drops at DATA": ({"DATA": "drop"}, ("temporary", "broken_off")),
    "refuses DATA": ({"DATA": b"451 4.3.0 not now"}, ("temporary", "later:451:4.3.0")),
    "dislikes the text": ({"dot": b"554 5.7.1 spam"}, ("permanent", "refused:554:5.7.1")),
    "dislikes it, tersely": ({"dot": b"550 no"}, ("permanent", "refused:550")),
    "cannot keep the text": ({"dot": b"452 4.3.1 disk full"}, ("temporary", "busy:452:4.3.1")),
    "hangs after the final dot": ({"dot": "hang"}, ("unknown", "silent")),
    "answers a byte at a time": ({"dot": "drip"}, ("unknown", "silent")),
    "drops after the final dot": ({"dot": "drop"}, ("unknown", "broken_off")),
    "babbles after the dot": ({"dot": b"hello"}, ("unknown", "broken_off")),
    "takes it": ({}, ("accepted", "taken:250")),
}


@pytest.mark.parametrize(("moods", "meaning"), MOODS.values(), ids=MOODS)
def test_each_answer_has_one_meaning(moods: dict[str, bytes | str], meaning: tuple[str, str]) -> None:
    """Before the final dot nothing can have arrived; after it only the server's own words say whether it did."""
    with an_odd_server(**moods) as odd:
        channel = mailing(odd.port)

        result = channel.send(PARCEL)
        channel.close()

    assert (result.status, result.code) == meaning
    assert len(odd.taken) == (1 if "dot" in moods or not moods else 0)
    assert not [canary for canary in CANARIES if canary in repr(result)]


def test_what_may_have_arrived_can_still_be_recognised() -> None:
    """Accepted or unknown, the result bears the Message-ID: a bounce that comes back names it."""
    reference = message_id(PARCEL.key, "clinic.example")
    tries: tuple[dict[str, bytes | str], ...] = ({}, {"dot": "drop"})
    for moods in tries:
        with an_odd_server(**moods) as odd:
            assert mailing(odd.port).send(PARCEL).reference == reference
        assert reference.encode() in odd.taken[0]


@pytest.mark.parametrize(
    ("step", "status"), [("greeting", "temporary"), ("RCPT", "temporary"), ("DATA", "temporary"), ("dot", "unknown")]
)
def test_all_steps_together_have_a_time_of_their_own(step: str, status: str) -> None:
    """However patient each step is, the whole try is over when its time is; the usual one is shorter than a lease."""
    with an_odd_server(**{step: "hang"}) as odd:
        result = mailing(odd.port, seconds=60, whole=0.3).send(PARCEL)

    assert (result.status, result.code) == (status, "silent")
    assert mailing(25).deadline <= 15


def test_nobody_listens() -> None:
    """A server that is not there is temporary, and counts against the channel."""
    with an_odd_server() as odd:
        port = odd.port

    result = mailing(port).send(PARCEL)

    assert (result.status, result.code, result.is_about_the_channel) == ("temporary", "unreachable", True)


def test_what_is_about_the_address_is_not_held_against_the_channel() -> None:
    """An unknown address flags the contact; a greylisting is about this one mail; silence is about the channel."""
    found: dict[str, tuple[bool, bool]] = {}
    tries: dict[str, dict[str, bytes | str]] = {
        "address": {"RCPT": b"550 5.1.1 unknown"},
        "grey": {"RCPT": b"451 4.7.1 greylisted"},
        "silent": {"dot": "hang"},
    }
    for name, moods in tries.items():
        with an_odd_server(**moods) as odd:
            result = mailing(odd.port, 0.2).send(PARCEL)
        found[name] = (result.is_about_the_address, result.is_about_the_channel)

    assert found == {"address": (True, False), "grey": (False, False), "silent": (False, True)}


def test_one_line_carries_many_mails() -> None:
    """Three mails and a refused one between them go over one connection."""
    with an_odd_server() as odd:
        channel = mailing(odd.port)
        results = [channel.send(a_parcel(key="k1"))]
        odd.moods["RCPT"] = b"550 5.1.1 unknown"
        results.append(channel.send(a_parcel(key="k2")))
        del odd.moods["RCPT"]
        results += [channel.send(a_parcel(key=key)) for key in ("k3", "k4")]
        channel.close()

    assert [one.status for one in results] == ["accepted", "permanent", "accepted", "accepted"]
    assert odd.connections == 1
    assert odd.lines[-1] == "QUIT"


def test_a_kept_line_that_died_is_replaced() -> None:
    """The server hung up while the line was idle, or says 421 to the next mail: it goes over a new line, once."""
    for mood in ("drop", b"421 4.4.2 idle too long"):
        with an_odd_server() as odd:
            channel = mailing(odd.port)
            channel.send(a_parcel(key="k1"))
            odd.moods["MAIL"] = mood
            first = channel.send(a_parcel(key="k2"))
            del odd.moods["MAIL"]
            second = channel.send(a_parcel(key="k3"))
            channel.close()

        assert (first.status, second.status) == ("temporary", "accepted")
        assert (len(odd.taken), odd.connections) == (2, 3)


def test_a_line_idle_for_long_is_not_trusted() -> None:
    """After twenty seconds a new one is opened."""
    seconds = [0.0]
    with an_odd_server() as odd:
        channel = mailing(odd.port)
        object.__setattr__(channel, "monotonic", lambda: seconds[0])
        channel.send(a_parcel(key="k1"))
        seconds[0] += 19
        channel.send(a_parcel(key="k2"))
        seconds[0] += 21
        channel.send(a_parcel(key="k3"))
        channel.close()

    assert odd.connections == 2


# --- what the mail says -------------------------------------------------------------------------------------------


def test_a_mail_says_who_when_and_how_to_stop() -> None:
    """Plain text alone; the date is the clock's; RFC 3834, RFC 8058; the follow-up stands in the first one's thread."""
    box = Box()
    with a_server(box) as port:
        mailing(port, 2).send(a_parcel(unsubscribe="https://clinic.example/u/abc", about="k0", text="Grüße\n"))

    mail = email.message_from_bytes(box.mails[0].original_content or b"", policy=default)
    assert mail["From"] == "Die Klinik für Rücken <clinic@clinic.example>"
    assert mail["To"] == "zelda.canary@example.org"
    assert mail["Subject"] == PARCEL.subject
    assert mail["Date"].datetime == NOW
    assert mail["Message-ID"] == message_id(PARCEL.key, "clinic.example")
    assert mail["In-Reply-To"] == message_id("k0", "clinic.example")
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["List-Unsubscribe"] == "<https://clinic.example/u/abc>"
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert (mail.get_content_type(), mail["Content-Language"]) == ("text/plain", "en")
    assert mail.get_content().splitlines() == ["Grüße"]
    assert (box.mails[0].original_content or b"").isascii()
    assert box.mails[0].mail_from == "clinic@clinic.example"


def test_every_try_is_the_same_mail() -> None:
    """The same key gives the same Message-ID, another key another one; and the key itself is not in it."""
    one, again, other = (message_id(key, "c.example") for key in ("ep1:x", "ep1:x", "ep1:y"))

    assert one == again != other
    assert "ep1" not in one


def test_a_line_that_begins_with_a_dot_arrives_with_its_dot() -> None:
    """The transparency of RFC 5321, 4.5.2."""
    box = Box()
    with a_server(box) as port:
        mailing(port, 2).send(PARCEL)

    assert b"\r\n.A line that begins with a dot\r\n" in (box.mails[0].original_content or b"")


def test_no_header_is_smuggled_in() -> None:
    """A line break in subject, name or address is not sent; nor is half a character."""
    with an_odd_server() as odd:
        channel = mailing(odd.port)
        found = [
            channel.send(a_parcel(subject="Visit\r\nBcc: someone@example.org")),
            channel.send(a_parcel(to="a@example.org\r\nRCPT TO:<b@example.org>")),
            channel.send(a_parcel(to="a@example.org>, <b@example.org")),
            channel.send(a_parcel(subject="half \ud800")),
        ]

    assert [one.status for one in found] == ["permanent"] * 4
    assert odd.connections == 0


@pytest.mark.parametrize(
    "text",
    ["", "nobody", "@example.org", "a@", "a b@example.org", "a@b@example.org", "a..b@example.org", "a@exa mple.org",
     "a@example..org", "A <a@example.org>", "a" * 65 + "@example.org", "a@" + "e" * 64 + ".org", "\ud800@example.org"],
)  # fmt: skip
def test_what_is_no_address_is_refused_before_any_line(text: str) -> None:
    """One bare address and nothing else; the contact is flagged."""
    with an_odd_server() as odd:
        result = mailing(odd.port).send(a_parcel(to=text))

    assert (result.status, result.code, odd.connections) == ("permanent", "address:form", 0)


def test_domains_and_names_in_any_script() -> None:
    """A domain goes in its ASCII form; a name in another script needs a server that speaks SMTPUTF8, and else fails."""
    assert str(mailbox("info@bücher.example")) == "info@xn--bcher-kva.example"
    box = Box()
    with a_server(box, enable_SMTPUTF8=True) as port:
        taken = mailing(port, 2).send(a_parcel(to="zelda.canary.爱丽丝@bücher.example"))
    with an_odd_server() as odd:
        refused = mailing(odd.port).send(a_parcel(to="爱丽丝@bücher.example"))

    assert (taken.status, box.mails[0].rcpt_tos) == ("accepted", ["zelda.canary.爱丽丝@xn--bcher-kva.example"])
    assert (refused.status, refused.code) == ("permanent", "address:smtputf8")
    assert isinstance(Mailbox.parse("爱丽丝@bücher.example"), Mailbox)


def test_reports_are_asked_for_where_the_server_knows_them() -> None:
    """Only headers come back (RFC 3461), and the envelope names the mail."""
    with an_odd_server(EHLO=b"250-mail.example\r\n250-SIZE\r\n250 DSN") as odd:
        mailing(odd.port, bounces=mailbox("bounces@clinic.example")).send(PARCEL)

    mail = next(line for line in odd.lines if line.startswith("mail"))
    assert mail.startswith("mail FROM:<bounces@clinic.example> SIZE=")
    assert f"RET=HDRS ENVID={message_id(PARCEL.key, 'clinic.example').strip('<>')}" in mail
    assert "rcpt TO:<zelda.canary@example.org> NOTIFY=FAILURE" in odd.lines


# --- encryption and signing in ------------------------------------------------------------------------------------


def test_a_server_without_starttls_gets_nothing() -> None:
    """Nothing goes in clear because somebody took the offer of encryption away."""
    with an_odd_server() as odd:
        result = mailing(odd.port, tls="starttls").send(PARCEL)

    assert (result.status, result.code) == ("temporary", "tls:not_offered")
    assert not [line for line in odd.lines if line.lower().startswith("mail")]


def test_mails_go_encrypted(certificate: Certificate) -> None:
    """STARTTLS, and TLS from the first byte, to a server whose certificate is trusted."""
    box, results = Box(), list[Result]()
    for mine, theirs in (
        ("starttls", {"tls_context": certificate.serving(), "require_starttls": True}),
        ("implicit", {"ssl_context": certificate.serving()}),
    ):
        with a_server(box, **theirs) as port:
            channel = mailing(port, 2, tls=mine, context=certificate.trusting())
            results.append(channel.send(PARCEL))
            channel.close()

    assert ([one.status for one in results], len(box.mails)) == (["accepted", "accepted"], 2)


def test_a_server_nobody_vouches_for_gets_nothing(certificate: Certificate) -> None:
    """An untrusted certificate, and a server that hangs in the handshake or speaks no TLS at all."""
    found = list[Result]()
    with an_odd_server() as odd:
        odd.context = certificate.serving()
        found.append(mailing(odd.port, 2, tls="implicit").send(PARCEL))
    with an_odd_server(greeting="hang") as odd:
        found.append(mailing(odd.port, tls="implicit").send(PARCEL))
    with an_odd_server() as odd:
        found.append(mailing(odd.port, tls="implicit").send(PARCEL))

    assert [(one.status, one.code) for one in found] == [("temporary", "tls")] * 3


def test_a_wrong_password_spoils_no_address() -> None:
    """It is temporary and against the channel, whatever the digits say; so is a server that offers no signing in."""
    offered = b"250-mail.example\r\n250 AUTH PLAIN LOGIN"
    with an_odd_server(EHLO=offered, AUTH=b"535 5.7.8 wrong") as odd:
        wrong = mailing(odd.port, **SIGNING_IN).send(PARCEL)
    with an_odd_server() as odd:
        none = mailing(odd.port, **SIGNING_IN).send(PARCEL)
    with an_odd_server(EHLO=offered, AUTH=b"235 2.7.0 welcome") as odd:
        right = mailing(odd.port, **SIGNING_IN).send(PARCEL)

    assert (wrong.status, wrong.code) == ("temporary", "sign_in:535:5.7.8")
    assert (none.status, none.code, right.status) == ("temporary", "sign_in:504", "accepted")
    assert wrong.is_about_the_channel


def test_nothing_secret_is_printed() -> None:
    """Neither a parcel nor a channel shows addresses, texts or passwords when it is printed."""
    shown = repr(PARCEL) + repr(mailing(25, **SIGNING_IN))

    assert not [secret for secret in (*CANARIES, "s3cret") if secret in shown]
