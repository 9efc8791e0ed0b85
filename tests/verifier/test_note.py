from base64 import b64decode, b64encode

import pytest

from stepcare.verifier.checkpoint import Checkpoint
from stepcare.verifier.note import COSIGNATURE, ED25519, Key, Note, Signature, key_id, signed_text, verified_by
from stepcare.verifier.outcome import Tampered, Unverifiable
from tests.verifier.logs import NOON, ORIGIN, OTHER, PEN, WITNESSES, Pen, note, tree

# The example of the signed-note specification.
VKEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
SIGNED = (
    "This is an example message.\n\n— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZX"
    "sYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
).encode()
ROOT = tree([bytes(32)])


def parsed(data: bytes) -> Note:
    """Read a note."""
    return Note.parse(data)


# --- what the specification shows -----------------------------------------------------------------------------------


def test_the_specifications_example_verifies() -> None:
    """The key and the note printed in the specification belong together, and both are written as they were read."""
    key, found = Key.parse(VKEY), parsed(SIGNED)

    assert str(key) == VKEY
    assert found.bytes() == SIGNED
    assert [(one.key, one.time) for one in verified_by(found, [key])] == [(key, None)]


def test_a_poem_with_an_empty_line_is_a_text() -> None:
    """A text may hold empty lines: the last one in the note parts it from the signatures (the poem of the specification)."""
    text = (
        "Ognuno sta solo sul cuor della terra\ntrafitto da un raggio di sole:\n\ned è subito sera.\n\n— quasimodo.example/"
        "salvatore NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=\n"
    ).encode()

    found = parsed(text)

    assert found.text.endswith("\n\ned è subito sera.\n")
    assert found.bytes() == text


def test_a_checkpoint_of_the_specification_is_read() -> None:
    """The checkpoint that the specification prints gives origin, size and root, and is written again alike."""
    text = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"

    found = Checkpoint.parse(text)

    assert (found.origin, found.size) == ("example.com/behind-the-sofa", 20_852_163)
    assert found.text() == text


# --- what is no note ------------------------------------------------------------------------------------------------

LINE = SIGNED.split(b"\n\n")[1]
CODED = LINE.rsplit(b" ", 1)[1].rstrip()


def spoilt(number: int) -> bytes:
    """Set a bit of the base64 that stands for nothing."""
    last = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".index(chr(CODED[-2]))
    return (
        CODED[:-2] + bytes([b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"[last ^ number]]) + b"="
    )


NO_NOTES = {
    "nothing": b"",
    "no signature": b"This is an example message.\n\n",
    "no text": b"\n\n" + LINE,
    "no empty line": SIGNED.replace(b"\n\n", b"\n"),
    "no end of line": SIGNED[:-1],
    "carriage returns": SIGNED.replace(b"\n", b"\r\n"),
    "a tab": SIGNED.replace(b"an example", b"an\texample"),
    "a zero": SIGNED.replace(b"an example", b"an\0example"),
    "not UTF-8": SIGNED.replace(b"an example", b"an\xffexample"),
    "a hyphen for the dash": SIGNED.replace("—".encode(), b"-"),
    "two spaces": SIGNED.replace(b"foo ", b"foo  "),
    "no name": SIGNED.replace(b"example.com/foo ", b" "),
    "a name with a plus": SIGNED.replace(b"example.com/foo ", b"example.com+foo "),
    "a name with a space of its own": SIGNED.replace(b"/foo ", "/foo\N{NO-BREAK SPACE}bar ".encode()),
    "no base64": SIGNED.replace(CODED, b"!" + CODED[1:]),
    "base64 without its padding": SIGNED.replace(CODED, CODED.rstrip(b"=")),
    "base64 with a bit too many": SIGNED.replace(CODED, spoilt(1)),
    "base64 of the other alphabet": SIGNED.replace(CODED, CODED.replace(b"+", b"-").replace(b"/", b"_", 1) + b"-"),
    "an id and no signature": SIGNED.replace(CODED, b64encode(b64decode(CODED)[:4])),
    "65 signatures": SIGNED + 64 * LINE,
    "a line that is no signature": SIGNED + b"and more\n",
    "too long": b"x" * 1_000_001 + SIGNED,
}


@pytest.mark.parametrize("data", NO_NOTES.values(), ids=NO_NOTES)
def test_what_is_no_note_is_refused(data: bytes) -> None:
    """A note is read in one way only: anything else could mean different things to different readers."""
    with pytest.raises(Tampered):
        parsed(data)


def test_sixty_four_signatures_are_read() -> None:
    """The specification demands sixteen of every reader; a policy may name more witnesses than that."""
    assert len(parsed(SIGNED + 63 * LINE).signatures) == 64


NO_CHECKPOINTS = {
    "two lines": "origin\n1\n",
    "a line more": f"origin\n1\n{b64encode(ROOT).decode()}\nmore\n",
    "no origin": f"\n1\n{b64encode(ROOT).decode()}\n",
    "a leading zero": f"origin\n01\n{b64encode(ROOT).decode()}\n",
    "a sign": f"origin\n+1\n{b64encode(ROOT).decode()}\n",
    "digits of another script": f"origin\n١\n{b64encode(ROOT).decode()}\n",
    "too many": f"origin\n{2**63}\n{b64encode(ROOT).decode()}\n",
    "a short root": f"origin\n1\n{b64encode(ROOT[1:]).decode()}\n",
    "no root": "origin\n1\n\n",
    "nothing, with a root of something": f"origin\n0\n{b64encode(ROOT).decode()}\n",
    "no end of line": f"origin\n1\n{b64encode(ROOT).decode()}",
}


@pytest.mark.parametrize("text", NO_CHECKPOINTS.values(), ids=NO_CHECKPOINTS)
def test_what_is_no_checkpoint_is_refused(text: str) -> None:
    """A checkpoint has three lines, each in its one spelling."""
    with pytest.raises(Tampered):
        Checkpoint.parse(text)


# --- who signed -----------------------------------------------------------------------------------------------------


def test_unknown_keys_are_ignored() -> None:
    """A signature of somebody else, under the same name or the same id, says nothing, whether it is right or not."""
    key = Key.parse(VKEY)
    same_name = Signature(name=key.name, id=b"\1\2\3\4", data=bytes(64))
    same_id = Signature(name="example.com/bar", id=key.id, data=bytes(64))
    found = Note(text=parsed(SIGNED).text, signatures=(same_name, *parsed(SIGNED).signatures, same_id))

    assert [one.key for one in verified_by(found, [key])] == [key]
    assert verified_by(found, [PEN.key]) == ()


def test_one_bad_signature_of_a_known_key_spoils_the_note() -> None:
    """Even beside good ones: somebody tried."""
    good = parsed(note(1, ROOT))
    bad = Signature(name=PEN.name, id=PEN.key.id, data=OTHER.sign(good.text).data)
    for signatures in ((bad,), (*good.signatures, bad), (bad, *good.signatures)):
        with pytest.raises(Tampered, match="does not fit"):
            verified_by(Note(text=good.text, signatures=signatures), [PEN.key])


def test_a_key_that_signed_twice_counts_once() -> None:
    """Two lines of one witness are one witness, with the later time."""
    witness = WITNESSES[0]
    text = parsed(note(1, ROOT)).text
    twice = Note(text=text, signatures=(witness.sign(text, NOON), witness.sign(text, NOON + 5), witness.sign(text, 1)))

    assert [(one.key, one.time) for one in verified_by(twice, [witness.key])] == [(witness.key, NOON + 5)]


def test_a_cosignature_is_over_the_time_it_says() -> None:
    """Another time, or the log's own kind of signature, is not what the witness signed."""
    witness = WITNESSES[0]
    text = parsed(note(1, ROOT)).text
    good = witness.sign(text, NOON)
    later = Signature(name=good.name, id=good.id, data=(NOON + 1).to_bytes(8) + good.data[8:])
    plain = Signature(name=good.name, id=good.id, data=good.data[:8] + witness.secret.sign(text.encode()))

    assert signed_text(COSIGNATURE, text, NOON) == f"cosignature/v1\ntime {NOON}\n{text}".encode()
    for wrong in (later, plain, Signature(name=good.name, id=good.id, data=good.data[:-1])):
        with pytest.raises(Tampered):
            verified_by(Note(text=text, signatures=(wrong,)), [witness.key])


def test_the_kind_of_a_key_is_part_of_its_id() -> None:
    """The same bytes as a log's key and as a witness's are two keys: neither's signature passes for the other's."""
    assert key_id("name", ED25519, bytes(32)) != key_id("name", COSIGNATURE, bytes(32))


# --- keys -----------------------------------------------------------------------------------------------------------

_NAME, _ID, _CODED = VKEY.split("+", 2)
NO_KEYS = {
    "nothing": "",
    "two parts": f"{_NAME}+{_ID}",
    "no name": f"+{_ID}+{_CODED}",
    "another name": f"example.com/bar+{_ID}+{_CODED}",
    "another id": f"{_NAME}+530d903b+{_CODED}",
    "capitals": f"{_NAME}+530D903A+{_CODED}",
    "a short id": f"{_NAME}+530d90+{_CODED}",
    "a space": f"{_NAME} +{_ID}+{_CODED}",
    "no padding needed": f"{VKEY}=",
    "a bit too many": f"{VKEY[:-1]}l",
    "a short key": str(PEN.key)[:-4],
    "an unknown kind": f"{ORIGIN}+{key_id(ORIGIN, 6, bytes(32)).hex()}+Bg{'A' * 42}",
}


@pytest.mark.parametrize("text", NO_KEYS.values(), ids=NO_KEYS)
def test_what_is_no_key_cannot_verify_anything(text: str) -> None:
    """With a key that is none, nothing can be confirmed and nothing denied."""
    with pytest.raises(Unverifiable):
        Key.parse(text)


def test_keys_are_written_as_they_are_read() -> None:
    """Logs' and witnesses' keys alike."""
    for pen in (PEN, *WITNESSES):
        assert Key.parse(str(pen.key)) == pen.key
    assert Pen(name="a").key.name == "a"
