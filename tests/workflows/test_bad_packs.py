"""A malformed pack is refused with file, line, column and what was expected, all findings at once, and quickly."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.errors import BadPack
from workflows.load import load_pack
from workflows.yaml_source import MOST_BYTES, read_yaml, yaml_from


def findings_of(pack: Path) -> list[tuple[str, str, str]]:
    """Load a pack that must be refused; give place (within the folder), code and message of every finding."""
    with pytest.raises(BadPack) as caught:
        load_pack(pack)
    assert caught.value.exit == 6
    return [(one.place.removeprefix(f"{pack}/"), one.code, one.message) for one in caught.value.findings]


def broken(pack: Path, old: str, new: str, file: str = "a_pathway.yaml") -> Path:
    """Replace one place of one file."""
    text = (pack / file).read_text(encoding="utf-8")
    assert text.count(old) >= 1
    (pack / file).write_text(text.replace(old, new, 1), encoding="utf-8")
    return pack


# --- what no YAML reader should swallow ---------------------------------------------------------------------------

SYNTAX: dict[str, tuple[str | bytes, str, str]] = {
    "second colon": ("a: b: c", "1:5 yaml-syntax", "a second `: ` cannot stand here"),
    "tab": ("a:\n\t- b", "2:1 yaml-syntax", "a tab stands here: indent with spaces"),
    "at sign": ("a: @x", "1:4 yaml-syntax", "put it in quotes"),
    "indentation": ("- a\nb: 1", "2:1 yaml-syntax", "does not fit the block that begins on line 1"),
    "no colon": ("a: 1\nb\nc: 2", "3:1 yaml-syntax", "expected `key: value`"),
    "open quote": ('a: 1\nb: "x\n', "3:1 yaml-syntax", "the quoted text that begins on line 2 is never closed"),
    "open list": ("a: [1, 2\nb: 3", "2:2 yaml-syntax", "the list that begins on line 1 is not closed here"),
    "open mapping": ("a: {b: 1\nc: [3", "2:2 yaml-syntax", "the mapping that begins on line 1 is not closed here"),
    "misplaced item": ("a: - b", "1:4 yaml-syntax", "a list item cannot stand here"),
    "escape": (r'a: "\q"', "1:6 yaml-syntax", "use single quotes"),
    "bare ampersand": ("a: & b", "1:5 yaml-syntax", "a value cannot begin with & or *"),
    "escape beyond Unicode": (r'a: "\U00110000"', "1:1 yaml-syntax", "check quotes and escapes"),
    "other": ("a: |99\n x", "1:6 yaml-syntax", "this is not YAML: expected chomping"),
    "alias": ("a: 1\nb: *x", "2:4 yaml-alias", "the alias *x is not read here: write the value out"),
    "alias as key": ("*x : 1", "1:1 yaml-alias", "the alias *x"),
    "alias in a list": ("a: [*x, 1]", "1:5 yaml-alias", "the alias *x"),
    "anchor": ("a: &x 1", "1:4 yaml-anchor", "the anchor &x is not read here: write the value out"),
    "anchored list": ("a: &x [1]", "1:4 yaml-anchor", "the anchor &x"),
    "tag": ("a: !!str 1", "1:4 yaml-tag", "is not read here: put text in quotes instead"),
    "python tag": ("a: !!python/object:os.system {}", "1:4 yaml-tag", "is not read here"),
    "own tag": ("a: !mine 1", "1:4 yaml-tag", "the tag !mine is not read here"),
    "undefined tag handle": ("a: !x!mine 1", "1:4 yaml-syntax", "undefined tag handle"),
    "version": ("%YAML 1.1\n---\na: 1", "2:1 yaml-directive", "directives"),
    "second document": ("a: 1\n---\nb: 1", "2:1 yaml-documents", "a second document begins here: one file holds one"),
    "key twice": ("a: 1\nb: 2\na: 3", "3:1 yaml-duplicate-key", "the key 'a' stands twice, first at f.yaml:1:1: keep one"),
    "key twice inside": ("a: {b: 1, b: {c: 1}}", "1:11 yaml-duplicate-key", "first at f.yaml:1:5"),
    "list as key": ("? [a]\n: 1", "1:3 yaml-key", "a key must be text, this one is a list"),
    "mapping as key": ("{{a: 1}: 2}", "1:2 yaml-key", "a key must be text, this one is a mapping"),
    "no key": ("a: 1\n: 2", "2:1 yaml-key", "a key is missing"),
    "surrogate in a key": ('"\\ud800": 1', "1:1 yaml-character", "this key holds"),
    "NUL": (b"a: 1\nb: x\x00y", "2:5 yaml-character", "character U+0000 does not belong in a text file: remove it"),
    "escaped NUL": (r'a: "x\0y"', "1:4 yaml-character", "this text holds a control character"),
    "escaped surrogate": (r'a: "\ud83d"', "1:4 yaml-character", "half a character"),
    "terminal escape": (b"a: \x1b[2J", "1:4 yaml-character", "character U+001B"),
    "lone carriage return": (b"a: 1\rb: 2", "1:5 yaml-character", "character U+000D"),
    "line separator": ("a: 1\nb: \u2028", "2:4 yaml-character", "character U+2028"),
    "not UTF-8": (b"a: 1\nb: \xc3\xa4\xff", "2:5 yaml-utf8", "byte 0xff is not UTF-8: save the file as UTF-8"),
    "encoded surrogate": (b"a: \xed\xa0\x80", "1:4 yaml-utf8", "byte 0xed is not UTF-8"),
    "UTF-16": ("a: 1".encode("utf-16"), "1:1 yaml-utf8", "byte 0xff is not UTF-8"),
    "empty": ("", "1:1 yaml-not-a-mapping", "the file is empty: expected `key: value` lines"),
    "comments only": ("# nothing\n", "2:1 yaml-not-a-mapping", "the file is empty"),
    "a list": ("\n- a", "2:1 yaml-not-a-mapping", "the file holds a list: expected `key: value` lines"),
    "a text": ("hello", "1:1 yaml-not-a-mapping", "the file holds the text 'hello'"),
    "infinity": ("a: -.inf", "1:4 yaml-number", "-.inf is no number to calculate with: write digits"),
    "no number": ("a: .nan", "1:4 yaml-number", ".nan is no number"),
    "exponent": ("a: 1e999999999", "1:4 yaml-number", "1e999999999 has an exponent: write it out"),
    "leading zero": ("a: 007", "1:4 yaml-number", "007 begins with a zero: write 7, or quote it if it is text"),
    "zeros": ("a: 000", "1:4 yaml-number", "000 begins with a zero: write 0"),
    "2**53": ("a: 9007199254740992", "1:4 yaml-number", "is a whole number of 2**53 or more: put it in quotes"),
    "endless number": ("a: " + "9" * 60_000, "1:4 yaml-number", "is a whole number of 2**53 or more"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "place", "words"), SYNTAX.values(), ids=SYNTAX.keys())
def test_malformed_yaml_is_placed(text: str | bytes, place: str, words: str) -> None:
    """Whatever stands in the file, the first finding says where and what was expected."""
    first = yaml_from(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"), "f.yaml").findings[0]

    assert f"{first.line}:{first.column} {first.code}" == place
    assert words in first.message
    assert first.file == "f.yaml"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0.5", "0.5"), ("2.50", "2.50"), (".5", ".5"), ("-1.", "-1."), ("+0.10", "+0.10"),
        ("7", 7), ("-0", 0), ("+3", 3), ("0x1F", 31), ("0o17", 15), ("9007199254740991", 2**53 - 1),
        ("2026-03-02", "2026-03-02"), ("2026-03-02T09:00:00+01:00", "2026-03-02T09:00:00+01:00"), ("09:30", "09:30"),
        ("yes", "yes"), ("No", "No"), ("on", "on"), ("true", True), ("FALSE", False), ("null", None), ("~", None), ("", None),
        ("'true'", "true"), ('"0.5"', "0.5"), ('""', ""), ("1_000", "1_000"), ("1:30", "1:30"), ("<<", "<<"), ("=", "="),
    ],
)  # fmt: skip
def test_plain_values_are_read_by_yaml_1_2(text: str, value: object) -> None:
    """Decimals and dates stay as typed, `yes`, `no` and `on` are words, and only digits are whole numbers."""
    source = yaml_from(f"a: {text}\n".encode(), "f.yaml")

    assert source.data == {"a": value}
    assert type(source.data["a"]) is type(value)
    assert not source.findings


def test_a_byte_order_mark_is_no_mistake() -> None:
    """Some editors write one at the beginning; it is not part of the first key."""
    assert yaml_from(b"\xef\xbb\xbfa: 1\r\nb: 2\r\n", "f.yaml").data == {"a": 1, "b": 2}


def test_of_a_key_that_stands_twice_the_first_is_kept() -> None:
    """What comes after is still read, so that its own mistakes are found in the same run."""
    source = yaml_from(b"a: 1\na: {b: 007}\nc: 3\n", "f.yaml")

    assert source.data == {"a": 1, "c": 3}
    assert [finding.code for finding in source.findings] == ["yaml-duplicate-key", "yaml-number"]


def test_mistakes_inside_what_is_left_out_are_found_too() -> None:
    """A key that is no text, or stands twice, does not hide a duplicate inside its value."""
    source = yaml_from(b"? [{b: 1, b: 2}]\n: 1\na: 1\na: {b: 1, b: [2]}\n", "f.yaml")

    assert [(one.line, one.column, one.code) for one in source.findings] == [
        (1, 3, "yaml-key"), (1, 11, "yaml-duplicate-key"), (4, 1, "yaml-duplicate-key"), (4, 11, "yaml-duplicate-key"),
    ]  # fmt: skip
    assert source.data == {"a": 1}


def test_everything_a_parser_can_get_past_is_found_at_once() -> None:
    """Alias, tag, number and duplicate on four lines are four findings."""
    source = yaml_from(b"a: *x\nb: !t 1\nc: 007\na: 2\n", "f.yaml")

    assert [(one.line, one.code) for one in source.findings] == [
        (1, "yaml-alias"), (2, "yaml-tag"), (3, "yaml-number"), (4, "yaml-duplicate-key"),
    ]  # fmt: skip


# --- bombs --------------------------------------------------------------------------------------------------------


def laughs() -> Iterator[str]:
    """Ten lines that stand for 10^9 words."""
    yield "a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]"
    for level in range(1, 10):
        yield f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]"


def test_a_yaml_bomb_is_refused_without_being_built() -> None:
    """Each alias is one finding, and nothing is ever copied."""
    source = yaml_from("\n".join(laughs()).encode(), "f.yaml")

    assert {finding.code for finding in source.findings} == {"yaml-anchor", "yaml-alias"}
    assert len(source.findings) == 10 + 90
    assert source.findings[0].place == "f.yaml:1:5"


def test_merge_keys_are_only_keys() -> None:
    """`<<` was a YAML 1.1 habit: its alias is refused, and nothing is merged."""
    source = yaml_from(b"a: {b: 1}\nc:\n  <<: *a\n", "f.yaml")

    assert [finding.code for finding in source.findings] == ["yaml-alias"]
    assert source.data["c"] == {"<<": None}


@pytest.mark.parametrize(
    ("text", "place"),
    [("a: " + "[" * 60_000, "1:43"), ("a: " + "{b: " * 15_000, "1:160"), ("- " * 30_000, "1:81")],
    ids=["lists", "mappings", "block lists"],
)
def test_deep_nesting_is_refused_where_it_gets_too_deep(text: str, place: str) -> None:
    """Forty levels are enough for any pack; the rest of such a file is not looked at."""
    (finding,) = yaml_from(text.encode(), "f.yaml").findings

    assert finding.place == f"f.yaml:{place}"
    assert finding.message == "this is nested deeper than 40 levels: flatten it"


def test_forty_levels_are_read() -> None:
    """The border itself is allowed: one mapping and 39 lists."""
    assert not yaml_from(("a: " + "[" * 39 + "]" * 39).encode(), "f.yaml").findings


@pytest.mark.parametrize(
    "text",
    [
        "\n".join(["{" + "a: 1, " * 10_000] * 30),
        "".join(f"a{n}: &x{n} 1\n" for n in range(100_000)),
        "\x00\n" * (MOST_BYTES // 2),
    ],
    ids=["keys", "anchors", "NULs"],
)
def test_a_file_that_is_nothing_but_mistakes_is_left_after_a_thousand(text: str) -> None:
    """A file that was never a pack does not fill the screen, nor the memory."""
    source = yaml_from(text.encode(), "f.yaml")

    assert 1000 <= len(source.findings) <= 1001
    assert not source.whole


def test_a_line_is_at_most_64_k_long() -> None:
    """One tag of two million letters would keep the parser busy for a minute."""
    (finding,) = yaml_from(b"a: 1\nb: !" + b"x" * 65_536 + b" 1", "f.yaml").findings

    assert finding.place == "f.yaml:2:65537"
    assert finding.message == "this line is longer than 65536 characters: break it"


@pytest.mark.parametrize(("more", "code"), [(0, "yaml-not-a-mapping"), (1, "yaml-size")], ids=["2 MB", "a byte more"])
def test_files_are_at_most_two_megabytes(more: int, code: str) -> None:
    """A larger file is refused unread."""
    (finding,) = yaml_from(
        b"# a comment line\n" * (MOST_BYTES // 17) + b"#" * (MOST_BYTES % 17 + more), "f.yaml"
    ).findings

    assert finding.code == code


# --- a pack that does not fit its schema --------------------------------------------------------------------------

SCHEMA = {
    "unknown key": (
        "kind: open, paused", "kind: open, pausd",
        "14:41 pack-unknown-key", "'pausd' is not known here: did you mean 'paused'?",
    ),
    "unknown section": (
        "tables: {}", "tables: {}\ncard: {}",
        "36:1 pack-unknown-key", "'card' is not known here: did you mean 'cards'?",
    ),
    "missing key": ("{title: Intake, kind: open}", "{title: Intake}", "9:3 pack-missing", "`kind` is missing: expected one of open, active, closed, void"),
    "missing section": ("initial: intake\n", "", "1:1 pack-missing", "`initial` is missing: expected a name (a-z, 0-9 and _, beginning with a letter, at most 40)"),
    "no such option": ("kind: open}", "kind: opn}", "9:33 pack-value", "expected one of open, active, closed, void, found the text 'opn': did you mean 'open'?"),
    "no such role": ("[coordinator]}", "[cordinator]}", "18:67 pack-value", "found the text 'cordinator': did you mean 'coordinator'?"),
    "number for text": ('version: "1"', "version: 1", "3:10 pack-value", "expected text, found the number 1: put it in quotes if it is text"),
    "text for number": ("step: 1", "step: one", "10:53 pack-value", "expected one of 1, 2, 3, 4, found the text 'one'"),
    "yes for true": ("paused: true", "paused: yes", "14:49 pack-value", "expected true or false, found the text 'yes'"),
    "true for number": ("low: 0, high: 10", "low: true, high: 10", "40:43 pack-value", "expected a whole number or text, found true"),
    "text for list": ("languages: [en, de]", "languages: en", "6:12 pack-value", "expected a list, found the text 'en'"),
    "list for mapping": ("tables: {}", "tables: []", "35:1 pack-value", "expected a mapping, found a list"),
    "nothing for mapping": ("tables: {}", "tables:", "35:1 pack-value", "expected a mapping, found nothing"),
    "bad key": ("  intake: {title", "  In take: {title", "9:3 pack-key", "the key 'In take' is not a name (a-z, 0-9 and _"),
    "bad transition id": ("  T1: {", "  X1: {", "18:3 pack-key", "the key 'X1' is not a transition id such as T8"),
    "bound that is no number": ("low: 0.1", "low: a little", "41:47 pack-value", "expected a number, found the text 'a little'"),
    "bound that is a bomb": ("high: 2.50", 'high: "1e999999999"', "41:58 pack-value", "expected a number, found the text '1e999999999'"),
}  # fmt: skip


@pytest.mark.parametrize(("old", "new", "place", "words"), SCHEMA.values(), ids=SCHEMA.keys())
def test_what_does_not_fit_the_schema_is_placed(pack: Path, old: str, new: str, place: str, words: str) -> None:
    """The one mistake is the one finding, at its key or value, with what was expected."""
    ((at, code, message),) = findings_of(broken(pack, old, new))

    assert f"{at.removeprefix('a_pathway.yaml:')} {code}" == place
    assert words in message


RULES = {
    "no such level": ("level: SS", "level: S", "4:12", "expected one of FORM, INFO, SS, HS2, HSx or a mapping, found the text 'S': did you mean 'SS'?"),
    "level in an odd mapping": ("level: SS", "level: {parameters: x}", "4:5", "`parameter` is missing: expected a name"),
    "bad rule id": ("PATH-05", "path-05", "2:9", "expected a rule id such as PATH-05, found the text 'path-05'"),
    "nothing bound": ("on: [T8]", "on: []", "3:5", "expected a list that is not empty, found a list"),
    "empty condition": ("requires: stay.day >= 14", "requires: ''", "5:15", "expected text that is not empty, of at most 2000 characters, found the text ''"),
    "endless condition": ("stay.day >= 14", "x" * 2001, "5:15", "(2001 characters)"),
}  # fmt: skip


@pytest.mark.parametrize(("old", "new", "place", "words"), RULES.values(), ids=RULES.keys())
def test_what_does_not_fit_a_rule_is_placed(pack: Path, old: str, new: str, place: str, words: str) -> None:
    """In a list of rules from several files the finding points into the file the rule stands in."""
    at, _, message = findings_of(broken(pack, old, new, "b_rules.yaml"))[0]

    assert at == f"b_rules.yaml:{place}"
    assert words in message


def test_all_findings_of_all_files_come_at_once(pack: Path) -> None:
    """Four mistakes in three files are four findings, in the order of the files."""
    broken(pack, "kind: open}", "kind: opn}")
    broken(pack, "step: 1", "stp: 1")
    broken(pack, "level: SS", "level: SSS", "b_rules.yaml")
    broken(pack, "message: Too early.", "message: *early", "c_rules.yaml")

    assert [(place, code) for place, code, _ in findings_of(pack)] == [
        ("a_pathway.yaml:9:33", "pack-value"),
        ("a_pathway.yaml:10:47", "pack-unknown-key"),
        ("b_rules.yaml:4:12", "pack-value"),
        ("c_rules.yaml:8:14", "yaml-alias"),
        ("c_rules.yaml:8:14", "pack-value"),
    ]


def test_a_file_that_broke_off_hides_no_findings_of_the_others(pack: Path) -> None:
    """Its own sections are not called missing as well: they are in the file."""
    (pack / "b_rules.yaml").unlink()
    broken(pack, "on: [T9]", "on: [T9", "c_rules.yaml")
    broken(pack, "kind: open}", "kind: opn}")

    assert [(place, code) for place, code, _ in findings_of(pack)] == [
        ("a_pathway.yaml:9:33", "pack-value"),
        ("c_rules.yaml:4:10", "yaml-syntax"),
    ]


# --- files that do not fit together -------------------------------------------------------------------------------

TOGETHER = {
    "scalar twice": ("title: Another", "1:1 pack-duplicate", "`title` stands twice in the pack, first at {pack}/a_pathway.yaml:2:1: keep one"),
    "state twice": ("states:\n  intake: {title: Intake, kind: open}", "2:3 pack-duplicate", "`intake` stands twice in the pack, first at {pack}/a_pathway.yaml:9:3: keep one"),
    "list and mapping": ("states: []", "1:1 pack-duplicate", "`states` stands twice in the pack, first at {pack}/a_pathway.yaml:8:1"),
    "nothing and mapping": ("states:", "1:1 pack-duplicate", "`states` stands twice"),
    "template twice": ("templates: {de: {reminder: Nochmals}}", "1:18 pack-duplicate", "`reminder` stands twice"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "place", "words"), TOGETHER.values(), ids=TOGETHER.keys())
def test_what_stands_in_two_files_is_found_with_both_places(pack: Path, text: str, place: str, words: str) -> None:
    """Nothing overrides anything: the order of file names is no meaning."""
    (pack / "z_more.yaml").write_text(text)
    if "templates" in text:  # files are read by name: the translator's came first
        words += f" in the pack, first at {pack}/messages.de.yaml:5:3"

    ((at, code, message),) = findings_of(pack)

    assert f"{at.removeprefix('z_more.yaml:')} {code}" == place
    assert words.format(pack=pack) in message


MESSAGES = {
    "unknown section": ("rule: {}", "1:1 pack-unknown-key", "'rule' is not known in a file of 'de' messages: did you mean 'rules'?"),
    "unknown text": ("rules:\n  PATH-05: {messge: x}", "2:13 pack-unknown-key", "'messge' is not known here: did you mean 'message'?"),
    "list for mapping": ("states: []", "1:1 pack-value", "expected a mapping, found a list"),
    "text for a rule": ("rules:\n  PATH-05: Nein", "2:12 pack-value", "expected `message` and `remedy`, found the text 'Nein'"),
    "number for text": ("states:\n  intake: 1", "2:11 pack-value", "expected text, found the number 1"),
    "no such rule": ("rules:\n  PATH-50: {message: x}", "2:22 pack-translation", "there is nothing to translate under 'rule.PATH-50.message': did you mean 'rule.PATH-0"),
    "no such state": ("states: {intak: x}", "1:17 pack-translation", "there is nothing to translate under 'state.intak': did you mean 'state.intake'?"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "place", "words"), MESSAGES.values(), ids=MESSAGES.keys())
def test_a_translators_file_is_checked_in_its_own_shape(pack: Path, text: str, place: str, words: str) -> None:
    """The finding points into the translator's file, not at what it is turned into."""
    (pack / "messages.de.yaml").write_text(text)

    ((at, code, message),) = findings_of(pack)

    assert f"{at.removeprefix('messages.de.yaml:')} {code}" == place
    assert words in message


def test_translations_that_are_no_mapping_are_found_where_they_stand(pack: Path) -> None:
    """A number in the pack's own file does not hide behind the translator's."""
    broken(pack, "tables: {}", "tables: {}\ntranslations: 5")

    assert findings_of(pack) == [("a_pathway.yaml:36:15", "pack-value", "expected a mapping, found the number 5")]


def test_the_first_language_has_templates_only(pack: Path) -> None:
    """English rules are said in the rules: a second English text would be a second truth."""
    (pack / "messages.en.yaml").write_text("rules: {PATH-05: {message: x}}")

    ((at, _, message),) = findings_of(pack)

    assert at == "messages.en.yaml:1:1"
    assert message == "'rules' is not known in a file of 'en' messages: known here: templates"


def test_a_language_must_be_declared(pack: Path) -> None:
    """A file in a language the pack does not claim would never be shown."""
    broken(pack, "languages: [en, de]", "languages: [en]")

    found = findings_of(pack)

    assert {code for _, code, _ in found} == {"pack-language"}
    assert found[0][2] == "the language 'de' is not declared: known here: en"


def test_a_file_named_yml_is_not_left_out_in_silence(pack: Path) -> None:
    """A rule in a file that nobody reads is a rule that does not hold."""
    (pack / "b_rules.yaml").rename(pack / "b_rules.yml")

    assert ("b_rules.yml:1:1", "pack-file", "only .yaml files are read: rename it") in findings_of(pack)


def test_an_empty_folder_is_no_pack(tmp_path: Path) -> None:
    """It says so before it says that every section is missing."""
    first = findings_of(tmp_path)[0]

    assert first[1:] == ("pack-empty", "there is no .yaml file in this folder")


def test_a_file_that_vanishes_or_is_locked_is_a_finding(pack: Path) -> None:
    """An editor's lock file that points nowhere is not read; a file that cannot be opened is named."""
    (pack / ".#b_rules.yaml").symlink_to(pack / "nobody")
    assert load_pack(pack).pathway.id == "small"

    (finding,) = read_yaml(pack / "gone.yaml").findings

    assert finding.message == "the file cannot be read (No such file or directory): check its rights"


def test_a_thousand_unknown_keys_are_all_found(pack: Path) -> None:
    """Suggestions stop after the first hundred, findings do not."""
    (pack / "z.yaml").write_text("".join(f"nonsense_{number}: 1\n" for number in range(1000)))

    found = findings_of(pack)

    assert len(found) == 1000
    assert re.fullmatch(r"'nonsense_999' is not known here", found[-1][2])
