"""The interpreter of class programs and of the operations of a replayed trace (DESIGN §4)."""

from sim.kernels import affinity, bits, draw, heap, life, log, messages
from sim.kernels.jit import cold, kernel, leaf
from sim.kernels.rows import core, klass, process, step_row
from sim.layout import core as C
from sim.layout import counter as N
from sim.layout import lane as S
from sim.layout import process as P
from sim.layout import step as T
from sim.layout import table as G
from sim.layout.status import STUCK

# outcomes of interpret(): has reductions to run; owes time that must pass first; has left the core
RUNS, OWES, LEFT = 0, 1, 2
STEPS_MAX = 100_000


@leaf
def block(z, g, f, p, c, wake_ns):
    """Process p leaves core c until wake_ns."""
    z[process(z, p) + P.STATE] = P.BLOCKED
    heap.push(z, wake_ns, p)
    log.note(z, g, f, log.BLOCK, c, p, wake_ns, 0)


@kernel
def wait(z, g, f, p, c, state, need):
    """Process p leaves core c until a message, a reply or an edge comes."""
    z[process(z, p) + P.STATE] = state
    z[process(z, p) + P.NEED] = need
    log.note(z, g, f, log.WAIT, c, p, state, 0)
    return LEFT


@kernel
def exit_process(z, g, f, p, c):
    """Process p leaves core c for ever; its slot is freed after the slice is booked."""
    z[process(z, p) + P.STATE] = P.FREE
    log.note(z, g, f, log.EXIT, c, p, 0, 0)


@kernel
def spawn(z, g, f, p, c, kind, source):
    """One child of p, of class `kind`, placed from core c; its affinity is as the step says."""
    row = process(z, p)
    key = draw.mix(z[row + P.KEY] ^ draw.CHILD, z[row + P.DRAWS])
    z[row + P.DRAWS] += 1
    child = life.create(z, g, f, kind, key, p)
    if child >= 0:
        if source != T.FROM_CLASS:
            affinity.inherit(z, child, p if source == T.FROM_PARENT else P.NONE)
        life.admit(z, g, f, child, c)
    log.note(z, g, f, log.SPAWN, c, p, child, 0)


@kernel
def call(z, g, f, p, c, step):
    """The call step: request once, then wait for the reply; a request that is lost ends the call at once."""
    row = process(z, p)
    if z[row + P.IS_CALLING] == 0:
        z[row + P.IS_CALLING] = 1
        z[row + P.CALL] += 1
        if not messages.send(z, g, f, p, messages.receiver_of(z, g, f, p, step), z[row + P.CALL]):
            z[row + P.IS_CALLING] = 2
    if z[row + P.IS_CALLING] == 2:
        z[row + P.IS_CALLING] = 0
        z[row + P.PC] += 1
        return RUNS
    if z[core(z, c) + C.OWED_NS] > 0:
        return OWES
    return wait(z, g, f, p, c, P.CALLING, 0)


@cold
def act(z, g, f, p, c, step):
    """Steps other than run, block and exit."""
    op, row = g[step_row(g, step) + T.OP], process(z, p)
    if op == T.CALL:
        return call(z, g, f, p, c, step)
    if op == T.RECEIVE:
        count = g[step_row(g, step) + T.COUNT]
        if not messages.receive(z, g, f, p, count):
            return OWES if z[core(z, c) + C.OWED_NS] > 0 else wait(z, g, f, p, c, P.WAITING, count)
    elif op == T.REPLY:
        messages.reply(z, g, f, p)
    elif op == T.AFFINE:
        at = step_row(g, step)
        affinity.set_affinity(
            z, g, f, p, g[at + T.NEW_MASK], g[at + T.NEW_TYPE], g[at + T.NEW_PREFERRED], g[at + T.NEW_MAX]
        )
    else:
        for _ in range(g[step_row(g, step) + T.COUNT]):
            if op == T.SEND:
                messages.send(z, g, f, p, messages.receiver_of(z, g, f, p, step), 0)
            else:
                spawn(z, g, f, p, c, g[step_row(g, step) + T.TARGET], g[step_row(g, step) + T.SPAWN_AFFINITY])
    z[row + P.PC] += 1
    return RUNS


@leaf
def interpret(z, g, f, p, c):
    """Execute steps of p's class program until it has work, owes time first, or has left core c."""
    row = process(z, p)
    kind = z[row + P.CLASS]
    for _ in range(STEPS_MAX):
        step = z[row + P.PC]
        if step == g[klass(g, kind) + T.END_STEP]:
            z[row + P.PC] = g[klass(g, kind) + T.FIRST_STEP]
            continue
        op = g[step_row(g, step) + T.OP]
        if op == T.RUN or op == T.BLOCK:
            if op == T.BLOCK and z[core(z, c) + C.OWED_NS] > 0:
                return OWES
            drawn = draw.sample(
                g, f, g[step_row(g, step) + T.DRAW], draw.mix(z[row + P.KEY], z[row + P.DRAWS])
            )
            z[row + P.DRAWS] += 1
            z[row + P.PC] = step + 1
            if op == T.RUN:
                z[row + P.REMAINING] = drawn
                return RUNS
            block(z, g, f, p, c, z[S.NOW_NS] + drawn)
            return LEFT
        if op == T.EXIT:
            if z[core(z, c) + C.OWED_NS] > 0:
                return OWES
            exit_process(z, g, f, p, c)
            return LEFT
        outcome = act(z, g, f, p, c, step)
        if outcome != RUNS:
            return outcome
    z[S.STATUS] |= STUCK
    z[S.STOP] = 1
    exit_process(z, g, f, p, c)
    return LEFT


@cold
def begin_trace(z, g, f, p, copy, trace_process):
    """Make p the given process of a copy of the trace."""
    row = process(z, p)
    first = g[g[G.REPLAY_FIRST] + trace_process]
    z[row + P.COPY] = copy
    z[row + P.TRACE_PROCESS] = trace_process
    z[row + P.WORKING_SET] = g[g[G.REPLAY_VALUE] + first]
    z[row + P.PC] = first + 1
    z[row + P.SCALE_Q16] = g[g[G.REPLAY_SCALE] + trace_process]
    z[z[S.REPLAY_SLOTS] + copy * z[S.NUM_TRACE] + trace_process] = p


@cold
def begin_away(z, g, p, delay_ns):
    """A process that is away when the recording begins does not run first: True if p is such a one."""
    row, at = process(z, p), z[process(z, p) + P.PC]
    op = g[g[G.REPLAY_OP] + at] if at < g[g[G.REPLAY_FIRST] + z[row + P.TRACE_PROCESS] + 1] else -1
    if op == T.BLOCK_TRACE:
        z[row + P.STATE] = P.BLOCKED
        z[row + P.PC] = at + 1
        heap.push(z, delay_ns + g[g[G.REPLAY_VALUE] + at], p)
    elif op == T.WAIT_TRACE:
        z[row + P.STATE] = P.EDGE
        z[row + P.NEED] = g[g[G.REPLAY_VALUE] + at]
    return op == T.BLOCK_TRACE or op == T.WAIT_TRACE


@kernel
def trace_slot(z, g, f, copy, trace_process):
    """Slot of a live process of a copy, or NONE."""
    if trace_process < 0:
        return P.NONE
    slot = z[z[S.REPLAY_SLOTS] + copy * z[S.NUM_TRACE] + trace_process]
    if slot < 0:
        return P.NONE
    row = process(z, slot)
    gone = z[row + P.STATE] == P.FREE or z[row + P.COPY] != copy or z[row + P.TRACE_PROCESS] != trace_process
    return P.NONE if gone else slot


@kernel
def is_sent(z, copy, edge):
    """Has the message of this edge been sent in this copy?"""
    return bits.has(z, z[S.EDGES] + copy * z[S.EDGE_WORDS], edge)


@kernel
def send_trace(z, g, f, p, c, at):
    """A recorded message; one with an edge wakes its receiver if that waits for it."""
    copy, edge = z[process(z, p) + P.COPY], g[g[G.REPLAY_VALUE] + at]
    receiver = trace_slot(z, g, f, copy, g[g[G.REPLAY_PEER] + at])
    z[N.MESSAGES] += 1
    if receiver >= 0:
        messages.pay(z, g, f, p, receiver)
    log.note(z, g, f, log.SEND, c, p, receiver, 0)
    if edge >= 0:
        bits.add(z, z[S.EDGES] + copy * z[S.EDGE_WORDS], edge)
        if (
            receiver >= 0
            and z[process(z, receiver) + P.STATE] == P.EDGE
            and z[process(z, receiver) + P.NEED] == edge
        ):
            life.wake_by_other(z, g, f, receiver)


@kernel
def spawn_trace(z, g, f, p, c, at):
    """A recorded spawn."""
    row = process(z, p)
    key = draw.mix(z[row + P.KEY] ^ draw.CHILD, z[row + P.DRAWS])
    z[row + P.DRAWS] += 1
    child = life.create(z, g, f, 0, key, p)
    if child >= 0:
        begin_trace(z, g, f, child, z[row + P.COPY], g[g[G.REPLAY_PEER] + at])
        life.admit(z, g, f, child, c)
    log.note(z, g, f, log.SPAWN, c, p, child, 0)


@cold
def interpret_trace(z, g, f, p, c):
    """As interpret(), for a process of a replayed trace."""
    row = process(z, p)
    end = g[g[G.REPLAY_FIRST] + z[row + P.TRACE_PROCESS] + 1]
    while True:
        at = z[row + P.PC]
        op = g[g[G.REPLAY_OP] + at] if at < end else -1
        if op == T.RUN_TRACE:
            z[row + P.REMAINING] = g[g[G.REPLAY_VALUE] + at]
            z[row + P.PC] = at + 1
            return RUNS
        if op == T.SEND_TRACE:
            send_trace(z, g, f, p, c, at)
        elif op == T.SPAWN_TRACE:
            spawn_trace(z, g, f, p, c, at)
        elif op == T.WAIT_TRACE and is_sent(z, z[row + P.COPY], g[g[G.REPLAY_VALUE] + at]):
            pass
        elif z[core(z, c) + C.OWED_NS] > 0:
            return OWES
        elif op == T.WAIT_TRACE:
            return wait(z, g, f, p, c, P.EDGE, g[g[G.REPLAY_VALUE] + at])
        elif op == T.BLOCK_TRACE:
            z[row + P.PC] = at + 1
            block(z, g, f, p, c, z[S.NOW_NS] + g[g[G.REPLAY_VALUE] + at])
            return LEFT
        else:
            exit_process(z, g, f, p, c)
            return LEFT
        z[row + P.PC] = at + 1
