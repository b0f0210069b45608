"""What actions say about their jobs: keys that are filled, and everything that stops the start-up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from antiphon.core.access import allow, anyone
from antiphon.core.action import Action, action
from antiphon.core.caller import ANONYMOUS, Caller
from antiphon.core.context import Context
from antiphon.core.errors import SetupError
from antiphon.core.inputs.kinds import Email, Struct, Upload
from antiphon.core.secrets import Secret
from antiphon.core.traits import Trait, only
from antiphon.services.tasks.plans import slots_of
from antiphon.services.tasks.templates import Template
from antiphon.services.tasks.traits import at_most, cron, every, keep, ordered, queue, unique
from tests.services.tasks_stage import problems_of

ADA = Caller("user", "ada", "choir")


class Address(Struct):
    """A street in a town."""

    town: str


HOME = Address("Athens")


def with_traits(*traits: Trait) -> Action[Any, Any]:
    """An action of several inputs."""

    @action("order:ship", allow(anyone), *traits)
    async def ship(
        ctx: Context,
        order_id: int,
        note: str | None = None,
        to: Address = HOME,
        mail: Email | None = None,
        at: datetime | None = None,
    ) -> None:
        """Ship an order."""

    return ship


def with_secret(*traits: Trait) -> Action[Any, Any]:
    """An action that takes a password."""

    @action("door:open", allow(anyone), *traits)
    async def open_door(ctx: Context, password: Secret[str]) -> None:
        """Open the door."""

    return open_door


def with_nothing(*traits: Trait) -> Action[Any, Any]:
    """An action without inputs."""

    @action("house:clean", allow(anyone), *traits)
    async def clean(ctx: Context, rooms: int = 3) -> None:
        """Clean the house."""

    return clean


def filled(key: str, caller: Caller = ADA, **inputs: object) -> str:
    """A key, filled from a call."""
    return Template(key).fill(with_traits().bind(**inputs).inputs, caller)


# Keys


def test_a_key_is_filled_from_inputs_and_caller() -> None:
    """Names in braces stand for the inputs of the call, and for who calls."""
    key = "order:{order_id}:{caller.tenant_id}:{caller.id}:{caller.kind}"

    assert filled(key, order_id=17) == "order:17:choir:ada:user"


def test_a_key_without_names_is_itself() -> None:
    """One key for all calls is a key as well."""
    assert filled("reindex", order_id=1) == "reindex"


def test_every_kind_of_value_has_a_text() -> None:
    """What is no text is written as JSON, the same for equal values."""
    at = datetime(2026, 1, 2, tzinfo=UTC)

    found = filled("{note}|{to}|{mail}|{at}", order_id=1, to=Address("Corinth"), mail=Email("ada@b.org"), at=at)

    assert found == 'null|{"town"%3A"Corinth"}|ada@b.org|2026-01-02T00%3A00%3A00Z'


def test_values_cannot_be_mistaken_for_the_key_around_them() -> None:
    """A colon in a value is not one of the key: two calls never meet in one key by their punctuation."""
    key = "{note}:{caller.id}"

    assert filled(key, Caller("user", "c"), order_id=1, note="a:b") != filled(
        key, Caller("user", "b:c"), order_id=1, note="a"
    )


def test_the_anonymous_caller_has_an_empty_id() -> None:
    """A key over the caller works for everybody."""
    assert filled("by:{caller.id}", ANONYMOUS, order_id=1) == "by:"


@pytest.mark.parametrize("trait", [unique("x:{order}"), ordered("x:{order}"), at_most(2, "x:{order}")])
def test_a_key_names_only_what_is_there(trait: Trait) -> None:
    """A name that is no input stops the start-up, and the message says which there are."""
    told = problems_of(with_traits(trait))

    assert "names {order}, which is not there" in told
    assert "order_id, note, to, mail, at, caller.id, caller.tenant_id, caller.kind" in told


@pytest.mark.parametrize(
    ("key", "told"),
    [
        ("", "is empty"),
        ("order:{order_id", "cannot be read"),
        ("order:{}", "names {}"),
        ("order:{order_id:05}", "stands alone"),
        ("order:{order_id!r}", "stands alone"),
        ("order:{caller.roles}", "names {caller.roles}"),
        ("order:{to.town}", "names {to.town}"),
    ],
)
def test_a_key_that_cannot_be_read_stops_the_start(key: str, told: str) -> None:
    """Whatever is wrong with a key is found before any call."""
    assert told in problems_of(with_traits(unique(key)))


def test_a_key_that_fits_is_fine() -> None:
    """The same traits with the right name are no problem."""
    assert problems_of(with_traits(queue("mail"), unique("{order_id}"), ordered("o:{order_id}"), keep("1h"))) == ""


# What cannot be queued


@pytest.mark.parametrize("trait", [queue("mail"), unique("x"), keep("1h"), only("worker")])
def test_a_secret_input_cannot_be_queued(trait: Trait) -> None:
    """A secret would lie in the store: the start stops, and says to pass a reference."""
    told = problems_of(with_secret(trait))

    assert "'password' is secret" in told
    assert "reference" in told


def test_a_secret_beside_a_schedule_is_refused_for_what_it_is() -> None:
    """`every` on an action with a secret says so, and that nobody gives it."""
    told = problems_of(with_secret(every("1h")))

    assert "'password' is secret" in told
    assert "nobody gives its input 'password'" in told


def test_a_secret_is_fine_where_other_transports_answer_too() -> None:
    """`only("http", "worker")` does not mean that it is queued."""
    assert problems_of(with_secret(only("http", "worker"))) == ""


@pytest.mark.parametrize("trait", [queue("mail"), only("worker"), every("1h")])
def test_a_file_cannot_be_queued(trait: Trait) -> None:
    """A file ends with its call."""

    @action("photo:add", allow(anyone), trait)
    async def add_photo(ctx: Context, photo: Upload) -> None:
        """Add a photo."""

    assert "'photo' is a file" in problems_of(add_photo)


def test_a_problem_of_the_inputs_is_told_once() -> None:
    """Three traits, one secret, one problem."""
    assert problems_of(with_secret(queue("mail"), unique("x"), keep("1h"))).count("is secret") == 1


def test_what_is_queued_answers_on_a_worker() -> None:
    """A queue for an action that no worker may run is a mistake."""
    assert "answers on no worker" in problems_of(with_nothing(queue("mail"), only("http")))


@pytest.mark.parametrize("name", ["Mail", "on.mail", "mail box", ""])
def test_a_queue_has_a_name_that_fits(name: str) -> None:
    """Names of queues are names of keys."""
    assert "no name for a queue" in problems_of(with_nothing(queue(name)))


def test_two_actions_agree_on_the_slots_of_their_queue() -> None:
    """A queue has one number of slots; saying two stops the start-up."""
    with pytest.raises(SetupError, match="Say it once"):
        slots_of([with_nothing(queue("mail", slots=2)), with_traits(queue("mail", slots=3))])


def test_one_action_may_say_the_slots_for_all() -> None:
    """The others of the queue need not repeat them."""
    assert slots_of([with_nothing(queue("mail", slots=2)), with_traits(queue("mail"))]) == {"mail": 2}


# Schedules


@pytest.mark.parametrize("trait", [every("1h"), cron("0 3 * * *")])
def test_what_recurs_needs_a_default_for_each_input(trait: Trait) -> None:
    """Nobody is there to give an input."""
    assert "nobody gives its input 'order_id'" in problems_of(with_traits(trait))


@pytest.mark.parametrize(
    ("trait", "told"),
    [
        (cron("61 * * * *"), 'cron("61 * * * *") on house:clean: bad minute.'),
        (cron("0 3 * * *", zone="Europe/Atlantis"), "there is no zone 'Europe/Atlantis' here"),
        (cron("0 3 * * * *"), "five fields"),
        (every("500ms"), "shorter than one second"),
        (every("1h", offset="2h"), "offset must be shorter"),
    ],
)
def test_a_schedule_that_cannot_be_stops_the_start(trait: Trait, told: str) -> None:
    """A bad expression, zone, period or offset is found before any tick."""
    assert told in problems_of(with_nothing(trait))


def test_one_action_has_one_schedule() -> None:
    """A tick is a name and a time: two schedules of one name would meet."""
    assert "has two schedules" in problems_of(with_nothing(every("1h"), cron("0 3 * * *")))


def test_a_schedule_says_when_it_runs() -> None:
    """Lists of actions show it as it is written."""
    assert every(timedelta(minutes=90)).summary == 'every("1h30m")'
    assert cron("0 3 * * *", zone="Europe/Athens").summary == 'cron("0 3 * * *", zone="Europe/Athens")'


@pytest.mark.parametrize(
    ("word", "wrong", "told"),
    [
        ("queue", lambda: queue("mail", slots=0), "at least 1"),
        ("at_most", lambda: at_most(0, "x"), "at least 1"),
        ("keep", lambda: keep("0s"), "longer than nothing"),
        ("unique", lambda: unique("x", window="0s"), "longer than nothing"),
    ],
)
def test_numbers_that_mean_nothing_are_refused_where_they_are_written(word: str, wrong: Any, told: str) -> None:
    """They fail at the line that says them."""
    with pytest.raises(ValueError, match=told):
        wrong()
