"""The words of messages: which form of a text a number asks for, and whether every language can say it.

Plural categories are those of CLDR, as Babel knows them. A message may count; it holds no recorded value, and to the
person it names no state, treatment or finding.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache

from engine.errors import Finding
from engine.pathway import Pathway, Wording, forms_of

PLACE = re.compile(r"\{([a-z][a-z0-9_.]*)\}")
COUNTED = "count"  # the number that chooses the form
USUAL = range(1001)  # numbers that every text that counts must be able to say
ALONE = ("zero", "one", "two")  # forms that may say their number in words
ANY = "other"


@cache
def plural_rule(language: str) -> Callable[[int], str]:
    """Give what tells the plural category of a number in a language; one CLDR does not know has `other` alone."""
    from babel.core import Locale, UnknownLocaleError  # noqa: PLC0415 - only a text that counts pays for loading it

    try:
        return Locale.parse(language, sep="-").plural_form
    except (UnknownLocaleError, ValueError):
        return lambda _: ANY


@cache
def categories_of(language: str) -> frozenset[str]:
    """Give the plural categories that whole numbers up to a thousand need in a language."""
    return frozenset(map(plural_rule(language), USUAL))


def is_counting(template: str | Wording) -> bool:
    """Say whether a text has forms for numbers, or names one."""
    forms = forms_of(template)
    return len(forms) > 1 or COUNTED in PLACE.findall(forms[ANY])


def unsound_words(pathway: Pathway) -> Iterator[Finding]:
    """Find templates that some language could not say, or that would say too much."""
    everywhere = sorted({name for texts in pathway.templates.values() for name in texts})
    for name in everywhere:
        told = {language: texts[name] for language, texts in pathway.templates.items() if name in texts}
        yield from _forms(name, told)
        yield from _places(name, told)
    yield from _too_much(pathway)


def _forms(name: str, told: Mapping[str, str | Wording]) -> Iterator[Finding]:
    """Where one language counts, all do, each in every form it needs and in no other."""
    if not any(is_counting(template) for template in told.values()):
        return
    for language, template in told.items():
        have, need = set(forms_of(template)), categories_of(language)
        path = ("templates", language, name)
        if missing := sorted(need - have):
            message = f"{language} says some numbers with a form that is missing here: {', '.join(missing)}"
            yield Finding(code="pack-plural", message=message, path=path)
        if needless := sorted(have - need - {ANY}):
            message = f"{language} has no such plural: {', '.join(needless)}; it needs {', '.join(sorted(need))}"
            yield Finding(code="pack-plural", message=message, path=path)


def _places(name: str, told: Mapping[str, str | Wording]) -> Iterator[Finding]:
    """All languages and forms name the same placeholders; only a form for a single number may leave it out."""
    wanted = {place for template in told.values() for text in forms_of(template).values() for place in _in(text)}
    for language, template in told.items():
        path = ("templates", language, name)
        for form, text in forms_of(template).items():
            missing = wanted - _in(text) - ({COUNTED} if form in ALONE else set())
            if missing:
                where = f"the form `{form}`" if isinstance(template, Wording) else "the text"
                message = f"{where} leaves out {_braced(missing)}, which another form or language has"
                yield Finding(code="pack-placeholder", message=message, path=path)
    if recorded := {place for place in wanted if "." in place}:
        message = f"a message holds no recorded value: take out {_braced(recorded)}"
        yield Finding(code="pack-placeholder", message=message, path=("templates", next(iter(told)), name))


def _in(text: str) -> set[str]:
    return set(PLACE.findall(text))


def _braced(places: set[str]) -> str:
    return ", ".join(f"{{{place}}}" for place in sorted(places))


def _too_much(pathway: Pathway) -> Iterator[Finding]:
    """Name what a message to the person would give away to whoever reads over their shoulder."""
    named = _titles(pathway)
    if not named:
        return
    said = re.compile(rf"\b({'|'.join(map(re.escape, named))})\b", re.IGNORECASE)
    for name in _to_the_person(pathway):
        for language, texts in pathway.templates.items():
            for text in forms_of(texts[name]).values() if name in texts else ():
                if found := said.search(text):
                    message = f"a message to the person names {found[0]!r}, which is about their care: say it without"
                    yield Finding(code="pack-clinical", message=message, path=("templates", language, name))


def _to_the_person(pathway: Pathway) -> list[str]:
    rungs = (rung for policy in pathway.due.values() for rung in policy.ladder)
    return sorted({rung.template for rung in rungs if rung.to == "patient" and rung.template})


def _titles(pathway: Pathway) -> list[str]:
    things = (pathway.treatments, pathway.red_flags, pathway.instruments, pathway.states)
    titles = {one.title for group in things for one in group.values()}
    titles |= {
        text for texts in pathway.translations.values() for key, text in texts.items() if key.startswith("state.")
    }
    return sorted(title for title in titles if title)
