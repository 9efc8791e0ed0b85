"""The words of messages: plural forms, placeholders, languages, subjects, and how long a short message is."""

from collections.abc import Mapping
from typing import Any

import pytest

from engine.errors import InvalidInput, NotFound
from engine.pathway import Pathway, Wording
from stepcare.words import first_sentence, sms_parts, text_of
from workflows.load import find_pack, load_pack
from workflows.wording import categories_of, unsound_words

SHIPPED = load_pack(find_pack("mid_upper_back")).pathway
Texts = Mapping[str, Any]


def a_pack(**languages: Texts) -> Pathway:
    """Give the shipped pack with templates of our own."""
    made = {
        language: {
            name: text if isinstance(text, str) else Wording.model_validate(text) for name, text in texts.items()
        }
        for language, texts in languages.items()
    }
    return SHIPPED.model_copy(update={"languages": tuple(made), "templates": made, "due": {}, "translations": {}})


DROPPED = a_pack(
    en={"dropped": {"one": "One reminder came too late.", "other": "{count} reminders came too late. Look at them."}},
    pl={
        "dropped": {
            "one": "Jedno przypomnienie.",
            "few": "{count} przypomnienia.",
            "many": "{count} przypomnień.",
            "other": "{count} przypomnienia.",
        }
    },
    de={"dropped": {"subject": "Verpasst: {count}", "one": "Eine Erinnerung.", "other": "{count} Erinnerungen."}},
)


@pytest.mark.parametrize(
    ("language", "count", "said"),
    [
        ("en", 1, "One reminder came too late."),
        ("en", 0, "0 reminders came too late. Look at them."),
        ("en", 1200, "1,200 reminders came too late. Look at them."),
        ("de", 1200, "1.200 Erinnerungen."),
        ("pl", 1, "Jedno przypomnienie."),
        ("pl", 3, "3 przypomnienia."),
        ("pl", 5, "5 przypomnień."),
        ("pl", 22, "22 przypomnienia."),
    ],
)
def test_a_number_is_said_in_the_form_its_language_asks_for(language: str, count: int, said: str) -> None:
    """One reminder, two reminders: each language has its own plurals, and writes numbers in its own way."""
    _, text = text_of(DROPPED, "dropped", language, count=count)

    assert text == said


def test_the_subject_is_the_first_sentence_unless_one_is_written() -> None:
    """A mail says in its subject what its first sentence says; a pack may write a subject of its own."""
    english, _ = text_of(DROPPED, "dropped", "en", count=7)
    german, _ = text_of(DROPPED, "dropped", "de", count=7)

    assert english == "7 reminders came too late"
    assert german == "Verpasst: 7"
    assert first_sentence("no stop at all") == "no stop at all"


@pytest.mark.parametrize(("asked", "spoken"), [("de-AT", "de"), ("fr", "en"), ("de", "de")])
def test_who_speaks_what_the_pack_does_not_is_written_to_in_its_first_language(asked: str, spoken: str) -> None:
    """German of Austria is German; where a language is missing the pack's first one is used, and nobody gets nothing."""
    pack = a_pack(en={"hello": "Hello."}, de={"hello": "Guten Tag."})

    assert text_of(pack, "hello", asked) == text_of(pack, "hello", spoken)


def test_nothing_is_sent_with_a_gap() -> None:
    """A placeholder without its value stops the message and names what is missing."""
    with pytest.raises(InvalidInput, match="dropped has no value for count"):
        text_of(DROPPED, "dropped", "en")


def test_a_template_that_is_not_there_is_named() -> None:
    """A message that names no template of its pack is not sent, and says which one was meant."""
    with pytest.raises(NotFound, match="Did you mean dropped"):
        text_of(DROPPED, "droped", "en")


@pytest.mark.parametrize("language", SHIPPED.languages)
def test_every_shipped_text_can_be_said(language: str) -> None:
    """Every template of the shipped pack has a subject and a text in each of its languages."""
    for template in SHIPPED.templates[language]:
        subject, text = text_of(SHIPPED, template, language, count=2)
        assert subject
        assert text


def test_a_language_asks_for_its_own_plurals() -> None:
    """English needs two forms, Polish three for whole numbers, Arabic six; a language nobody knows has one."""
    assert categories_of("en") == {"one", "other"}
    assert categories_of("pl") == {"one", "few", "many"}
    assert categories_of("ar") == {"zero", "one", "two", "few", "many", "other"}
    assert categories_of("qq") == {"other"}


@pytest.mark.parametrize(
    ("texts", "complaint"),
    [
        ({"en": {"one": "One.", "other": "{count}."}, "pl": "{count}."}, "pl says some numbers with a form that is"),
        ({"en": {"one": "One.", "other": "{count}."}, "de": {"other": "{count}."}}, "is missing here: one"),
        ({"en": {"one": "One.", "few": "{count}.", "other": "{count}."}}, "en has no such plural: few"),
        ({"en": {"one": "One.", "other": "Many."}, "de": {"one": "Eins.", "other": "{count}."}}, "leaves out {count}"),
        ({"en": "On {day}.", "de": "Bald."}, "leaves out {day}"),
        ({"en": "Pain was {reassessment.pain}."}, "holds no recorded value"),
    ],
)
def test_a_pack_whose_texts_cannot_be_said_is_not_taken(texts: Texts, complaint: str) -> None:
    """Every language says a template with the same placeholders and in every plural it needs."""
    findings = list(unsound_words(a_pack(**{language: {"late": text} for language, text in texts.items()})))

    assert any(complaint in one.message for one in findings), findings


def test_a_message_to_the_person_names_nothing_of_their_care() -> None:
    """A telephone lies open on a table: what it shows names no state, treatment, finding or questionnaire."""
    texts = {"en": {**SHIPPED.templates["en"], "visit_soon": "Your spinal manipulation is due."}}
    pack = SHIPPED.model_copy(update={"templates": {**SHIPPED.templates, **texts}})

    (finding,) = unsound_words(pack)

    assert finding.code == "pack-clinical"
    assert "'spinal manipulation'" in finding.message


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", 1),
        ("a" * 160, 1),
        ("a" * 161, 2),
        ("ü" * 160, 1),
        ("€" * 81, 2),
        ("ł" * 70, 1),
        ("ł" * 71, 2),
        ("😀" * 36, 2),
    ],
)
def test_a_short_message_is_counted_as_the_network_counts_it(text: str, parts: int) -> None:
    """160 letters of the GSM alphabet make one short message, and 70 where a single letter is of another."""
    assert sms_parts(text) == parts
