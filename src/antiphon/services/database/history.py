"""The migrations of an application as they lie in its folder: one line of revisions, each a file.

This imports Alembic, so it is imported itself only where something has to run; `line` answers whether it has to.
"""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import Any

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import Connection

from antiphon.core.errors import SetupError
from antiphon.services.database.line import LONGEST_NAME
from antiphon.services.database.schema import Schema


class History:
    """The folder, read once. A revision is named after its file, such as `m0003_add_search`.

    Raises SetupError for two ends, two files of one name, and what cannot be read. There is no way down: what a
    migration did is mended by the next one.
    """

    def __init__(self, schema: Schema) -> None:
        self.folder = schema.migrations
        self._schema = schema
        self.names: tuple[str, ...] = ()
        if self.folder.is_dir():
            self._scripts = ScriptDirectory(str(self.folder), version_locations=[str(self.folder)])
            self.names = self._read()

    @property
    def head(self) -> str | None:
        """The last revision, or None when there is none."""
        return self.names[-1] if self.names else None

    def pending(self, current: str | None) -> tuple[str, ...]:
        """What has to run, in this order, on a database that stands at `current`.

        Raises SetupError for a revision that is not in the folder: a newer version of the program was here.
        """
        if current is None:
            return self.names
        if current not in self.names:
            raise SetupError(
                f"The database is at revision {current}, which this program does not know; its own last one is "
                f"{self.head}. A newer version has migrated the database: start that one, or restore an older backup."
            )
        return self.names[self.names.index(current) + 1 :]

    def upgrade(self, connection: Connection, name: str) -> None:
        """Run one revision in the transaction that is open."""

        def steps(current: Any, _context: object) -> object:
            # What the command `alembic upgrade` calls; there is no public way without an env.py.
            return self._scripts._upgrade_revs(name, current)  # pyright: ignore[reportPrivateUsage]  # see above

        with EnvironmentContext(Config(), self._scripts, fn=steps, as_sql=False, destination_rev=name) as environment:
            environment.configure(
                connection=connection,
                target_metadata=self._schema.metadata,
                render_as_batch=True,
                transactional_ddl=True,
            )
            environment.run_migrations()

    def next_name(self, message: str) -> str:
        """The name of a new revision: its number and its message."""
        words = re.sub(r"[^a-z0-9]+", "_", message.lower()).strip("_")
        number = 1 + max((int(found[1]) for name in self.names if (found := re.match(r"m(\d+)", name))), default=0)
        # A letter first, because a module's name cannot begin with a digit.
        return f"m{number:04d}_{words}"[:LONGEST_NAME].rstrip("_")

    def _read(self) -> tuple[str, ...]:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                heads = self._scripts.get_heads()
                if len(heads) > 1:
                    raise SetupError(
                        f"The migrations in {self.folder} have {len(heads)} ends: {', '.join(sorted(heads))}. "
                        f"There is one line: set down_revision of one to the other, and give it the higher number."
                    )
                names = tuple(script.revision for script in self._scripts.walk_revisions())[::-1]
        except (CommandError, UserWarning) as error:
            raise SetupError(f"The migrations in {self.folder} cannot be read: {error}.") from error
        too_long = [name for name in names if len(name) > LONGEST_NAME]
        if too_long:
            raise SetupError(
                f"The name of the migration {too_long[0]} is longer than {LONGEST_NAME} characters. Shorten it."
            )
        return names


def make_folder(folder: Path) -> None:
    """Make the folder of the migrations, with the line that makes it a package."""
    folder.mkdir(parents=True, exist_ok=True)
    package = folder / "__init__.py"
    if not package.exists():
        package.write_text('"""The migrations of the database, in order."""\n', encoding="utf-8")
