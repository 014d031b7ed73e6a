"""A second lock in the database itself: SQL for a PostgreSQL role that reads no more than a policy.

Home never runs it: whoever owns the table does, after reading it. Masks and groups stay Ropeway's
own, so the role may read what is masked; what is hidden, and rows that are filtered out, it cannot.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ropeway.data.rules import Rule
from ropeway.data.syntax import quoted_name
from ropeway.errors import BadInput
from ropeway.wire import Column

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_$]{0,62}")


def postgres(rule: Rule, columns: Sequence[Column], table: str, role: str) -> str:
    """The statements, for the owner of `table` (`schema.table`). Raises `BadInput`."""
    schema, _, name = table.rpartition(".")
    for what, text in (("table", name), ("schema", schema or "public"), ("role", role)):
        if not _NAME.fullmatch(text):
            raise BadInput(
                f"{text!r} cannot be the name of a {what} here.",
                hint="Names are letters, digits and _: schema.table.",
            )
    if rule.allow == "nothing":
        raise BadInput("The policy lets nothing cross: there is nothing that the role may read.")
    shown = ",\n       ".join(quoted_name(c.name) for c in columns if rule.shows(c.name))
    source = f"{quoted_name(schema or 'public')}.{quoted_name(name)}"
    own, view = quoted_name(role), f"{quoted_name(role)}.{quoted_name(name)}"
    where = f"\nwhere {rule.rows.sql}" if rule.rows else ""
    seconds = f"{rule.seconds:g}s" if rule.seconds else "600s"
    return _TEMPLATE.format(
        role=own, view=view, shown=shown, source=source, where=where, seconds=seconds
    )


_TEMPLATE = """\
-- Read before you run it. The condition was written for DuckDB: see that it means the same here.
begin;
do $$ begin
  create role {role} nologin nosuperuser nocreatedb nocreaterole noreplication;
exception when duplicate_object then null;  -- it serves another dataset already
end $$;
create schema if not exists {role};
revoke all on schema {role} from public;
create view {view} with (security_barrier) as
select {shown}
from {source}{where};
grant usage on schema {role} to {role};
grant select on {view} to {role};
alter role {role} set search_path = {role}, pg_catalog;
alter role {role} set default_transaction_read_only = on;
alter role {role} set statement_timeout = '{seconds}';
commit;
-- Then give it a way to log in, of your choice, and point the dataset at {view}:
--   alter role {role} login password '…';"""
