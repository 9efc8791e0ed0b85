"""A small pack on disk: two steps, a hold, a concern, two ways out. Every test gets its own copy to break."""

from pathlib import Path

import pytest

PATHWAY = """\
id: small
title: A small pathway
version: "1"
status: example
label: Example only, not for care
languages: [en, de]
initial: intake
states:
  intake: {title: Intake, kind: open}
  self_care: {title: Self-care, kind: active, step: 1}
  therapy: {title: Therapy, kind: active, step: 2}
  programme: {title: Programme, kind: active, step: 3}
  maintenance: {title: Maintenance, kind: active}
  on_hold: {title: On hold, kind: open, paused: true}
  closed_done: {title: Done, kind: closed}
  voided: {title: Entered in error, kind: void}
transitions:
  T1: {name: register, title: Register, target: [intake], roles: [coordinator]}
  T2: {name: enter, title: Begin self-care, source: [intake], target: [self_care], roles: [assessor]}
  T8: {name: step_up, title: Step up, source: [self_care], target: [therapy], roles: [assessor]}
  T9: {name: step_up, title: Step up, source: [therapy], target: [programme], roles: [assessor]}
  T12: {name: repeat, title: Repeat, source: [therapy], target: [therapy], roles: [assessor]}
  T13:
    name: step_down
    title: Step down
    source: [programme, therapy]
    target: [therapy, self_care]
    roles: [assessor]
  T14: {name: respond, title: Respond, source: [therapy], target: [maintenance], roles: [assessor]}
  T20: {name: hold, title: Hold, source: [open], target: [on_hold], roles: [coordinator]}
  T21: {name: resume, title: Resume, source: [on_hold], target: [return_to], roles: [coordinator]}
  T23: {name: discharge, title: Discharge, source: [open], target: [closed_done], roles: [assessor]}
  T27: {name: void, title: Void, source: [any], target: [voided], roles: [assessor]}
  T28: {name: reopen, title: Reopen, source: [closed], target: [intake], roles: [assessor]}
tables: {}
forms:
  visit:
    title: Visit
    fields:
      pain: {label: Pain, type: int, low: 0, high: 10}
      dose: {label: Dose, type: decimal, low: 0.1, high: 2.50}
      answer: {label: Answer, type: code, options: [yes, no]}
treatments: {}
red_flags: {}
due: {}
instruments: {}
parameters: {}
sources:
  site: {citation: Site policy, kind: site_policy, directness: direct, status: current, verified: full, review_due: 2026-03-02}
response:
  pain: [nprs]
  function: [peg]
  rule: response_rule
  percent: response_percent
  points: response_points
  substantial: response_substantial
  worse: response_worse
  low_baseline: response_low
  function_points: function_points
  function_word: field visit.answer
  agrees: visit.answer == "yes"
chronicity: {onset: field visit.onset, subacute_from: subacute, chronic_from: chronic}
override_reasons: {severe: Severe worsening}
"""

RULES = """\
rules:
  - id: PATH-05
    on: [T8]
    level: SS
    requires: stay.day >= 14
    message: Not reassessed.
    remedy: Reassess.
    sources: [site]
"""

MORE_RULES = """\
rules:
  - id: PATH-06
    on: [T9]
    level: {parameter: strictness}
    requires: >-
      stay.day >= 14 and
      visit.pain > 3
    message: Too early.
    remedy: Wait.
    sources: [site]
"""

ENGLISH = """\
templates:
  reminder: Please come in.
"""

GERMAN = """\
rules:
  PATH-05: {message: Nicht neu beurteilt., remedy: Neu beurteilen.}
states: {intake: Aufnahme}
templates:
  reminder: Bitte kommen Sie.
"""

TRACE = """\
seed_trace:
  S01: {says: Reassess before stepping up., maps: [rule PATH-05], test: test_a}
"""

FILES = {
    "a_pathway.yaml": PATHWAY,
    "b_rules.yaml": RULES,
    "c_rules.yaml": MORE_RULES,
    "messages.en.yaml": ENGLISH,
    "messages.de.yaml": GERMAN,
    "seed_trace.yaml": TRACE,
}


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    """A folder with a small, sound pack in six files."""
    folder = tmp_path / "small"
    folder.mkdir()
    for name, text in FILES.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder
