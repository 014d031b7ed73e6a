"""`%sql` and `%%sql` in our kernels: the same as `rw.sql`, with the notebook's variables bound.

%%sql totals <<
select region, sum(amount) as total from sales where amount > $low group by region
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ropeway.errors import BadInput
from ropeway.kernel.data import sql as ask
from ropeway.kernel.result import Result

_TARGET = re.compile(r"\s*([A-Za-z_]\w*)\s*<<(?!<)(.*)", re.DOTALL)

_PARAMETER = re.compile(
    r"""
    [eE]'(?:\\.|''|[^'\\])*' | '(?:''|[^'])*' | "(?:""|[^"])*"    # texts and names
    | --[^\n]* | /\*.*?\*/                                        # remarks
    | \$(?P<tag>\w*)\$.*?\$(?P=tag)\$                             # texts between $$
    | \$(?P<name>[A-Za-z_]\w*)
    """,
    re.DOTALL | re.VERBOSE,
)


def install(shell: Any) -> None:
    """Add the magics to this shell, unless another `%sql` is there: that one stays."""
    manager = shell.magics_manager
    known = [manager.magics[kind].get("sql") for kind in ("line", "cell")]
    strangers = [m for m in known if m is not None and not _is_ours(m)]
    if strangers or "sql" in getattr(manager, "lazy_magics", ()):
        return
    magic = Sql(shell)
    for kind in ("line", "cell"):
        manager.magics[kind]["sql"] = magic


class Sql:
    """Runs a query; `name << query` keeps its result under that name and shows nothing.

    `%sql select 1`, or `%%sql` with the query below. `$name` in the query is bound to the variable
    `name` of the notebook, as a value: it is never pasted into the text.
    """

    # Else IPython would paste the values of `$name` and `{name}` into the text.
    _ipython_magic_no_var_expand = True

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self.__doc__ = type(self).__doc__

    def __call__(self, line: str, cell: str = "") -> Result | None:
        text = f"{line}\n{cell}"
        target = _TARGET.match(text)
        query = (target[2] if target else text).strip()
        if not query:
            raise BadInput("%sql wants a query.", hint="%sql select * from sales limit 10")
        result = ask(query, **bound(query, self._shell.user_ns))
        if target is None:
            return result
        self._shell.user_ns[target[1]] = result
        return None


def bound(query: str, variables: Mapping[str, Any]) -> dict[str, Any]:
    """The values for the query's parameters. Raises `BadInput` for a name without one."""
    names = {match["name"] for match in _PARAMETER.finditer(query)} - {None}
    for name in sorted(names):
        if name not in variables:
            raise BadInput(
                f"The query has the parameter ${name}, but the notebook has no variable {name}.",
                hint=f"Set it in a cell: {name} = …",
            )
    return {name: variables[name] for name in names}


def _is_ours(magic: Any) -> bool:
    return type(magic).__module__.startswith("ropeway.")
