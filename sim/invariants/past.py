"""What is kept of a look at a lane, for the next one to compare with."""

from dataclasses import dataclass

import numpy as np

from sim.invariants.moves import Moves


@dataclass(frozen=True)
class Past:
    """What is kept of an earlier look at the lane.

    handled : events, warm-up included; windows : that have ended
    busy : by scheduler, hardware_busy and energy : by hardware core, all up to `now_ns`
    state, active_mw : of the hardware cores
    given : reductions drawn and run since time 0, all processes
    opened : migrations not settled; running : processes on a core; carried : of their segments up to now
    segment_reds : of the running segments; reductions, delivered : counted so far, the latter messages
    serials, own, mail, taken, called : by slot: whose it is, its times by name, messages in its mailbox and
    taken from it, and calls that have ended
    slices, marks : times kept of schedulers and hardware cores; load, integral : of schedulers
    idle, wasted, stranded : schedulers and processes that are so; with _ns : the time counted so far
    moves : migrations that limits look back on
    """

    handled: int
    windows: int

    now_ns: int
    live: int
    given: int
    opened: int
    running: int
    carried_ns: int
    idle_ns: int
    spun_ns: int
    events: int
    busy: np.ndarray
    hardware_busy: np.ndarray
    energy: np.ndarray
    state: np.ndarray
    active_mw: np.ndarray
    segment_reds: int
    reductions: int
    delivered: int
    serials: np.ndarray
    own: dict[str, np.ndarray]
    mail: np.ndarray
    taken: np.ndarray
    called: np.ndarray
    slices: np.ndarray
    marks: np.ndarray
    load: np.ndarray
    integral: np.ndarray
    idle: int
    wasted: int
    stranded: int
    wasted_ns: int
    stranded_ns: int
    moves: Moves
