"""Messages: each is in one mailbox, was taken, or was lost."""

import numpy as np

from sim.invariants.registry import first_bad, invariant, unlike
from sim.invariants.view import View
from sim.kernels import log as codes
from sim.layout import counter as N
from sim.layout import lane as S
from sim.layout import parameter as K
from sim.layout import process as P


@invariant("mailboxes")
def check_mailboxes(view: View) -> str:
    """A mailbox ends at MAIL_LAST and holds MAIL_COUNT messages, at most its capacity."""
    rows = view.process[view.live]
    counts, lasts = rows[:, P.MAIL_COUNT].tolist(), rows[:, P.MAIL_LAST].tolist()
    for slot, found, count, last in zip(view.live, view.mail[:-1], counts, lasts, strict=True):
        if found is None or len(found) != count or (found[-1] if found else P.NONE) != last:
            return (
                f"process {slot}: {found and len(found)} messages to {found and found[-1]}, {count} to {last}"
            )
    capacity = int(view.z[K.MAILBOX_CAPACITY])
    over = rows[:, P.MAIL_COUNT] > capacity if capacity != K.UNLIMITED else np.zeros(rows.shape[0], bool)
    return first_bad(over, "live process", slot=view.live, count=rows[:, P.MAIL_COUNT])


@invariant("message pool")
def check_pool(view: View) -> str:
    """Each message row in use is in one mailbox or in the list of free ones."""
    if None in view.mail:
        return "a list that does not end"
    seen = np.array([row for found in view.mail for row in found or ()], np.int64)
    once = np.bincount(seen, minlength=int(view.z[S.MAIL_USED]))
    return first_bad(once != 1, "row", lists=once)


@invariant("messages")
def check_messages(view: View) -> str:
    """Messages are lost or delivered over one of the distances."""
    z = view.z
    by = int(z[N.MESSAGES_BY_DISTANCE : N.MESSAGES_BY_DISTANCE + 4].sum())
    if view.facts.is_replay:
        return "" if by <= z[N.MESSAGES] else f"{by} of {z[N.MESSAGES]} messages delivered"
    return unlike("messages", int(z[N.MESSAGES]), by + int(z[N.LOST_MESSAGES]))


@invariant("mail")
def check_mail(view: View) -> str:
    """What was delivered since the last look stands in a mailbox, was taken, or ended a call; all of it."""
    if view.facts.is_replay or not view.facts.counts_passes:
        return ""
    before, same = view.before, view.same
    taken, called, _ = view.passed
    posted, ended = view.process[:, P.MAIL_COUNT] + taken, called.copy()
    posted[same] -= before.mail[same] + before.taken[same]
    ended[same] -= before.called[same]
    bad = np.flatnonzero((posted < 0) & (view.state != P.FREE))
    if bad.size:
        return f"process {bad[0]} took {-posted[bad[0]]} messages that were not there"
    stand, delivered = int(posted[view.live].sum()), view.delivered - before.delivered
    has_gone = same.size < int((before.serials != P.NONE).sum()) or view.noted(codes.EXIT).size > 0
    if view.entries is None or has_gone:  # with their messages
        return "" if stand <= delivered else f"{delivered} delivered, {stand} came"
    most = stand + int(ended[view.live].sum())
    return "" if stand <= delivered <= most else f"{delivered} delivered, {stand} came, at most {most}"
