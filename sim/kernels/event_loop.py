"""The lane: creation at time 0, then one event after the other in the written total order (DESIGN §1)."""

from sim.kernels import balance, draw, energy, heap, life, log, measure, programs, rebinding, slices, timeline
from sim.kernels.jit import cold, kernel, leaf
from sim.kernels.rows import class_numbers, class_state, klass, process
from sim.layout import counter as N
from sim.layout import lane as S
from sim.layout import parameter as K
from sim.layout import process as P
from sim.layout import step as T
from sim.layout import table as G
from sim.layout.sentinel import TIME_NEVER_NS
from sim.layout.status import COMPLETED_BIT, DECISIONS_FULL, EVENT_LIMIT, LOG_FULL

ARRIVAL_CODE = 1 << 40  # heap codes: timers are slots, arrivals stand behind them
CLOSED_STREAM, ARRIVAL_STREAM, ARRIVING_STREAM, STAGGER_STREAM = 1, 2, 3, 7


@kernel
def arrival_ns(z, g, f, kind, mean_ns):
    """One draw of the class's arrival stream, exponential with a mean, at least 1 ns."""
    state = class_state(z, kind)
    key = draw.mix(draw.mix(z[K.KEY], ARRIVAL_STREAM), kind)
    u = draw.uniform(draw.mix(key, z[state + T.ARRIVAL_DRAWS]))
    z[state + T.ARRIVAL_DRAWS] += 1
    x = -draw.ln(u) * mean_ns
    return int(min(max(1.0, x + 0.5), 2.0**60))


@kernel
def next_arrival_ns(z, g, f, kind, t):
    """Time of the arrival after t: deterministic, Poisson, or Poisson within exponential bursts (on_off)."""
    rule = g[klass(g, kind) + T.ARRIVAL]
    numbers, state = class_numbers(g, kind), class_state(z, kind)
    mean_ns = f[numbers + T.ARRIVAL_MEAN_NS] / f[g[G.FACTORS] + z[state + T.LOAD]]
    if rule == T.REGULAR:
        # counted from 0 or the last change of load, so that rounding does not add up
        count = z[state + T.ARRIVED] + 1 - z[state + T.ANCHOR_COUNT]
        return max(t, z[state + T.ANCHOR_NS] + int(count * mean_ns + 0.5))
    at = t + arrival_ns(z, g, f, kind, mean_ns)
    while rule == T.ON_OFF and at > z[state + T.ON_UNTIL_NS] and z[state + T.ON_UNTIL_NS] <= z[K.HORIZON_NS]:
        start = z[state + T.ON_UNTIL_NS] + arrival_ns(z, g, f, kind, f[numbers + T.OFF_MEAN_NS])
        z[state + T.ON_UNTIL_NS] = start + arrival_ns(z, g, f, kind, f[numbers + T.ON_MEAN_NS])
        at = start + arrival_ns(z, g, f, kind, mean_ns)
    return at


@kernel
def schedule_arrival(z, g, f, kind):
    """Put the class's next arrival into the heap, unless it lies behind the horizon."""
    at = next_arrival_ns(z, g, f, kind, z[S.NOW_NS])
    if at <= z[K.HORIZON_NS]:
        heap.push(z, at, ARRIVAL_CODE + kind)


@cold
def arrive(z, g, f, kind):
    """A process of class `kind` comes from outside."""
    key = draw.mix(draw.mix(draw.mix(z[K.KEY], ARRIVING_STREAM), kind), z[class_state(z, kind) + T.ARRIVED])
    z[class_state(z, kind) + T.ARRIVED] += 1
    start = life.start_core(z, g, f, kind)
    p = life.create(z, g, f, kind, key, P.NONE)
    if p >= 0:
        life.admit(z, g, f, p, start)
    schedule_arrival(z, g, f, kind)


@cold
def create_closed(z, g, f):
    """The closed population of every class, then the first arrivals."""
    key = draw.mix(z[K.KEY], CLOSED_STREAM)
    for kind in range(z[K.NUM_CLASSES]):
        for i in range(g[klass(g, kind) + T.POPULATION]):
            start = life.start_core(z, g, f, kind)
            p = life.create(z, g, f, kind, draw.mix(draw.mix(key, kind), i), P.NONE)
            if p >= 0:
                life.admit(z, g, f, p, start)
    for kind in range(z[K.NUM_CLASSES]):
        if g[klass(g, kind) + T.ARRIVAL] != T.NO_ARRIVAL:
            if g[klass(g, kind) + T.ARRIVAL] == T.ON_OFF:
                z[class_state(z, kind) + T.ON_UNTIL_NS] = arrival_ns(
                    z, g, f, kind, f[class_numbers(g, kind) + T.ON_MEAN_NS]
                )
            schedule_arrival(z, g, f, kind)


@cold
def create_copies(z, g, f, stagger_ns, schedulers):
    """The processes present at the start of a trace, copy by copy; each copy begins after its own delay."""
    n = z[S.USED]
    key = draw.mix(z[K.KEY], CLOSED_STREAM)
    stagger_key = draw.mix(z[K.KEY], STAGGER_STREAM)
    for copy in range(z[K.COPIES]):
        delay = draw.below(draw.mix(stagger_key, copy), stagger_ns + 1) if stagger_ns > 0 else 0
        for i in range(z[S.NUM_TRACE]):
            if g[g[G.REPLAY_PEER] + g[g[G.REPLAY_FIRST] + i]] >= 0:
                continue  # a parent of the trace will spawn it
            p = life.create(z, g, f, 0, draw.mix(draw.mix(key, copy), i), P.NONE)
            if p < 0:
                continue
            programs.begin_trace(z, g, f, p, copy, i)
            c = life.place.fit(z, g, f, p, (copy * schedulers + i % schedulers) % n)
            row = process(z, p)
            z[row + P.QUEUE_CORE] = c
            z[row + P.LAST_CORE] = c
            if programs.begin_away(z, g, p, delay):
                continue
            if stagger_ns > 0:
                z[row + P.STATE] = P.BLOCKED
                heap.push(z, delay, p)
            else:
                life.start_activation(z, g, f, p)
                log.note(z, g, f, log.ARRIVE, c, p, 0, z[row + P.NUMBER])
                life.ready(z, g, f, p, c)


@cold
def drain(z, g, f):
    """Dispatch the cores on the ready list, first in, first out."""
    while z[S.READY_COUNT] > 0:
        c = z[z[S.READY_RING] + z[S.READY_HEAD]]
        z[S.READY_HEAD] = z[S.READY_HEAD] + 1 if z[S.READY_HEAD] + 1 < z[K.NUM_CORES] else 0
        z[S.READY_COUNT] -= 1
        slices.run_core(z, g, f, c, P.NONE)


@cold
def control(z, g, f, t):
    """Balancing, adaptation, re-binding and windows, in this order at equal times; one event a call."""
    if z[S.NEXT_BALANCE_NS] == t:
        balance.balance(z, g, f)
    elif z[S.NEXT_ADAPT_NS] == t:
        balance.adapt(z, g, f)
    elif z[S.NEXT_REBIND_NS] == t:
        rebinding.rebinding_pass(z, g, f)
    else:
        is_warm = z[S.MEASURING]
        measure.window(z, g, f)
        if is_warm == 0:
            energy.restart(z)


@leaf
def next_control_ns(z):
    """Time of the next balancing pass, adjustment, re-binding pass or window."""
    first = min(z[S.NEXT_BALANCE_NS], z[S.NEXT_ADAPT_NS])
    return min(first, min(z[S.NEXT_REBIND_NS], z[S.NEXT_WINDOW_NS]))


@leaf
def handle(z, g, f, t, c, is_timer, is_core):
    """Handle the event at t: an entry of the timeline, else a timer, else one of core c, else another.

    Apart from the loop, which LLVM would write out again for every feature that a lane may lack.
    """
    z[N.EVENTS] += 1
    measure.advance(z, g, f, t)
    if z[S.NEXT_ENTRY_NS] == t:
        timeline.next_entry(z, g, f)
    elif is_timer:
        code = z[z[S.HEAP] + 1]
        heap.pop(z)
        if code < ARRIVAL_CODE:
            life.wake(z, g, f, code)
        else:
            arrive(z, g, f, code - ARRIVAL_CODE)
    elif is_core:
        slices.core_event(z, g, f, c)
    else:
        control(z, g, f, t)
    if z[S.READY_COUNT] > 0:
        drain(z, g, f)


@leaf
def next_other_ns(z):
    """Time of the next event that is neither a timer nor one of a core: only such an event moves it."""
    return min(z[S.NEXT_ENTRY_NS], next_control_ns(z))


@kernel
def loop(z, g, f):
    """Handle events until UNTIL_NS, the event limit or a stop; returns how many were handled in all."""
    events = z[S.HANDLED]
    horizon, limit = z[K.HORIZON_NS], z[K.MAX_EVENTS]
    other_ns = next_other_ns(z)
    while z[S.STOP] == 0:
        c = z[z[S.TREE] + 1]
        core_ns = z[z[S.EVENTS] + c]
        timer_ns = z[z[S.HEAP]] if z[S.HEAP_SIZE] > 0 else TIME_NEVER_NS
        t = min(other_ns, min(timer_ns, core_ns))
        if t > z[S.UNTIL_NS]:
            if t > horizon:
                z[S.STATUS] |= COMPLETED_BIT
            break
        if events == limit:
            z[S.STATUS] |= EVENT_LIMIT
            break
        events += 1
        handle(z, g, f, t, c, timer_ns == t, core_ns == t)
        if t == other_ns:
            other_ns = next_other_ns(z)
    z[S.HANDLED] = events
    return events


@kernel
def begin_lane(z, g, f, stagger_ns, schedulers):
    """Time 0, in a cleared arena: the processes that are there at the start."""
    if z[K.IS_REPLAY]:
        create_copies(z, g, f, stagger_ns, schedulers)
    else:
        create_closed(z, g, f)
    drain(z, g, f)


@kernel
def finish_lane(z, g, f):
    """Account for the time since the last event, and for logs that were too short."""
    if z[S.STATUS] & COMPLETED_BIT:
        measure.advance(z, g, f, z[K.HORIZON_NS])
    energy.finish(z)
    measure.finish(z, g, f)
    if z[K.LOG_CAPACITY] > 0 and z[S.LOG_COUNT] > z[S.LOG_SIZE]:
        z[S.STATUS] |= LOG_FULL
    if z[S.DECISIONS_COUNT] > z[K.DECISION_CAPACITY]:
        z[S.STATUS] |= DECISIONS_FULL
