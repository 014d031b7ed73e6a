"""Who may run code where, and on what data. Pure.

Whoever runs code on a runtime has that machine's files and what policies let it see. So code may
go to a runtime of the asker's class or of a less trusted one; to a closer one only by those whom
home trusts.
"""

from __future__ import annotations

from ropeway.errors import Refused
from ropeway.wire import CLASSES


def may_place(asker: str, target: str, trusted: str) -> bool:
    """Whether kernels on runtimes of the class `asker` may run code on those of the class `target`.

    `trusted` is the setting `placement.trusted`: that class and closer ones may run code anywhere.
    """
    return _distance(asker) <= max(_distance(target), _distance(trusted))


def check(asker: str, runtime: str, target: str, trusted: str) -> None:
    """Raises `Refused`, with what to do, unless `may_place`."""
    if may_place(asker, target, trusted):
        return
    place = "at home" if target == "here" else f"on {runtime}"
    raise Refused(
        f"A notebook on a {asker} runtime may not run code {place}, which is closer to home.",
        hint=f"Run the notebook on here and this cell's work with %%on; or set "
        f'placement.trusted = "{asker}" in ropeway.toml, which hands every {asker} runtime the '
        "files of every other one and of home.",
        asker=asker,
        target=target,
    )


def less_trusted(one: str, other: str) -> str:
    """What both may see: what a companion reads, its asker gets."""
    return max(one, other, key=_distance)


def _distance(runtime_class: str) -> int:
    """From home; what nobody knows is as far as anybody's."""
    return CLASSES.index(runtime_class) if runtime_class in CLASSES else len(CLASSES) - 1
