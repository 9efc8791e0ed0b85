"""References people can type: short, random, and a slip in one is noticed."""

from collections.abc import Iterable

from engine.errors import InvalidInput
from storage.seal import Random

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's: no I, L, O, U
READ_AS = str.maketrans("ILO", "110")
REF_LETTERS = 10


def new_ref(prefix: str, random: Random) -> str:
    """Make a short random reference such as e-7K3QX9MV2AC: 50 random bits and a check character."""
    letters = [byte & 31 for byte in random(REF_LETTERS)]
    return f"{prefix}-{''.join(ALPHABET[one] for one in (*letters, _double(_checksum(letters))))}"


def check_ref(ref: str) -> str:
    """Give a reference as it was made, however it was typed; InvalidInput when a character is wrong or swapped."""
    prefix, _, typed = ref.strip().partition("-")
    tidy = typed.upper().translate(READ_AS)
    known = len(tidy) == REF_LETTERS + 1 and all(one in ALPHABET for one in tidy)
    if not prefix.isalpha() or not known or _checksum([ALPHABET.index(one) for one in tidy]):
        raise InvalidInput(f"{ref[:40]!r} is not a reference: a character is missing, wrong or swapped. Type it again.")
    return f"{prefix.lower()}-{tidy}"


def _checksum(letters: Iterable[int]) -> int:
    """Give the polynomial of the letters over GF(32) at its generator; with the check character it is 0.

    Unlike a plain sum it changes when two characters change places, wherever they stand.
    """
    total = 0
    for letter in letters:
        total = _double(total) ^ letter
    return total


def _double(value: int) -> int:
    return value << 1 ^ (0b100101 if value & 16 else 0)  # modulo x^5 + x^2 + 1
