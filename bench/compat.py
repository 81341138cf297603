"""What Hydra 1.3 and Hydra 1.4 want to be told differently."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import hydra.utils
from hydra._internal.hydra import Hydra

_MODE = re.compile(r"[+~]*hydra\b|--?(config-(name|path|dir)|c[dnp])\b")  # arguments from which a mode may come
_WHITELIST = getattr(hydra.utils, "execution_whitelist", None)  # of 1.4 on
VERSION: dict[str, str] = {"version_base": "1.3"} if _WHITELIST is None else {}  # 1.3 warns without, 1.4 with it


def only(targets: Iterable[str]) -> AbstractContextManager[Any]:
    """Within it ``hydra.utils.instantiate`` makes nothing but what is named here. Hydra 1.3 cannot be told so: there
    it makes what the node names, and refuses a list of its own.

    A class may be defined in another module of its package than the one that it is named by.
    """
    if _WHITELIST is None:
        return nullcontext()
    named = list(targets)
    packages = {f"{target.partition('.')[0]}.*" for target in named if "." in target}
    return _WHITELIST([*named, *sorted(packages - {"hydra.*"})], reset=True)


@contextmanager
def composing_once(arguments: Iterable[str]) -> Iterator[None]:
    """Within it ``hydra.main`` composes a command's configuration once. Before that it composes it for ``hydra.mode``
    alone, which is empty unless an argument gives it or a folder of the user's does."""
    if any(map(_MODE.match, arguments)):
        yield
        return
    asked = Hydra.get_mode
    Hydra.get_mode = lambda *_, **__: None  # type: ignore[method-assign]
    try:
        yield
    finally:
        Hydra.get_mode = asked  # type: ignore[method-assign]
