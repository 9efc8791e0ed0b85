"""A pathway is drawn for people: a Mermaid diagram that nothing in a pack can break, and a ladder for the terminal."""

from pathlib import Path

import pytest

from engine.pathway import Pathway, State
from workflows.draw import Standing, ladder, mermaid
from workflows.load import load_pack

MERMAID = """\
stateDiagram-v2
    direction TB
    %% A small pathway, version 1 (example)
    state "Intake" as intake
    state "1 Self-care" as self_care
    state "2 Therapy" as therapy
    state "3 Programme" as programme
    state "Maintenance" as maintenance
    state "On hold" as on_hold
    state "Done" as closed_done
    state "Entered in error" as voided
    state "any state" as ANY
    state "any closed state" as CLOSED
    state "any open state" as OPEN
    state "where it came from" as RETURN_TO
    [*] --> intake : T1 Register
    intake --> self_care : T2 Begin self-care
    self_care --> therapy : T8 Step up
    therapy --> programme : T9 Step up
    therapy --> therapy : T12 Repeat
    programme --> therapy : T13 Step down
    programme --> self_care : T13 Step down
    therapy --> self_care : T13 Step down
    therapy --> maintenance : T14 Respond
    OPEN --> on_hold : T20 Hold
    on_hold --> RETURN_TO : T21 Resume
    OPEN --> closed_done : T23 Discharge
    ANY --> voided : T27 Void
    CLOSED --> intake : T28 Reopen
    voided --> [*]
    note right of intake : Example only, not for care
"""

HERE = """\
    classDef here font-weight:bold,stroke-width:4px
    class therapy here
    classDef possible stroke-width:2px,stroke-dasharray:4
    class on_hold,programme,self_care possible
"""

LADDER = """\
A small pathway, version 1 (example)
Example only, not for care

BEGIN
        → T1 Register: to Intake

STEPS
  ○ 3 ╞══ Programme (programme)
      │   ▼ T13 Step down: to 2 Therapy; 1 Self-care
  ● 2 ╞══ Therapy (therapy)
      │ * ▲ T9 Step up: to 3 Programme
      │   ↻ T12 Repeat: to 2 Therapy
      │ * ▼ T13 Step down: to 1 Self-care
      │   → T14 Respond: to Maintenance
  ○ 1 ╞══ Self-care (self_care)
      │   ▲ T8 Step up: to 2 Therapy

BESIDE THE STEPS
  ○ Intake (intake)
        → T2 Begin self-care: to 1 Self-care
  ○ Maintenance (maintenance)
  ○ On hold (on_hold)
        → T21 Resume: to where it came from

FROM ANY OPEN STATE
      * → T20 Hold: to On hold
        → T23 Discharge: to Done

CLOSED
  ○ Done (closed_done)
  ○ Entered in error (voided)

FROM ANY CLOSED STATE
        → T28 Reopen: to Intake

FROM ANY STATE
        → T27 Void: to Entered in error

▲ step up   ▼ step down   ↻ again   → other   ● here   * open now
"""

IN_THERAPY = Standing(state="therapy", possible=frozenset({"T9", "T13", "T20"}))


@pytest.fixture
def pathway(pack: Path) -> Pathway:
    """The small pathway."""
    return load_pack(pack).pathway


def with_state(pathway: Pathway, name: str, title: str) -> Pathway:
    """Add a state, reached by a move of its own."""
    states = {**pathway.states, name: State(title=title, kind="open")}
    move = pathway.transitions["T2"].model_copy(update={"target": (name,), "title": title})
    return pathway.model_copy(update={"states": states, "transitions": {**pathway.transitions, "T3": move}})


def test_mermaid_shows_states_moves_and_groups(pathway: Pathway) -> None:
    """Groups stay groups, a step down goes down only, and what the pack is labelled with is on it."""
    assert mermaid(pathway) == MERMAID


def test_mermaid_marks_where_an_episode_is_and_may_go(pathway: Pathway) -> None:
    """By line width and dashes, so that it can be read without colours."""
    assert mermaid(pathway, IN_THERAPY) == MERMAID + HERE


def test_mermaid_marks_nothing_that_does_not_leave_from_here(pathway: Pathway) -> None:
    """T8 leaves self-care: in a closed state it is nowhere near."""
    drawn = mermaid(pathway, Standing(state="closed_done", possible=frozenset({"T8", "T23", "T28"})))

    assert drawn.endswith(
        "    class closed_done here\n    classDef possible stroke-width:2px,stroke-dasharray:4\n    class intake possible\n"
    )


def test_mermaid_of_a_state_the_pathway_does_not_have_marks_nothing(pathway: Pathway) -> None:
    """An episode on another version of the pathway may be somewhere this one has no place for."""
    assert mermaid(pathway, Standing(state="gone", possible=frozenset({"T8"}))) == MERMAID


@pytest.mark.parametrize(
    ("title", "escaped"),
    [
        ('say "hi"', "say #34;hi#34;"),
        ("a; b: c", "a#59; b#58; c"),
        ("%%{init: {}}%%", "#37;#37;#123;init#58; #123;#125;#125;#37;#37;"),
        ("#35;", "#35;35#59;"),
        ("x\n    a --> b", "x a --#62; b"),
        ("<script>", "#60;script#62;"),
        ("Übung (täglich), 2/3", "Übung (täglich), 2/3"),
    ],
)
def test_titles_cannot_add_to_a_mermaid_diagram(pathway: Pathway, title: str, escaped: str) -> None:
    """Whatever a title holds, it stays one label."""
    drawn = mermaid(with_state(pathway, "extra", title))

    assert f'    state "{escaped}" as extra\n' in drawn
    assert f"    intake --> extra : T3 {escaped}\n" in drawn


@pytest.mark.parametrize("name", ["note", "end", "state", "class"])
def test_states_named_like_mermaids_words_are_renamed(pathway: Pathway, name: str) -> None:
    """A state may be called `note`; Mermaid would begin a note there."""
    drawn = mermaid(with_state(pathway, name, "Extra"))

    assert f'    state "Extra" as S_{name}\n' in drawn
    assert f"    intake --> S_{name} : T3 Extra\n" in drawn


def test_moves_between_the_same_states_share_an_arrow(pathway: Pathway) -> None:
    """Two arrows over one another could not be read."""
    again = pathway.transitions["T8"].model_copy(update={"title": "Or so"})
    drawn = mermaid(pathway.model_copy(update={"transitions": {**pathway.transitions, "T99": again}}))

    assert "    self_care --> therapy : T8 Step up, T99 Or so\n" in drawn


def test_the_ladder_shows_steps_as_rungs(pathway: Pathway) -> None:
    """The highest step on top, its moves under it, then what is beside, the ways out and the ways back."""
    assert ladder(pathway, IN_THERAPY) == LADDER


def test_the_ladder_of_a_pathway_alone_marks_nothing(pathway: Pathway) -> None:
    """Without an episode there is no here, and no move is open or closed."""
    plain = LADDER.replace("   ● here   * open now", "").replace("●", "○").replace("* ", "  ")

    assert ladder(pathway) == plain


@pytest.mark.parametrize("title", ["A very long title " * 20, "x" * 500], ids=["words", "one word"])
def test_the_ladder_is_at_most_100_columns_wide(pathway: Pathway, title: str) -> None:
    """Long titles are broken under themselves."""
    drawn = ladder(with_state(pathway, "extra", title))

    assert max(map(len, drawn.splitlines())) <= 100


def test_a_title_cannot_steer_the_terminal(pathway: Pathway) -> None:
    """Control characters are drawn as spaces."""
    assert "\x1b" not in ladder(with_state(pathway, "extra", "red \x1b[31m"))


def test_a_jump_over_a_step_is_a_step_up(pathway: Pathway) -> None:
    """From self-care straight to the programme is up; to either of two others it is neither."""
    moves = {
        **pathway.transitions,
        "T10": pathway.transitions["T8"].model_copy(update={"target": ("programme",)}),
        "T11": pathway.transitions["T9"].model_copy(update={"target": ("self_care", "programme")}),
    }
    drawn = ladder(pathway.model_copy(update={"transitions": moves}))

    assert "      │   ▲ T10 Step up: to 3 Programme\n" in drawn
    assert "      │   → T11 Step up: to 1 Self-care; 3 Programme\n" in drawn


def test_a_title_that_says_its_step_is_not_numbered_twice(pathway: Pathway) -> None:
    """`Step 2, therapy` needs no 2 before it."""
    states = {**pathway.states, "therapy": pathway.states["therapy"].model_copy(update={"title": "Step 2, therapy"})}
    renamed = pathway.model_copy(update={"states": states})

    assert "▲ T8 Step up: to Step 2, therapy\n" in ladder(renamed)
    assert '    state "Step 2, therapy" as therapy\n' in mermaid(renamed)


def test_a_pathway_whose_beginning_is_missing_is_still_drawn(pathway: Pathway) -> None:
    """A pack that is not proved yet can be looked at; only its label has no place then."""
    assert "note right of" not in mermaid(pathway.model_copy(update={"initial": "gone"}))
