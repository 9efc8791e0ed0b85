"""Listing what nobody acts on any more, and taking it up again."""

from dataclasses import replace

from engine.errors import InvalidInput
from stepcare.desk.doing import find_episode, show_answer
from stepcare.desk.looking import answered, looked, seen_by
from stepcare.desk.opened import actor_of, opened, os_user, reader_of
from stepcare.due_retry import again, put_back, put_json, stuck_json, stuck_rows
from stepcare.options import Options
from stepcare.render import Column, emit_rows, emit_thing
from stepcare.sight import sees
from stepcare.typed import checked
from storage.sight import teams_of_episodes, whose

EMPTY = "Nothing was put aside, and every message so far reached somebody or was taken back for a reason."
COLUMNS = (
    Column(key="status", title="STATUS"),
    Column(key="what", title="WHAT"),
    Column(key="kind", title="KIND"),
    Column(key="words", title="WHY"),
    Column(key="taken_up", title="TRIES", right=True),
    Column(key="id", title="ID", whole=True),
)


def list_parked(options: Options) -> None:
    """List what was put aside, and the messages that reached nobody; only of episodes the reader may see."""
    with opened(options) as desk:
        reader = reader_of(desk, "lists")
        rows = stuck_rows(desk.app)
        teams = teams_of_episodes(desk.app.database, (one.episode for one in rows))
        seen = [one for one in rows if reader is None or sees(reader, teams.get(one.episode, ""))]
        episodes = list(dict.fromkeys(one.episode for one in seen))
        persons = [whose(desk.app.database, one)[1] for one in episodes]
        looked(desk, what="read.list", persons=persons, episodes=episodes, query={"kind": "parked"})
        emit_rows(options.output, [stuck_json(one) for one in seen], COLUMNS, EMPTY)


def retry(options: Options, name: str, key: str | None) -> None:
    """Put back what was parked, or have a message that reached nobody sent once more."""
    head, colon, own = name.partition(":")
    if not colon:
        raise InvalidInput("That names nothing that could be taken up: give an ID as `stepcare due parked` shows it.")
    with opened(options) as desk:
        actor, episode = actor_of(desk), find_episode(desk, head)
        seen_by(desk, episode.id, episode.team)
        whole = f"{episode.id}:{own}"
        put = put_back(desk.app, actor, episode, whole) if not options.dry_run else None
        if put is not None:
            row = put_json(put, episode, desk.app)
            was = f"was put aside ({row['words']}) and waits again" if put.was else "was not put aside, and waits"
            emit_thing(options.output, row, lambda: [f"✓ {put.id} {was}."])
            return
        compiled = desk.app.engine.compiled(episode.pathway)
        command = checked(replace(again(desk.app, actor, episode, whole, f"cli:{os_user()}"), key=key))
        answer = desk.app.engine.preview(command) if options.dry_run else desk.app.engine.handle(command)
        answered(desk, answer)
        show_answer(options, answer, compiled, actor)
