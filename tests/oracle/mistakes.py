"""A mistake to put into the naive simulator, so that the oracle can show that it finds one."""

import pytest

from tests.reference import stealing


class Robbed:
    """A victim whose second process stands before its first, as a wrong thief sees it."""

    def __init__(self, victim) -> None:
        self.victim = victim

    def __getattr__(self, name: str):
        return getattr(self.victim, name)

    def queued(self) -> list:
        """Its queue, with the first two in each other's place."""
        queue = self.victim.queued()
        return [queue[1], queue[0], *queue[2:]] if len(queue) > 1 else queue


def let_thieves_take_the_second(patch: pytest.MonkeyPatch) -> None:
    """Break one rule: a thief looks at the second process of a queue before the first."""
    right = stealing.steal_from
    patch.setattr(stealing, "steal_from", lambda lane, thief, victim: right(lane, thief, Robbed(victim)))
