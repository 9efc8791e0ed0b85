"""A pack is read from its files into one pathway with one identity, and every value keeps its place."""

import hashlib
import json
from pathlib import Path

import pytest

from engine.audit import canonical
from engine.errors import BadPack, Finding, NotFound, VerificationFailed
from workflows.load import find_pack, load_pack, pack_bytes, pathway_from_bytes, shipped_packs
from workflows.shape import pack_schema


def test_the_files_of_a_folder_are_one_pack(pack: Path) -> None:
    """Rules from two files stand one after the other, in the order of the file names."""
    pathway = load_pack(pack).pathway

    assert [rule.id for rule in pathway.rules] == ["PATH-05", "PATH-06"]
    assert pathway.seed_trace["S01"].maps == ("rule PATH-05",)
    assert pathway.id == "small"


def test_a_section_may_be_spread_over_files(pack: Path) -> None:
    """States in two files are one set of states."""
    (pack / "d_states.yaml").write_text("states:\n  closed_lost: {title: Lost, kind: closed}\n")

    assert list(load_pack(pack).pathway.states)[-1] == "closed_lost"


def test_translations_have_flat_keys(pack: Path) -> None:
    """A translator writes rules and states as they look in the pack; they are kept under one key each."""
    pathway = load_pack(pack).pathway

    assert pathway.translations == {
        "de": {
            "rule.PATH-05.message": "Nicht neu beurteilt.",
            "rule.PATH-05.remedy": "Neu beurteilen.",
            "state.intake": "Aufnahme",
        }
    }
    assert pathway.templates == {"de": {"reminder": "Bitte kommen Sie."}, "en": {"reminder": "Please come in."}}


def test_decimals_dates_and_yes_stay_as_typed(pack: Path) -> None:
    """0.1 and 2.50 never become floats, a date stays text, and `yes` is the code yes, not true."""
    pathway = load_pack(pack).pathway

    dose = pathway.forms["visit"].fields["dose"]
    assert (dose.low, dose.high) == ("0.1", "2.50")
    assert pathway.sources["site"].review_due == "2026-03-02"
    assert pathway.forms["visit"].fields["answer"].options == ("yes", "no")


def test_identity_is_the_hash_of_the_stored_bytes(pack: Path) -> None:
    """The identity is SHA-256 of canonical JSON: anyone can redo the sum."""
    loaded = load_pack(pack)

    assert loaded.sha256 == hashlib.sha256(loaded.bytes).hexdigest()
    assert canonical(json.loads(loaded.bytes)) == loaded.bytes
    assert load_pack(pack).sha256 == loaded.sha256


def test_identity_leaves_defaults_out(pack: Path) -> None:
    """Writing out a default changes nothing, so a schema that grows does not rename old packs."""
    before = load_pack(pack).sha256
    rules = pack / "b_rules.yaml"
    rules.write_text(rules.read_text() + "    on_unknown: refuse\n")

    assert load_pack(pack).sha256 == before


@pytest.mark.parametrize(("old", "new"), [("Reassess.", "Look."), ("14", "15")], ids=["a word", "a number"])
def test_any_change_of_meaning_changes_the_identity(pack: Path, old: str, new: str) -> None:
    """One word or number of one rule, and it is another pack."""
    before = load_pack(pack).sha256
    rules = pack / "b_rules.yaml"
    rules.write_text(rules.read_text().replace(old, new))

    assert load_pack(pack).sha256 != before


def test_stored_bytes_give_the_same_pathway(pack: Path) -> None:
    """What the database keeps is the pack, with questions, states and transitions in the author's order."""
    loaded = load_pack(pack)

    again = pathway_from_bytes(loaded.bytes)

    assert again == loaded.pathway
    assert list(again.forms["visit"].fields) == ["pain", "dose", "answer"]
    assert list(again.transitions) == list(loaded.pathway.transitions)
    assert pack_bytes(again) == loaded.bytes


def test_stored_bytes_without_an_order_are_read_by_the_alphabet(pack: Path) -> None:
    """The order is a courtesy to people; bytes that hold none are still the pathway."""
    stored = json.loads(load_pack(pack).bytes)
    del stored["order"]

    assert list(pathway_from_bytes(canonical(stored)).forms["visit"].fields) == ["answer", "dose", "pain"]


@pytest.mark.parametrize("order", [1, [1, {"at": 1}, {"at": ["forms"], "keys": [["x"], "no"]}]], ids=["odd", "odder"])
def test_an_odd_order_in_stored_bytes_is_passed_over(pack: Path, order: object) -> None:
    """An order that names what is not there adds nothing and loses nothing."""
    loaded = load_pack(pack)
    stored = json.loads(loaded.bytes)
    stored["order"] = order

    assert pathway_from_bytes(canonical(stored)) == loaded.pathway


def test_stored_bytes_of_another_schema_are_refused_with_every_finding() -> None:
    """A pack that this version cannot read says what it misses, without a place in a file."""
    with pytest.raises(BadPack) as caught:
        pathway_from_bytes(canonical({"id": "small", "novelty": 1}))

    found = {finding.message for finding in caught.value.findings}
    assert "`title` is missing: expected text" in found
    assert any(message.startswith("'novelty' is not known here: known here: id, title") for message in found)


@pytest.mark.parametrize("data", [b"[]", b'"x"'], ids=["list", "text"])
def test_stored_bytes_that_are_no_object_are_refused(data: bytes) -> None:
    """Whatever else is canonical JSON is still no pack."""
    with pytest.raises(BadPack, match="a JSON object"):
        pathway_from_bytes(data)


def test_stored_bytes_in_another_form_are_refused(pack: Path) -> None:
    """Only one form of the bytes has the pack's hash; another was not written by us."""
    with pytest.raises(VerificationFailed):
        pathway_from_bytes(load_pack(pack).bytes + b" ")


# --- places -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "place"),
    [
        (("states", "intake", "kind"), "a_pathway.yaml:9:33"),
        (("states", "intake"), "a_pathway.yaml:9:3"),
        (("states",), "a_pathway.yaml:8:1"),
        (("rules", 0, "requires"), "b_rules.yaml:5:15"),
        (("rules", 1, "requires"), "c_rules.yaml:5:15"),
        (("rules", 1, "level", "parameter"), "c_rules.yaml:4:24"),
        (("rules", 1, "no", "such"), "c_rules.yaml:2:5"),
        (("rules", 7), "b_rules.yaml:1:1"),
        (("translations", "de", "rule.PATH-05.remedy"), "messages.de.yaml:2:52"),
        (("templates", "de", "reminder"), "messages.de.yaml:5:13"),
        (("nowhere",), "a_pathway.yaml:1:1"),
    ],
    ids=lambda value: value if isinstance(value, str) else "/".join(map(str, value)),
)
def test_findings_are_given_the_nearest_place(pack: Path, path: tuple[str | int, ...], place: str) -> None:
    """A later check knows only the path; it comes back as file, line and column of the value or what encloses it."""
    (finding,) = load_pack(pack).resolve([Finding(code="x", message="y", path=path)])

    assert finding.place == f"{pack}/{place}"


@pytest.mark.parametrize(
    ("path", "column"),
    [(("rules", 0, "requires"), 15 + 12), (("rules", 1, "requires"), 15), (("response", "agrees"), 11 + 12)],
    ids=["one line", "several lines: its beginning", "text in a text"],
)
def test_an_offset_into_a_condition_becomes_a_column(pack: Path, path: tuple[str | int, ...], column: int) -> None:
    """`14` in `stay.day >= 14` is underlined itself where the condition stands on one line."""
    (finding,) = load_pack(pack).resolve([Finding(code="x", message="y", path=path, column=13)])

    assert finding.column == column


def test_a_finding_with_a_place_keeps_it(pack: Path) -> None:
    """What already knows its place is left alone."""
    placed = Finding(code="x", message="y", path=("states",), file="elsewhere.yaml", line=3, column=4)

    assert load_pack(pack).resolve([placed]) == (placed,)


# --- finding packs ------------------------------------------------------------------------------------------------


def test_a_pack_is_found_by_its_folder(pack: Path) -> None:
    """Any folder may be given."""
    assert find_pack(str(pack)) == pack


def test_shipped_packs_are_found_by_name() -> None:
    """What comes with the product needs no path."""
    for name in shipped_packs():
        assert find_pack(name).name == name


def test_an_unknown_pack_says_what_there_is() -> None:
    """A pack that is not there is not found (exit 3), with what to give instead."""
    with pytest.raises(NotFound, match="or give a folder") as caught:
        find_pack("no_such_pack")

    assert caught.value.exit == 3


def test_a_missing_folder_is_not_found(tmp_path: Path) -> None:
    """A path that is no folder is not a bad pack but none."""
    with pytest.raises(NotFound, match=r"\.yaml files"):
        load_pack(tmp_path / "gone")


def test_the_schema_is_published() -> None:
    """Editors can check a pack while it is written."""
    schema = pack_schema()

    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert "states" in schema["properties"]
    json.dumps(schema)
