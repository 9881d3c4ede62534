"""The timed loops, compiled without the interpreter's lock: what two threads do to each other.

Plain loads of an array may be moved out of a loop by LLVM, so cells that another thread writes are
read and written with atomic instructions, made by the intrinsics below. A cell of value STOPPED
ends every loop that waits.
"""

import ctypes
import platform
import sys
import time
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

CELLS = 512
FLAG, STOP, DONE, STAMP = 0, 64, 128, 192
"""Indexes of the shared cells: 512 bytes apart, so that no two share a line or a prefetched pair."""
LINE_WORDS = 8
CYCLES_PER_STEP = 2
"""An exclusive or and an addition, each waiting for the other: two cycles on every current core."""
SPINS_A_CHECK = 256
CLOCK = int(getattr(time, "CLOCK_UPTIME_RAW", time.CLOCK_MONOTONIC))
"""macOS's CLOCK_MONOTONIC ticks in microseconds; CLOCK_UPTIME_RAW in nanoseconds."""

_libc: Any = ctypes.CDLL(None)


def _function(name: str, result: Any, *arguments: Any) -> Any:
    function = getattr(_libc, name)
    function.restype, function.argtypes = result, arguments
    return function


# Addresses are given as whole numbers: the same registers, and Numba needs no pointer types.
clock_gettime = _function("clock_gettime", ctypes.c_int, ctypes.c_int, ctypes.c_size_t)
sched_yield = _function("sched_yield", ctypes.c_int)
usleep = _function("usleep", ctypes.c_int, ctypes.c_uint)
mutex_lock = _function("pthread_mutex_lock", ctypes.c_int, ctypes.c_size_t)
mutex_unlock = _function("pthread_mutex_unlock", ctypes.c_int, ctypes.c_size_t)
cond_wait = _function("pthread_cond_wait", ctypes.c_int, ctypes.c_size_t, ctypes.c_size_t)
cond_signal = _function("pthread_cond_signal", ctypes.c_int, ctypes.c_size_t)
mutex_init = _function("pthread_mutex_init", ctypes.c_int, ctypes.c_size_t, ctypes.c_size_t)
cond_init = _function("pthread_cond_init", ctypes.c_int, ctypes.c_size_t, ctypes.c_size_t)
IS_COMPILED = not numba.config.DISABLE_JIT
CAN_PIN = sys.platform.startswith("linux")
if CAN_PIN:
    set_affinity = _function(
        "sched_setaffinity", ctypes.c_int, ctypes.c_int, ctypes.c_size_t, ctypes.c_size_t
    )
else:
    set_affinity = sched_yield


def _cell(context: Any, builder: Any, kind: Any, values: Any) -> Any:
    array = context.make_array(kind)(context, builder, values[0])
    return cgutils.get_item_pointer(context, builder, kind, array, [values[1]], wraparound=False)


@intrinsic
def load(typing: Any, cells: Any, index: Any) -> Any:
    """Read a cell that another thread may write: `load(cells, index)`."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        pointer = _cell(context, builder, signature.args[0], values)
        return builder.load_atomic(pointer, "acquire", 8)

    return types.int64(cells, types.intp), generate


@intrinsic
def store(typing: Any, cells: Any, index: Any, value: Any) -> Any:
    """Write a cell that another thread may read: `store(cells, index, value)`."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        pointer = _cell(context, builder, signature.args[0], values)
        builder.store_atomic(values[2], pointer, "seq_cst", 8)
        return context.get_dummy_value()

    return types.void(cells, types.intp, types.int64), generate


@intrinsic
def swap_if(typing: Any, cells: Any, index: Any, old: Any, new: Any) -> Any:
    """Compare and swap: write `new` if the cell holds `old`; whether it did."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        pointer = _cell(context, builder, signature.args[0], values)
        pair = builder.cmpxchg(pointer, values[2], values[3], "seq_cst", "seq_cst")
        return builder.extract_value(pair, 1)

    return types.boolean(cells, types.intp, types.int64, types.int64), generate


@intrinsic
def pause(typing: Any) -> Any:
    """The processor's hint that this loop waits, as the BEAM's spin loop gives it."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        machine = platform.machine().lower()
        if machine in ("x86_64", "amd64"):
            kind = ir.FunctionType(ir.VoidType(), [])
            builder.call(cgutils.get_or_insert_function(builder.module, kind, "llvm.x86.sse2.pause"), [])
        elif machine in ("aarch64", "arm64"):
            kind = ir.FunctionType(ir.VoidType(), [ir.IntType(32)])
            hint = cgutils.get_or_insert_function(builder.module, kind, "llvm.aarch64.hint")
            builder.call(hint, [ir.Constant(ir.IntType(32), 1)])
        return context.get_dummy_value()

    return types.void(), generate


def new_cells() -> NDArray[np.int64]:
    """Shared cells, all 0, on a line boundary."""
    raw = np.zeros(CELLS + 64, np.int64)
    skip = -(raw.ctypes.data // 8) % 64
    return raw[skip : skip + CELLS]


@numba.njit(nogil=True)
def now_ns(stamp: Any, address: Any) -> Any:
    """The time; `stamp` holds two int64 and lies at `address`."""
    clock_gettime(CLOCK, address)
    return stamp[0] * 1_000_000_000 + stamp[1]


@numba.njit(nogil=True)
def swap_turns(cells: Any, mine: Any, turns: Any) -> Any:
    """Take the flag's line `turns` times by compare-and-swap, in turn with the other thread."""
    spins = 0
    for turn in range(turns):
        while not swap_if(cells, FLAG, mine, 1 - mine):
            spins += 1
            if spins % SPINS_A_CHECK == 0 and load(cells, STOP) != 0:
                return turn
    return turns


@numba.njit(nogil=True)
def spin_turns(cells: Any, mine: Any, turns: Any) -> Any:
    """The same as `swap_turns`, waiting as a scheduler that spins: read, pause, read again."""
    spins = 0
    for turn in range(turns):
        while load(cells, FLAG) != mine:
            pause()
            spins += 1
            if spins % SPINS_A_CHECK == 0 and load(cells, STOP) != 0:
                return turn
        store(cells, FLAG, 1 - mine)
    return turns


@numba.njit(nogil=True)
def spin(cells: Any, iterations: Any, per_yield: Any) -> Any:
    """Spin as an idle scheduler does before it sleeps; the iterations done."""
    for iteration in range(iterations):
        if load(cells, FLAG) != 0:
            return iteration
        pause()
        if iteration % per_yield == per_yield - 1:
            sched_yield()
    return iterations


@numba.njit(nogil=True)
def sleep_turns(cells: Any, latency_ns: Any, turns: Any, lock: Any, stamp: Any) -> Any:
    """Sleep until woken, again and again; latency_ns[i] is from the call that wakes to awake."""
    mutex, condition = lock
    address = stamp.ctypes.data
    for turn in range(turns):
        mutex_lock(mutex)
        while load(cells, FLAG) <= turn and load(cells, STOP) == 0:
            cond_wait(condition, mutex)
        mutex_unlock(mutex)
        awake_ns = now_ns(stamp, address)
        if load(cells, FLAG) <= turn:
            return turn
        latency_ns[turn] = awake_ns - load(cells, STAMP)
        store(cells, DONE, turn + 1)
    return turns


@numba.njit(nogil=True)
def wake_turns(cells: Any, turns: Any, pause_us: Any, deadline_ns: Any, lock: Any, stamp: Any) -> Any:
    """Wake the thread in `sleep_turns` after each `pause_us`, until the deadline at most."""
    mutex, condition = lock
    address = stamp.ctypes.data
    done = 0
    while done < turns and load(cells, STOP) == 0 and now_ns(stamp, address) < deadline_ns:
        usleep(pause_us)
        store(cells, STAMP, now_ns(stamp, address))
        mutex_lock(mutex)
        store(cells, FLAG, done + 1)
        mutex_unlock(mutex)
        cond_signal(condition)
        done += 1
        while load(cells, DONE) < done and load(cells, STOP) == 0:
            usleep(20)
    mutex_lock(mutex)
    store(cells, STOP, 1)
    mutex_unlock(mutex)
    cond_signal(condition)
    return done


@numba.njit(nogil=True)
def walk(links: Any, lines: Any, writes: Any) -> Any:
    """Follow the chain of lines once; with `writes`, write each line."""
    at = 0
    for _ in range(lines):
        if writes:
            links[at + 1] += 1
        at = links[at]
    return at


@numba.njit(nogil=True)
def sweep(links: Any, lines: Any) -> Any:
    """Read all lines in order; the loads do not wait for each other."""
    total = 0
    for line in range(lines):
        total += links[line * LINE_WORDS + 2]
    return total


@numba.njit(nogil=True)
def walk_once(links: Any, lines: Any, in_order: Any, stamp: Any) -> Any:
    """Time one pass, ns; the address is part of the sum so that the pass cannot be left out."""
    address = stamp.ctypes.data
    start_ns = now_ns(stamp, address)
    result = sweep(links, lines) if in_order else walk(links, lines, False)
    stop_ns = now_ns(stamp, address)
    return stop_ns - start_ns if result >= 0 else -1


@numba.njit(nogil=True)
def move_and_walk(links: Any, lines: Any, in_order: Any, masks: Any, times_ns: Any, stamp: Any) -> Any:
    """Warm a working set on one CPU, move to another and walk it again.

    masks    : addresses and size of the masks of the two CPUs
    times_ns : (repetition, 4): warm, after a move to the same CPU, first and second pass on the other
    """
    here, there, mask_bytes = masks
    for repetition in range(times_ns.shape[0]):
        set_affinity(0, mask_bytes, here)
        # Written here, so that no line is left in the other CPU's cache from the repetition before.
        walk(links, lines, True)
        for _ in range(3):
            times_ns[repetition, 0] = walk_once(links, lines, in_order, stamp)
        set_affinity(0, mask_bytes, here)
        times_ns[repetition, 1] = walk_once(links, lines, in_order, stamp)
        if set_affinity(0, mask_bytes, there) != 0:
            return repetition
        times_ns[repetition, 2] = walk_once(links, lines, in_order, stamp)
        times_ns[repetition, 3] = walk_once(links, lines, in_order, stamp)
    return times_ns.shape[0]


@numba.njit(nogil=True)
def add_steps(steps: Any, start: Any, key: Any) -> Any:
    """A chain of `steps` dependent steps of CYCLES_PER_STEP cycles each."""
    value = start
    for _ in range(steps):
        value = (value ^ key) + key
    return value
