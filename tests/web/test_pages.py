"""The pages: what they show to whom, that each look is noted, and a decision from the worklist to the log."""

import re
from random import Random
from typing import Any
from urllib.parse import quote

import pytest

from engine.model import Kind
from stepcare.pages.frame import STATIC, assets
from storage.access_read import AccessFilter, noted
from tests.web.browser import Browser, hidden_of, signed_in, words_of
from tests.web.conftest import CALLED, CAST, House

CARING = ("ann", "ravi", "pia", "lena")
# Who may open which page; everybody else is refused, and nobody who is not signed in sees any.
PAGES: dict[str, tuple[str, ...]] = {
    "/worklist": (*CARING, "aziz", "otto", "zoe"),
    "/caseload": (*CARING, "aziz", "otto", "zoe"),
    "/episodes/{episode}": (*CARING, "aziz"),
    "/episodes/{episode}/do/record/reassessment": (*CARING, "aziz"),
    "/episodes/{episode}/do/move/T2": (*CARING, "aziz"),
    "/episodes/{episode}/messages": (*CARING, "aziz"),
    "/find": (*CARING, "otto", "zoe"),
    "/due-work": tuple(who for who in CAST if who != "oscar"),
    "/log-book": ("aziz", "lena", "priya", "zoe"),
    "/log-book/{number}": ("aziz", "lena", "priya"),
    "/pathway": tuple(who for who in CAST if who != "oscar"),
}
NOTED = {
    "/worklist": "read.names",
    "/caseload": "read.names",
    "/episodes/{episode}": "read.episode",
    "/episodes/{episode}/do/record/reassessment": "read.episode",
    "/episodes/{episode}/messages": "read.episode",
    "/log-book": "read.log",
    "/log-book/{number}": "read.log",
}


def filled(page: str, house: House, episode: str) -> str:
    """Give a page's address about this episode."""
    return page.format(episode=episode, number=house.app.store.entries_of(episode)[-1].idx)


@pytest.mark.parametrize("who", CAST)
def test_each_role_sees_the_pages_that_are_its_own_and_no_other(house: House, episode: str, who: str) -> None:
    """A refused page says so and shows nothing."""
    browser = signed_in(house, who)
    for page, allowed in PAGES.items():
        answer = browser.get(filled(page, house, episode))
        assert answer.status_code == (200 if who in allowed else 403), (who, page)
        assert ("Alva Ludens" in answer.text) <= (who in allowed)


def test_a_page_that_is_not_here_says_so(house: House, episode: str) -> None:
    """In a page, not in a program's words."""
    browser = signed_in(house, "lena")
    for path in ("/nowhere", "/episodes/e-NOTHERE0001", f"/episodes/{episode}/do/record/nothing", "/log-book/999999"):
        answer = browser.get(path)
        assert (answer.status_code, answer.headers["content-type"]) == (404, "text/html; charset=utf-8")
        assert "Not here" in words_of(answer)


@pytest.mark.parametrize("page", NOTED)
def test_each_page_about_people_is_noted_before_it_is_shown(house: House, episode: str, page: str) -> None:
    """By whom, for what, and which episode was seen."""
    who = "lena"
    browser = signed_in(house, who)
    (began,) = house.app.database.look("SELECT n FROM access_head", {})
    browser.get(filled(page, house, episode))
    (one,) = [one for one in noted(house.app.database, AccessFilter()) if one.idx >= began]
    assert (one.said["actor"]["id"], one.said["type"]) == (who, NOTED[page])


def test_every_page_forbids_what_a_page_of_ours_never_does(house: House, episode: str) -> None:
    """No script but ours, no frame around it, nothing kept by a browser or a proxy."""
    browser = signed_in(house, "lena")
    for page in (*PAGES, "/nowhere"):
        headers = browser.get(filled(page, house, episode)).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe-inline" not in policy
        assert headers["cache-control"] == "no-store"


def test_what_is_built_for_the_pages_asks_nobody_else(house: House) -> None:
    """Every address in the built files is one of ours; each is kept by browsers for ever under its hash."""
    for name, address in assets().items():
        answer = Browser(house).get(address)
        assert (answer.status_code, answer.content) == (200, (STATIC / name).read_bytes())
        assert "immutable" in answer.headers["cache-control"]
        if name.endswith(".css"):
            assert set(re.findall(r"url\(([^)]*)\)", answer.text)) <= {f'"/static/{one}"' for one in assets()}
            assert "http" not in answer.text


def test_a_name_with_marks_of_a_page_in_it_stays_a_name(house: House) -> None:
    """It is shown as it is, and does nothing."""
    name = '<script>alert("x")</script> O\'Neil'
    episode = house.register(name=name)
    browser = signed_in(house, "ann")
    for page in ("/worklist", f"/episodes/{episode}", "/caseload"):
        answer = browser.get(page)
        assert "<script>alert" not in answer.text
        assert name in words_of(answer)


def test_a_list_with_nothing_in_it_says_what_to_do(own_house: House) -> None:
    """Not an empty table."""
    browser = signed_in(own_house, "ann")
    assert "Nothing is owed here now" in words_of(browser.get("/worklist"))
    assert "No episode here" in words_of(browser.get("/caseload"))
    assert browser.get("/worklist?view=nobodys").status_code == 400


def test_a_decision_goes_from_the_worklist_to_the_log(own_house: House) -> None:
    """Found, recorded, seen before it is kept, kept, and read in the log; nothing is kept on the way."""
    episode = own_house.register()
    browser = signed_in(own_house, "lena", "lead")
    assert episode in browser.get("/worklist").text
    place = f"/episodes/{episode}/do/contact/contact"
    form = browser.get(place)
    size = own_house.app.store.size()
    seen = browser.fill(form, place, channel="telephone", result="reached", stage="see")
    assert "It can be kept" in words_of(seen)
    assert own_house.app.store.size() == size
    kept = browser.fill(seen, place, stage="keep")
    assert (kept.status_code, kept.headers["location"]) == (303, f"/episodes/{episode}?kept={size}#kept")
    assert own_house.app.store.size() == size + 1
    entry = browser.get(f"/log-book/{size}")
    assert "Decided again: the same" in words_of(entry)
    assert browser.fill(seen, place, stage="keep").headers["location"] == kept.headers["location"]
    assert own_house.app.store.size() == size + 1  # sent twice, kept once


def test_what_cannot_be_is_said_beside_it_and_everything_typed_stays(house: House, episode: str) -> None:
    """The summary leads to the field."""
    browser = signed_in(house, "ravi")
    place = f"/episodes/{episode}/do/record/reassessment"
    typed = {"nprs": "11", "preference_said": "more walking, please", "pgic": "no_change"}
    answer = browser.fill(browser.get(place), place, stage="see", **typed)
    assert answer.status_code == 422
    assert 'href="#nprs"' in answer.text
    assert 'value="11"' in answer.text
    assert "more walking, please" in answer.text
    assert re.search(r'value="no_change" checked', answer.text)


def test_a_question_left_open_is_not_answered_no(house: House, episode: str) -> None:
    """Not asked is not a no: only what was said is in the record."""
    browser = signed_in(house, "ravi")
    place = f"/episodes/{episode}/do/record/red_flag_screen"
    seen = browser.fill(browser.get(place), place, stage="see", cord_signs="absent", saddle_anaesthesia="")
    browser.fill(seen, place, stage="keep")
    record = house.app.store.episode(episode).records[-1]
    assert record.form == "red_flag_screen"
    assert dict(record.values) == {"cord_signs": "absent"}


def test_a_closed_move_says_every_rule_with_its_remedy_and_keeps_the_refusal(house: House, episode: str) -> None:
    """The answer to "why not" is complete, and a refusal is an entry as well."""
    browser = signed_in(house, "ravi")
    place = f"/episodes/{episode}/do/move/T2"
    house.command("ravi", episode, {"kind": "record", "values": {"form": "red_flag_screen", "cord_signs": "present"}})
    options = house.app.engine.options(episode, browser_actor(house, "ravi"))
    closed = [rule for option in options for rule in option.closed_by]
    page = words_of(browser.get(f"/episodes/{episode}"))
    assert closed
    for rule in closed:
        assert " ".join(rule.message.split()) in page
        assert " ".join(rule.remedy.split()) in page
    assert browser.get(place).status_code == 200


def browser_actor(house: House, who: str) -> Any:
    """Give a colleague as they act in their first role."""
    from engine.model import Actor  # noqa: PLC0415 - only here

    return Actor(id=who, role=CAST[who][0], teams=frozenset({"main"}))


def test_a_form_on_an_older_episode_keeps_the_typing_and_says_so(house: House, episode: str) -> None:
    """Somebody else was faster: nothing is overwritten and nothing is lost."""
    browser = signed_in(house, "ann")
    place = f"/episodes/{episode}/do/contact/contact"
    seen = browser.fill(browser.get(place), place, stage="see", channel="telephone", result="no_answer")
    house.command("ravi", episode, CALLED)
    stale = browser.fill(seen, place, stage="keep")
    assert stale.status_code == 409
    assert hidden_of(stale)["result"] == "no_answer"
    again = browser.fill(stale, place, stage="see")
    done = browser.fill(again, place, stage="keep")
    assert done.status_code == 303
    assert house.app.store.episode(episode).records[-1].values["result"] == "no_answer"


def test_a_soft_stop_of_a_move_asks_for_a_coded_reason_first(house: House, episode: str) -> None:
    """Without one nothing is kept; with one the log keeps it."""
    browser = signed_in(house, "ann")
    options = [one for one in house.app.engine.options(episode, browser_actor(house, "ann")) if not one.open]
    soft = [one for one in options if one.closed_by and all(rule.level == "SS" for rule in one.closed_by)]
    for option in soft[:1]:
        place = f"/episodes/{episode}/do/move/{option.transition}?to={option.target}"
        seen = browser.fill(browser.get(place), place, stage="see")
        assert "Unusual: say why" in words_of(seen)
        size = house.app.store.size()
        rule = option.closed_by[0].id
        assert browser.fill(seen, place, stage="keep", **{f"reason-{rule}": ""}).status_code == 422
        assert house.app.store.size() == size


@pytest.mark.parametrize("form", ["assessment", "reassessment", "injection_record", "red_flag_screen", "case_review"])
def test_every_kind_of_question_has_a_field(house: House, episode: str, form: str) -> None:
    """Each question of the form is on the page by its own words."""
    browser = signed_in(house, "ravi")
    pathway = house.app.engine.compiled(house.app.store.episode(episode).pathway).pathway
    if form not in pathway.forms:
        pytest.fail(f"the pack has no form {form}")
    page = words_of(browser.get(f"/episodes/{episode}/do/record/{form}"))
    for name, field in pathway.forms[form].fields.items():
        assert name == "due_item" or " ".join(field.label.split()) in page


def test_an_assignment_and_a_reminder_for_later_are_given_on_pages(house: House, episode: str) -> None:
    """Each is an entry by the same door as everything else."""
    browser = signed_in(house, "ann")
    place = f"/episodes/{episode}/do/assign/owner"
    seen = browser.fill(browser.get(place), place, stage="see", owner="ann")
    assert browser.fill(seen, place, stage="keep").status_code == 303
    assert house.app.store.episode(episode).owner == "ann"
    assert house.app.store.decision(house.app.store.size() - 1).command.kind is Kind.ASSIGN


def test_a_person_is_found_by_a_part_of_the_name_and_the_name_never_stands_in_an_address(house: House) -> None:
    """Whatever the case, by the reference too; another care team's people are not found."""
    episode = house.register(name="Ottilie Äpfelinger Ludens")
    ann, otto = signed_in(house, "ann"), signed_in(house, "otto")
    for typed in ("äpfel", "LUDENS ottilie", episode, episode.lower()):
        found = ann.fill(ann.get("/find"), "/find", q=typed)
        assert episode in found.text
        assert episode not in otto.fill(otto.get("/find"), "/find", q=typed).text.replace(f'value="{typed}"', "")
    assert "Nobody was found" in words_of(ann.fill(ann.get("/find"), "/find", q="nobody of this name"))
    assert "äpfel" not in ann.get("/find?q=äpfel").text


STRANGE = (
    "",
    "\x00",
    "é",
    "٣",
    "\ud800".encode("utf-8", "surrogatepass").decode("latin-1"),
    "9" * 400,
    "../..",
    "e-",
    "{}",
    "[]",
    "' OR 1=1 --",
    "<b>",
)


def strange(rng: Random, known: tuple[str, ...]) -> str:
    """Give something that a program, a mistake or an attacker may send in a field."""
    word = rng.choice((*STRANGE, *known))
    place = rng.randrange(len(word) + 1)
    return word[:place] + chr(rng.randrange(1, 0x2FF)) + word[place:] if rng.random() < 0.5 else word


@pytest.mark.parametrize("seed", range(4))
def test_nothing_that_can_be_typed_breaks_a_page(house: House, episode: str, seed: int) -> None:
    """Whatever stands in an address or a form: an answer of ours, never an error inside."""
    rng = Random(seed)  # noqa: S311 - no secret
    browser = signed_in(house, "lena", "lead")
    csrf = hidden_of(browser.get("/worklist"))["csrf"]
    fields = (
        "stage",
        "version",
        "key",
        "due_item",
        "again",
        "nprs",
        "psfs.name",
        "psfs.score",
        "peg",
        "pgic",
        "reason-RE-02",
    )
    values = ("see", "keep", "change", "11", "3", "no_change", episode, "reassessment:s0", "2026-02-30", "yes")
    places = (
        "record/reassessment",
        "record/red_flag_screen",
        "move/T2",
        "contact/contact",
        "assign/owner",
        "plan/massage",
    )
    for _ in range(40):
        query = quote(strange(rng, ("view=mine", "cursor=abc", "ahead=30", "kind=reassessment")))
        for page in ("/worklist", "/caseload", "/log-book", f"/episodes/{episode}"):
            assert (
                browser.get(f"{page}?{rng.choice(('view', 'cursor', 'before', 'kept', 'state'))}={query}").status_code
                < 500
            )
        form = {rng.choice(fields): strange(rng, values) for _ in range(5)} | {"csrf": csrf}
        place = f"/episodes/{episode}/do/{rng.choice(places)}"
        assert browser.post(place, form).status_code < 500, form
        assert browser.post("/find", {"q": strange(rng, ("ludens", episode)), "csrf": csrf}).status_code < 500
    assert browser.post("/sign-out", {"csrf": "é"}).status_code == 403
