"""Messages: targets, mailboxes, calls and replies (DESIGN §4)."""

from sim.kernels import bits, costs, draw, life, log
from sim.kernels.jit import cold
from sim.kernels.rows import core, klass, mail, process, step_row
from sim.layout import core as C
from sim.layout import counter as N
from sim.layout import lane as S
from sim.layout import parameter as K
from sim.layout import process as P
from sim.layout import step as T
from sim.layout.status import MAILBOX_LIMIT, MESSAGE_LIMIT


@cold
def is_alive(z, g, f, p, serial):
    """Does slot p still hold the process with this serial?"""
    return p >= 0 and z[process(z, p) + P.SERIAL] == serial and z[process(z, p) + P.STATE] != P.FREE


@cold
def pick_member(z, g, f, p, step):
    """Number of the chosen member of the target class, drawing if the rule is random."""
    row = process(z, p)
    target, pick = g[step_row(g, step) + T.TARGET], g[step_row(g, step) + T.PICK]
    population, i = g[klass(g, target) + T.POPULATION], z[row + P.NUMBER]
    if pick == T.PICK_SAME:
        return i % population
    if pick == T.PICK_NEXT:
        return (i + 1) % population
    first, members = 0, population
    if pick == T.PICK_GROUP:
        size = g[klass(g, target) + T.GROUP_SIZE]
        group = i // g[klass(g, z[row + P.CLASS]) + T.GROUP_SIZE] % ((population + size - 1) // size)
        first = group * size
        members = min(size, population - first)
    j = draw.below(draw.mix(z[row + P.KEY], z[row + P.DRAWS]), members)
    z[row + P.DRAWS] += 1
    if target == z[row + P.CLASS] and first + j == i and members > 1:
        j = j + 1 if j + 1 < members else 0
    return first + j


@cold
def receiver_of(z, g, f, p, step):
    """Slot of the receiver of one message of this step, or NONE if it is gone."""
    pick = g[step_row(g, step) + T.PICK]
    row = process(z, p)
    if pick == T.PICK_SENDER:
        return z[row + P.SENDER] if is_alive(z, g, f, z[row + P.SENDER], z[row + P.SENDER_SERIAL]) else P.NONE
    if pick == T.PICK_PARENT:
        return z[row + P.PARENT] if is_alive(z, g, f, z[row + P.PARENT], z[row + P.PARENT_SERIAL]) else P.NONE
    target = g[step_row(g, step) + T.TARGET]
    j = pick_member(z, g, f, p, step)
    slot = g[klass(g, target) + T.BASE] + j
    other = process(z, slot)
    if z[other + P.STATE] == P.FREE or z[other + P.CLASS] != target or z[other + P.NUMBER] != j:
        return P.NONE
    return slot


@cold
def pay(z, g, f, p, receiver):
    """Charge the sender for the distance of a message."""
    c, other = z[process(z, p) + P.QUEUE_CORE], z[process(z, receiver) + P.QUEUE_CORE]
    d = bits.distance(z, c, other)
    z[N.MESSAGES_BY_DISTANCE + d] += 1
    if z[K.MESSAGE_0 + d] > 0:
        z[core(z, c) + C.OWED_NS] += costs.cycles_to_ns(z, g, f, c, z[K.MESSAGE_0 + d])
    x, y = z[core(z, c) + C.HARDWARE], z[core(z, other) + C.HARDWARE]
    if z[K.MESSAGE_LINES] > 0 and x != y:
        z[core(z, c) + C.OWED_NS] += z[K.MESSAGE_LINES] * costs.pair_latency_ns(z, g, x, y, d)


@cold
def new_mail(z, g, f):
    """A free entry of the message pool; NONE (marked in the status) if it is used up."""
    i = z[S.MAIL_FREE]
    if i >= 0:
        z[S.MAIL_FREE] = z[mail(z, i) + 0]
    elif z[S.MAIL_USED] < z[S.MAIL_SIZE]:
        i = z[S.MAIL_USED]
        z[S.MAIL_USED] += 1
    else:
        z[S.STATUS] |= MESSAGE_LIMIT
    return i


@cold
def post(z, g, f, p, receiver, call):
    """Append a message of p to a mailbox; False if the pool is used up."""
    i = new_mail(z, g, f)
    if i < 0:
        return False
    row = process(z, receiver)
    z[mail(z, i) + 0] = P.NONE
    z[mail(z, i) + 1] = p
    z[mail(z, i) + 2] = z[process(z, p) + P.SERIAL]
    z[mail(z, i) + 3] = call
    if z[row + P.MAIL_LAST] < 0:
        z[row + P.MAIL_FIRST] = i
    else:
        z[mail(z, z[row + P.MAIL_LAST]) + 0] = i
    z[row + P.MAIL_LAST] = i
    z[row + P.MAIL_COUNT] += 1
    return True


@cold
def is_full(z, receiver):
    """Is the receiver's mailbox full? Counted: the message is lost."""
    if z[K.MAILBOX_CAPACITY] == K.UNLIMITED:
        return False
    if z[process(z, receiver) + P.MAIL_COUNT] < z[K.MAILBOX_CAPACITY]:
        return False
    z[N.MAILBOX_OVERFLOWS] += 1
    z[S.STATUS] |= MAILBOX_LIMIT
    return True


@cold
def send(z, g, f, p, receiver, call):
    """Deliver one message of p at once; returns whether it arrived. `call` is its call number, 0 for none."""
    z[N.MESSAGES] += 1
    c = z[process(z, p) + P.QUEUE_CORE]
    if receiver < 0 or is_full(z, receiver) or not post(z, g, f, p, receiver, call):
        z[N.LOST_MESSAGES] += 1
        log.note(z, g, f, log.SEND, c, p, P.NONE, 0)
        return False
    pay(z, g, f, p, receiver)
    log.note(z, g, f, log.SEND, c, p, receiver, 0)
    row = process(z, receiver)
    if z[row + P.STATE] == P.WAITING and z[row + P.MAIL_COUNT] >= z[row + P.NEED]:
        life.wake_by_other(z, g, f, receiver)
    return True


@cold
def receive(z, g, f, p, count):
    """Take `count` messages if they are there; the last one's sender is remembered."""
    row = process(z, p)
    if z[row + P.MAIL_COUNT] < count:
        return False
    for _ in range(count):
        i = z[row + P.MAIL_FIRST]
        z[row + P.MAIL_FIRST] = z[mail(z, i) + 0]
        z[row + P.SENDER] = z[mail(z, i) + 1]
        z[row + P.SENDER_SERIAL] = z[mail(z, i) + 2]
        z[row + P.SENDER_CALL] = z[mail(z, i) + 3]
        z[mail(z, i) + 0] = z[S.MAIL_FREE]
        z[S.MAIL_FREE] = i
    if z[row + P.MAIL_FIRST] < 0:
        z[row + P.MAIL_LAST] = P.NONE
    z[row + P.MAIL_COUNT] -= count
    return True


@cold
def reply(z, g, f, p):
    """Answer the last message: end the caller's call, or send an ordinary message if it was no call."""
    row = process(z, p)
    caller = z[row + P.SENDER] if is_alive(z, g, f, z[row + P.SENDER], z[row + P.SENDER_SERIAL]) else P.NONE
    if z[row + P.SENDER_CALL] == 0:
        send(z, g, f, p, caller, 0)
        return
    z[N.MESSAGES] += 1
    c = z[row + P.QUEUE_CORE]
    if (
        caller < 0
        or z[process(z, caller) + P.IS_CALLING] != 1
        or z[process(z, caller) + P.CALL] != z[row + P.SENDER_CALL]
    ):
        z[N.LOST_MESSAGES] += 1
        log.note(z, g, f, log.SEND, c, p, P.NONE, 0)
        return
    pay(z, g, f, p, caller)
    log.note(z, g, f, log.SEND, c, p, caller, 0)
    z[process(z, caller) + P.IS_CALLING] = 2
    if z[process(z, caller) + P.STATE] == P.CALLING:
        life.wake_by_other(z, g, f, caller)
