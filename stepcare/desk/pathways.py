"""Packs: proved, shown, drawn, published; and the numbers a site sets."""

import sys
from collections import Counter
from collections.abc import Iterator
from typing import Any

import typer
from rich.table import Table
from rich.text import Text

from engine.errors import BadPack, InvalidInput
from engine.model import Command, Json, Kind
from engine.pathway import Pathway
from engine.service import Answer
from stepcare.answers import answer_json
from stepcare.desk.doing import EXITS
from stepcare.desk.episodes import read_one
from stepcare.desk.opened import Desk, actor_of, opened, os_user
from stepcare.options import Options
from stepcare.problems import finding_json, finding_lines
from stepcare.publishing import findings_of, proved_pack, publish
from stepcare.render import Column, emit_text, emit_thing, json_text, note, table
from stepcare.shown import pathway_json
from stepcare.tell import decision_lines
from stepcare.typed import checked, values_from_pairs
from workflows.draw import Standing, ladder, mermaid
from workflows.load import Loaded, find_pack, load_pack
from workflows.shape import pack_schema

Row = dict[str, Json]
NOT_PROVED = 6


def check_pack(options: Options, name: str) -> None:
    """Prove a pack and show everything that stands against it, else what was proved."""
    folder = find_pack(name)
    try:
        loaded = load_pack(folder)
        findings = findings_of(loaded)
    except BadPack as error:
        loaded, findings = None, error.findings
    row: Row = {
        "pack": name,
        "proved": not findings,
        "findings": [finding_json(one) for one in findings],
        **(_proved_json(loaded) if loaded is not None else {}),
    }
    emit_thing(
        options.output, row, lambda: _check_lines(row, [line for one in findings for line in finding_lines(one)])
    )
    if findings:
        raise typer.Exit(NOT_PROVED)


def _proved_json(loaded: Loaded) -> Row:
    pathway = loaded.pathway
    levels = Counter(str(getattr(rule.level, "value", "a parameter")) for rule in pathway.rules)
    return {
        "id": pathway.id,
        "version": pathway.version,
        "sha256": loaded.sha256,
        "states": len(pathway.states),
        "transitions": len(pathway.transitions),
        "tables": {name: len(one.rows) for name, one in pathway.tables.items()},
        "rules": len(pathway.rules),
        "levels": dict[str, Json](levels),
        "forms": len(pathway.forms),
        "due": len(pathway.due),
        "parameters": len(pathway.parameters),
        "sources": len(pathway.sources),
    }


def _check_lines(row: Row, findings: list[str]) -> Iterator[Text | str]:
    if findings:
        yield from findings
        count = len(row["findings"]) if isinstance(row["findings"], list) else 0
        yield Text(f"Not proved: {count} finding{'s' if count != 1 else ''}. It cannot be published.", style="red")
        return
    tables: Any = row["tables"]
    levels: Any = row["levels"]
    yield Text(f"✓ {row['id']} {row['version']} is proved and may be published.", style="green")
    yield f"  {row['sha256']}"
    yield f"  {row['states']} states, all reachable, all but the void ones with a way out; {row['transitions']} transitions"
    said = ", ".join(f"{name} ({rows} rows)" for name, rows in tables.items())
    yield f"  {len(tables)} decision tables, total and without overlap: {said}"
    said = ", ".join(f"{count} {level}" for level, count in sorted(levels.items()))
    yield f"  {row['rules']} rules: {said}"
    yield f"  {row['forms']} forms, {row['due']} kinds of due work, {row['parameters']} parameters, {row['sources']} sources"


# --- showing ------------------------------------------------------------------------------------------------------


def show_pack(options: Options, name: str) -> None:
    """Show a pack whole."""
    loaded = load_pack(find_pack(name))
    row = pathway_json(loaded.pathway, loaded.sha256)
    emit_thing(options.output, row, lambda: _tables(loaded.pathway))


def _tables(pathway: Pathway) -> Iterator[Table | Text | str]:
    yield Text(f"{pathway.title}: {pathway.id} {pathway.version} ({pathway.status})", style="bold")
    yield pathway.label
    yield from _section(
        "States",
        ("state", "kind", "title"),
        [{"state": key, "kind": one.kind, "title": one.title} for key, one in pathway.states.items()],
    )
    yield from _section(
        "Transitions",
        ("id", "name", "from", "to", "by", "form"),
        [
            {
                "id": key,
                "name": one.name,
                "from": ", ".join(one.source) or "new",
                "to": ", ".join(one.target),
                "by": ", ".join(one.roles),
                "form": one.form,
            }
            for key, one in pathway.transitions.items()
        ],
    )
    yield from _section(
        "Forms",
        ("form", "title", "fields"),
        [{"form": key, "title": one.title, "fields": ", ".join(one.fields)} for key, one in pathway.forms.items()],
    )
    yield from _section(
        "Rules",
        ("id", "level", "on", "message"),
        [
            {
                "id": one.id,
                "level": getattr(one.level, "value", None) or f"param {getattr(one.level, 'parameter', '')}",
                "on": ", ".join(one.on),
                "message": one.message,
            }
            for one in pathway.rules
        ],
    )
    yield from _section(
        "Parameters",
        ("name", "default", "unit", "title"),
        [
            {
                "name": key,
                "default": "unset" if one.default is None else _listed(one.default),
                "unit": one.unit,
                "title": one.title,
            }
            for key, one in pathway.parameters.items()
        ],
    )


def _listed(value: Any) -> Json:
    return list(value) if isinstance(value, tuple) else value


def _section(title: str, keys: tuple[str, ...], rows: list[Row]) -> Iterator[Table | Text | str]:
    yield ""
    yield Text(f"{title} ({len(rows)})", style="bold")
    yield table(rows, [Column(key=key, title=key.upper()) for key in keys])


def draw_pack(options: Options, name: str, form: str, episode: str | None) -> None:
    """Draw a pack, or the pathway an episode runs on with its place marked."""
    draw = mermaid if form == "mermaid" else ladder
    if episode is None:
        emit_text(draw(load_pack(find_pack(name)).pathway))
        return
    with opened(options) as desk:
        found, compiled, _ = read_one(desk, episode)
        pathway = compiled.pathway
        possible: frozenset[str] = frozenset()
        if options.actor or desk.settings.actor:
            choices = desk.app.engine.options(found.id, actor_of(desk))
            possible = frozenset(one.transition for one in choices if one.open or one.second)
        emit_text(draw(pathway, Standing(state=found.state, possible=possible)))


def print_schema() -> None:
    """Print the JSON Schema of a pack."""
    emit_text(json_text(pack_schema()))


# --- changing -----------------------------------------------------------------------------------------------------


def publish_pack(options: Options, name: str) -> None:
    """Prove a pack, then put it in force; on a terminal only after a yes."""
    with opened(options) as desk:
        actor = actor_of(desk)
        loaded = proved_pack(name)
        pathway = loaded.pathway
        if desk.app.store.site().pathways.get(pathway.id) == loaded.sha256:
            note(f"{pathway.id} {pathway.version} ({loaded.sha256[:12]}) is in force already: nothing to do.")
            return
        if options.dry_run:
            note(f"Dry run: {pathway.id} {pathway.version} ({loaded.sha256}) is proved; it was not published.")
            return
        _confirm(options, f"Put {pathway.id} {pathway.version} ({loaded.sha256[:12]}) in force for new episodes?")
        _show(options, publish(desk.app, loaded, actor, desk.app.make_id()))


def set_parameter(options: Options, name: str, typed: str) -> None:
    """Set one of the site's parameters."""
    with opened(options) as desk:
        actor = actor_of(desk)
        pathway = _in_force(desk)
        value: Json = None
        if typed != "unset":
            kind = pathway.parameters[name].type if name in pathway.parameters else ""
            codes = kind in ("codes", "dates") and not typed.startswith("[")
            read = values_from_pairs((f"value={typed}",), {})
            value = [one.strip() for one in typed.split(",")] if codes else read["value"]
        command = Command(
            id=desk.app.make_id(),
            kind=Kind.SET_PARAMETER,
            actor=actor,
            values={"name": name, "value": value},
            via=f"cli:{os_user()}",
        )
        _give(options, desk, command)


def sign_off_parameter(options: Options, request: str, answer: str) -> None:
    """Answer a request about a parameter, as a second person."""
    with opened(options) as desk:
        command = Command(
            id=desk.app.make_id(),
            kind=Kind.SIGN_OFF,
            actor=actor_of(desk),
            of=request,
            values={"answer": answer},
            via=f"cli:{os_user()}",
        )
        _give(options, desk, command)


def _give(options: Options, desk: Desk, command: Command) -> None:
    engine = desk.app.engine
    _show(options, engine.preview(checked(command)) if options.dry_run else engine.handle(checked(command)))
    if options.dry_run:
        note("Dry run: nothing was kept.")


def _show(options: Options, answer: Answer) -> None:
    row = answer_json(answer)
    emit_thing(options.output, row, lambda: decision_lines(row, {}))
    code = EXITS[answer.decision.outcome]
    if code:
        raise typer.Exit(code)


def _in_force(desk: Desk) -> Pathway:
    site = desk.app.store.site()
    if not site.pathways:
        raise InvalidInput("No pathway is published here: run `stepcare pathway publish` first.")
    return desk.app.engine.compiled(next(iter(site.pathways.values()))).pathway


def _confirm(options: Options, question: str) -> None:
    """Ask back on a terminal; a program that calls has decided already."""
    if options.yes or not sys.stdin.isatty():
        return
    note(f"{question} [y/N] ")
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        note("Nothing was done.")
        raise typer.Exit(0)
