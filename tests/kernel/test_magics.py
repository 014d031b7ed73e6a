"""`%sql` and `%%sql` in a real kernel."""

from __future__ import annotations

from typing import Any

import pytest

from ropeway.errors import BadInput
from ropeway.kernel.magics import Sql, bound, install

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_cell_is_a_query(by: Any) -> None:
    """`%%sql` shows the rows of the query below it."""
    ran = await by.notebook.run("%%sql\nselect region, count(*) n from sales\ngroup by all;")
    assert "<td>north</td>" in ran.ok().shown[-1]["text/html"]


async def test_a_line_is_a_query(by: Any) -> None:
    """`%sql` gives a result that code goes on with."""
    assert await by.run("r = %sql select 40 + 2 as a\nprint(list(r))") == "[(42,)]\n"


async def test_a_result_is_kept_under_a_name(by: Any) -> None:
    """`name << query` keeps the result, in a cell and in a line, and shows nothing."""
    ran = await by.notebook.run("%%sql many <<\nselect * from sales where amount > 98")
    assert not ran.ok().shown
    assert await by.run("%sql few << select 1 a\nprint(len(many), len(few))") == "1000 1\n"


async def test_variables_are_bound_and_never_pasted(by: Any) -> None:
    """`$name` is the notebook's variable as a value, whatever is in it; braces mean nothing."""
    told = await by.run(
        "evil = \"x' or '1'='1\"; low = 98\n"
        "print(list(get_ipython().run_cell_magic('sql', '', 'select $evil as e, $low + 1 as n')))\n"
        "r = %sql select $low as a, '$low {low}' as b\nprint(list(r))"
    )
    assert told == "[(\"x' or '1'='1\", 99)]\n[(98, '$low {low}')]\n"


async def test_a_variable_that_is_missing(by: Any) -> None:
    """A parameter without a variable is refused by its name."""
    ran = await by.notebook.run("%sql select $nowhere")
    assert "BadInput: The query has the parameter $nowhere, but the notebook has" in ran.errors[0]
    ran = await by.notebook.run("%sql")
    assert "BadInput: %sql wants a query." in ran.errors[0]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("select $a, $b + $a", {"a", "b"}),
        ("select '$a', \"$b\", e'\\'$c', $$ $d $$, $x$ $e $x$", set()),
        ("select 1 -- $a\n, /* $b */ $c", {"c"}),
        ("select 'it''s $a', $b", {"b"}),
    ],
)
async def test_parameters_are_found_where_sql_has_them(query: str, names: set[str]) -> None:
    """Texts, quoted names and remarks hold no parameters."""
    assert set(bound(query, dict.fromkeys("abcdexyz", 1))) == names
    if names:
        with pytest.raises(BadInput):
            bound(query, {})


class Manager:
    def __init__(self, **magics: Any) -> None:
        self.magics: dict[str, dict[str, Any]] = {"line": dict(magics), "cell": dict(magics)}
        self.lazy_magics: dict[str, str] = {}


class Shell:
    def __init__(self, **magics: Any) -> None:
        self.magics_manager = Manager(**magics)
        self.user_ns: dict[str, Any] = {}


async def test_another_sql_magic_stays() -> None:
    """Where Colab or jupysql brought a `%sql`, or will, theirs is not touched; ours is renewed."""
    for shell in (Shell(sql=print), Shell()):
        if not shell.magics_manager.magics["line"]:
            shell.magics_manager.lazy_magics["sql"] = "jupysql"
        before = dict(shell.magics_manager.magics["cell"])
        install(shell)
        assert shell.magics_manager.magics["cell"] == before
    own = Shell(sql=Sql(Shell()))
    install(own)
    assert own.magics_manager.magics["line"]["sql"]._shell is own
