"""The re-binding pass: unpinned schedulers move to free and to faster cores (DESIGN §12)."""

from sim.kernels import bits, draw, queues, schedulers
from sim.kernels.jit import cold, leaf
from sim.kernels.rows import core, hardware
from sim.layout import core as C
from sim.layout import hardware as H
from sim.layout import lane as S
from sim.layout import parameter as K
from sim.layout import policy as R

OS_STREAM = 8


@leaf
def is_active(z, c):
    """Does scheduler c want a core?"""
    state = z[core(z, c) + C.STATE]
    return state != C.IDLE and state != C.OFFLINE


@leaf
def place_of(z, c):
    """Hardware core that c stands on, or will when its slice ends."""
    following = z[core(z, c) + C.NEXT_HARDWARE]
    return following if following >= 0 else z[core(z, c) + C.HARDWARE]


@cold
def count_active(z):
    """Count the active schedulers of each hardware core into its row."""
    for h in range(z[K.NUM_HARDWARE]):
        z[hardware(z, h) + H.ACTIVE] = 0
    for c in range(z[K.NUM_CORES]):
        if is_active(z, c):
            z[hardware(z, place_of(z, c)) + H.ACTIVE] += 1


@cold
def movable_on(z, h):
    """The last unpinned active scheduler on hardware core h that is not RUNNING, or NONE."""
    for c in range(z[K.NUM_CORES] - 1, -1, -1):
        if z[core(z, c) + C.HARDWARE] == h and z[core(z, c) + C.PINNED] == 0:
            if is_active(z, c) and z[core(z, c) + C.STATE] != C.RUNNING:
                return c
    return C.NONE


@cold
def crowded_core(z):
    """Hardware core with the most active schedulers, two or more, of which one can be moved; or NONE."""
    best, most = C.NONE, 1
    for h in range(z[K.NUM_HARDWARE]):
        active = z[hardware(z, h) + H.ACTIVE]
        if active > most and movable_on(z, h) >= 0:
            best, most = h, active
    return best


@cold
def free_core(z, origin, most_q20):
    """The fastest, then nearest open core without active schedulers, at most as slow as given; or NONE."""
    best, best_d = C.NONE, 0
    for h in range(z[K.NUM_HARDWARE]):
        at = hardware(z, h)
        if z[at + H.STATE] == H.OPEN and z[at + H.ACTIVE] == 0 and z[at + H.BASE_Q20] <= most_q20:
            d = bits.distance_of(z, hardware(z, origin), at)
            if best < 0 or z[at + H.BASE_Q20] < most_q20 or d < best_d:
                best, best_d, most_q20 = h, d, z[at + H.BASE_Q20]
    return best


@cold
def spread(z, g, f):
    """Move one scheduler from the most crowded core to a free one; False if there is nothing to move."""
    crowded = crowded_core(z)
    if crowded < 0:
        return False
    h = free_core(z, crowded, 2**62)
    if h < 0:
        return False
    return schedulers.migrate_scheduler(z, g, f, movable_on(z, crowded), h)


@cold
def speed_up(z, g, f):
    """Move the fullest scheduler that a faster free core would serve; False if there is none."""
    best, most, where = C.NONE, 0, C.NONE
    for c in range(z[K.NUM_CORES]):
        if z[core(z, c) + C.PINNED] or not is_active(z, c):
            continue
        load = queues.load(z, c)
        if best < 0 or load > most:
            origin = place_of(z, c)
            h = free_core(z, origin, z[hardware(z, origin) + H.BASE_Q20] - 1)
            if h >= 0:
                best, most, where = c, load, h
    if best < 0:
        return False
    return schedulers.migrate_scheduler(z, g, f, best, where)


@cold
def disturb(z, g, f):
    """What an operating system does now and then: a thread that does not run changes to a free core."""
    key = draw.mix(z[K.KEY], OS_STREAM)
    x = draw.below(draw.mix(key, z[S.OS_DRAWS]), z[K.NUM_CORES])
    h = draw.below(draw.mix(key, z[S.OS_DRAWS] + 1), z[K.NUM_HARDWARE])
    z[S.OS_DRAWS] += 2
    row = core(z, x)
    old = place_of(z, x)
    stays = z[row + C.PINNED] or z[row + C.STATE] == C.OFFLINE or z[row + C.STATE] == C.RUNNING
    if stays or old == h or not schedulers.is_open(z, h) or z[hardware(z, h) + H.ACTIVE] > 0:
        return
    schedulers.migrate_scheduler(z, g, f, x, h)


@cold
def rebinding_pass(z, g, f):
    """One pass: spread, then speed up where the mode does that, then what the operating system does."""
    z[S.NEXT_REBIND_NS] += z[K.REBIND_PERIOD_NS]
    mode = z[K.BINDING]
    for _ in range(z[K.REBIND_BATCH]):
        count_active(z)  # a move may have woken others
        moved = spread(z, g, f)
        if not moved and (mode == R.DYNAMIC or mode == R.HYBRID):
            moved = speed_up(z, g, f)
        if not moved:
            break
    if mode == R.UNBOUND or mode == R.STATIC:
        count_active(z)
        disturb(z, g, f)
