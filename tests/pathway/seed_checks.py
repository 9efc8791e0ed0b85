"""Every check of the seed trace by its id: S01 to S57 for the statements, O1 to O15 for the oddities.

A check is given a pathway and says, in commands and answers, what the statement asks for. It must fail for a pathway
that lacks anything the trace says carries the statement.
"""

from collections.abc import Mapping
from importlib import import_module

from tests.pathway.seeds import Check

ROOMS = ("assessment", "care", "needles", "drugs", "algorithm", "pitfalls", "followup", "words", "safety", "oddities")


def _checks() -> Mapping[str, Check]:
    found: dict[str, Check] = {}
    for room in ROOMS:
        module = import_module(f"tests.pathway.seed_checks_{room}")
        found |= {name.upper(): one for name, one in vars(module).items() if name[:1] in "so" and name[1:].isdigit()}
    return found


CHECKS = _checks()
