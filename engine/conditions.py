"""The condition language: a closed language people can read, and the one door to it.

    reassessment.day >= 14 and response == "inadequate"
    sum(s.volume_ml * s.percent * 10 for s in injection.sites) <= param.most_mg
    days(stay.day) >= param.window and last(s.pain for s in history.scores) is known

names        a declared fact, `a` or `a.b`; inside a `for`, the fields of its entry
constants    true false, whole numbers and decimals (exact), "texts", written lists of them
comparing    == != < <= > >= (chains too), in, not in, is known, is unknown
yes and no   and, or, not: three-valued, unknown is never no
numbers      + - * / and the sign; date - date, date + duration, days(n)
lists        any all count sum min max distinct first last (… for x in LIST if …), count(LIST)

Comparing with unknown is unknown, and so is dividing by nothing. `any` is true as soon as one entry makes it so;
`count` and `sum` of nothing are 0; the least, greatest, first and last of nothing are unknown. `distinct` counts
the different known values. A day plus a duration counts its whole days. An entry of which it is not known whether
it passes the `if` makes the rest unknown, unless it could not change the answer.
"""

from engine.condition_parse import parse
from engine.condition_tree import ConditionError, Node, names_in, unparse
from engine.condition_types import check, check_yes_no
from engine.explain import Compiled, compile_condition, json_of

__all__ = [
    "Compiled",
    "ConditionError",
    "Node",
    "check",
    "check_yes_no",
    "compile_condition",
    "json_of",
    "names_in",
    "parse",
    "unparse",
]
