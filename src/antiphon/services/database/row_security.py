"""The second wall around tenants: row-level security of PostgreSQL, which sees for itself whose rows these are."""

# The fence changes statements; whatever it fails to see, the server still refuses. Each transaction says once, with its
# opening, in whose name it speaks, and again when that changes; each table with tenants has one policy that reads it.
#
#     antiphon.tenant      said by                                        rows in reach
#     the id of a tenant   a call, `Database.transaction(tenant_id=…)`    those of the tenant
#     *                    `unscoped`, the scope `any`, a migration       all
#     empty, or not said   a call without a tenant; any other program     none
#
# It is local to the transaction, so a connection goes back to the pool without it, and a rollback to a savepoint takes
# back what was said since: then it is said again.
#
# FORCE holds the owner of a table to its policies too. A superuser and a role with BYPASSRLS are held by nothing, so
# the application refuses to start as one. What the wall does not stop is SQL that says `antiphon.tenant` itself:
# parameters, and not this wall, are what keeps the texts of callers out of statements.
#
#     step     who                                   does
#     raise    `migrate`, with the setting           whatever is missing: ENABLE, FORCE, the policy
#     require  the start, with the setting           SetupError for a role that passes, and for a table without a wall
#     clear    the command `migrate`, without it     removes what is there, or nothing would be seen any more

from __future__ import annotations

from typing import Any, NamedTuple

from sqlalchemy import Connection, MetaData, Table, bindparam, text

from antiphon.core.errors import SetupError
from antiphon.services.database.fence import has_tenants
from antiphon.services.database.fencing import TENANT
from antiphon.services.database.reach import EVERYBODY

SETTING = "antiphon.tenant"
SAY = f"SELECT set_config('{SETTING}', $1, true)"
"""Says it for the rest of a transaction."""

_POLICY = "antiphon_tenant"
_LOOK = text(
    "SELECT c.relname AS name, c.relrowsecurity AS enabled, c.relforcerowsecurity AS forced,"
    " pg_has_role(c.relowner, 'USAGE') AS owned,"
    " EXISTS (SELECT 1 FROM pg_policy p WHERE p.polrelid = c.oid AND p.polname = :policy) AS ruled"
    " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
    " WHERE n.nspname = current_schema() AND c.relkind IN ('r', 'p') AND c.relname IN :names"
).bindparams(bindparam("names", expanding=True))
_ROLE = text("SELECT rolname, rolsuper, rolbypassrls FROM pg_roles WHERE rolname = current_user")


class _Wall(NamedTuple):
    """What the server has of the wall around one table."""

    table: Table
    enabled: bool
    forced: bool
    owned: bool
    ruled: bool

    @property
    def stands(self) -> bool:
        """Whether it holds everybody that it can hold."""
        return self.enabled and self.forced and self.ruled


def opening(wall: str) -> str:
    """What a transaction says as it opens. The text is of ours: an id, the star, or nothing."""
    return f"SET LOCAL {SETTING} = '{wall}'"


def are_raised(connection: Connection, metadata: MetaData) -> bool:
    """Whether every table with tenants has its wall."""
    return all(wall.stands for wall in _look(connection, metadata))


def raise_walls(connection: Connection, metadata: MetaData) -> None:
    """Give every table with tenants what is missing of its wall. The owner of the tables may do so."""
    for wall in _look(connection, metadata):
        name = _quoted(connection, wall.table)
        if not wall.ruled:
            theirs = f"current_setting('{SETTING}', true) IN ({TENANT}::text, '{EVERYBODY}')"
            connection.execute(text(f"CREATE POLICY {_POLICY} ON {name} USING ({theirs}) WITH CHECK ({theirs})"))
        if not wall.enabled:
            connection.execute(text(f"ALTER TABLE {name} ENABLE ROW LEVEL SECURITY"))
        if not wall.forced:
            connection.execute(text(f"ALTER TABLE {name} FORCE ROW LEVEL SECURITY"))


def clear_walls(connection: Connection, metadata: MetaData) -> list[str]:
    """Take away the walls that `raise_walls` has made; gives the names of their tables."""
    found = [wall for wall in _look(connection, metadata) if wall.ruled]
    for wall in found:
        name = _quoted(connection, wall.table)
        connection.execute(text(f"DROP POLICY {_POLICY} ON {name}"))
        connection.execute(text(f"ALTER TABLE {name} NO FORCE ROW LEVEL SECURITY, DISABLE ROW LEVEL SECURITY"))
    return [wall.table.name for wall in found]


def require_walls(connection: Connection, metadata: MetaData) -> None:
    """Raise SetupError unless every wall stands, and holds the role that is connected."""
    role = connection.execute(_ROLE).one()
    if role.rolsuper or role.rolbypassrls:
        what = "is a superuser" if role.rolsuper else "has BYPASSRLS"
        raise SetupError(
            f"database.row_security is on, and the role {role.rolname} {what}: no policy holds it. Connect as another: "
            f"CREATE ROLE app LOGIN NOSUPERUSER NOBYPASSRLS."
        )
    walls = _look(connection, metadata)
    for wall in walls:
        if wall.owned and wall.enabled and wall.ruled and not wall.forced:
            raise SetupError(
                f"database.row_security is on, and the role {role.rolname} owns {wall.table.name}, whose policies do "
                f"not hold its owner. Run the command `migrate`, or ALTER TABLE {wall.table.name} FORCE ROW LEVEL "
                f"SECURITY."
            )
    missing = [wall.table.name for wall in walls if not (wall.enabled and wall.ruled)]
    if missing:
        raise SetupError(
            f"database.row_security is on, and these tables have no policy: {', '.join(missing)}. Run the command "
            f"`migrate` with the same setting, as the role that owns the tables."
        )


def _look(connection: Connection, metadata: MetaData) -> list[_Wall]:
    tables = {table.name: table for table in metadata.sorted_tables if has_tenants(table)}
    if not tables:
        return []
    rows: Any = connection.execute(_LOOK, {"policy": _POLICY, "names": sorted(tables)})
    found = {row.name: row for row in rows}
    return [
        _Wall(table, found[name].enabled, found[name].forced, found[name].owned, found[name].ruled)
        if name in found
        else _Wall(table, enabled=False, forced=False, owned=False, ruled=False)
        for name, table in tables.items()
    ]


def _quoted(connection: Connection, table: Table) -> str:
    return connection.dialect.identifier_preparer.format_table(table)
