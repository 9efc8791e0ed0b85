import pytest

from stepcare.verifier.note import Note
from stepcare.verifier.outcome import Tampered, Unverifiable
from stepcare.verifier.policy import Policy
from tests.verifier.logs import NOON, OTHER, PEN, WITNESSES, Pen, note, tree

ROOT = tree([bytes(32)])
A, B, C = WITNESSES
NAMED = f"witness A {A.key}\nwitness B {B.key}\nwitness C {C.key}\n"
LOG = f"log {PEN.key}\n"


def policy(text: str) -> Policy:
    """Read a policy."""
    return Policy.parse(text.encode())


def signed(*pens: Pen) -> Note:
    """Give a checkpoint signed by these."""
    return Note.parse(note(1, ROOT, *pens))


@pytest.mark.parametrize(
    ("quorum", "enough", "too_few"),
    [
        ("quorum none", (PEN,), ()),
        ("quorum A", (PEN, A), (PEN, B)),
        ("group g any A B\nquorum g", (PEN, B), (PEN, C)),
        ("group g all A B\nquorum g", (PEN, A, B), (PEN, A, C)),
        ("group g 2 A B C\nquorum g", (PEN, A, C), (PEN, C)),
        ("group g any A B\ngroup h all g C\nquorum h", (PEN, A, C), (PEN, A, B)),
    ],
)
def test_a_quorum_is_what_it_says(quorum: str, enough: tuple[Pen, ...], too_few: tuple[Pen, ...]) -> None:
    """One witness, any, all, some of them, groups of groups."""
    found = policy(f"{LOG}{NAMED}{quorum}\n")

    assert found.satisfied(signed(*enough))
    assert not found.satisfied(signed(OTHER, *enough[1:]))
    assert not too_few or not found.satisfied(signed(*too_few))


def test_a_witness_that_signed_later_does_not_count_before() -> None:
    """`at` a time, only what had been signed by then; a witness's clock may go before ours by five minutes."""
    found = policy(f"{NAMED}quorum A\n")

    assert found.satisfied(signed(PEN, A), NOON - 300)
    assert not found.satisfied(signed(PEN, A), NOON - 301)


def test_a_bad_signature_of_a_witness_is_tampering() -> None:
    """Whether it was needed or not."""
    text = signed(PEN).text
    with pytest.raises(Tampered):
        policy(f"{NAMED}quorum A\n").satisfied(
            Note(text=text, signatures=(*signed(A).signatures, B.sign(f"{text}x\n", NOON)))
        )


def test_comments_spaces_and_addresses_say_nothing() -> None:
    """Lines may be empty, indented, commented, and carry an address."""
    found = policy(f"# ours\n\n \t \n\t witness   A\t{A.key}  https://w.example/ \n  # more\nquorum A\n")

    assert found.satisfied(signed(PEN, A))


BAD = {
    "nothing": "",
    "no quorum": NAMED,
    "two quorums": f"{NAMED}quorum A\nquorum A\n",
    "a quorum of nobody known": f"{NAMED}quorum D\n",
    "a quorum before its witness": f"quorum A\n{NAMED}",
    "no end of the last line": f"{NAMED}quorum A",
    "a carriage return": f"{NAMED}quorum A\r\n",
    "an unknown word": f"{NAMED}quorum A\nallow all\n",
    "a log's key for a witness": f"witness A {PEN.key}\nquorum A\n",
    "a witness's key for a log": f"log {A.key}\nquorum none\n",
    "a witness twice": f"witness A {A.key}\nwitness B {A.key}\nquorum A\n",
    "a log twice": f"{LOG}{LOG}quorum none\n",
    "a name twice": f"witness A {A.key}\nwitness A {B.key}\nquorum A\n",
    "none as a name": f"witness none {A.key}\nquorum none\n",
    "none as a member": f"{NAMED}group g any none\nquorum g\n",
    "nought of a group": f"{NAMED}group g 0 A\nquorum g\n",
    "more than a group has": f"{NAMED}group g 2 A\nquorum g\n",
    "a number with a sign": f"{NAMED}group g +1 A\nquorum g\n",
    "an empty group": f"{NAMED}group g any\nquorum g\n",
    "a member twice": f"{NAMED}group g 2 A A\nquorum g\n",
    "a member of two groups": f"{NAMED}group g any A\ngroup h any A\nquorum g\n",
    "a group of itself": f"{NAMED}group g any g\nquorum g\n",
    "no key": "witness A nothing\nquorum A\n",
}


@pytest.mark.parametrize("text", BAD.values(), ids=BAD)
def test_a_policy_that_is_not_to_the_letter_is_not_followed(text: str) -> None:
    """A mistyped line would quietly ask for fewer witnesses."""
    with pytest.raises(Unverifiable):
        policy(text)
