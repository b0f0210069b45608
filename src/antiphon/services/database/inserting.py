"""INSERT … ON CONFLICT DO NOTHING, which both engines have and SQLAlchemy keeps in their dialects."""

from __future__ import annotations

from sqlalchemy import Insert, Table

from antiphon.services.database.address import Engine


def insert_if_new(engine: Engine, table: Table, key: str) -> Insert:
    """Insert a row unless one with the same `key`, a unique column, is there; `rowcount` tells.

    Whoever is inserting the same key in another transaction is waited for.
    """
    # Each dialect is loaded already where its engine is in use, and costs a start that does without it.
    if engine == "postgresql":
        from sqlalchemy.dialects.postgresql import insert as into_postgres  # noqa: PLC0415  # see above

        return into_postgres(table).on_conflict_do_nothing(index_elements=[key])
    from sqlalchemy.dialects.sqlite import insert as into_sqlite  # noqa: PLC0415  # see above

    return into_sqlite(table).on_conflict_do_nothing(index_elements=[key])
