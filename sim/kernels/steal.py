"""Work stealing: what an idle core takes from others (DESIGN §6)."""

import numpy as np

from sim.kernels import bits, decide, draw, measure, queues
from sim.kernels.jit import kernel
from sim.kernels.rows import core, process
from sim.layout import core as C
from sim.layout import counter as N
from sim.layout import lane as S
from sim.layout import parameter as K
from sim.layout import policy as R
from sim.layout import process as P

VICTIM_STREAM = 5


@kernel
def amount(z, g, f, length):
    """Processes taken from a victim with `length` queued, at most."""
    if z[K.AMOUNT] == R.ONE:
        return 1
    if z[K.AMOUNT] == R.HALF:
        return (length + 1) // 2
    return z[K.BATCH]


@kernel
def after(z, g, f, victim, p):
    """The process behind p in the victim's queue, on to the next level at the end of one."""
    follower = z[process(z, p) + P.NEXT]
    level = z[process(z, p) + P.LEVEL]
    while follower < 0 and level < C.LEVELS - 1:
        level += 1
        follower = z[core(z, victim) + C.FIRST + level]
    return follower


@kernel
def head(z, g, f, victim):
    """First process of the victim's queue."""
    for level in range(C.LEVELS):
        if z[core(z, victim) + C.FIRST + level] >= 0:
            return z[core(z, victim) + C.FIRST + level]
    return P.NONE


@kernel
def from_victim(z, g, f, thief, victim):
    """Take what passes the decision from one victim; returns the process to run, or NONE."""
    most = amount(z, g, f, z[core(z, victim) + C.QUEUE_LENGTH])
    first, taken = P.NONE, 0
    p = head(z, g, f, victim)
    position = 0
    while p >= 0 and position < z[K.SCAN] and taken < most:
        follower = after(z, g, f, victim, p)
        z[S.BATCH_LATER] = 1 if taken > 0 else 0
        # the queue shrinks as it is robbed: what was taken no longer runs before p
        if decide.attempt(z, g, f, p, victim, thief, position - taken + 1, N.STEAL):
            queues.remove(z, g, f, victim, p)
            measure.leave(z, g, f, victim)
            measure.enter(z, g, f, thief)
            if taken == 0:
                first = p
            else:
                queues.append(z, g, f, thief, p)
            taken += 1
        position += 1
        p = follower
    z[S.BATCH_LATER] = 0
    return first


@kernel
def next_longest(z, g, f, thief, n):
    """Core with the longest queue in the scratch set, or -1; ties in order of (core - thief) mod n."""
    best, longest, best_step = -1, 0, 0
    for i in range(z[S.WORDS]):
        left = np.uint64(z[z[S.SCRATCH] + i])
        while left != bits.ZERO:
            c = 64 * i + bits.lowest(left)
            left &= left - bits.ONE
            length = z[core(z, c) + C.QUEUE_LENGTH]
            step = c - thief if c >= thief else c - thief + n
            if length > longest or (length == longest and step < best_step):
                best, longest, best_step = c, length, step
    return best


@kernel
def next_random(z, g, f, thief):
    """A drawn core if it is a victim, else -1; uses up one draw."""
    key = draw.mix(z[K.KEY], VICTIM_STREAM)
    c = draw.below(draw.mix(key, z[S.VICTIM_DRAWS]), z[K.NUM_CORES])
    z[S.VICTIM_DRAWS] += 1
    return c if c != thief and z[core(z, c) + C.QUEUE_LENGTH] >= z[K.MIN_QUEUE] else -1


@kernel
def set_victims(z, g, f, thief):
    """Fill the scratch set with the cores that have enough queued."""
    for i in range(z[S.WORDS]):
        z[z[S.SCRATCH] + i] = z[z[S.BACKLOG] + i]
    bits.drop(z, z[S.SCRATCH], thief)
    if z[K.MIN_QUEUE] > 1:
        for c in range(z[K.NUM_CORES]):
            if bits.has(z, z[S.SCRATCH], c) and z[core(z, c) + C.QUEUE_LENGTH] < z[K.MIN_QUEUE]:
                bits.drop(z, z[S.SCRATCH], c)


@kernel
def steal(z, g, f, thief):
    """Try victims in the policy's order; returns the process to run, or NONE."""
    kind = z[K.VICTIM]
    if z[S.NUM_WAITING] > 0 or kind == R.VICTIM_RANDOM:
        set_victims(z, g, f, thief)
        for _ in range(z[K.ATTEMPTS]):
            if kind == R.VICTIM_RANDOM:
                victim = next_random(z, g, f, thief)
                if victim < 0:
                    continue
            elif kind == R.NEAREST:
                victim = bits.nearest(z, z[S.SCRATCH], z[S.ALL_CORES], thief)
            else:
                victim = next_longest(z, g, f, thief, z[K.NUM_CORES])
            if victim < 0:
                break
            p = from_victim(z, g, f, thief, victim)
            if p >= 0:
                return p
            bits.drop(z, z[S.SCRATCH], victim)
    z[N.FAILED_STEALS] += 1
    return P.NONE
