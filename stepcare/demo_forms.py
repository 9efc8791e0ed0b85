"""What the invented clinic writes into its forms: complete answers, from which a story leaves out or changes some."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta

from engine.model import Json
from engine.pathway import Pathway
from stepcare.demo_people import Invented

Row = dict[str, Json]
AGREES: Row = {"preference": "agrees_with_plan"}
NO_ALLERGIES: Row = dict.fromkeys(
    ("amide_anaesthetic", "steroid", "iodine", "chlorhexidine", "alcohol", "latex"), False
)
NO_CONTRAINDICATION: Row = dict.fromkeys(
    (
        *("bone_tumour", "severe_osteoporosis", "instability", "bone_infection", "active_arthritis"),
        *("neurological_deficit", "bleeding_risk", "aneurysm"),
    ),
    False,
)
NSAID_ASKED: Row = {
    **dict.fromkeys(
        (
            *("hypersensitivity", "heart_bypass", "gi_bleed", "kidney_disease", "heart_failure"),
            *("cirrhosis", "anticoagulant"),
        ),
        False,
    ),
    "pregnancy": "not_possible",
}


def iso(day: date, offset: int = 0) -> str:
    """Give a day as forms write it."""
    return (day + timedelta(days=offset)).isoformat()


def registration(person: Invented, today: date) -> Row:
    """Give the answers of a registration."""
    found: Row = {
        "region": person.region,
        "problem": person.problem,
        "referrer": "Practice of Dr. Mustermoor",
        "referred_on": iso(today, -3),
        "contact_consent": person.consents,
        "contact_channel": person.channel,
        "language": person.language,
        "team": person.team.name,
    }
    return {**found, "onset": iso(person.onset)} if person.onset else found


def screen(pathway: Pathway, **changes: Json) -> Row:
    """Give a complete red-flag screen, without findings unless said otherwise."""
    return {"form": "red_flag_screen", **dict.fromkeys(pathway.red_flags, "absent"), **changes}


def assessment(person: Invented, scores: Row) -> Row:
    """Give the answers of a complete assessment."""
    return {
        "form": "assessment",
        "complete": True,
        "palpation": "points_found",
        "rom": [{"movement": "rotation", "side": "both", "finding": "limited"}],
        "associated_symptoms": ["none"],
        "affected_muscles": list[Json](person.muscles),
        "function_goal": f"{person.activities[0]} again",
        **scores,
        **AGREES,
    }


def trigger_point(muscle: str, side: str = "left", **changes: Json) -> Row:
    """Give the answers of a valid trigger point."""
    return {
        "form": "trigger_point",
        "muscle": muscle,
        "side": side,
        "taut_band": True,
        "hypersensitive_spot": True,
        "spot_in_band": True,
        "pain_elicited": True,
        "palpation_pain": 7,
        "referred_pain": "yes",
        **changes,
    }


def self_care(**changes: Json) -> Row:
    """Give the answers of complete self-management."""
    return {
        "form": "self_management",
        "heat": "given",
        "heat_safe": True,
        "education": "given",
        "activity_modification": "given",
        "activities": [{"what": "sitting for hours"}],
        "self_massage": "given",
        **changes,
    }


def exercise(person: Invented, **changes: Json) -> Row:
    """Give the answers of a complete exercise programme."""
    return {
        "form": "exercise_programme",
        "supervised": True,
        "individualised": True,
        "components": ["stretching", "strengthening"],
        "targets": [{"muscle": muscle} for muscle in person.muscles],
        **changes,
    }


def massage(points: Sequence[str], **changes: Json) -> Row:
    """Give the answers of massage at trigger points, or of another kind where there are none."""
    if not points:
        return {"form": "massage", "technique": "other", **changes}
    targets: list[Json] = [{"point": one} for one in points]
    return {"form": "massage", "technique": "mtrp_compression", "targets": targets, **changes}


def rehab(**changes: Json) -> Row:
    """Give the answers of a programme of several professions."""
    professions: list[Json] = [{"profession": one} for one in ("physiotherapy", "psychology", "medicine")]
    return {
        "form": "rehab_programme",
        "professions": professions,
        "components": ["physical", "psychological"],
        "hours": 60,
        "weeks": 6,
        **changes,
    }


def session(person: Invented, today: date, points: Sequence[str], **changes: Json) -> Row:
    """Give the plan of a session of plain lidocaine, 0.5 percent, 1 mL at each point, everything answered."""
    sites: list[Json] = [{"point": one, "volume_ml": 1, "gauge": 27} for one in points]
    return {
        "form": "injection_session",
        "technique": "injection",
        "agent": "lidocaine",
        "concentration": "0.5",
        "concentration_unit": "percent",
        "sites": sites,
        "antiseptic": "chlorhexidine",
        "latex_free": True,
        "weight_kg": person.weight,
        "weight_on": iso(today),
        "dose_group": "usual_adult",
        "infection": False,
        "bleeding_disorder": False,
        "anticoagulant": False,
        "aspirin": False,
        "acute_trauma": False,
        "malignancy_suspected": False,
        "widespread_or_latent": False,
        "pregnancy": "not_possible",
        "diabetes": False,
        "pneumothorax_precaution": True,
        "thin_build": False,
        "return_advice": True,
        "last_plan_on": iso(today, -40),
        "consent_given": True,
        "consent_on": iso(today),
        "consent_risks": True,
        "consent_withdrawable": True,
        "consent_version": "1",
        "performer": person.team.proceduralist.id,
        "privilege_until": iso(today, 300),
        **changes,
    }


def session_done(today: date, points: Sequence[str], **changes: Json) -> Row:
    """Give the record of a session, done as the pathway wants it."""
    sites: list[Json] = [done_at(today, one) for one in points]
    return {
        "form": "injection_record",
        "technique": "injection",
        "agent": "lidocaine",
        "concentration": "0.5",
        "concentration_unit": "percent",
        "sites": sites,
        "skin_prep": True,
        "sterile_technique": True,
        "observed_min": 20,
        "signs_checked": True,
        "adverse_events": ["none"],
        **changes,
    }


def done_at(today: date, point: str, **changes: Json) -> Row:
    """Give what was done at one site."""
    return {
        "point": point,
        "palpated_on": iso(today),
        "needle_in_point": True,
        "aspiration": "no_blood",
        "volume_ml": 1,
        "gauge": 27,
        **changes,
    }


DRY: Mapping[str, Json] = {
    "technique": "dry_needling",
    "agent": None,
    "concentration": None,
    "concentration_unit": None,
}


def closing(sub_reason: str, **changes: Json) -> Row:
    """Give the answers of a closing."""
    return {"sub_reason": sub_reason, "safety_net": True, "summary": True, **changes}
