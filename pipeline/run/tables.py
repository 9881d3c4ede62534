"""The bytes of a run's tables: they depend on the values only, and lanes have fixed types."""

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

# Increased by every change of the columns or bytes of the tables that the simulator does not cause.
FORMAT_VERSION = 2
LANES_PER_PART = 4096
KEYS = {"point": pl.Int32, "replicate": pl.Int32, "status": pl.Int32}


def table_bytes(frame: pl.DataFrame) -> bytes:
    """Parquet bytes that depend on the frame's values only: fixed codec, level, and one row group."""
    buffer = io.BytesIO()
    # Several memory chunks would become several pages.
    frame.rechunk().write_parquet(
        buffer,
        compression="zstd",
        compression_level=3,
        statistics=True,
        row_group_size=max(LANES_PER_PART, frame.height),
    )
    return buffer.getvalue()


def lane_frame(
    point: np.ndarray[Any, Any],
    replicate: np.ndarray[Any, Any],
    columns: Mapping[str, np.ndarray[Any, Any]],
) -> pl.DataFrame:
    """A frame of lanes: keys as int32, then the metrics in the order of `columns`, int64 or float64."""
    data: dict[str, pl.Series] = {
        "point": pl.Series(np.asarray(point, np.int32)),
        "replicate": pl.Series(np.asarray(replicate, np.int32)),
        "status": pl.Series(np.asarray(columns["status"], np.int32)),
    }
    for name, values in columns.items():
        if name != "status":
            whole = np.issubdtype(values.dtype, np.integer) or values.dtype == np.bool_
            data[name] = pl.Series(np.asarray(values, np.int64 if whole else np.float64))
    return pl.DataFrame(data)
