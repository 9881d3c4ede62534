"""The parts of the benchmark, by the names that `--only` takes, in the order in which they run."""

from collections.abc import Callable, Iterator

from tests.bench.effort import Effort
from tests.bench.part_closed import closed, features
from tests.bench.part_count import count
from tests.bench.part_growth import growth
from tests.bench.part_memory import memory
from tests.bench.part_queues import mm1, mmc
from tests.bench.part_scaling import scaling
from tests.bench.part_start import start
from tests.bench.part_tasks import tasks
from tests.bench.row import Row

Part = Callable[[Effort, Callable[[str], None]], Iterator[Row]]
PARTS: dict[str, Part] = {
    each.__name__: each for each in (mm1, mmc, closed, features, growth, count, tasks, scaling, start, memory)
}
