"""What a decision costs does not creep up: calls are counted, so that no machine's speed matters."""

from tests.bench.counts import calls_per_decision, recorded_calls

MORE = 1.05


def test_a_decision_makes_no_more_calls_than_recorded() -> None:
    """Where a change of the pack or the engine is worth its price, `make bench` records the new number."""
    assert calls_per_decision() <= recorded_calls() * MORE
