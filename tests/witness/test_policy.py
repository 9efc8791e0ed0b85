"""The policy file: what it may say, what each mistake is called, and which checkpoints meet it."""

import re

import pytest

from stepcare.verifier import policy as alone_policy
from stepcare.verifier.note import Note
from stepcare.verifier.outcome import Tampered, Unverifiable
from stepcare.witness.policy import BadPolicy, Policy
from tests.witness.logs import NOW, ORIGIN, Ledger, Pen, a_witness

LOG = Pen.of(ORIGIN).key
W1, W2, W3 = (a_witness(f"w{number}") for number in (1, 2, 3))
TWO_OF_THREE = f"""\
# who is asked
log {LOG}

witness  w1 {W1.key} https://w1.example/prefix/
\twitness w2\t{W2.key}
witness w3 {W3.key} http://[::1]:7380
  # how many of them
group some 2 w1 w2 w3
quorum some
"""


def cosigned(*by: tuple[Pen, int]) -> Note:
    """Give a checkpoint with these cosignatures."""
    note = Ledger().grow(3).note()
    return Note(text=note.text, signatures=(*note.signatures, *(pen.sign(note.text, at) for pen, at in by)))


def test_a_policy_is_read_as_it_stands() -> None:
    """Names, keys, addresses and the quorum are what the file says; blank lines, comments and tabs mean nothing."""
    policy = Policy.parse(TWO_OF_THREE)

    assert [one.key for one in policy.logs] == [LOG]
    assert [(one.name, one.url) for one in policy.witnesses] == [
        ("w1", "https://w1.example/prefix"),
        ("w2", None),
        ("w3", "http://[::1]:7380"),
    ]
    assert (policy.groups[0].threshold, policy.groups[0].members, policy.quorum) == (2, ("w1", "w2", "w3"), "some")
    assert Policy.parse(TWO_OF_THREE.encode()) == policy


MISTAKES = {
    "an unknown word": (1, f"logs {LOG}\nquorum none\n", "begins no line. Did you mean log?"),
    "no quorum": (0, f"log {LOG}\n", "which quorum"),
    "nothing at all": (0, "", "which quorum"),
    "two quorums": (2, "quorum none\nquorum none\n", "already"),
    "a quorum of two names": (2, f"witness w1 {W1.key}\nquorum w1 w1\n", "one name"),
    "a quorum nobody has named": (1, "quorum w1\n", "no line above names"),
    "a quorum before its witness": (1, f"quorum w1\nwitness w1 {W1.key}\n", "no line above names"),
    "a log without a key": (1, "log\nquorum none\n", "log VKEY"),
    "a log with too much": (1, f"log {LOG} https://x.example y\nquorum none\n", "log VKEY"),
    "a key that is none": (2, f"log {LOG}\nlog clinic.example+0badf00d+AQ\nquorum none\n", "is no key"),
    "a log's key of a witness's kind": (1, f"log {W1.key}\nquorum none\n", "of kind 0x01"),
    "a witness's key of a log's kind": (1, f"witness w {LOG}\nquorum none\n", "of kind 0x04"),
    "the same log twice": (2, f"log {LOG}\nlog {LOG}\nquorum none\n", "the same log key"),
    "the same witness twice": (2, f"witness a {W1.key}\nwitness b {W1.key}\nquorum a\n", "would count twice"),
    "two witnesses of one name": (2, f"witness a {W1.key}\nwitness a {W2.key}\nquorum a\n", "named above already"),
    "a group named as a witness": (2, f"witness a {W1.key}\ngroup a any a\nquorum a\n", "named above already"),
    "a witness called none": (1, f"witness none {W1.key}\nquorum none\n", "names no witness or group"),
    "none in a group": (2, f"witness a {W1.key}\ngroup g any none\nquorum g\n", "no line above names"),
    "a group without members": (2, f"witness a {W1.key}\ngroup g all\nquorum g\n", "group NAME all|any|K"),
    "a member twice": (2, f"witness a {W1.key}\ngroup g any a a\nquorum g\n", "already in group"),
    "a member of two groups": (3, f"witness a {W1.key}\ngroup g any a\ngroup h any a\nquorum h\n", "already in group"),
    "a group within itself": (2, f"witness a {W1.key}\ngroup g any g\nquorum g\n", "no line above names"),
    "more than there are": (2, f"witness a {W1.key}\ngroup g 2 a\nquorum g\n", "can never be reached"),
    "none of them": (2, f"witness a {W1.key}\ngroup g 0 a\nquorum g\n", "no number of members"),
    "a number with a sign": (2, f"witness a {W1.key}\ngroup g +1 a\nquorum g\n", "no number of members"),
    "a number of another script": (
        2,
        f"witness a {W1.key}\ngroup g \N{ARABIC-INDIC DIGIT ONE} a\nquorum g\n",
        "no num",
    ),
    "an address without a scheme": (1, f"witness a {W1.key} w1.example\nquorum a\n", "is no address"),
    "an address of a file": (1, f"witness a {W1.key} file:///etc/passwd\nquorum a\n", "is no address"),
    "an address with a password": (1, f"witness a {W1.key} https://me:pw@w.example\nquorum a\n", "is no address"),
    "an address with a bad port": (1, f"witness a {W1.key} https://w.example:99999\nquorum a\n", "is no address"),
    "a carriage return": (1, f"log {LOG}\r\nquorum none\n", "0x0d cannot stand"),
    "a form feed": (2, "\n\x0cquorum none\n", "0x0c cannot stand"),
    "a file that was cut": (2, f"log {LOG}\nquorum non", "the last line has no end"),
    "a novel": (0, "# x\n" * 100_000, "this is another file"),
}


@pytest.mark.parametrize(("line", "text", "why"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_is_named_with_its_line(line: int, text: str, why: str) -> None:
    """Nothing is guessed: a policy misread would ask for fewer witnesses than its writer meant."""
    with pytest.raises(BadPolicy, match=re.escape(why)) as caught:
        Policy.parse(text)

    assert caught.value.line == line


def test_only_space_and_tab_part_words() -> None:
    """A name may hold any octet above 0x7F, also what Unicode calls a space, and octets that are no UTF-8."""
    name = "k\N{NO-BREAK SPACE}w".encode() + b"\xff"
    policy = Policy.parse(b"witness " + name + f" {W1.key}\nquorum ".encode() + name + b"\n")

    assert policy.quorum.encode("utf-8", "surrogateescape") == name


def test_thirty_two_of_each_are_read() -> None:
    """The format asks readers to take at least 32 logs, witnesses and groups."""
    lines = [f"log {Pen.of(f'log{n}').key}" for n in range(32)]
    lines += [f"witness w{n} {a_witness(f'x{n}').key}" for n in range(32)]
    lines += [f"group g{n} all w{n}" for n in range(31)] + [f"group g all w31 {' '.join(f'g{n}' for n in range(31))}"]

    policy = Policy.parse("\n".join([*lines, "quorum g", ""]))

    assert (len(policy.logs), len(policy.witnesses), len(policy.groups)) == (32, 32, 32)


QUORUMS = {
    "none asked, none there": ("quorum none", (), True),
    "one asked, none there": ("quorum w1", (), False),
    "one asked, another there": ("quorum w1", (W2,), False),
    "one asked and there": ("quorum w1", (W1,), True),
    "two of three: one": ("group g 2 w1 w2 w3\nquorum g", (W3,), False),
    "two of three: two": ("group g 2 w1 w2 w3\nquorum g", (W3, W1), True),
    "any of three": ("group g any w1 w2 w3\nquorum g", (W2,), True),
    "all of three: two": ("group g all w1 w2 w3\nquorum g", (W1, W2), False),
    "all of three": ("group g all w1 w2 w3\nquorum g", (W1, W2, W3), True),
    "both houses: one empty": ("group a 1 w1 w2\ngroup b any w3\ngroup g all a b\nquorum g", (W1, W2), False),
    "both houses": ("group a 1 w1 w2\ngroup b any w3\ngroup g all a b\nquorum g", (W2, W3), True),
}


@pytest.mark.parametrize(("quorum", "there", "met"), QUORUMS.values(), ids=QUORUMS.keys())
def test_a_quorum_is_what_the_file_says(quorum: str, there: tuple[Pen, ...], met: bool) -> None:
    """Groups count their members, also members that are groups."""
    lines = [f"log {LOG}", *(f"witness w{n} {pen.key}" for n, pen in enumerate((W1, W2, W3), start=1)), quorum, ""]

    assert Policy.parse("\n".join(lines)).satisfied(cosigned(*((pen, NOW) for pen in there)), NOW) is met


def test_who_is_missing_is_said() -> None:
    """The operator reads which witness to call."""
    standing = Policy.parse(TWO_OF_THREE).standing(cosigned((W2, NOW - 5)), NOW)

    assert (standing.met, standing.missing, dict(standing.cosigned)) == (False, ("w1", "w3"), {"w2": NOW - 5})


def test_the_quorum_is_as_old_as_the_one_who_completed_it() -> None:
    """Two of three: when the second latest had seen it, enough had."""
    standing = Policy.parse(TWO_OF_THREE).standing(cosigned((W1, NOW - 50), (W2, NOW - 5), (W3, NOW - 20)), NOW)

    assert standing.since == NOW - 20


@pytest.mark.parametrize(
    ("early", "max_age", "counts"),
    [(300, None, True), (301, None, False), (-3600, None, True), (-3600, 3600, True), (-3601, 3600, False)],
)
def test_a_cosignature_counts_within_its_time(early: int, max_age: int | None, counts: bool) -> None:
    """Five minutes before our clock is a clock that goes wrong; older than was asked for is stale."""
    policy = Policy.parse(f"witness w1 {W1.key}\nquorum w1\n")

    assert policy.standing(cosigned((W1, NOW + early)), NOW, max_age).met is counts


def test_a_cosignature_without_a_time_does_not_count() -> None:
    """A witness says when; nought means that it left the time out."""
    assert not Policy.parse(f"witness w1 {W1.key}\nquorum w1\n").satisfied(cosigned((W1, 0)), NOW)


def test_a_log_that_is_not_named_is_not_believed() -> None:
    """Witnesses alone do not make a checkpoint ours: its own log must have signed, under its own name."""
    other = Pen.of("other.example/log").key
    policy = Policy.parse(f"log {other}\nwitness w1 {W1.key}\nquorum w1\n")

    standing = policy.standing(cosigned((W1, NOW)), NOW)

    assert (standing.signed, standing.since, standing.met) == (False, NOW, False)


def test_a_log_signs_only_its_own_origin() -> None:
    """A key of one log under another log's checkpoint signs nothing that counts."""
    other = Ledger(pen=Pen.of("other.example/log")).grow(3).note()
    ours = Pen.of(ORIGIN)
    policy = Policy.parse(f"log {ours.key}\nlog {Pen.of('other.example/log', seed=2).key}\nquorum none\n")

    assert not policy.satisfied(Note(text=other.text, signatures=(ours.sign(other.text),)))


def test_a_wrong_signature_of_a_known_witness_spoils_the_note() -> None:
    """It is not passed over as if it were not there: somebody has changed something."""
    note = cosigned((W1, NOW))
    spoilt = Note(text=note.text.replace("\n3\n", "\n4\n"), signatures=note.signatures[1:])

    with pytest.raises(Tampered):
        Policy.parse(f"witness w1 {W1.key}\nquorum w1\n").satisfied(spoilt)


# --- two readers --------------------------------------------------------------------------------------------------


def alone(text: bytes) -> alone_policy.Policy | None:
    """Read a policy as the verifier that stands alone does; None: it refuses."""
    try:
        return alone_policy.Policy.parse(text)
    except Unverifiable:
        return None


@pytest.mark.parametrize("text", [text for _, text, _ in MISTAKES.values()], ids=MISTAKES.keys())
def test_the_verifier_that_stands_alone_refuses_the_same_mistakes(text: str) -> None:
    """It has a reader of its own; a policy that one takes and the other does not would be two policies.

    What it does not mind: addresses, which it never asks, and length.
    """
    why = next(why for _, one, why in MISTAKES.values() if one == text)

    assert why in {"is no address", "this is another file"} or alone(text.encode()) is None


@pytest.mark.parametrize(("quorum", "there", "met"), QUORUMS.values(), ids=QUORUMS.keys())
def test_the_verifier_that_stands_alone_finds_the_same_quorum(quorum: str, there: tuple[Pen, ...], met: bool) -> None:
    """The same file, the same checkpoint, the same answer."""
    lines = [f"log {LOG}", *(f"witness w{n} {pen.key}" for n, pen in enumerate((W1, W2, W3), start=1)), quorum, ""]
    policy = alone("\n".join(lines).encode())

    assert policy is not None
    assert policy.satisfied(cosigned(*((pen, NOW) for pen in there)), NOW) is met


@pytest.mark.parametrize(
    "name", [b"k\xff", "K\N{KELVIN SIGN}".encode(), b"#w", b"\x85", "k\N{NO-BREAK SPACE}w".encode()]
)
def test_names_are_octets_to_both(name: bytes) -> None:
    """Only space and tab part words, whatever other octets would mean as letters."""
    text = b"witness " + name + f" {W1.key}\nquorum ".encode() + name + b"\n"
    policy = alone(text)

    assert Policy.parse(text).asks
    assert policy is not None
    assert policy.satisfied(cosigned((W1, NOW)))


@pytest.mark.parametrize("early", [-3600, 0, 300, 301])
def test_both_let_a_witness_clock_go_before_ours_by_as_much(early: int) -> None:
    """A policy met for one must not be unmet for the other."""
    text = f"witness w1 {W1.key}\nquorum w1\n".encode()
    policy = alone(text)

    assert policy is not None
    assert policy.satisfied(cosigned((W1, NOW + early)), NOW) is Policy.parse(text).satisfied(
        cosigned((W1, NOW + early)), NOW
    )
