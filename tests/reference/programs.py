"""Random process classes and their programs, for the scenarios."""

from random import Random

import sim

WHOLE_KINDS = ("deterministic", "exponential", "uniform", "lognormal", "hyperexponential")
ALL_KINDS = (*WHOLE_KINDS, "bounded_pareto", "weibull", "empirical")


def random_draw(rng: Random, mean: float) -> sim.Distribution:
    """Make a distribution of about this mean."""
    kind = rng.choice(ALL_KINDS)
    match kind:
        case "deterministic" | "exponential":
            return sim.Distribution(kind=kind, mean=mean)
        case "uniform":
            return sim.Distribution(kind=kind, low=mean / 2, high=mean * 1.5)
        case "lognormal":
            return sim.Distribution(kind=kind, mean=mean, cv=rng.choice((0.3, 2.0)))
        case "hyperexponential":
            return sim.Distribution(kind=kind, mean=mean, cv=rng.choice((1.0, 3.0)))
        case "bounded_pareto":
            return sim.Distribution(kind=kind, low=mean / 3, high=mean * 30, shape=1.4)
        case "weibull":
            return sim.Distribution(kind=kind, mean=mean, shape=rng.choice((0.7, 2.0)))
    return sim.Distribution(kind=kind, values=(mean / 2, mean, mean * 1.7))


def run(rng: Random) -> sim.Step:
    """Make a run of 20 to 1000 reductions."""
    return sim.Step(op="run", draw=random_draw(rng, rng.choice((20.0, 100.0, 300.0, 1000.0))))


def block(rng: Random) -> sim.Step:
    """Make a block of 0.1 to 20 us."""
    return sim.Step(op="block", draw=random_draw(rng, rng.choice((100.0, 3000.0, 20_000.0))))


def random_memory(rng: Random) -> sim.Memory:
    """Make a working set between nothing and more than a private cache."""
    return sim.Memory(
        working_set_bytes=rng.choice((0, 64, 2616, 10_000, 100_000, 200_000)),
        intensity=rng.choice((0.0, 0.2, 0.9)),
        lines_per_reduction=rng.choice((0.0, 0.01, 0.5, 2.0)),
        overlap=rng.choice((1.0, 8.0, 7.3)),
    )


def random_affinity(rng: Random, topology) -> sim.Affinity:
    """Make a mask, or none."""
    kind = rng.choice(("inherit", "none", "none", "preferred", "strict"))
    if kind in ("inherit", "none"):
        return sim.Affinity(type=kind)
    return sim.Affinity(type=kind, cores=random_cores(rng, topology))


def random_cores(rng: Random, topology) -> str:
    """Make a set of hardware cores, written in one of the ways it can be."""
    n = topology.num_cores
    first = rng.randrange(n)
    texts = [
        str(first),
        f"{first}-{rng.randrange(first, n)}",
        f"0,{first}",
        f"node:{int(topology.core_node[first])}",
        f"cluster:{int(topology.core_cluster[first])}",
        f"package:{int(topology.core_package[first])}",
        "type:" + topology.core_type_names[int(topology.core_type[first])],
    ]
    return rng.choice(texts)


def random_arrival(rng: Random) -> sim.Arrival:
    """Make an arrival stream of a few dozen arrivals in the horizon."""
    kind = rng.choice(("poisson", "deterministic", "on_off"))
    if rng.random() < 0.3:
        load = rng.choice((0.3, 0.9, 1.5))
        return sim.Arrival(kind=kind, load=load, on_ns=20_000.0, off_ns=15_000.0)
    rate_per_s = rng.choice((1e5, 3e5, 1e6))
    return sim.Arrival(kind=kind, rate_per_s=rate_per_s, on_ns=20_000.0, off_ns=15_000.0)


def make_class(rng: Random, topology, name: str, program: list, **fields) -> sim.ProcessClass:
    """Make a class with random memory, affinity, start and priority."""
    return sim.ProcessClass(
        name=name,
        start=rng.choice(("spread", "first", "random")),
        priority=rng.choice(("max", "high", "normal", "normal", "low", "low")),
        affinity=random_affinity(rng, topology),
        memory=random_memory(rng),
        program=tuple(program),
        **fields,
    )


def random_classes(rng: Random, topology) -> tuple[sim.ProcessClass, ...]:
    """Make 1 to 4 classes of one of the shapes below."""
    shapes = (crowd, crowd, independent, servers, ring, groups, forks, random_programs, random_programs)
    return tuple(rng.choice(shapes)(rng, topology))


def crowd(rng: Random, topology) -> list[sim.ProcessClass]:
    """Make more runnable processes than cores, all on few cores at first."""
    program = [run(rng), block(rng)] if rng.random() < 0.5 else [run(rng)]
    count = rng.randint(1, 3) * topology.num_cores
    return [make_class(rng, topology, "crowd", program, count=min(count, 90))]


def independent(rng: Random, topology) -> list[sim.ProcessClass]:
    """Make processes that run and block, and short ones that arrive and exit."""
    worker = [run(rng), block(rng)] if rng.random() < 0.7 else [run(rng)]
    short = [run(rng), sim.Step(op="exit")]
    return [
        make_class(rng, topology, "worker", worker, count=rng.randint(1, 12)),
        make_class(rng, topology, "short", short, arrival=random_arrival(rng)),
    ]


def servers(rng: Random, topology) -> list[sim.ProcessClass]:
    """Make clients that call servers."""
    pick = rng.choice(("random", "same", "next", "group"))
    client = [run(rng), sim.Step(op="call", to="server", pick=pick)]
    if rng.random() < 0.4:
        client.append(block(rng))
    server = [sim.Step(op="receive"), run(rng), sim.Step(op="reply")]
    return [
        make_class(rng, topology, "client", client, count=rng.randint(1, 10), group_size=2),
        make_class(rng, topology, "server", server, count=rng.randint(1, 3)),
    ]


def ring(rng: Random, topology) -> list[sim.ProcessClass]:
    """Make a ring with a token that a starter keeps sending."""
    member = [sim.Step(op="receive"), run(rng), sim.Step(op="send", to="member", pick="next")]
    starter = [run(rng), block(rng), sim.Step(op="send", to="member", pick="same")]
    starter.append(sim.Step(op="exit"))
    return [
        make_class(rng, topology, "member", member, count=rng.randint(1, 9)),
        make_class(rng, topology, "starter", starter, count=rng.randint(1, 3)),
    ]


def groups(rng: Random, topology) -> list[sim.ProcessClass]:
    """Make hackbench: senders and receivers in groups."""
    size, count = rng.randint(1, 3), rng.randint(1, 3)
    burst = rng.randint(1, 4)
    sender = [run(rng), sim.Step(op="send", to="receiver", pick="group", count=burst)]
    if rng.random() < 0.7:
        sender.append(sim.Step(op="receive"))
    receiver = [sim.Step(op="receive", count=rng.choice((1, burst))), run(rng)]
    receiver.append(sim.Step(op="send", pick="sender"))
    return [
        make_class(rng, topology, "sender", sender, count=size * count, group_size=size),
        make_class(rng, topology, "receiver", receiver, count=size * count, group_size=size),
    ]


def forks(rng: Random, topology) -> list[sim.ProcessClass]:
    """Make masters that spawn workers and wait for their messages."""
    width = rng.randint(1, 4)
    master = [
        sim.Step(op="spawn", to="worker", count=width),
        run(rng),
        sim.Step(op="receive", count=width),
    ]
    worker = [run(rng), sim.Step(op="send", pick="parent"), sim.Step(op="exit")]
    if rng.random() < 0.5:
        worker.insert(1, block(rng))
    fields = {"count": rng.randint(1, 3)}
    if rng.random() < 0.3:
        master.append(sim.Step(op="exit"))
        fields["arrival"] = random_arrival(rng)
    return [
        make_class(rng, topology, "master", master, **fields),
        make_class(rng, topology, "worker", worker),
    ]


def random_programs(rng: Random, topology) -> list[sim.ProcessClass]:
    """Make classes with any steps in any order; only a later class is spawned."""
    names = ["a", "b", "c", "d"][: rng.randint(1, 4)]
    counts = [rng.randint(1, 5)] + [rng.choice((0, 1, 4)) for _ in names[1:]]
    classes = []
    for i, name in enumerate(names):
        later = [other for other, count in zip(names, counts, strict=True) if other > name and not count]
        closed = [other for other, count in zip(names, counts, strict=True) if count]
        program = [random_step(rng, closed, later) for _ in range(rng.randint(0, 5))]
        program.insert(rng.randint(0, len(program)), run(rng))
        fields = {"count": counts[i], "group_size": rng.randint(1, 3)}
        if not counts[i] or rng.random() < 0.3:
            program.append(sim.Step(op="exit"))
            if rng.random() < 0.5:
                fields["arrival"] = random_arrival(rng)
        classes.append(make_class(rng, topology, name, program, **fields))
    return classes


def random_step(rng: Random, closed: list[str], later: list[str]) -> sim.Step:
    """Make any step; waits are rarer, for they seldom end."""
    ops = ["run", "block", "send", "send", "sender", "parent", "reply", "receive", "call", "spawn"]
    op = rng.choice(ops)
    pick = rng.choice(("random", "same", "next", "group"))
    count = rng.choice((1, 1, 3))
    if op == "send" or (op in ("receive", "call") and rng.random() < 0.6):
        return sim.Step(op="send", to=rng.choice(closed), pick=pick, count=count)
    if op in ("sender", "parent"):
        return sim.Step(op="send", pick=op, count=count)
    match op:
        case "block":
            return block(rng)
        case "reply" | "receive":
            return sim.Step(op=op, count=count)
        case "call":
            return sim.Step(op="call", to=rng.choice(closed), pick=pick, count=count)
        case "spawn" if later:
            return sim.Step(op="spawn", to=rng.choice(later), count=rng.choice((1, 2)))
    return run(rng)
