"""Parts, spill files and the COMPLETE marker: fixed bytes, nothing lost, damage noticed."""

import errno
import shutil

import numpy as np
import polars as pl
import pytest

from pipeline.errors import UserError
from pipeline.run import files, store
from pipeline.run.store import RunStore
from pipeline.run.tables import lane_frame, table_bytes

REPLICATES = 3
LANES = 30
KEY = "0123"


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    monkeypatch.setattr(store, "LANES_PER_PART", 8)
    monkeypatch.setattr(files, "RETRY_PAUSE_S", 0.0)


@pytest.fixture
def folder(tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    (run / "points.parquet").write_bytes(table_bytes(pl.DataFrame({"point": [0]})))
    return run


def rows(lanes):
    lanes = np.asarray(lanes)
    columns = {
        "status": np.ones(lanes.size, np.uint32),
        "event_count": lanes * 10,
        "load_imbalance": np.sqrt(lanes),
    }
    return lane_frame(lanes // REPLICATES, lanes % REPLICATES, columns)


def opened(folder):
    found = RunStore(folder, LANES, REPLICATES)
    found.recover()
    return found


def fill(folder, order, size):
    found = opened(folder)
    for start in range(0, len(order), size):
        found.add(rows(order[start : start + size]))
    assert found.finish(KEY, {})
    return found.digests()


def test_parts_have_the_same_bytes_whatever_the_order(folder):
    expected = fill(folder, list(range(LANES)), LANES)
    assert len(expected) == 1 + 4
    assert not (folder / "lanes" / ".chunks").exists()
    shuffled = np.random.default_rng(1).permutation(LANES).tolist()
    for order, size in ((shuffled, 1), (shuffled, 7), (list(range(LANES))[::-1], 5)):
        shutil.rmtree(folder / "lanes")
        (folder / "COMPLETE").unlink()
        assert fill(folder, order, size) == expected


def test_a_table_keeps_types_and_order(folder):
    fill(folder, list(range(LANES)), 4)
    table = pl.read_parquet(folder / "lanes" / "*.parquet")
    assert table.columns == ["point", "replicate", "status", "event_count", "load_imbalance"]
    assert table.dtypes == [pl.Int32, pl.Int32, pl.Int32, pl.Int64, pl.Float64]
    assert table["event_count"].to_list() == [10 * lane for lane in range(LANES)]


def test_an_interrupted_store_goes_on(folder):
    first = opened(folder)
    first.add(rows([0, 1, 2, 9, 20]))
    first.add(rows([3, 4, 5, 6, 7]))
    assert sorted(p.name for p in (folder / "lanes").glob("*.parquet")) == ["part-00000.parquet"]
    second = opened(folder)
    assert np.flatnonzero(second.done).tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 9, 20]
    assert second.damaged == []
    second.add(rows(range(LANES)))
    assert second.finish(KEY, {})
    assert RunStore(folder, LANES, REPLICATES).is_complete(KEY)


@pytest.mark.parametrize("harm", ["truncate", "flip", "empty", "text"])
@pytest.mark.parametrize("which", ["spill", "part"])
def test_damage_is_noticed_and_computed_again(folder, harm, which):
    expected = fill(folder, list(range(LANES)), LANES)
    shutil.rmtree(folder / "lanes")
    (folder / "COMPLETE").unlink()
    found = opened(folder)
    found.add(rows(range(12)))
    pattern = ".chunks/*.parquet" if which == "spill" else "part-*.parquet"
    (path,) = (folder / "lanes").glob(pattern)
    data = path.read_bytes()
    middle = len(data) // 2
    bad = {
        "truncate": data[:middle],
        "flip": data[:middle] + bytes([data[middle] ^ 255]) + data[middle + 1 :],
        "empty": b"",
        "text": b"lane,status\n",
    }[harm]
    path.write_bytes(bad)
    again = opened(folder)
    assert again.damaged == [path.relative_to(folder).as_posix()]
    # What the damaged file held is in the other one, as far as that is possible.
    assert again.done.sum() == (8 if which == "spill" else 12)
    again.add(rows(range(LANES)))
    again.finish(KEY, {})
    assert again.digests() == expected


def test_a_complete_run_that_was_changed_is_not_complete(folder):
    expected = fill(folder, list(range(LANES)), LANES)
    path = folder / "lanes" / "part-00001.parquet"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    found = RunStore(folder, LANES, REPLICATES)
    assert not found.is_complete(KEY)
    assert found.damaged == ["lanes/part-00001.parquet"]
    found.recover()
    assert np.flatnonzero(~found.done).tolist() == list(range(8, 16))
    found.add(rows(range(8, 16)))
    assert found.finish(KEY, {})
    assert found.digests() == expected


@pytest.mark.parametrize("text", ["", "{}", '{"tables": 3}', "[]"])
def test_a_damaged_marker_is_no_marker(folder, text):
    tables = fill(folder, list(range(LANES)), LANES)
    (folder / "COMPLETE").write_text(text)
    found = RunStore(folder, LANES, REPLICATES)
    assert not found.is_complete(KEY)
    # The manifest states the checksums too.
    found.recover(tables)
    assert found.done.all()
    assert found.damaged == ["COMPLETE"]


def test_parts_that_nothing_vouches_for_are_computed_again(folder):
    fill(folder, list(range(LANES)), LANES)
    (folder / "COMPLETE").unlink()
    found = opened(folder)
    assert found.damaged == [f"lanes/part-{part:05d}.parquet" for part in range(4)]
    assert not found.done.any()


@pytest.mark.parametrize("which", ["part", "spill", "marker"])
def test_a_file_of_another_run_is_not_taken(tmp_path, folder, which):
    other = tmp_path / "other"
    other.mkdir()
    shutil.copy(folder / "points.parquet", other)
    stores = [opened(folder), opened(other)]
    for store_of, lanes in zip(stores, (range(4), range(12)), strict=True):
        store_of.add(rows(lanes))
    if which == "marker":
        stores[1].add(rows(range(12, LANES)))
        assert stores[1].finish("another", {})
        shutil.rmtree(folder)
        shutil.copytree(other, folder)
        found = RunStore(folder, LANES, REPLICATES)
        assert not found.is_complete(KEY)
        found.recover()
        assert not found.done.any()
        return
    pattern = ".chunks/*.parquet" if which == "spill" else "part-*.parquet"
    (path,) = (other / "lanes").glob(pattern)
    target = folder / path.relative_to(other)
    shutil.copy(path, target)
    if which == "part":
        shutil.copy(other / "lanes" / ".chunks" / "parts.json", folder / "lanes" / ".chunks")
    found = opened(folder)
    assert found.damaged == [target.relative_to(folder).as_posix()]
    assert np.flatnonzero(found.done).tolist() == [0, 1, 2, 3]


def test_what_a_kill_at_the_very_end_leaves_is_removed(folder, monkeypatch):
    found = opened(folder)
    found.add(rows(range(LANES)))
    with monkeypatch.context() as patch:
        patch.setattr(store.shutil, "rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            found.finish(KEY, {})
    assert (folder / "lanes" / ".chunks").exists()
    assert RunStore(folder, LANES, REPLICATES).is_complete(KEY)
    assert not (folder / "lanes" / ".chunks").exists()


def killed(*arguments, **keywords):
    raise KeyboardInterrupt


def test_failed_lanes_have_a_status_but_no_metrics_and_are_tried_again(folder):
    expected = fill(folder, list(range(LANES)), LANES)
    RunStore(folder, LANES, REPLICATES).clear()
    found = opened(folder)
    found.add(rows([lane for lane in range(LANES) if lane not in (4, 17)]))
    assert not found.finish(KEY, {4: 0, 17: 2})
    assert not found.is_complete(KEY)
    table = pl.read_parquet(folder / "lanes" / "*.parquet").filter(pl.col("status") != 1)
    assert table["status"].to_list() == [0, 2]
    assert table["event_count"].null_count() == table["load_imbalance"].null_count() == 2
    again = opened(folder)
    assert np.flatnonzero(~again.done).tolist() == [4, 17]
    again.add(rows([4, 17]))
    assert again.finish(KEY, {})
    assert again.digests() == expected


def test_nothing_but_failures(folder):
    found = opened(folder)
    assert not found.finish(KEY, dict.fromkeys(range(LANES), 0))
    assert pl.read_parquet(folder / "lanes" / "*.parquet").columns == ["point", "replicate", "status"]
    assert not opened(folder).done.any()


def test_only_completed_lanes_are_taken(folder):
    bad = rows([1]).with_columns(pl.lit(2, dtype=pl.Int32).alias("status"))
    with pytest.raises(AssertionError, match="completed"):
        opened(folder).add(bad)


def test_other_columns_are_refused(folder):
    found = opened(folder)
    found.add(rows([1]))
    with pytest.raises(ValueError, match="different columns: more"):
        found.add(rows([2]).with_columns(pl.lit(1.0).alias("more")))


def test_a_full_disk_loses_nothing_that_was_stored(folder, monkeypatch):
    found = opened(folder)
    found.add(rows([0, 1, 2]))
    tries = []

    def full(path, data):
        tries.append(path)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files, "write_once", full)
    with pytest.raises(UserError, match=r"disk is full(.|\n)*same command goes on"):
        found.add(rows([3, 4]))
    assert len(tries) == 2
    monkeypatch.undo()
    monkeypatch.setattr(store, "LANES_PER_PART", 8)
    assert np.flatnonzero(opened(folder).done).tolist() == [0, 1, 2]


def test_a_disk_that_is_full_for_a_moment_is_no_error(folder, monkeypatch):
    found, write, tries = opened(folder), files.write_once, []

    def full_once(path, data):
        tries.append(path)
        if len(tries) == 1:
            raise OSError(errno.ENOSPC, "No space left on device")
        write(path, data)

    monkeypatch.setattr(files, "write_once", full_once)
    found.add(rows([3, 4]))
    assert np.flatnonzero(opened(folder).done).tolist() == [3, 4]


def test_left_over_temporary_files_are_removed(folder):
    opened(folder)
    for place in (folder, folder / "lanes", folder / "lanes" / ".chunks"):
        (place / "x.parquet.77.partial").write_bytes(b"half")
    opened(folder)
    assert list(folder.rglob("*.partial")) == []
