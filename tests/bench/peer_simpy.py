"""M/M/c in SimPy, by a store of arrival times and one process a server.

This is the shape of the M/M/1 that the Cimba project measures SimPy with. The other usual one, a process and
a request of a `Resource` for each customer, is slower by a quarter.

    python -m tests.bench.peer_simpy SERVERS GAP DEMAND CUSTOMERS SEED

Prints customers served, CPU seconds and mean waiting time.
"""

import random
import sys
import time
from collections.abc import Iterator

import simpy


class Queue:
    """Customers come after exponential gaps, and are served for exponential times in the order of arrival."""

    def __init__(self, gap: float, demand: float, customers: int, seed: int) -> None:
        self.env = simpy.Environment()
        self.store = simpy.Store(self.env)
        self.rates = 1 / gap, 1 / demand
        self.customers = customers
        self.served, self.waited = 0, 0.0
        self.random = random.Random(seed)

    def arrivals(self) -> Iterator[simpy.Event]:
        env, store, rate, draw = self.env, self.store, self.rates[0], self.random.expovariate
        for _ in range(self.customers):
            yield env.timeout(draw(rate))
            yield store.put(env.now)

    def server(self) -> Iterator[simpy.Event]:
        env, store, rate, draw = self.env, self.store, self.rates[1], self.random.expovariate
        while True:
            arrived = yield store.get()
            self.waited += env.now - arrived
            yield env.timeout(draw(rate))
            self.served += 1

    def run(self, servers: int) -> None:
        self.env.process(self.arrivals())
        for _ in range(servers):
            self.env.process(self.server())
        self.env.run()


def main() -> None:
    """Run, and print."""
    servers, gap, demand, customers, seed = sys.argv[1:]
    queue = Queue(float(gap), float(demand), int(customers), int(seed))
    began = time.process_time()
    queue.run(int(servers))
    seconds = time.process_time() - began
    print(queue.served, seconds, queue.waited / queue.served)


if __name__ == "__main__":
    main()
