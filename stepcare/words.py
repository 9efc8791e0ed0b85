"""A message's subject and text, in the words of the pack its episode runs on.

The pack's hash is the version of its templates: who knows the entry a message came from knows its words. Texts are
made when a message is sent and are kept nowhere; with the same pack, language and numbers they come out the same.
"""

import re
from collections.abc import Mapping

from babel.core import Locale, UnknownLocaleError
from babel.numbers import format_decimal

from engine.errors import InvalidInput, NotFound, near
from engine.pathway import Pathway, Wording, forms_of
from workflows.wording import ANY, COUNTED, PLACE, plural_rule

SENTENCE = re.compile(r"[^.!?]+")
# GSM 03.38, the letters that a short message carries seven bits each; those of the second line take two places.
GSM = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ ÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
GSM_TWICE = frozenset("\f^{}\\[~]|€")


def text_of(pathway: Pathway, template: str, language: str, **values: int | str) -> tuple[str, str]:
    """Give the subject and the text of a message.

    `values` fill the placeholders; the number `count` chooses the form (without one: `other`). A language the pack
    does not have falls back to its main one (`de-AT` to `de`), then to the pack's first. NotFound for a template the
    pack does not have, InvalidInput where a placeholder has no value: nothing is ever sent with a gap.
    """
    spoken = spoken_in(pathway, template, language)
    wording = pathway.templates[spoken][template]
    forms = forms_of(wording)
    count = values.get(COUNTED)
    form = plural_rule(spoken)(count) if isinstance(count, int) else ANY
    text = _filled(forms.get(form, forms[ANY]), template, spoken, values)
    own = wording.subject if isinstance(wording, Wording) else ""
    return _filled(own, template, spoken, values) if own else first_sentence(text), text


def words_of(pathway: Pathway, template: str, language: str) -> str | None:
    """Give a message's text to who looks at it later; None where the template is gone or counts what is not known."""
    try:
        return text_of(pathway, template, language)[1]
    except (InvalidInput, NotFound):
        return None


def spoken_in(pathway: Pathway, template: str, language: str) -> str:
    """Give the language a template is said in to who speaks `language`; NotFound where it is said in none."""
    wanted = (language, language.partition("-")[0], *pathway.languages)
    for one in wanted:
        if template in pathway.templates.get(one, {}):
            return one
    known = {name for texts in pathway.templates.values() for name in texts}
    remedy = near(template, known) or "`stepcare pathway show` lists the templates."
    raise NotFound(what="template", name=template[:40], remedy=remedy)


def first_sentence(text: str) -> str:
    """Give a text's first sentence without its stop: what a message is about, where no subject is written."""
    found = SENTENCE.search(text)
    return found[0].strip() if found else text.strip()


def sms_parts(text: str) -> int:
    """Give in how many short messages a text goes: 160 letters of the GSM alphabet in one, 70 of any other.

    A text cut in several keeps 153 or 67 letters a part, because the parts say how they belong together.
    """
    if all(letter in GSM or letter in GSM_TWICE for letter in text):
        return _parts(sum(2 if letter in GSM_TWICE else 1 for letter in text), 160, 153)
    return _parts(len(text.encode("utf-16-be")) // 2, 70, 67)


def _parts(length: int, alone: int, together: int) -> int:
    return 1 if length <= alone else -(-length // together)


def _filled(text: str, template: str, language: str, values: Mapping[str, int | str]) -> str:
    missing = sorted({place for place in PLACE.findall(text) if place not in values})
    if missing:
        raise InvalidInput(f"The template {template} has no value for {', '.join(missing)}: nothing was written.")
    return PLACE.sub(lambda found: _said(values[found[1]], language), text)


def _said(value: int | str, language: str) -> str:
    """Say a value as the language writes numbers."""
    if isinstance(value, str):
        return value
    try:
        return format_decimal(value, locale=Locale.parse(language, sep="-"))
    except (UnknownLocaleError, ValueError):
        return str(value)
