"""What an adaptive design did, in words, from the facts that the manifest keeps of it."""

from collections.abc import Mapping
from typing import Any

ENDED = {
    "settled": "ended as nothing is contested any more",
    "replicates": "ended with all replicates; what is contested yet is a tie at this many",
    "lanes": "ended as the budget of lanes does not suffice for another round",
    "points": "ended with all points",
    "exhausted": "ended as no new point could be found in the ranges",
}


def design_text(facts: Mapping[str, Any]) -> str:
    """A race or a search in a sentence or two."""
    ended = ENDED.get(str(facts.get("ended")), "")
    if facts.get("kind") == "race":
        text = (
            f"Race: {facts['points_alive']} of {facts['points']} points were kept to the end of "
            f"{facts['rounds']} rounds; {facts['lanes']} lanes in place of {facts['lanes_full']}, "
            f"{facts['share_saved']:.0%} saved (chance of a member of the front to be dropped: at most "
            f"{facts['error']:g}); {ended}."
        )
        if not facts["lanes_saved"]:
            text += " More replicates would let it tell points apart early."
        return text
    text = (
        f"Search: {facts['points_searched']} points in {facts['rounds']} rounds by {facts['sampler']}, "
        f"{facts['lanes']} lanes; {ended}."
    )
    if facts["proposals_refused"]:
        text += f" {facts['proposals_refused']} proposals were settings that cannot be, and left out."
    return text
