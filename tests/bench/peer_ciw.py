"""M/M/c in Ciw, as its documentation writes it; reading the records is not timed.

    python -m tests.bench.peer_ciw SERVERS GAP DEMAND CUSTOMERS SEED

Prints customers served, CPU seconds and mean waiting time.
"""

import sys
import time

import ciw


def main() -> None:
    """Run, and print."""
    servers, gap, demand, customers, seed = sys.argv[1:]
    network = ciw.create_network(
        arrival_distributions=[ciw.dists.Exponential(rate=1 / float(gap))],
        service_distributions=[ciw.dists.Exponential(rate=1 / float(demand))],
        number_of_servers=[int(servers)],
    )
    ciw.seed(int(seed))
    simulation = ciw.Simulation(network)
    began = time.process_time()
    simulation.simulate_until_max_customers(int(customers), method="Finish")
    seconds = time.process_time() - began
    waits = [record.waiting_time for record in simulation.get_all_records()]
    print(len(waits), seconds, sum(waits) / len(waits))


if __name__ == "__main__":
    main()
