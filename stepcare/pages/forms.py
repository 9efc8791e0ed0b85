"""Giving an episode a command: a form made from the pack, the decision seen before it is kept, and the decision kept.

Three answers to a form: what is wrong with it (everything that was typed stays), the decision as it would be, with a
reason asked for where a rule stops softly, and, once it is kept, the episode again with the entry's number.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote, urlencode

from starlette.requests import Request
from starlette.responses import Response

from engine.compiled import Compiled
from engine.decide import RECOMMENDATION
from engine.errors import StaleEpisode
from engine.forms import Problem as Answered
from engine.forms import read_form
from engine.model import Command, Episode, Json, Kind, Level, Outcome, Override
from engine.pathway import FormField, Pathway
from engine.service import Answer
from stepcare.answers import answer_json
from stepcare.pages.fields import answers_of, fields_of, kept_of
from stepcare.pages.visit import Visit, see_other, visit_of
from stepcare.shown import citations_of
from stepcare.typed import checked
from stepcare.web.problem import Problem

OURS = ("csrf", "version", "key", "stage", "due_item", "again")
SEE, KEEP, CHANGE = "see", "keep", "change"
REASON, TEXT = "reason-", "text-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a page is for: the command, what it names, its title, and what is asked."""

    kind: Kind
    title: str
    names: Mapping[str, Json]
    asked: Mapping[str, FormField]
    form: str = ""
    of: str | None = None


def form_address(episode: str, command: str, what: str, **more: str) -> str:
    """Give the page of a command."""
    said = {name: one for name, one in more.items() if one}
    return f"/episodes/{episode}/do/{command}/{quote(what, safe='')}{'?' + urlencode(said) if said else ''}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """One form under way: who fills it in, about which episode, for what, and what was typed so far."""

    visit: Visit
    address: str
    due: str
    episode: Episode
    compiled: Compiled
    wish: Wish
    typed: Mapping[str, list[str]]


def show_form(request: Request) -> Response:
    """Show an empty form."""
    return _form(_sheet(request), ())


def take_form(request: Request) -> Response:
    """Take what was typed: show what is wrong, or the decision as it would be, or keep it."""
    sheet = _sheet(request)
    visit, engine = sheet.visit, sheet.visit.app.engine
    stage, problems = visit.field("stage"), _problems(sheet)
    if stage == CHANGE or visit.field("again"):
        return _form(sheet, ())
    if problems:
        return _form(sheet, problems)
    command, unreasoned = _command(sheet), _unreasoned(sheet)
    if stage != KEEP or unreasoned:
        return _seen(sheet, engine.preview(command), unreasoned if stage == KEEP else ())
    try:
        answer = engine.handle(command)
    except StaleEpisode:
        return _stale(sheet)
    if answer.decision.outcome in (Outcome.REFUSED, Outcome.INVALID):
        return _seen(sheet, answer, ())
    return see_other(f"/episodes/{sheet.episode.id}?kept={answer.entry}#kept")


# --- what is asked ------------------------------------------------------------------------------------------------


def _sheet(request: Request) -> Sheet:
    visit = visit_of(request)
    reference = str(request.path_params["episode"])[:40]
    visit.reads_episode(reference)
    episode = visit.app.store.episode(reference)
    compiled = visit.app.engine.compiled(episode.pathway)
    own = (*OURS, REASON, TEXT)
    return Sheet(
        visit=visit,
        address=request.url.path + (f"?{request.url.query}" if request.url.query else ""),
        due=visit.field("due_item") or request.query_params.get("due", "")[:200],
        episode=episode,
        compiled=compiled,
        wish=_wish(request, episode, compiled),
        typed={name: many for name, many in visit.form.items() if not name.startswith(own)},
    )


def _wish(request: Request, episode: Episode, compiled: Compiled) -> Wish:
    """Read the address: which command, and what it names."""
    command, what = str(request.path_params["command"]), str(request.path_params["what"])
    pathway = compiled.pathway
    if command == "record" and what in pathway.forms:
        form = pathway.forms[what]
        return Wish(kind=Kind.RECORD, title=form.title, names={"form": what}, asked=form.fields, form=what)
    if command == "contact":
        form = pathway.forms["contact"]
        return Wish(kind=Kind.CONTACT, title=form.title, names={}, asked=form.fields, form="contact")
    if command == "move" and what in pathway.transitions:
        one = pathway.transitions[what]
        to = request.query_params.get("to", "")
        fields = pathway.forms[one.form].fields if one.form else {}
        names: dict[str, Json] = {"transition": what, **({"to": to} if to else {})}
        return Wish(kind=Kind.MOVE, title=one.title, names=names, asked=fields, form=one.form or "")
    if command in ("plan", "start") and what in pathway.treatments:
        treatment = pathway.treatments[what]
        fields = pathway.forms[treatment.form].fields
        title = f"{'Plan' if command == 'plan' else 'Start'}: {treatment.title}"
        return Wish(kind=Kind(command), title=title, names={"form": what}, asked=fields, form=treatment.form)
    if command == "snooze" and any(item.id == what and item.status == "open" for item in episode.due_items):
        asked = {
            "until": FormField(label="Remind again on", type="date", required=True),
            **({"reason": pathway.forms["snooze"].fields["reason"]} if "snooze" in pathway.forms else {}),
        }
        return Wish(kind=Kind.SNOOZE, title="Remind later", names={"due_item": what}, asked=asked)
    if command == "assign":
        asked = {"owner": FormField(label="Who looks after this episode", type="text", at_most=40, required=True)}
        return Wish(kind=Kind.ASSIGN, title="Assign", names={}, asked=asked)
    if command == "sign_off" and any(one.id == what and one.status == "open" for one in episode.requests):
        asked = {"answer": FormField(label="May it be done", type="bool", required=True)}
        return Wish(kind=Kind.SIGN_OFF, title="Sign off", names={}, asked=asked, of=what)
    raise Problem("not-found")


def _problems(sheet: Sheet) -> tuple[Answered, ...]:
    wish, pathway = sheet.wish, sheet.compiled.pathway
    answers = answers_of(pathway, wish.asked, sheet.typed)
    if wish.form:
        known = {name: value for name, value in answers.items() if name in pathway.forms[wish.form].fields}
        return read_form(pathway, wish.form, known)[1]
    return tuple(
        Answered(field=name, message=f"{one.label}: this must be answered.")
        for name, one in wish.asked.items()
        if one.required and name not in answers
    )


def _command(sheet: Sheet) -> Command:
    visit, wish = sheet.visit, sheet.wish
    values = {**answers_of(sheet.compiled.pathway, wish.asked, sheet.typed), **wish.names}
    if sheet.due and "due_item" in wish.asked:
        values["due_item"] = sheet.due
    if wish.kind is Kind.SIGN_OFF:
        values["answer"] = "yes" if values.get("answer") is True else "no"
    version = visit.field("version")
    return checked(
        Command(
            id=visit.app.make_id(),
            kind=wish.kind,
            actor=visit.actor,
            episode=sheet.episode.id,
            values=values,
            overrides=tuple(_overrides(visit)),
            of=wish.of,
            key=visit.field("key") or None,
            version=int(version) if version.isdecimal() and len(version) < 10 else None,
            via=visit.via,
        )
    )


def _overrides(visit: Visit) -> Iterator[Override]:
    for name, many in visit.form.items():
        if name.startswith(REASON) and many[-1]:
            rule = name.removeprefix(REASON)
            yield Override(rule=rule, reason=many[-1], text=visit.field(f"{TEXT}{rule}"))


def _unreasoned(sheet: Sheet) -> tuple[str, ...]:
    """Name the soft stops that were shown and were left without a reason; what has happened may owe one."""
    if sheet.wish.kind in (Kind.RECORD, Kind.CONTACT):
        return ()
    return tuple(
        name.removeprefix(REASON) for name, many in sheet.visit.form.items() if name.startswith(REASON) and not many[-1]
    )


# --- what is shown ------------------------------------------------------------------------------------------------


def _form(sheet: Sheet, problems: tuple[Answered, ...]) -> Response:
    wish = sheet.wish
    problems = tuple(replace(one, message=_in_words(one, wish.asked)) for one in problems)
    fields = fields_of(sheet.compiled.pathway, wish.asked, sheet.typed, problems)
    status = 422 if problems else 200
    return sheet.visit.page(
        "form.html", wish.title, "Worklist", status=status, fields=fields, problems=problems, **_common(sheet)
    )


def _in_words(problem: Answered, asked: Mapping[str, FormField]) -> str:
    """Say what is wrong with an answer under the question's own words, not its field's name."""
    field = asked.get(problem.field)
    if field is None:
        return problem.message
    return f"{field.label}: {problem.message.removeprefix(f'{problem.field}: ').removeprefix(f'{problem.field} ')}"


def _seen(sheet: Sheet, answer: Answer, unreasoned: tuple[str, ...]) -> Response:
    """Show the decision as it would be: why, what follows, and what it still needs."""
    decision, visit, pathway = answer.decision, sheet.visit, sheet.compiled.pathway
    soft = {rule.id: rule for rule in decision.rules if not rule.satisfied and rule.level is Level.SS}
    may_pass = decision.outcome is Outcome.REFUSED and bool(soft) and set(decision.failed) <= set(soft)
    rules = {one.id: one for one in pathway.rules}
    reasons = {one: (rules[one].reasons if one in rules else ()) or pathway.override_reasons for one in soft}
    return visit.page(
        "decision.html",
        f"{sheet.wish.title}: the decision",
        "Worklist",
        status=422 if decision.outcome is Outcome.INVALID or unreasoned else 200,
        row=answer_json(answer),
        citations=citations_of(pathway),
        keep=decision.outcome in (Outcome.ACCEPTED, Outcome.NEEDS_SIGN_OFF) or may_pass,
        soft=soft if may_pass or decision.outcome is Outcome.ACCEPTED else {},
        owed=may_pass,
        reasons={
            one: [(code, pathway.override_reasons.get(code, code)) for code in codes] for one, codes in reasons.items()
        },
        unreasoned=unreasoned,
        states=pathway.states,
        advice=_advice(pathway),
        texts={name: visit.field(f"{TEXT}{name}") for name in soft},
        chosen={name: visit.field(f"{REASON}{name}") for name in soft},
        **_common(sheet),
    )


def _advice(pathway: Pathway) -> dict[str, str]:
    """Give the pack's own words for what it recommends."""
    table = pathway.tables.get(RECOMMENDATION)
    return {row.then: row.note for row in table.rows if row.note} if table else {}


def _stale(sheet: Sheet) -> Response:
    """Say that somebody changed the episode meanwhile, and keep what was typed."""
    present = replace(sheet, episode=sheet.visit.app.store.episode(sheet.episode.id))
    return sheet.visit.page("stale.html", "Somebody changed this episode", "Worklist", status=409, **_common(present))


def _common(sheet: Sheet) -> dict[str, Any]:
    visit, episode = sheet.visit, sheet.episode
    return {
        "wish": sheet.wish,
        "hidden": kept_of(sheet.typed, ()),
        "due": sheet.due,
        "here": sheet.address,
        "episode": episode.id,
        "version": episode.version,
        "key": visit.field("key") or visit.app.make_id(),
        "name": visit.app.store.names([episode.person.id]).get(episode.person.id),
    }
