"""From a table of checks to what comes of each, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import TypeVar

from bench.conformance.checks import Outcome
from bench.conformance.subject import Broken
from bench.contracts.calls import Raised, ask

Subject = TypeVar("Subject")


class Beside(Exception):
    """A check does not fit its subject; says why."""


def walk(checks: Mapping[str, tuple[Callable[[Subject], None], str]], first: Collection[str],
         subject: Callable[[], Subject]) -> Iterator[Outcome]:
    """The outcome of every check, name -> (check, what is expected), of what ``subject`` gives for each. Once one of
    the ``first`` has failed, no other is made.

    Raises BenchError where the subject raises one: it is the user who has to do something then.
    """
    failed = ""
    for name, (check, expected) in checks.items():
        if failed:
            yield Outcome(name, "not run", expected, f"see '{failed}'")
            continue
        try:
            ask(lambda check=check: check(subject()))  # type: ignore[misc]
            yield Outcome(name, "passed", expected)
        except Raised as error:
            cause = error.__cause__
            if isinstance(cause, Beside):
                yield Outcome(name, "not run", expected, str(cause))
                continue
            failed = name if name in first else ""
            yield Outcome(name, "failed", expected, str(cause) if isinstance(cause, Broken) else str(error))


def expect(kept: bool, broken: str) -> None:
    """Broken unless a promise is kept."""
    if not kept:
        raise Broken(broken)
