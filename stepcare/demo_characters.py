"""The characters of the demonstration: the rare courses that are always told, and the day on which each begins.

They come first in the caseload, in this order, so that a small one has the most of it; everybody after them is drawn.
"""

from collections.abc import Callable
from dataclasses import dataclass

from stepcare import demo_mishaps, demo_sessions, demo_ways
from stepcare.demo_chart import Chart
from stepcare.demo_stage import Telling


@dataclass(frozen=True, slots=True, kw_only=True)
class Character:
    """One course that is always told. `day` below nothing is counted from the end.

    `onset` is how many days before it the trouble began. `same_as` names the character that is the same person;
    `elsewhere`: with another region.
    """

    tell: Callable[[Chart], Telling[None]]
    day: int
    onset: int = 40
    same_as: str | None = None
    elsewhere: bool = False

    @property
    def name(self) -> str:
        """Give what the character is called."""
        return self.tell.__name__


CHARACTERS = (
    Character(tell=demo_ways.straight_to_rehabilitation, day=2, onset=200),
    Character(tell=demo_ways.self_care_is_enough, day=4, onset=15),
    Character(tell=demo_ways.all_four_steps, day=6),
    Character(tell=demo_mishaps.rings_up_on_hold, day=9),
    Character(tell=demo_mishaps.wrong_score, day=11),
    Character(tell=demo_mishaps.not_dead_after_all, day=12),
    Character(tell=demo_sessions.fourth_session, day=8, onset=120),
    Character(tell=demo_ways.cannot_be_found, day=13),
    Character(tell=demo_ways.past_injections_and_down_again, day=14, onset=100),
    Character(tell=demo_mishaps.paper_came_late, day=16),
    Character(tell=demo_ways.relapses, day=17, onset=21),
    Character(tell=demo_mishaps.said_twice, day=18),
    Character(tell=demo_mishaps.wrong_hands, day=20),
    Character(tell=demo_ways.straight_to_injections, day=22, onset=150),
    Character(tell=demo_ways.wrong_door, day=23),
    Character(tell=demo_ways.declines, day=24),
    Character(tell=demo_ways.moves_away, day=26),
    Character(tell=demo_mishaps.dies, day=27),
    Character(tell=demo_mishaps.typing_errors, day=28),
    Character(tell=demo_ways.snoozed, day=30),
    Character(tell=demo_mishaps.entered_in_error, day=31, same_as="snoozed"),
    Character(tell=demo_mishaps.two_regions, day=33, same_as="all_four_steps", elsewhere=True),
    Character(tell=demo_sessions.blood_on_aspiration, day=34),
    Character(tell=demo_sessions.long_standing_pain, day=35, onset=300),
    Character(tell=demo_ways.done_elsewhere, day=37),
    Character(tell=demo_mishaps.came_early, day=39),
    Character(tell=demo_mishaps.began_much_earlier, day=41, onset=18),
    Character(tell=demo_sessions.at_the_highest_dose, day=42),
    Character(tell=demo_ways.refuses_injections, day=44),
    Character(tell=demo_sessions.steroid, day=45),
    Character(tell=demo_mishaps.emergency, day=47),
    Character(tell=demo_sessions.traction, day=48),
    Character(tell=demo_sessions.drugs, day=50, onset=9),
    Character(tell=demo_ways.pain_better_function_worse, day=52),
    Character(tell=demo_sessions.on_anticoagulants, day=54),
    Character(tell=demo_sessions.massage_is_not_to_be_had, day=56),
    Character(tell=demo_ways.holds_long, day=58),
    Character(tell=demo_mishaps.concern_from_outside, day=60),
    Character(tell=demo_mishaps.waits_for_a_second_person, day=-12, onset=180),
    Character(tell=demo_mishaps.hold_ends, day=-40),
    Character(tell=demo_mishaps.flag_open, day=-18),
    Character(tell=demo_mishaps.emergency_open, day=-25),
    Character(tell=demo_mishaps.long_overdue, day=-62),
    Character(tell=demo_mishaps.session_tomorrow, day=-9, onset=160),
)
