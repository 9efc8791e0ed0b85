"""What somebody gives to check with: keys, kept checkpoints and a policy, from files or as text."""

from collections.abc import Iterable
from pathlib import Path

from stepcare.verifier.kept import Kept, Trust
from stepcare.verifier.note import Key
from stepcare.verifier.outcome import Unverifiable
from stepcare.verifier.policy import Policy


def trust_in(keys: Iterable[str], policy: Path | None) -> Trust:
    """Take keys, each as text or as the name of a file, and a policy file; Unverifiable for what cannot be used."""
    followed = None if policy is None else Policy.parse(read(policy, "policy"))
    return Trust(keys=tuple(key for one in keys for key in keys_of(one)), policy=followed)


def kept_in(paths: Iterable[Path]) -> tuple[Kept, ...]:
    """Read checkpoints kept elsewhere; Unverifiable for one that is none."""
    return tuple(Kept.parse(str(path), read(path, "kept checkpoint")) for path in paths)


def keys_of(text: str) -> tuple[Key, ...]:
    """Read a key that is given as text, or the file of one or several."""
    path = Path(text)
    try:
        is_file = path.is_file()
    except OSError:
        is_file = False
    if not is_file and text.count("+") >= 2:
        return (Key.parse(text),)
    found = keys_in(read(path, "key file"))
    if not found:
        raise Unverifiable(f"The key file {path.name} holds no key.")
    return found


def keys_in(data: bytes) -> tuple[Key, ...]:
    """Read keys, one a line; Unverifiable when a line is none."""
    try:
        lines = data.decode().split("\n")
    except UnicodeDecodeError:
        raise Unverifiable("This is no public key of the form name+id+base64: get it again.") from None
    return tuple(Key.parse(line.strip()) for line in lines if line.strip())


def read(path: Path, what: str) -> bytes:
    """Read a file that was named; Unverifiable when it cannot be."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise Unverifiable(f"The {what} {path} cannot be read ({error.strerror}).") from None
