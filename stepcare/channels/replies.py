"""What people write back: which words mean "no more of this", and which are an answer somebody should read."""

import re
import unicodedata

# Not among them: "cancel" and "end", by which people mean their appointment. The whole answer must be one of these: "please don't stop" and "Stop, I meant Tuesday" are for a person to read.
WORDS = {
    "en": ("stop", "stop all", "stopall", "unsubscribe", "quit", "opt out", "opt-out", "optout"),
    "de": ("stopp", "stop", "abmelden", "abmeldung", "abbestellen", "austragen", "keine nachrichten mehr"),
}
ANY = frozenset(word for words in WORDS.values() for word in words)
AROUND = re.compile(r"^[\s.,;:!?*\"'„“”‚‘’()\[\]<>-]+|[\s.,;:!?*\"'„“”‚‘’()\[\]<>-]+$")
SPACES = re.compile(r"\s+")
LONGEST = 40  # characters of an answer that can be one of the words


def is_opt_out(text: str) -> bool:
    """Say whether an answer, its quoted part left out, says in so many words that no more is wanted.

    Case, spaces and punctuation around the words do not matter; any further word does. All languages count at once:
    whoever is written to in German may well answer STOP.
    """
    said = unicodedata.normalize("NFKC", _own(text))
    if len(said) > 10 * LONGEST:
        return False
    said = SPACES.sub(" ", AROUND.sub("", said)).casefold()
    return len(said) <= LONGEST and said in ANY


def _own(text: str) -> str:
    """Give what the person wrote above the message they answer: up to the first quoted line or the signature."""
    lines = []
    for line in text.splitlines():
        if line.startswith(">") or line.rstrip() == "--" or QUOTES.match(line):
            break
        lines.append(line)
    return "\n".join(lines).strip()


QUOTES = re.compile(
    r"\s*(on .{4,200} wrote:|am .{4,200} schrieb.{0,200}:|-{2,} ?(original|ursprüngliche))", re.IGNORECASE
)
