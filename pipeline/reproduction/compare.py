"""Two runs' tables side by side: by checksum, and where that differs, by column and lane."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from pipeline.evidence.aggregate import read_run, summarise
from pipeline.run.tables import table_bytes

KEYS = ("point", "replicate")
SHOWN = 3


@dataclass(frozen=True)
class Difference:
    """Something that did not come out as it was recorded.

    table  : file name, or what else was compared
    column : column, "" for the table as a whole
    what   : the difference in words
    first  : the first rows that differ: keys, recorded and found value
    """

    table: str
    column: str
    what: str
    first: list[dict[str, Any]] = field(default_factory=list)


def compare_tables(
    stated: Mapping[str, str], old: Path | None, new: Mapping[str, str], folder: Path
) -> list[Difference]:
    """Differences between all tables of two runs; none if every byte is the same.

    Parameters
    ----------
    stated : table -> SHA-256 as recorded
    old    : where the recorded tables lie; None = they are not at hand, and checksums have to do
    new    : table -> SHA-256 of the tables just computed
    folder : where those lie
    """
    found: list[Difference] = []
    for name in sorted({*stated, *new}):
        if name not in new:
            found.append(Difference(name, "", "did not come out again"))
        elif name not in stated:
            found.append(Difference(name, "", "came out in addition"))
        elif stated[name] != new[name] and old is None:
            found.append(Difference(name, "", "other bytes; the recorded table is not on this machine"))
        elif stated[name] != new[name] and old is not None:
            found += compare_frames(name, pl.read_parquet(old / name), pl.read_parquet(folder / name))
    return found


def compare_point(old: Path, point: int, new: Path) -> tuple[list[Difference], str]:
    """Differences between a point's recorded lanes and those computed for it alone, and their SHA-256."""
    then = lanes_of(old, point)
    # Computed alone, it is point 0.
    now = lanes_of(new, 0).with_columns(pl.lit(point, pl.Int32).alias("point"))
    digests = [hashlib.sha256(table_bytes(frame)).hexdigest() for frame in (then, now)]
    if digests[0] == digests[1]:
        return [], digests[0]
    return list(compare_frames(f"lanes of point {point}", then, now)), digests[1]


def lanes_of(folder: Path, point: int) -> pl.DataFrame:
    """The lanes of a point, in order; an adaptive design has them in several parts."""
    lanes = pl.scan_parquet(folder / "lanes" / "part-*.parquet").filter(pl.col("point") == point)
    return lanes.collect().sort("replicate")


def compare_means(means: Mapping[str, float], folder: Path) -> list[Difference]:
    """Differences between the means that MLflow has of a point and those of its new lanes."""
    row = summarise(read_run(folder)).row(0, named=True)
    found = []
    for name, value in sorted(means.items()):
        now = row.get(f"{name}_mean")
        if f"{name}_mean" in row and now != value:
            shown = {"recorded": value, "found": now}
            found.append(
                Difference("means of the point", name, f"{value!r} recorded, {now!r} found", [shown])
            )
    return found


def compare_frames(name: str, then: pl.DataFrame, now: pl.DataFrame) -> Iterator[Difference]:
    """Differences of two tables whose bytes differ."""
    keys = [key for key in KEYS if key in then.columns and key in now.columns]
    then, now = (frame.sort(keys) if keys else frame for frame in (then, now))
    gone = [column for column in then.columns if column not in now.columns]
    added = [column for column in now.columns if column not in then.columns]
    if gone or added:
        parts = [f"without {', '.join(gone)}"] if gone else []
        parts += [f"with {', '.join(added)} in addition"] if added else []
        yield Difference(name, "", f"came out {' and '.join(parts)}")
    if then.height != now.height or not then.select(keys).equals(now.select(keys)):
        yield Difference(name, "", f"{then.height} rows recorded, {now.height} other rows found")
        return
    values = [column for column in then.columns if column in now.columns and column not in keys]
    found = [
        one for one in (differing(name, column, keys, then, now) for column in values) if one is not None
    ]
    yield from found
    if not found and not gone and not added:
        yield Difference(name, "", "other bytes, but no other value: written by another version of Polars?")


def differing(
    table: str, column: str, keys: list[str], then: pl.DataFrame, now: pl.DataFrame
) -> Difference | None:
    """What differs in a column, if anything does."""
    old, new = then[column], now[column]
    if old.dtype != new.dtype:
        return Difference(table, column, f"is {new.dtype}, was {old.dtype}")
    rows = old.ne_missing(new).arg_true().to_list()
    if not rows:
        return None
    first = [
        {key: then[key][row] for key in keys} | {"recorded": old[row], "found": new[row]}
        for row in rows[:SHOWN]
    ]
    return Difference(table, column, f"differs in {len(rows)} of {then.height} rows", first)
