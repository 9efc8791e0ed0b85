"""Everything that is kept on one person, for that person: who they are, their episodes, each decision, who looked.

It is gathered at one moment and told twice: as JSON, and as a page that can be read and printed. What was erased is not
in it, because nobody can open it any more.
"""

import hashlib
import html
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from engine.audit import instant
from engine.compiled import Compiled
from engine.errors import NotFound, StepcareError
from engine.model import Episode, Json
from stepcare.answers import message_json
from stepcare.app import App
from stepcare.render import cell, json_text
from stepcare.shown import episode_json, timeline_json
from storage.access_read import AccessFilter, Noted, noted
from storage.ledger import Kept
from storage.queries import MOST, EpisodeFilter, episodes

Row = dict[str, Json]
JSON_NAME, PAGE_NAME, MANIFEST_NAME = "subject.json", "subject.html", "manifest.json"


def subject_of(app: App, person: str) -> Row:
    """Gather everything on one person; NotFound where there is nobody, Erased after erasure."""
    now = app.clock()
    app.store.require_not_erased(person)
    details = app.vault.details(person)
    app.vault.key(person)
    found = list(_episodes(app, person))
    kept = [app.store.kept(entry.idx) for entry in app.store.entries_about(person, 2**62)]
    contacts: Row = dict(details.contacts)
    return {
        "person": person,
        "at": instant(now),
        "log": app.database.origin,
        "identity": {
            "name": details.name,
            "born": details.born.isoformat() if details.born else None,
            "contacts": contacts,
            "language": details.language,
        },
        "episodes": [_episode_json(app, one) for one in found],
        "decisions": [_decision_json(app, one) for one in kept],
        "messages": [{"episode": one.id, **message_json(message)} for one in found for message in one.messages],
        "looked": [looked_json(one) for one in _reads(app, person)],
    }


def _episodes(app: App, person: str) -> Iterator[Episode]:
    after = ""
    while True:
        page = episodes(app.database, EpisodeFilter(person=person, open_only=False, after=after, limit=MOST))
        yield from (app.store.episode(line.id) for line in page)
        if len(page) < MOST:
            return
        after = page[-1].cursor


def _reads(app: App, person: str) -> Iterator[Noted]:
    before: int | None = None
    while page := noted(app.database, AccessFilter(ref=person, before=before)):
        yield from page
        before = page[-1].idx


def _episode_json(app: App, episode: Episode) -> Row:
    return episode_json(episode, app.engine.compiled(episode.pathway), app.clock())


def _decision_json(app: App, kept: Kept) -> Row:
    compiled = _compiled(app, kept)
    command = kept.decision.command
    line: Row = (
        timeline_json(kept, compiled)
        if compiled is not None
        else {"entry": kept.envelope.index, "what": command.kind.value, "outcome": kept.decision.outcome.value}
    )
    words = {rule.id: rule.message for rule in compiled.pathway.rules} if compiled is not None else {}
    failed: list[Json] = [{"rule": name, "says": words.get(name, "")} for name in kept.decision.failed]
    return {
        **line,
        "episode": kept.envelope.episode,
        "values": dict(command.values),
        "overrides": [{"rule": one.rule, "reason": one.reason, "text": one.text} for one in command.overrides],
        "failed": failed,
    }


def _compiled(app: App, kept: Kept) -> Compiled | None:
    try:
        return app.engine.compiled(kept.envelope.pathway) if kept.envelope.pathway else None
    except (NotFound, StepcareError):
        return None  # the decision is told without the pathway's words rather than left out


def looked_json(one: Noted) -> Row:
    """Give a read as people ask for it: who looked, when, at what, what for."""
    said = one.said
    return {
        "number": one.idx,
        "at": said["ts"],
        "actor": said["actor"]["id"],
        "role": said["actor"]["role"],
        "type": said["type"],
        "purpose": said["pou"],
        "persons": said.get("persons", []),
        "episodes": said.get("episodes", []),
        "query": said.get("query", {}),
        "reason": said.get("reason"),
        "until": said.get("until"),
        "opening": said.get("opening"),
        "finding": said.get("finding"),
        "request": said["req"],
        "via": said.get("via"),
    }


# --- written --------------------------------------------------------------------------------------------------------


def files_of(subject: Row, by: str) -> dict[str, bytes]:
    """Give the files of an export by name, the manifest last; `by` is who made it."""
    made = {
        JSON_NAME: f"{json_text(subject)}\n".encode(),
        PAGE_NAME: page_of(subject).encode(),
    }
    manifest: Row = {
        "person": subject["person"],
        "at": subject["at"],
        "by": by,
        "log": subject["log"],
        "counts": {name: len(_list(subject[name])) for name in ("episodes", "decisions", "messages", "looked")},
        "files": [
            {"name": name, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
            for name, data in made.items()
        ],
    }
    return {**made, MANIFEST_NAME: f"{json_text(manifest)}\n".encode()}


def page_of(subject: Row) -> str:
    """Give the page people read; whatever it holds is text, never markup."""
    identity: Any = subject["identity"]
    body = [
        "<h1>What is kept on you</h1>",
        f"<p>Reference {_text(subject['person'])}, as of {_text(subject['at'])}.</p>",
        "<h2>Who you are and how you are reached</h2>",
        _pairs({**identity, "contacts": None, **{f"contact: {k}": v for k, v in identity["contacts"].items()}}),
        "<h2>Your episodes of care</h2>",
    ]
    for episode in _list(subject["episodes"]):
        body += [f"<h3>{_text(episode['episode'])}: {_text(episode['title'])}</h3>", *_records(episode)]
    body += [
        "<h2>What was decided</h2>",
        _table(_list(subject["decisions"]), ("recorded_at", "occurred_at", "episode", "what", "by", "role", "outcome")),
        *_reasons(_list(subject["decisions"])),
        "<h2>Messages to you</h2>",
        _table(_list(subject["messages"]), ("episode", "template", "channel", "not_before", "status")),
        "<h2>Who looked</h2>",
        _table(_list(subject["looked"]), ("at", "actor", "role", "type", "purpose", "reason", "episodes")),
    ]
    style = "body{font:1rem/1.4 sans-serif;max-width:60rem;margin:2rem auto}td,th{text-align:left;padding:.2rem .6rem}"
    head = f'<meta charset="utf-8"><title>What is kept on you</title><style>{style}</style>'
    return f'<!DOCTYPE html>\n<html lang="en"><head>{head}</head><body>\n{chr(10).join(body)}\n</body></html>\n'


def _records(episode: Mapping[str, Any]) -> Iterator[str]:
    yield _pairs({name: episode[name] for name in ("state", "since", "team", "owner", "language")})
    for record in episode["records"]:
        over = " (corrected later)" if record["superseded_by"] else ""
        yield f"<h4>{_text(record['form'])}, {_text(record['occurred_at'])}{over}</h4>{_pairs(record['values'])}"


def _reasons(decisions: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    for one in decisions:
        said = [f"{failed['rule']}: {failed['says']}" for failed in one["failed"]]
        said += [f"{passed['rule']} was passed ({passed['reason']}): {passed['text']}" for passed in one["overrides"]]
        if said:
            yield f"<p>Entry {_text(one['entry'])}: {_text('; '.join(said))}</p>"


def _list(value: Json) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: Json) -> str:
    return html.escape(cell(value))


def _pairs(values: Mapping[str, Json]) -> str:
    rows = (f"<tr><th>{_text(name)}</th><td>{_text(one)}</td></tr>" for name, one in values.items() if one is not None)
    return f"<table>{''.join(rows)}</table>"


def _table(rows: list[Any], columns: tuple[str, ...]) -> str:
    if not rows:
        return "<p>None.</p>"
    head = "".join(f"<th>{_text(name.replace('_', ' '))}</th>" for name in columns)
    body = "".join(f"<tr>{''.join(f'<td>{_text(row.get(name))}</td>' for name in columns)}</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{body}</table>"
