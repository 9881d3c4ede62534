"""Recommendations as text and back, for the process that records them."""

import dataclasses
import json
from collections.abc import Sequence
from typing import Any

import sim
from pipeline.evidence.choice import Change, Choice
from pipeline.evidence.recommend import Recommendation


def recommendations_text(chosen: Sequence[Recommendation]) -> str:
    """Recommendations as JSON, in which infinity is a word of its own."""
    return json.dumps([dataclasses.asdict(one) for one in chosen])


def read_recommendations(text: str) -> list[Recommendation]:
    """What `recommendations_text` was given."""
    return [recommendation(data) for data in json.loads(text)]


def recommendation(data: dict[str, Any]) -> Recommendation:
    """One of them; JSON has lists only, and no dataclasses."""
    plain: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in data.items()
    }
    plain["rivals"] = tuple((int(point), float(share)) for point, share in data["rivals"])
    if data["choice"] is not None:
        changes: dict[str, Any] = {
            k: Change(**v) if isinstance(v, dict) else v for k, v in data["choice"].items()
        }
        plain["choice"] = Choice(**changes)
    if data["flags"] is not None:
        plain["flags"] = sim.Erts(**data["flags"])
    return Recommendation(**plain)
