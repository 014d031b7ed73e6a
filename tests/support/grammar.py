"""Random SQL, from the pieces of DuckDB's grammar: ordinary, odd and hostile ones mixed.

Numbers are small on purpose: what a query may cost is another test's business.
"""

from __future__ import annotations

from hypothesis import strategies as st

from ropeway.data.aggregate import AGGREGATES
from ropeway.data.functions import FUNCTIONS, WINDOWS

_COLUMNS = [
    "id",
    "ssn",
    "city",
    "age",
    "salary",
    "birth",
    "tags",
    "consented",
    "p.id",
    "p.city",
    "p.age",
    "p",
    "p.*",
    "*",
    "name",
    "notes",
    "p.name",
    "p.notes",
    "rowid",
    "filename",
    "x",
    "t.x",
    "base.name",
    '"name"',
    '"City"',
    "#2",
    "columns(*)",
    "columns('.*e.*')",
    "ward",
    "beds",
    "w",
]
_TABLES = [
    "patients",
    "patients",
    "patients",
    "wards",
    "PATIENTS",
    '"patients"',
    "t",
    "u",
    "main.patients",
    "memory.main.patients",
    "staff",
    "'{root}/patients.parquet'",
    "'{root}/secret.csv'",
    '"{root}/patients.parquet"',
    "duckdb_views",
    "duckdb_settings()",
    "information_schema.columns",
    "sqlite_master",
    "read_parquet('{root}/patients.parquet')",
    "read_text('{root}/secret.csv')",
    "glob('{root}/*')",
    "query('select_1')",
    "range(3)",
    "unnest([1,2])",
    "_feed_patients",
    "pg_class",
    "summary(patients)",
]
_CONSTANTS = [
    "0", "1", "2", "-1", "40", "900", "1500", "0.5", "1e3", "null", "true", "'Rome'", "'Lima'", "'x'",
    "''", "'%'", "'40'", "'name'", "'1980-01-01'", "date '1980-01-01'", "interval 1 day", "[1, 2]",
    "{'a': 1}", "'NaN'::float", "9223372036854775807", "$one", "'year'", "'Oslo'", "3::tinyint",
]  # fmt: skip
_TYPES = [
    "int",
    "tinyint",
    "utinyint",
    "varchar",
    "date",
    "double",
    "decimal(4, 2)",
    "boolean",
    "json",
    "uuid",
    "int[]",
    "patients",
]
_OPERATORS = [
    "=",
    "<>",
    "<",
    ">=",
    "+",
    "-",
    "*",
    "/",
    "//",
    "%",
    "||",
    "and",
    "or",
    "is distinct from",
    "like",
    "ilike",
    "~",
    "similar to",
    "^@",
    "->>",
    "<<",
    "**",
    "in",
]
_HOSTILE = [
    "getenv('HOME')",
    "current_setting('allowed_paths')",
    "error(city)",
    "getvariable('k')",
    "stats(city)",
    "nextval('s')",
    "current_query()",
    "sleep_ms(1)",
    "read_text('{root}/secret.csv')",
    "current_user",
    "json_serialize_sql('select 1')",
    "write_log(city)",
    "main.upper(city)",
    "system.main.upper(city)",
]
_JOINS = [
    "join",
    "left join",
    "full join",
    "cross join",
    "semi join",
    "anti join",
    "asof join",
    "positional join",
    "natural join",
    ",",
]
_SETS = ["union", "union all", "intersect", "except", "except all", "union by name"]
_BREAKS = [
    "",
    "",
    "",
    "",
    "",
    "",
    "",
    "",
    "",
    "--",
    "/*",
    "*/",
    ";",
    "; drop view patients",
    "\x00",
    "'",
    ")",
    "; copy (select 1) to '{root}/new.csv'",
]
# ruff: noqa: E501

# What changes by chance, and what rounds by the order of what it sees, differs between two runs.
_CALLED = sorted(
    name for name in FUNCTIONS if name.replace("_", "").isalnum() and name not in ("random", "bar")
)
_AGGREGATED = sorted(
    AGGREGATES
    | {"min", "max", "first", "list", "string_agg", "median", "mode"}
    | {"arg_max", "histogram", "any_value", "approx_count_distinct", "bool_or"}
)


def _pick(*parts: str) -> st.SearchStrategy[str]:
    return st.sampled_from(parts)


@st.composite
def expressions(draw: st.DrawFn, depth: int = 2) -> str:
    """An expression over columns of any table."""
    kind = draw(st.integers(0, 3 if depth <= 0 else 17))
    inner = expressions(depth - 1)
    if kind <= 1:
        return draw(st.sampled_from(_COLUMNS))
    if kind <= 3:
        return draw(st.sampled_from(_CONSTANTS))
    if kind <= 6:
        return f"{draw(st.sampled_from(_CALLED))}({', '.join(draw(st.lists(inner, max_size=3)))})"
    if kind == 7:
        distinct = draw(_pick("", "", "distinct "))
        tail = draw(
            _pick("", "", f" filter (where {draw(inner)})", f" over (order by {draw(inner)})")
        )
        return f"{draw(st.sampled_from(_AGGREGATED))}({distinct}{draw(inner)}){tail}"
    if kind == 8:
        window = draw(st.sampled_from(sorted(WINDOWS)))
        return f"{window}({draw(inner)}) over (partition by {draw(inner)} order by {draw(inner)})"
    if kind <= 11:
        return f"({draw(inner)} {draw(st.sampled_from(_OPERATORS))} {draw(inner)})"
    if kind == 12:
        return f"{draw(_pick('', 'try_'))}cast({draw(inner)} as {draw(st.sampled_from(_TYPES))})"
    if kind == 13:
        return f"case when {draw(inner)} then {draw(inner)} else {draw(inner)} end"
    if kind == 14:
        return draw(_pick("({})", "exists ({})", "id in ({})", "array({})", "1 = any ({})")).format(
            draw(selects(depth - 1))
        )
    if kind == 15:
        return f"list_transform([{draw(inner)}], lambda x: {draw(inner)})"
    if kind == 16:
        return draw(st.sampled_from(_HOSTILE))
    return draw(
        _pick(
            "({})[1]",
            "({}).name",
            "({} is null)",
            "not ({})",
            "try({})",
            "({})[1:2]",
            "({}) between 1 and 40",
            "({}) in ('Rome', 'x')",
            "{} collate nocase",
        )
    ).format(draw(inner))


@st.composite
def _tables(draw: st.DrawFn, depth: int) -> str:
    name = draw(st.sampled_from(_TABLES))
    if depth > 0 and draw(st.integers(0, 4)) == 0:
        name = f"({draw(selects(depth - 1))})"
    alias = draw(_pick("", " p", " p", " w", " t(x)", " as patients", " tablesample 100%"))
    return name + alias


@st.composite
def selects(draw: st.DrawFn, depth: int = 2) -> str:
    """A query with any of its clauses."""
    inner = expressions(depth)
    items = ", ".join(draw(st.lists(inner, min_size=1, max_size=3)))
    sql = f"select {draw(_pick('', '', '', 'distinct '))}{items}"
    sql += f" from {draw(_tables(depth))}"
    if draw(st.integers(0, 3)) == 0:
        join = draw(st.sampled_from(_JOINS))
        on = draw(_pick("", f" on {draw(inner)}", " using (id)"))
        sql += f" {join} {draw(_tables(depth - 1))}{on}"
    for clause, chance in (
        ("where", 2),
        ("group by", 4),
        ("having", 8),
        ("qualify", 12),
        ("order by", 5),
    ):
        if draw(st.integers(0, chance)) == 0:
            sql += f" {clause} {draw(inner)}"
    if draw(st.integers(0, 6)) == 0:
        sql += f" limit {draw(_pick('1', '2', '100%', '(select max(age) from patients)'))}"
    if depth > 0 and draw(st.integers(0, 7)) == 0:
        sql = f"({sql}) {draw(st.sampled_from(_SETS))} {draw(selects(depth - 1))}"
    return sql


@st.composite
def queries(draw: st.DrawFn) -> str:
    """A whole text: a query, perhaps with CTEs, perhaps broken off or followed by another."""
    sql = draw(selects())
    kind = draw(st.integers(0, 9))
    if kind == 0:
        name = draw(_pick("t", "u", "patients", "duckdb_views", '"{root}/secret.csv"'))
        body = draw(
            st.one_of(
                selects(1),
                _pick(
                    "copy (select 1) to '{root}/new.csv'",
                    "insert into wards values ('C', 1) returning *",
                    "delete from patients returning *",
                ),
            )
        )
        sql = f"with {draw(_pick('', '', 'recursive '))}{name} as {draw(_pick('', 'materialized '))}({body}) {sql}"
    elif kind == 1:
        sql = f"with recursive t(x) as (select 1 union {draw(selects(1))}) {sql}"
    elif kind == 2:
        sql = draw(
            _pick(
                "explain {}",
                "copy ({}) to '{{root}}/new.csv'",
                "create table z as {}",
                "summarize {}",
                "from ({})",
                "pivot ({}) on city",
                "prepare q as {}",
            )
        ).format(sql)
    return sql + draw(st.sampled_from(_BREAKS))


@st.composite
def fair_questions(draw: st.DrawFn) -> str:
    """A query that mostly passes: so that what runs is looked at too, and not only what is refused."""
    columns = ["id", "ssn", "city", "age", "salary", "birth", "tags", "consented", "p", "p.age"]
    shallow = st.one_of(
        st.sampled_from(columns),
        st.sampled_from(_CONSTANTS),
        st.builds("{}({})".format, st.sampled_from(_CALLED), st.sampled_from(columns)),
        st.builds(
            "{}({}, {})".format,
            st.sampled_from(_CALLED),
            st.sampled_from(columns),
            st.sampled_from(_CONSTANTS),
        ),
        st.builds("{}::{}".format, st.sampled_from(columns), st.sampled_from(_TYPES)),
    )
    deep = st.one_of(
        shallow,
        st.just("*"),
        st.builds("({} {} {})".format, shallow, st.sampled_from(_OPERATORS), shallow),
        st.builds("{}({})".format, st.sampled_from(_AGGREGATED), shallow),
    )
    items = ", ".join(draw(st.lists(deep, min_size=1, max_size=2)))
    sql = f"select {items} from patients p"
    if draw(st.booleans()):
        sql += f" where {draw(deep)}"
    elif draw(st.booleans()):
        sql += f" {draw(st.sampled_from(_JOINS))} wards w{draw(_pick('', f' on {draw(deep)}'))}"
    if draw(st.integers(0, 3)) == 0:
        sql += (
            f" {draw(_pick('group by', 'order by', 'qualify', 'limit 1 offset'))} {draw(shallow)}"
        )
    return sql


@st.composite
def summaries(draw: st.DrawFn, columns: list[str]) -> str:
    """A query that mostly passes in aggregate mode; its last column counts the rows of a group."""
    column = st.sampled_from(columns)
    key = st.one_of(column, column, column.map("year({})".format))
    value = st.sampled_from(_CONSTANTS)
    signs = _pick("=", "<>", "<", ">", "is not distinct from")
    condition = st.one_of(
        st.builds("{} {} {}".format, column, signs, value), column.map("{} is null".format)
    )
    function = _pick("count", "count", "sum", "avg", "stddev", "var_pop", "min")
    aggregate = st.builds("{}({}{})".format, function, _pick("", "", "", "", "distinct "), column)
    keys = draw(st.lists(key, max_size=2))
    items = [*keys, *draw(st.lists(st.one_of(aggregate, aggregate, aggregate, column), max_size=2))]
    sql = f"select {', '.join([*items, 'count(*) as how_many'])} from people"
    if where := draw(st.lists(condition, max_size=3)):
        sql += " where " + draw(_pick(" and ", " or ")).join(where)
    return sql + (f" group by {', '.join(keys)}" if keys else "")
