"""What `ropeway doctor` lets a kernel measure: the road home, and what runs here."""

from __future__ import annotations

import statistics
import time
from typing import Any

from ropeway.errors import RopewayError
from ropeway.kernel import road
from ropeway.kernel.answer import ignore

TRIPS = 5

_SIZES = (250_000, 2_000_000)
"""Rows of 8 bytes that do not compress: 2 MB, and 16 MB where that was quick."""

_QUICK = 0.5
_SMALL = "select 1 as a"
_LARGE = "select hash(range) as h from range({rows})"


def measure() -> dict[str, Any]:
    """The road, a small question's round trip and the speed of a large answer; or the `error`.

    `{"road", "offered", "round_trip_ms", "mb_per_s", "error"}`
    """
    told: dict[str, Any] = {"offered": road.offered(), "error": None}
    try:
        told["road"] = road.road().kind
        _take(_SMALL)  # the first may have to wake the service
        told["round_trip_ms"] = round(statistics.median(_trip() for _ in range(TRIPS)) * 1000, 2)
        told["mb_per_s"] = round(_speed() / 1e6, 1)
    except RopewayError as error:
        told["error"] = error.to_json()
    return told


def _trip() -> float:
    began = time.perf_counter()
    _take(_SMALL)
    return time.perf_counter() - began


def _speed() -> float:
    """Bytes a second."""
    speed = 0.0
    for rows in _SIZES:
        began = time.perf_counter()
        size = _take(_LARGE.format(rows=rows))
        took = time.perf_counter() - began
        speed = size / took
        if took > _QUICK:
            break
    return speed


def _take(sql: str) -> int:
    """The bytes of an answer, which is not kept."""
    answer, size = road.query(sql, {}), 0
    while (piece := answer.next(ignore)) is not None:
        size += len(piece)
    return size
