"""How long a thread takes to wake: asleep on a condition variable, or spinning; and how long it spins."""

import time

import numpy as np

from pipeline.calibration import kernels
from pipeline.calibration.latency import take_turns
from pipeline.calibration.measured import Measured, spread_of
from pipeline.calibration.threads import run_together

Cpus = tuple[int | None, int | None]
PAUSE_US = 500
"""Asleep for long enough that the core goes idle, as a scheduler's core does."""
WAKES_MAX = 5000
SPIN_ITERATIONS, SPINS_A_YIELD = 10_000, 100
"""`+sbwt medium` of the BEAM."""
SPIN_REPEATS_MAX = 400
OPAQUE_BYTES = 256
"""More than a pthread_mutex_t or pthread_cond_t of any system."""


def measure_wake(cpus: Cpus, seconds: float) -> Measured:
    """From the call that wakes a thread asleep on another CPU to its first instruction."""
    opaque = np.zeros(2 * OPAQUE_BYTES // 8, np.int64)
    lock = (opaque.ctypes.data, opaque.ctypes.data + OPAQUE_BYTES)
    kernels.mutex_init(lock[0], 0)
    kernels.cond_init(lock[1], 0)
    cells, latency_ns = kernels.new_cells(), np.zeros(WAKES_MAX, np.int64)
    stamps = np.zeros((2, 64), np.int64)
    # Compiled before they are timed: no turns, and a deadline that has passed.
    kernels.sleep_turns(cells, latency_ns, 0, lock, stamps[0])
    kernels.wake_turns(cells, 0, PAUSE_US, 0, lock, stamps[1])
    cells[:] = 0
    deadline_ns = int(kernels.now_ns(stamps[0], stamps[0].ctypes.data) + seconds * 1e9)
    woken: list[int] = []

    def sleeper() -> None:
        woken.append(kernels.sleep_turns(cells, latency_ns, WAKES_MAX, lock, stamps[0]))

    def waker() -> None:
        kernels.wake_turns(cells, WAKES_MAX, PAUSE_US, deadline_ns, lock, stamps[1])

    run_together([(cpus[0], sleeper), (cpus[1], waker)], cells, seconds + 2.0)
    note = f"a thread asleep for {PAUSE_US} us on a condition variable"
    return spread_of("wake_ns", latency_ns[: woken[0]].tolist(), "ns", note)


def measure_spin_wake(cpus: Cpus, seconds: float) -> Measured:
    """From the store that a spinning thread waits for to its answer, one way."""
    note = "half a round trip between two threads that read a flag and pause"
    return spread_of("spin_wake_ns", take_turns(kernels.spin_turns, cpus, seconds), "ns", note)


def measure_spin(seconds: float) -> Measured:
    """How long a scheduler spins before it sleeps, at `+sbwt medium`."""
    cells = kernels.new_cells()
    kernels.spin(cells, 1, SPINS_A_YIELD)
    samples: list[float] = []
    stop_at = time.perf_counter() + seconds
    while len(samples) < SPIN_REPEATS_MAX and (not samples or time.perf_counter() < stop_at):
        start_ns = time.perf_counter_ns()
        kernels.spin(cells, SPIN_ITERATIONS, SPINS_A_YIELD)
        samples.append(time.perf_counter_ns() - start_ns)
    note = f"{SPIN_ITERATIONS} pauses and {SPIN_ITERATIONS // SPINS_A_YIELD} yields, as +sbwt medium"
    return spread_of("spin_ns", samples, "ns", note)
