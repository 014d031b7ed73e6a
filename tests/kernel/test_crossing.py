"""A value's way between a kernel and home, by both roads: one kernel sends it to itself."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from ropeway.wire import Crossing

pytestmark = pytest.mark.asyncio(loop_scope="module")

_NUMBERS = itertools.count(1)

BOTH = """
import threading
from ropeway.kernel import crossing
told = {}
def give():
    told["given"] = crossing.give(%(number)r, "sent", %(code)s)
thread = threading.Thread(target=give)
thread.start()
try:
    told["taken"] = crossing.receive(%(number)r, "came")
finally:
    thread.join()
"""


async def passed(by: Any, made: str, then: str, code: bool = True) -> str:
    """What `then` prints after the value of `made` came back under the name `came`."""
    number = f"c{next(_NUMBERS)}"
    await by.notebook.service.cross(Crossing(number, "get", "x", *["k1", "here"] * 2, "here"))
    try:
        cell = BOTH % {"number": number, "code": code}
        return str(await by.run(f"{made}\n{cell}\n{then}"))
    finally:
        await by.notebook.service.crossed(number)


async def test_a_value_is_the_same_by_either_road(by: Any) -> None:
    """Tables, arrays and objects come as they went, whichever road they take."""
    made = "import pandas as pd; sent = pd.DataFrame({'a': range(1000), 's': ['x', None] * 500})"
    told = await passed(by, made, "print(sorted(told.items()), came.equals(sent))")
    assert told == "[('given', ''), ('taken', '')] True\n"
    made = "sent = {'a': [1, (2, {3})], 'f': len}"
    assert await passed(by, made, "print(came == sent, came is sent)") == "True False\n"


async def test_a_large_value_crosses_whole(by: Any) -> None:
    """50 MB come whole, in their order."""
    made = "import numpy as np; sent = np.arange(6_250_000.)"
    assert await passed(by, made, "print((came == sent).all(), came.shape)") == "True (6250000,)\n"


async def test_a_crossing_that_is_not_there_is_told(by: Any) -> None:
    """Who sends or awaits what home knows nothing of gets home's word, as JSON for home."""
    told = await by.run(
        "import json\nfrom ropeway.kernel import crossing\none = 1\n"
        "for word in (crossing.receive('c0', 'x'), crossing.give('c0', 'nowhere', True),\n"
        "        crossing.give('c0', 'one', True)):\n"
        "    print(json.loads(word)['code'], json.loads(word)['message'])"
    )
    assert told == (
        "not_found There is no crossing c0 at home.\n"
        "not_found There is no variable nowhere.\n"
        "not_found There is no crossing c0 at home.\n"
    )


async def test_a_pickle_only_from_those_who_may_run_code(by: Any) -> None:
    """A companion that may send no code says so before anything leaves it."""
    told = await by.run(
        "import json\nfrom ropeway.kernel import crossing\nodd = object()\n"
        "error = json.loads(crossing.give('c0', 'odd', False))\n"
        "print(error['code'], '|', error['message'])"
    )
    assert told.startswith("refused | A object can cross only as a pickle")


async def test_an_interrupt_stops_the_wait(by: Any) -> None:
    """Whoever waits for a value that does not come can be interrupted."""
    number = f"c{next(_NUMBERS)}"
    await by.notebook.service.cross(Crossing(number, "get", "x", "k2", "gpu", "k1", *["here"] * 2))
    told = await by.run(
        "import os, signal, threading\n"
        "threading.Timer(1, os.kill, (os.getpid(), signal.SIGINT)).start()\n"
        "from ropeway.kernel import crossing\n"
        f"try: crossing.receive({number!r}, 'x')\n"
        "except KeyboardInterrupt: print('interrupted')"
    )
    assert told == "interrupted\n"
    assert await by.run("print(len(rw.datasets()))") == "1\n"
    await by.notebook.service.crossed(number)
