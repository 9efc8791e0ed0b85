"""Setting up: the database, the settings, the colleagues."""

import os
import re
from dataclasses import replace
from pathlib import Path

from engine.errors import InvalidInput, near
from engine.model import Json, Role
from stepcare.app import migrate_app, open_app
from stepcare.desk.opened import opened, settings_of
from stepcare.options import Options
from stepcare.render import Column, emit_rows, emit_thing, note
from stepcare.settings import sources
from stepcare.typed import require_text
from storage.staff import Colleague

ID = re.compile(r"[a-z0-9][a-z0-9_.-]{0,39}")
FOREIGN = (Role.SERVICE, Role.OUTSIDER)  # the program's own, and nobody's


def run_migrate(options: Options, zone: str | None) -> None:
    """Make or upgrade the database the options name."""
    settings = settings_of(options)
    if options.dry_run:
        note(f"Dry run: {settings.database} would be made, or brought up to date.")
        return
    version = migrate_app(settings.database, zone or settings.zone, vault=settings.vault_directory)
    with open_app(settings.database, vault=settings.vault_directory) as app:
        row: dict[str, Json] = {
            "database": app.database.backend.place,
            "schema": version,
            "origin": app.database.origin,
            "zone": app.database.zone,
            "published": list[Json](app.store.site().pathways),
            "users": len(_staff_of(app.database)),
        }
    emit_thing(
        options.output,
        row,
        lambda: [
            f"✓ {row['database']} has schema {version}; its log is {row['origin']}, its zone {row['zone']}.",
            *_next(row),
        ],
    )


def _staff_of(database: object) -> dict[str, Colleague]:
    from storage.database import Database  # noqa: PLC0415
    from storage.staff import Staff  # noqa: PLC0415

    return Staff(database).all() if isinstance(database, Database) else {}


def _next(row: dict[str, Json]) -> list[str]:
    steps = []
    if not row["users"]:
        steps.append("Next: stepcare user add olga --role pathway_owner; stepcare user add ann --role coordinator")
    if not row["published"]:
        steps.append("Then: stepcare pathway publish mid_upper_back --as olga")
    return steps


def show_config(options: Options, *, with_source: bool) -> None:
    """Show the settings, secrets hidden."""
    settings = settings_of(options)
    rows = sources(os.environ, settings, given=options.data is not None)
    columns = [Column(key="name", title="SETTING"), Column(key="value", title="VALUE")]
    if with_source:
        columns += [Column(key="source", title="FROM"), Column(key="variable", title="VARIABLE")]
    emit_rows(options.output, [dict[str, Json](row) for row in rows], columns, "")
    if not (Path(settings.database.rpartition("://")[2]) / "stepcare.db").exists():
        note(f"There is no database in {settings.database} yet: run `stepcare migrate`.")


def add_user(options: Options, who: str, roles: list[str], teams: list[str], name: str) -> None:
    """Keep a colleague with their roles and care teams."""
    if not ID.fullmatch(who):
        raise InvalidInput(f"{who[:40]!r} cannot be an id: use a-z, 0-9, _ . -, at most 40, no name of a person.")
    for role in roles:
        if role not in tuple(Role) or role in FOREIGN:
            raise InvalidInput(
                f"{role[:40]!r} is no role to hold. {near(role, tuple(one for one in Role if one not in FOREIGN))}"
            )
    for team in teams:
        if not ID.fullmatch(team):
            raise InvalidInput(f"{team[:40]!r} cannot be a team: use a-z, 0-9, _ . -, at most 40.")
    require_text("name", name, 200)
    colleague = Colleague(
        id=who, roles=tuple(dict.fromkeys(Role(one) for one in roles)), teams=tuple(dict.fromkeys(teams)), name=name
    )
    row = {**_row(colleague), "changed": True}
    with opened(options) as desk:
        before = desk.staff.all().get(who)
        if before is not None:  # how they are reached is said elsewhere, and stays
            colleague = replace(colleague, contacts=before.contacts, channels=before.channels)
        row["changed"] = True if options.dry_run else desk.staff.add(colleague)
    said = f"{who} acts as {', '.join(roles)} in {', '.join(teams)}"
    emit_thing(options.output, row, lambda: [f"✓ {said}." if row["changed"] else f"{said} already: nothing changed."])
    if options.dry_run:
        note("Dry run: nothing was kept.")


def list_users(options: Options) -> None:
    """List the colleagues, without names and addresses."""
    with opened(options) as desk:
        rows = [_row(one) for one in desk.staff.all().values()]
    titles = {"id": "ID", "roles": "ROLES", "teams": "TEAMS", "reached_by": "REACHED BY"}
    columns = [Column(key=key, title=title) for key, title in titles.items()]
    emit_rows(options.output, rows, columns, "Nobody may act here yet: add one with `stepcare user add ann --role …`.")


def _row(colleague: Colleague) -> dict[str, Json]:
    ways = (*colleague.channels, *(name for name in sorted(colleague.contacts) if name not in colleague.channels))
    return {
        "id": colleague.id,
        "roles": [one.value for one in colleague.roles],
        "teams": list[Json](colleague.teams),
        "reached_by": list[Json](ways),
    }
