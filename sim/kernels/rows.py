"""Where rows begin in the three arrays of every kernel.

z : int64, the arena of the lane (sim/arena.py), the only thing that a kernel writes
g : int64, read only, the tables of the batch (sim/tables.py)
f : float64, read only, distributions and class numbers, found through the header of g

The kernel keeps a lane in one flat array, as a C program would in one struct: a function then takes
three arrays instead of fifty, which compiles twenty times faster than bundles of arrays did and is free
to inline. Kernels take (z, g, f) first and in this order, also those that read only one of them: no
caller changes when one comes to need a table, and what is unused costs nothing once inlined. The small
helpers of rows, sets, heap and tree take the arrays that they touch and nothing else.

Names that stand for the same thing everywhere, all int64: p process slot, c core (a scheduler), h hardware
core, t time in ns, d
distance class, kind class of processes, row position of a row in z, k processes that would run before p.
"""

from sim.kernels.jit import leaf
from sim.layout import core as C
from sim.layout import erts as E
from sim.layout import hardware as H
from sim.layout import lane as S
from sim.layout import parameter as K
from sim.layout import process as P
from sim.layout import step as T
from sim.layout import table as G


@leaf
def process(z, p):
    """Row of process slot p."""
    return z[S.PROCESSES] + p * P.WIDTH


@leaf
def core(z, c):
    """Row of core c."""
    return K.CORES + c * C.WIDTH


@leaf
def hardware(z, h):
    """Row of hardware core h."""
    return z[S.HARDWARE] + h * H.WIDTH


@leaf
def erts(z, c):
    """Row of scheduler c's numbers in an erts lane."""
    return z[S.ERTS_ROWS] + c * E.WIDTH


@leaf
def path(z, c, priority):
    """Migration path of scheduler c for a priority."""
    return z[S.ERTS_ROWS] + c * E.WIDTH + E.PATH + priority * E.PATH_WIDTH


@leaf
def timeline(g, row):
    """Row of the timeline table."""
    return g[G.TIMELINE] + row * T.TIMELINE_WIDTH


@leaf
def klass(g, kind):
    """Row of a process class."""
    return g[G.CLASSES] + kind * T.CLASS_WIDTH


@leaf
def class_state(z, kind):
    """Row of what a class counts."""
    return z[S.CLASS_STATE] + kind * T.CLASS_STATE_WIDTH


@leaf
def class_numbers(g, kind):
    """Row of a class in f."""
    return g[G.NUMBERS] + kind * T.CLASS_NUMBER_WIDTH


@leaf
def step_row(g, step):
    """Row of a program step."""
    return g[G.STEPS] + step * T.STEP_WIDTH


@leaf
def mail(z, i):
    """Row of a message: next one or NONE, sender, its serial, its call number (0 = no call)."""
    return z[S.MAIL] + 4 * i


@leaf
def mask(z, i):
    """Words of affinity mask i."""
    return z[S.MASKS] + i * z[S.WORDS]


@leaf
def core_ring(z, c):
    """Ring of a core's last migrations."""
    return z[S.CORE_RINGS] + c * z[S.CORE_RING_SIZE]


@leaf
def process_ring(z, p):
    """Ring of a process's last migrations."""
    return z[S.PROCESS_RINGS] + P.RING * p
