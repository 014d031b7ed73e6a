"""Attacks that reach for what is no dataset: files, catalog, settings, the machine."""
# ruff: noqa: E501

from __future__ import annotations

import pytest

from support.clinic import House

FILES = {
    "a path in quotes names no table": "select * from '{root}/secret.csv'",
    "a dataset's own file has no second name": "select * from '{root}/patients.csv'",
    "double quotes make no path a table": 'select * from "{root}/patients.csv"',
    "no reader of CSV": "select * from read_csv('{root}/secret.csv')",
    "no reader of CSV by its other name": "select * from read_csv_auto('{root}/patients.csv')",
    "no reader in capitals": "select * from READ_CSV('{root}/patients.csv')",
    "no reader in quotes": "select * from \"read_csv\"('{root}/patients.csv')",
    "no reader by its schema": "select * from main.read_csv('{root}/patients.csv')",
    "no reader by its catalog": "select * from system.main.read_csv('{root}/patients.csv')",
    "no reader behind a comment": "select * from read_csv/**/('{root}/patients.csv')",
    "no reader with a list": "select * from read_parquet(['{root}/staff.parquet'])",
    "no reader of texts": "select content from read_text('{root}/secret.csv')",
    "no reader of bytes": "select content from read_blob('/proc/self/environ')",
    "no sniffer": "select * from sniff_csv('{root}/patients.csv')",
    "no list of files": "select * from glob('{root}/*')",
    "no metadata of Parquet": "select * from parquet_metadata('{root}/staff.parquet')",
    "no statistics of Parquet": "select * from parquet_schema('{root}/staff.parquet')",
    "no reader with bound path": "select * from read_csv($path)",
    "no bound path as table": "select * from $path",
    "no reader in a scalar place": "select read_text('{root}/secret.csv')",
    "no reader in LATERAL": "select * from wards, lateral read_csv('{root}/secret.csv')",
    "no reader in EXISTS": "select 1 where exists (from read_csv('{root}/secret.csv'))",
    "no reader in a list": "select [x for x in (select list(content) from read_text('{root}/secret.csv'))]",
    "no reader in a lambda": "select list_transform([1], lambda x: (select content from read_text('{root}/secret.csv')))",
    "no reader in ORDER BY": "select * from wards order by (select content from read_text('{root}/secret.csv'))",
    "no reader in LIMIT": "select * from wards limit (select count(*) from '{root}/secret.csv')",
    "no reader in a window": "select sum(beds) over (order by (select 1 from '{root}/secret.csv')) from wards",
    "no reader in a frame": "select sum(beds) over (rows between (select 1 from '{root}/secret.csv') preceding and current row) from wards",
    "no reader in FILTER": "select count(*) filter ((select true from '{root}/secret.csv')) from wards",
    "no reader in a struct": "select {{'a': (from '{root}/secret.csv')}}",
    "no reader in VALUES": "values ((select secret from '{root}/secret.csv'))",
    "no reader in REPLACE": "select * replace ((select secret from '{root}/secret.csv') as ward) from wards",
    "no reader in a type": "select 1::decimal((select 1 from '{root}/secret.csv'), 0)",
    "no reader in JOIN": "select * from wards join '{root}/secret.csv' on true",
    "no reader in a sample": "select * from wards tablesample (select 1 from '{root}/secret.csv')",
    "no reader in a recursive part": "with recursive t as (select 1 union all select * from read_csv('{root}/secret.csv')) from t",
    "a CTE with a path's name opens no path elsewhere": 'from (with "{root}/secret.csv" as (select 1) from "{root}/secret.csv") t, "{root}/secret.csv"',
    "the first part of a recursion sees no table of its name": 'with recursive "secret.csv" as (from "secret.csv" union all from "secret.csv") from "secret.csv"',
    "no second version of a table": "select * from wards at (timestamp => now())",
}

ENGINE = {
    "no settings": "select * from duckdb_settings()",
    "no setting by its name": "select current_setting('allowed_paths')",
    "no views with their text": "select sql from duckdb_views()",
    "no views as a table": "select * from duckdb_views",
    "no columns of the base": "select * from duckdb_columns()",
    "no information schema": "select * from information_schema.columns",
    "no catalog of PostgreSQL's shape": "select * from pg_catalog.pg_views",
    "no catalog without its schema": "select * from pg_views",
    "no sqlite_master": "select * from sqlite_master",
    "no sqlite_master in quotes": 'select * from "sqlite_master"',
    "no pragma": "pragma table_info('patients')",
    "no pragma as a function": "select * from pragma_table_info('patients')",
    "no secrets": "select * from duckdb_secrets()",
    "no variables": "select getvariable('key')",
    "no environment": "select getenv('HOME')",
    "no text of other queries": "select current_query()",
    "no log": "select * from duckdb_logs()",
    "no temporary files": "select * from duckdb_temporary_files()",
    "no feed of a database": "select * from _feed_patients",
    "no CTE in a feed's place": "with _feed_patients as (select 1) from patients",
    "no schema before a dataset": "select * from main.patients",
    "no catalog before a dataset": "select * from memory.main.patients",
    "no letter that only looks like one": "select * from ward\u017f",
    "no Kelvin in a CTE's place": "with k as (select 1) select * from \u212a",
    "no zero width in a name": "select * from war\u200bds",
    "no text that runs as SQL": "select * from query('select 1')",
    "no table by a text": "select * from query_table('wards')",
    "no serialized SQL": "select * from json_execute_serialized_sql(json_serialize_sql('select 1'))",
    "no plan": "select json_serialize_plan('from patients')",
    "no EXPLAIN": "explain analyze select * from patients",
    "no statistics of a column": "select stats(city) from patients",
    "no DESCRIBE": "describe patients",
    "no SUMMARIZE": "select * from (summarize patients)",
    "no error of one's own": "select error(city) from patients",
    "no log entry": "select write_log('x')",
    "no sequence": "select nextval('s')",
}

STATEMENTS = {
    "no COPY to a file": "copy (select 1) to '{root}/new.csv'",
    "no COPY over a source": "copy (select 1) to '{root}/patients.csv' (use_tmp_file false)",
    "no COPY inside a CTE": "with c as (copy (select 1) to '{root}/patients.csv' (use_tmp_file false)) from c",
    "no COPY inside a CTE inside a subquery": "select * from (with c as (copy (select 1) to '{root}/new.csv') from c)",
    "no COPY inside a recursive CTE": "with recursive c as (copy (select 1) to '{root}/new.csv') from c",
    "no COPY inside a materialized CTE": "with c as materialized (copy (select 1) to '{root}/new.csv') from c",
    "no EXPORT": "export database '{root}/dump'",
    "no ATTACH": "attach '{root}/new.db'",
    "no INSERT": "insert into wards values ('C', 1)",
    "no INSERT inside a CTE": "with c as (insert into wards values ('C', 1) returning *) from c",
    "no DELETE inside a CTE": "with c as (delete from wards returning *) from c",
    "no MERGE": "merge into wards using (select 1) s on true when matched then delete",
    "no CREATE": "create table t as from patients",
    "no view in the place of a view": "create or replace view patients as select 1",
    "no ALTER": "alter view patients rename to p",
    "no macro": "create macro upper(x) as (select 1)",
    "no SET": "set lock_configuration = false",
    "no RESET": "reset enable_external_access",
    "no SET VARIABLE": "set variable x = 1",
    "no second statement": "from wards; copy (select 1) to '{root}/new.csv'",
    "no second statement behind a comment": "from wards; -- \n drop view patients",
    "no second statement behind NUL": "from wards\x00; drop view patients",
    "no PREPARE": "prepare p as from patients",
    "no CALL": "call pragma_version()",
    "no LOAD": "load '{root}/evil.duckdb_extension'",
    "no INSTALL": "install httpfs",
    "no USE": "use memory",
    "no transaction": "begin",
    "no checkpoint": "checkpoint",
    "no PIVOT that runs a query of its own": "pivot patients on city",
}

ATTACKS = FILES | ENGINE | STATEMENTS


@pytest.mark.parametrize("sentence", ATTACKS)
def test_out_of_reach(house: House, sentence: str) -> None:
    """What is no dataset can neither be read nor changed: refused, and nothing is told of it."""
    sql = ATTACKS[sentence].replace("{root}", str(house.root)).replace("{{", "{").replace("}}", "}")
    params = {"path": f"{house.root}/secret.csv"} if "$path" in sql else {}
    found = house.attack(sql, **params)
    assert found.rows is None
    assert "CANARY" not in found.text
    assert house.ask("select sum(beds) from wards") == [(30,)]


WORDS = {
    "a name of the session": "select current_user, session_user, current_role",
    "a name of the catalog": "select current_catalog, current_schema",
}


@pytest.mark.parametrize("sentence", WORDS)
def test_words_that_are_no_functions(house: House, sentence: str) -> None:
    """What can be asked without brackets tells the engine's own constants, and nothing of home."""
    found = house.attack(WORDS[sentence])
    assert found.rows is not None
    assert set(found.rows[0]) <= {"duckdb", "memory", "main"}
