"""What the database itself refuses: to change a row of the audit log, and to delete one that the purge has not left."""

#     statement                            is refused unless
#     UPDATE audit_log                     –
#     DELETE FROM audit_log                the row stands before `audit_end.first_seq`
#     TRUNCATE (PostgreSQL)                –
#     UPDATE audit_end                     neither `seq` nor `first_seq` goes back, and the first is not behind the last
#     DELETE FROM audit_end                –
#
# The purge moves `first_seq` and deletes what stands before it in one transaction, so outside of it there is never a
# row to delete. Whoever owns the tables can drop the triggers: they stop accidents and whoever can make the application
# run a statement, and the chain shows the rest.
#
# A migration writes these once; what is said here is never changed, but followed by another list.

from __future__ import annotations

from typing import Literal

_POSTGRESQL = (
    """
    CREATE FUNCTION audit_log_guard() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'DELETE' THEN
            IF OLD.seq < (SELECT first_seq FROM audit_end WHERE id = 1) THEN
                RETURN OLD;
            END IF;
        END IF;
        RAISE EXCEPTION 'the audit log is only added to';
    END $$
    """,
    """
    CREATE FUNCTION audit_end_guard() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'UPDATE' THEN
            IF NEW.id = OLD.id AND NEW.seq >= OLD.seq AND NEW.first_seq >= OLD.first_seq
                AND NEW.first_seq <= NEW.seq + 1 THEN
                RETURN NEW;
            END IF;
        END IF;
        RAISE EXCEPTION 'the ends of the audit log only move forward';
    END $$
    """,
    """
    CREATE TRIGGER audit_log_guard BEFORE UPDATE OR DELETE ON audit_log
    FOR EACH ROW EXECUTE FUNCTION audit_log_guard()
    """,
    """
    CREATE TRIGGER audit_log_guard_all BEFORE TRUNCATE ON audit_log
    FOR EACH STATEMENT EXECUTE FUNCTION audit_log_guard()
    """,
    """
    CREATE TRIGGER audit_end_guard BEFORE UPDATE OR DELETE ON audit_end
    FOR EACH ROW EXECUTE FUNCTION audit_end_guard()
    """,
    """
    CREATE TRIGGER audit_end_guard_all BEFORE TRUNCATE ON audit_end
    FOR EACH STATEMENT EXECUTE FUNCTION audit_end_guard()
    """,
)

_SQLITE = (
    """
    CREATE TRIGGER audit_log_guard_update BEFORE UPDATE ON audit_log
    BEGIN SELECT RAISE(ABORT, 'the audit log is only added to'); END
    """,
    """
    CREATE TRIGGER audit_log_guard_delete BEFORE DELETE ON audit_log
    WHEN OLD.seq >= coalesce((SELECT first_seq FROM audit_end WHERE id = 1), 0)
    BEGIN SELECT RAISE(ABORT, 'the audit log is only added to'); END
    """,
    """
    CREATE TRIGGER audit_end_guard_update BEFORE UPDATE ON audit_end
    WHEN NEW.id <> OLD.id OR NEW.seq < OLD.seq OR NEW.first_seq < OLD.first_seq OR NEW.first_seq > NEW.seq + 1
    BEGIN SELECT RAISE(ABORT, 'the ends of the audit log only move forward'); END
    """,
    """
    CREATE TRIGGER audit_end_guard_delete BEFORE DELETE ON audit_end
    BEGIN SELECT RAISE(ABORT, 'the ends of the audit log only move forward'); END
    """,
)


def audit_guard(engine: Literal["sqlite", "postgresql"]) -> tuple[str, ...]:
    """The statements that set up the guard. A migration runs each of them with `op.execute`.

    On SQLite a migration that copies one of the tables drops its triggers, and has to write them again.
    """
    return _POSTGRESQL if engine == "postgresql" else _SQLITE
