"""An episode's story: every entry with both its times, what it corrects, and what was corrected under it."""

from collections.abc import Iterator
from datetime import timedelta

from engine.compiled import Compiled
from engine.decision import Recorded
from engine.model import Json
from stepcare.asof import OCCURRED
from stepcare.past import Past, Step, Wrong
from stepcare.shown import timeline_json

Row = dict[str, Json]
LATE = timedelta(minutes=1)  # what is typed in while it happens is not late


def story_json(past: Past, compiled: Compiled, by: str) -> list[Row]:
    """Give the entries in the order they were recorded, or occurred; at the same instant the log's order holds."""
    steps = sorted(past.steps, key=lambda step: step.occurred_at) if by == OCCURRED else past.steps
    return [told_json(past, step, compiled) for step in steps]


def told_json(past: Past, step: Step, compiled: Compiled) -> Row:
    """Give an entry as a line of the story."""
    late = step.recorded_at - step.occurred_at
    events = [event for event in step.kept.decision.events if isinstance(event, Recorded)]
    own = [event.record.id for event in events]
    row = timeline_json(step.kept, compiled)
    for event in events:
        if event.supersedes is not None:
            form = compiled.pathway.forms.get(event.record.form)
            row["what"] = f"correct {(form.title if form else event.record.form).lower()}"
    return {
        **row,
        "late_seconds": int(late.total_seconds()) if late >= LATE else None,
        "corrects": step.kept.envelope.corrects,
        "corrected_by": [one.entry for record in own for one in past.corrected_by(record)],
        "relied_wrongly": [wrong_json(one) for one in past.relied_wrongly(step.kept)],
    }


def wrong_json(wrong: Wrong) -> Row:
    """Give something a decision relied on that was corrected after it."""
    return {
        "record": wrong.record,
        "form": wrong.form,
        "entry": wrong.entry,
        "corrected_by": list[Json](wrong.corrected_by),
    }


def misled_json(past: Past, compiled: Compiled) -> Iterator[Row]:
    """Give the decisions of the episode that relied on something corrected after them, each with what it was."""
    for step in past.steps:
        row = told_json(past, step, compiled)
        if row["relied_wrongly"]:
            yield {key: row[key] for key in ("entry", "what", "outcome", "recorded_at", "relied_wrongly")}


def late_words(seconds: Json) -> str:
    """Say how late something was entered."""
    if not isinstance(seconds, int):
        return ""
    days, hours, minutes = seconds // 86400, seconds // 3600, seconds // 60
    return f"{days} d late" if days else f"{hours} h late" if hours else f"{minutes} min late"
