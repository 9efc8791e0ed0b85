"""Pathway packs: a folder of YAML files in, one `Pathway` and its identity out, or every finding.

The sections of all files of the folder together are the pack. A section that is a mapping or a list may be spread
over files; what stands twice is a finding. Two kinds of file have a shape of their own, for translators:
`messages.LANGUAGE.yaml`. Everything else is read as the schema says it.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from engine.audit import canonical, parse_canonical
from engine.errors import BadPack, Finding, NotFound
from engine.model import Json
from engine.pathway import FormField, Instrument, Model, Parameter, Pathway
from workflows.places import Keys, Place, Places, found
from workflows.shape import misfits, near
from workflows.wording import unsound_words
from workflows.yaml_source import Source, read_yaml

ROOM = Path(__file__).parent
MESSAGES = re.compile(r"messages\.([a-z]{2,3}(?:-[A-Z]{2})?)\.yaml")
FIRST_LANGUAGE = "en"  # its texts stand in the rules and states themselves
NUMBER = re.compile(r"[-+]?\d{1,15}(\.\d{1,15})?")

# How many levels of a section may be spread over files, where it is not one.
SPREAD = {"translations": 2, "templates": 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A pack that fits the schema. `bytes` are what is stored; `sha256` of them is the pack's identity."""

    pathway: Pathway
    sha256: str
    bytes: bytes
    places: Places
    folder: Path

    def resolve(self, findings: Iterable[Finding]) -> tuple[Finding, ...]:
        """Add file, line and column to findings about this pack that have only a path."""
        return self.places.resolve(findings)


def load_pack(folder: Path) -> Loaded:
    """Read a pack; raises BadPack with every finding, NotFound where there is no such folder."""
    if not folder.is_dir():
        raise NotFound(what="pack", name=str(folder), remedy="give the folder that holds its .yaml files.")
    merged, files = _Merged(), _files(folder)
    merged.findings += _misnamed(folder)
    if not files:
        message = "there is no .yaml file in this folder"
        raise BadPack([Finding(code="pack-empty", message=message, file=str(folder), line=1, column=1)])
    for path in files:
        source = read_yaml(path)
        merged.add(source, MESSAGES.fullmatch(path.name))
    pathway = _validated(merged)
    if pathway is not None:
        merged.findings += merged.places.resolve(_loose_ends(pathway))
    if pathway is None or merged.findings:
        raise BadPack(sorted(merged.findings, key=lambda one: (one.file, one.line, one.column)))
    data = pack_bytes(pathway)
    return Loaded(
        pathway=pathway, sha256=hashlib.sha256(data).hexdigest(), bytes=data, places=merged.places, folder=folder
    )


def shipped_packs() -> tuple[str, ...]:
    """Give the names of the packs that come with the product."""
    return tuple(sorted(path.name for path in ROOM.iterdir() if path.is_dir() and _files(path)))


def find_pack(name_or_path: str) -> Path:
    """Give the folder of a shipped pack by its name, or of any pack by its path."""
    shipped = shipped_packs()
    if name_or_path in shipped:
        return ROOM / name_or_path
    path = Path(name_or_path)
    if path.is_dir():
        return path
    raise NotFound(what="pack", name=name_or_path[:200], remedy=f"{near(name_or_path, shipped)}; or give a folder.")


# --- the stored bytes ---------------------------------------------------------------------------------------------


def pack_bytes(pathway: Pathway) -> bytes:
    """Give the canonical JSON of a pathway.

    Defaults are left out, so that a schema that grows does not change the identity of old packs. Canonical JSON
    sorts keys, but people are asked a form's questions in the author's order: `order` keeps it.
    """
    dump = pathway.model_dump(mode="json", exclude_defaults=True)
    return canonical({**dump, "order": list(_orders(pathway, ()))})


def pathway_from_bytes(data: bytes) -> Pathway:
    """Read what `pack_bytes` wrote; raises BadPack where this version's schema does not fit it."""
    stored = parse_canonical(data)
    if not isinstance(stored, dict):
        raise BadPack([Finding(code="pack-value", message="expected a stored pack, a JSON object")])
    restored = _reordered(stored, (), _kept(stored.pop("order", [])))
    try:
        return Pathway.model_validate_json(json.dumps(restored), strict=True)
    except ValidationError as error:
        raise BadPack(list(misfits(error, restored, Places()))) from None


def _orders(value: object, at: Keys) -> Iterator[Json]:
    """Give the keys of every mapping whose author's order is not the alphabet's."""
    if isinstance(value, Model):
        for name in type(value).model_fields:
            yield from _orders(getattr(value, name), (*at, name))
    elif isinstance(value, dict):
        keys = list(value)
        if keys != sorted(keys):
            yield {"at": list(at), "keys": keys}
        for key, item in value.items():
            yield from _orders(item, (*at, key))
    elif isinstance(value, tuple):
        for position, item in enumerate(value):
            yield from _orders(item, (*at, position))


def _kept(order: Json) -> dict[str, list[str]]:
    """Index the kept orders by their path; what is not one is passed over, as the alphabet orders too."""
    orders = [one for one in order if isinstance(one, dict)] if isinstance(order, list) else []
    pairs = [(json.dumps(one.get("at")), one.get("keys")) for one in orders]
    return {at: [str(key) for key in keys] for at, keys in pairs if isinstance(keys, list)}


def _reordered(value: Json, at: Keys, kept: dict[str, list[str]]) -> Json:
    if isinstance(value, list):
        return [_reordered(item, (*at, position), kept) for position, item in enumerate(value)]
    if not isinstance(value, dict):
        return value
    keys = dict.fromkeys((*kept.get(json.dumps(at), ()), *value))
    return {key: _reordered(value[key], (*at, key), kept) for key in keys if key in value}


# --- merging ------------------------------------------------------------------------------------------------------


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*.yaml") if path.is_file() and not path.name.startswith("."))


def _misnamed(folder: Path) -> Iterator[Finding]:
    """Name what would be left out in silence."""
    for path in sorted(folder.glob("*.yml")):
        yield Finding(
            code="pack-file", message="only .yaml files are read: rename it", file=str(path), line=1, column=1
        )


@dataclass(slots=True)
class _Merged:
    """The pack so far, with the place of everything in it. `whole`: every file could be read to its end."""

    data: dict[str, Json] = field(default_factory=dict)
    places: Places = field(default_factory=Places)
    findings: list[Finding] = field(default_factory=list)
    whole: bool = True

    def add(self, source: Source, messages: re.Match[str] | None) -> None:
        """Take in one file."""
        self.findings += source.findings
        self.whole = self.whole and source.whole
        self.places.values.setdefault((), Place(file=source.file, line=1, column=1))
        if messages:
            self._add_messages(source, messages[1])
            return
        for section in source.data:
            self._merge(source, (section,), (section,), SPREAD.get(section, 1))

    def _merge(self, source: Source, taken: Keys, path: Keys, levels: int) -> None:
        """Put what stands at `taken` in the source at `path` in the pack, joining what may be joined."""
        value, (into, key) = _at(source.data, taken), self._hold(path)
        if key not in into:
            into[key] = deepcopy(value)
            self._graft(source, value, taken, path)
            return
        old = into[key]
        if levels and isinstance(old, dict) and isinstance(value, dict):
            for name in value:
                self._merge(source, (*taken, name), (*path, name), levels - 1)
        elif levels and isinstance(old, list) and isinstance(value, list):
            for position, item in enumerate(value):
                self._graft(source, item, (*taken, position), (*path, len(old)))
                old.append(deepcopy(item))
        else:
            self._twice(source, taken, path)

    def _hold(self, path: Keys) -> tuple[dict[str, Json], str]:
        """Give the mapping that holds the last key of a path, making the mappings on the way."""
        into = self.data
        for key in path[:-1]:
            inner = into.setdefault(str(key), {})
            if not isinstance(inner, dict):
                inner = {}
            into = inner
        return into, str(path[-1])

    def _graft(self, source: Source, value: Json, taken: Keys, path: Keys) -> None:
        """Carry the places of a value, and of everything in it, to where it stands in the pack."""
        if (place := source.places.values.get(taken)) is not None:
            self.places.values[path] = place
        if (place := source.places.keys.get(taken)) is not None:
            self.places.keys[path] = place
        if isinstance(value, dict):
            for key, item in value.items():
                self._graft(source, item, (*taken, key), (*path, key))
        elif isinstance(value, list):
            for position, item in enumerate(value):
                self._graft(source, item, (*taken, position), (*path, position))

    def _twice(self, source: Source, taken: Keys, path: Keys) -> None:
        first = self.places.of_key(path)
        self._find(
            source, taken, "pack-duplicate", f"`{path[-1]}` stands twice in the pack, first at {first}: keep one"
        )

    def _find(self, source: Source, at: Keys, code: str, message: str) -> None:
        # What is wrong with a value stands at the value, everything else at its key.
        at_value = source.places.of(at) if code == "pack-value" else source.places.of_key(at)
        place = at_value or Place(file=source.file, line=1, column=1)
        self.findings.append(
            Finding(code=code, message=message, path=at, file=place.file, line=place.line, column=place.column)
        )

    def _add_messages(self, source: Source, language: str) -> None:
        """Take in a translator's file: templates, and (but for the first language) texts of rules and states."""
        known = ("templates",) if language == FIRST_LANGUAGE else ("templates", "rules", "states")
        for section, value in source.data.items():
            if section not in known:
                message = f"{section!r} is not known in a file of {language!r} messages: {near(section, known)}"
                self._find(source, (section,), "pack-unknown-key", message)
            elif not isinstance(value, dict):
                message = f"expected a mapping, found {found(value)}"
                self._find(source, (section,), "pack-value", message)
            elif section == "templates":
                self._merge(source, (section,), (section, language), 1)
            elif section == "states":
                for name in value:
                    self._merge(source, (section, name), ("translations", language, f"state.{name}"), 0)
            else:
                self._add_rule_texts(source, language, value)

    def _add_rule_texts(self, source: Source, language: str, rules: dict[str, Json]) -> None:
        known = ("message", "remedy")
        for rule, texts in rules.items():
            if not isinstance(texts, dict):
                message = f"expected `message` and `remedy`, found {found(texts)}"
                self._find(source, ("rules", rule), "pack-value", message)
                continue
            for name in texts:
                taken: Keys = ("rules", rule, name)
                if name in known:
                    self._merge(source, taken, ("translations", language, f"rule.{rule}.{name}"), 0)
                else:
                    message = f"{name!r} is not known here: {near(name, known)}"
                    self._find(source, taken, "pack-unknown-key", message)


def _at(data: Json, path: Keys) -> Json:
    for part in path:
        data = data[str(part)] if isinstance(data, dict) else None
    return data


# --- checking -----------------------------------------------------------------------------------------------------


def _validated(merged: _Merged) -> Pathway | None:
    try:
        # JSON in strict mode: text is never taken for a number, nor a number for true.
        return Pathway.model_validate_json(json.dumps(merged.data), strict=True)
    except ValidationError as error:
        complaints = merged.places.resolve(misfits(error, merged.data, merged.places))
    # A file that broke off has taken its sections with it: they are not missing.
    merged.findings += [one for one in complaints if merged.whole or one.code != "pack-missing" or one.path]
    return None


def _loose_ends(pathway: Pathway) -> Iterator[Finding]:
    """Find what the schema cannot: bounds that are no numbers, texts for what is not there."""
    for path, text in _bounds(pathway):
        if isinstance(text, str) and not NUMBER.fullmatch(text):
            yield Finding(code="pack-value", message=f"expected a number, found {found(text)}", path=path)
    known = dict.fromkeys(f"rule.{rule.id}.{part}" for rule in pathway.rules for part in ("message", "remedy"))
    known |= dict.fromkeys(f"state.{name}" for name in pathway.states)
    for language, texts in pathway.translations.items():
        for key in texts:
            if key not in known:
                message = f"there is nothing to translate under {key!r}: {near(key, tuple(known))}"
                yield Finding(code="pack-translation", message=message, path=("translations", language, key))
    for section, languages in (("translations", pathway.translations), ("templates", pathway.templates)):
        for language in languages:
            if language not in pathway.languages:
                message = f"the language {language!r} is not declared: {near(language, pathway.languages)}"
                yield Finding(code="pack-language", message=message, path=(section, language))
    yield from unsound_words(pathway)


def _bounds(pathway: Pathway) -> Iterator[tuple[Keys, int | str | None]]:
    bounded: list[tuple[Keys, Instrument | Parameter | FormField]] = []
    bounded += [(("instruments", name), one) for name, one in pathway.instruments.items()]
    measured = {name: one for name, one in pathway.parameters.items() if one.type not in ("duration", "time")}
    bounded += [(("parameters", name), one) for name, one in measured.items()]
    bounded += [one for name, form in pathway.forms.items() for one in _fields(form.fields, ("forms", name))]
    for path, one in bounded:
        yield (*path, "low"), one.low
        yield (*path, "high"), one.high


def _fields(fields: Mapping[str, FormField], path: Keys) -> Iterator[tuple[Keys, FormField]]:
    for name, one in fields.items():
        yield (*path, "fields", name), one
        yield from _fields(one.fields, (*path, "fields", name))
