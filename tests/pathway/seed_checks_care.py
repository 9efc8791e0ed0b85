"""Professional care: what S15 to S20 ask for, as behaviour."""

from engine.model import Json, Kind, Level
from engine.pathway import Pathway
from tests.pathway.seeds import ACUTE, CHRONIC, at, fine, hints, rules_of, shown, silent, stops, treatment
from tests.worlds import RAVI, World
from tests.worlds_pathway import exercise, point, points_of

AGAINST_MANIPULATION = (
    *("bone_tumour", "severe_osteoporosis", "instability", "bone_infection", "active_arthritis"),
    *("neurological_deficit", "bleeding_risk", "aneurysm"),
)


def compression(*points: str) -> dict[str, Json]:
    """Give the answers of massage by compression of these trigger points."""
    targets: list[Json] = [{"point": one} for one in points]
    return {"technique": "mtrp_compression", "targets": targets}


def _ended(world: World, kind: str) -> None:
    fine(world.do(RAVI, Kind.STOP, {"form": kind, "status": "stopped", "reason": "patient_preference"}))


def s15(pathway: Pathway) -> None:
    """Massage is offered in professional care; its evidence is subacute to chronic, and acute cases are told so."""
    world, acute = at(pathway, "professional"), at(pathway, "professional", onset=ACUTE)
    silent(world.start("massage", technique="other"), "MAS-02")
    hints(acute.start("massage", technique="other"), "MAS-02")
    assert shown(pathway, "massage_subacute_chronic", world), "its evidence is not shown"
    assert not shown(pathway, "massage_subacute_chronic", acute), "evidence of longer pain is shown for acute pain"
    assert shown(pathway, "massage_acute", acute), "acute cases are not told"
    assert not shown(pathway, "massage_acute", world), "subacute cases are told they are acute"


def s16(pathway: Pathway) -> None:
    """Compression is aimed at valid trigger points; another technique needs none."""
    world = at(pathway, "professional")
    stops(world.start("massage", **compression()), Level.HSX, "MAS-01")
    stops(world.start("massage", technique="mtrp_compression"), Level.HSX, "MAS-01")
    fine(world.record("trigger_point", **point(finding="tenderness", taut_band=False)))
    valid, tender = points_of(world)
    stops(world.start("massage", **compression(tender)), Level.HSX, "MAS-01")
    stops(world.start("massage", **compression(valid, tender)), Level.HSX, "MAS-01")
    fine(world.start("massage", **compression(valid)))
    fine(world.start("massage", technique="other"))
    assert shown(pathway, "compression_trial", world), "the trial behind it is not shown"
    assert pathway.sources["takamoto_2015"].directness == "indirect", "acute low back pain is taken for this pain"


def s17(pathway: Pathway) -> None:
    """The exercise programme is supervised, made for the person, and holds stretching and strengthening."""
    world = at(pathway, "professional")
    lacking: tuple[dict[str, Json], ...] = (
        {"supervised": False},
        {"individualised": False},
        {"components": ["strengthening"]},
        {"components": ["stretching", "aerobic"]},
    )
    for less in lacking:
        stops(world.start("exercise_programme", **exercise(**less)), Level.SS, "EX-01")
    fine(world.start("exercise_programme", **exercise(components=["stretching", "strengthening", "aerobic"])))
    assert treatment(world, "exercise_programme") == "active", "it does not run"
    assert shown(pathway, "exercise_evidence", world), "its evidence is not shown"


def s18(pathway: Pathway) -> None:
    """The programme works on the affected muscles."""
    world = at(pathway, "professional")
    elsewhere: list[Json] = [{"muscle": "quadratus_lumborum"}]
    stops(world.start("exercise_programme", **exercise(targets=elsewhere)), Level.SS, "EX-02")
    stops(world.start("exercise_programme", **exercise(targets=None)), Level.SS, "EX-02")
    some: list[Json] = [*elsewhere, {"muscle": "trapezius_middle"}]
    fine(world.start("exercise_programme", **exercise(targets=some)))


def s19(pathway: Pathway) -> None:
    """Yoga is an active option; its evidence is about chronic pain, and others are told so."""
    world, chronic = at(pathway, "professional"), at(pathway, "professional", onset=CHRONIC)
    hints(world.start("yoga", style="viniyoga"), "YOGA-01")
    silent(chronic.start("yoga", style="viniyoga"), "YOGA-01")
    assert shown(pathway, "yoga_chronic", chronic), "its evidence is not shown"
    assert not shown(pathway, "yoga_chronic", world), "evidence of chronic pain is shown for subacute pain"
    assert shown(pathway, "yoga_not_chronic", world), "others are not told"
    assert not shown(pathway, "yoga_not_chronic", chronic), "chronic cases are told they are not"
    _ended(world, "exercise_programme")
    _ended(world, "motor_control_exercise")
    fine(world.start("massage", technique="other"))


def s20(pathway: Pathway) -> None:
    """Manipulation can be offered once nothing speaks against it; it has no content of its own and nothing needs it."""
    world = at(pathway, "professional")
    clear: dict[str, Json] = dict.fromkeys(AGAINST_MANIPULATION, False)
    stops(world.start("manipulation"), Level.SS, "MAN-01")
    for one in AGAINST_MANIPULATION:
        stops(world.start("manipulation", **{**clear, one: True}), Level.HS2, "MAN-01")
    fine(world.start("manipulation", **clear))
    assert pathway.treatments["manipulation"].content == "none_in_seed", "it pretends to have content"
    assert shown(pathway, "manipulation_no_content", world), "that it has none is not shown"
    needed = [key for key, rule in rules_of(pathway).items() if "component.manipulation" in rule.requires]
    assert needed == [], f"{needed} need manipulation"
