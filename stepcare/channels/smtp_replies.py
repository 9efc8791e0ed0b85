"""What a mail server's refusal means for us: a word of ours, and the digits it gave; never its sentence.

Its sentence may hold the address, and is written for others. The digits are those of RFC 5321 and RFC 3463.
"""

import re
from typing import Literal

from stepcare.channels.port import ADDRESS, Result, permanent, temporary

At = Literal["greeting", "tls", "sign_in", "sender", "receiver", "text"]
ENHANCED = re.compile(rb"([245])\.(\d{1,3})\.(\d{1,3})(?=\s|$)")

# subject and detail of the enhanced code → our word; the class (4 or 5) says whether trying again may help
WORDS = {
    **dict.fromkeys(("1.0", "1.1", "1.2", "1.3", "1.4", "1.6", "1.10", "2.1", "4.4"), ADDRESS),
    "2.2": "mailbox_full",
    **dict.fromkeys(("2.3", "3.4"), "too_large"),
    **dict.fromkeys(("3.1", "3.2", "4.5"), "busy"),
    "7.8": "sign_in",
}
BARE = {550: ADDRESS, 551: ADDRESS, 553: ADDRESS, 552: "mailbox_full", 452: "busy", 421: "busy"}
BEFORE_THE_RECEIVER: dict[At, str] = {"greeting": "busy", "tls": "tls", "sign_in": "sign_in", "sender": "sender"}


def refusal(code: int, said: bytes, at: At) -> Result:
    """Give the result of a reply that is not a yes.

    What is refused before the receiver was named says nothing about them: a wrong password must not spoil the address
    of everybody who is written to that night. So it counts as temporary and against the channel, whatever its digits.
    The one exception is a message that is too large.
    """
    found = ENHANCED.match(said.lstrip())
    detail = b".".join(found.groups()[1:]).decode() if found else ""
    digits = f"{code}:{found[0].decode()}" if found else f"{code}"
    word = WORDS.get(detail, "") if found else BARE.get(code, "")
    if at in BEFORE_THE_RECEIVER:
        if word == "too_large" and code >= 500:
            return permanent(f"{word}:{digits}")
        return temporary(f"{BEFORE_THE_RECEIVER[at]}:{digits}")
    if at == "text" and word == ADDRESS and not found:
        word = ""  # a bare 550 after the text is a verdict on the text more often than on the address
    if 500 <= code < 600:
        return permanent(f"{word or 'refused'}:{digits}")
    return temporary(f"{word or 'later'}:{digits}")
