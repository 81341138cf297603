"""Configurations as JSON: what an object is made of, written down so that no two that differ are written alike.

JSON has numbers, texts, flags, lists and objects; whatever else there is becomes ``{"_type_": WHAT, "value": ...}``,
infinity and not-a-number among it. Teams are judged by copies of a detector, and a copy is made of what the standard
library's copy protocol says that an object is made of: this is what is written. What it cannot tell of is refused.
"""

from __future__ import annotations

import copyreg
import hashlib
import json
import math
import sys
import types
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from bench import siblings
from bench.contracts.calls import Raised, ask, class_name, said
from bench.errors import DetectorError

if TYPE_CHECKING:
    from omegaconf import DictConfig

TAG = "_type_"
LONGEST = 4_000  # characters of JSON that an object may take; longer ones are named by their hash
NEW = object().__reduce_ex__(2)[0]  # of the copy protocol: "an object of this class", the usual beginning
PLAIN = (bool, int, str, type(None))
ADVICE = "give it as numbers, texts, lists, dictionaries, arrays, or a function or class defined at the top of a module"


def written(made: Any) -> dict[str, Any]:
    """A detector as a configuration node: its class, and every attribute.

    Raises
    ------
    DetectorError : it cannot be written down faithfully; names the attribute, and says what to do.
    """
    try:
        return ask(lambda: _written(made))
    except Raised as error:
        raise DetectorError(f"{class_name(made)} cannot be written down: {error}") from error


def _written(made: Any) -> dict[str, Any]:
    writer, kind = _Writer(class_name(made)), type(made)
    node: dict[str, Any] = {"_target_": _name(kind)}
    if not _found(kind):  # its name tells nothing of it
        node["_class_"] = writer("", kind)
    function, arguments, _, *content = writer.parts("", made)
    if (function, arguments) != (NEW, (kind,)) or any(content):  # of a class of dictionaries, say
        node["_content_"] = writer("", [function, list(arguments), content])
    return node | {name: writer(name, value) for name, value in sorted(attributes(made).items())}


def plain(node: DictConfig) -> dict[str, Any]:
    """A configuration as results, recipes and hashes hold it: interpolations resolved, classes by the names that they
    are recorded under, and in JSON's values. Raises DetectorError for what only Python has."""
    from omegaconf import OmegaConf

    return spelled(OmegaConf.to_container(node, resolve=True))


def spelled(node: Any) -> Any:
    """Plain values in those of JSON; see :func:`plain`."""
    if isinstance(node, Mapping):
        items = {name: siblings.recorded(value) if name == "_target_" and isinstance(value, str) else spelled(value)
                 for name, value in node.items()}
        return items if all(type(name) is str for name in items) and set(items) != {TAG, "value"} else _tagged(
            "dict", [[spelled(name), value] for name, value in items.items()])
    return [spelled(item) for item in node] if type(node) is list else _Writer("a configuration")("a value", node)


def unspelled(node: Any) -> Any:
    """The configuration that :func:`spelled` was given; objects of Python stay as :func:`written` has them."""
    if isinstance(node, Mapping):
        kind, value = (node[TAG], node.get("value")) if set(node) == {TAG, "value"} else (None, None)
        if kind == "float" and value in ("inf", "-inf", "nan"):
            return float(value)
        if kind == "dict" and isinstance(value, list) and all(
                isinstance(pair, list) and len(pair) == 2 and isinstance(pair[0], str | int | float) for pair in value):
            return {name: unspelled(item) for name, item in value}
        return {name: unspelled(item) for name, item in node.items()}
    return [unspelled(item) for item in node] if isinstance(node, list) else node


class _Writer:
    """Writes what a detector holds, for errors by the name of the attribute that holds it."""

    def __init__(self, owner: str) -> None:
        self.owner = owner
        self.within: list[int] = []  # ids of what is being written: an object may hold itself

    def __call__(self, where: str, value: Any) -> Any:
        """A value as JSON."""
        if type(value) in PLAIN:
            return value
        if type(value) is float:
            return value if math.isfinite(value) else _tagged("float", str(value))
        if id(value) in self.within:
            return _tagged("holder", len(self.within) - self.within.index(id(value)))
        self.within.append(id(value))
        try:
            return self._object(where, value)
        except RecursionError:
            raise self._refused(where, value, "it is nested too deeply") from None
        finally:
            self.within.pop()

    def _object(self, where: str, value: Any) -> Any:
        kind = type(value)
        if kind in (list, tuple):
            items = [self(where, item) for item in value]
            # scikit-learn's pairs of name and estimator go as lists do, as they always have.
            pair = len(value) == 2 and type(value[0]) is str and _is_estimator(value[1])
            return items if (kind is list) != pair else _tagged(kind.__name__, items)
        if kind is dict:
            node = {name: self(f"{where}[{name!r}]", item) for name, item in value.items() if type(name) is str}
            if len(node) == len(value) and not any(name[:1] == name[-1:] == "_" for name in node):
                return node
            return _tagged("dict", sorted(([self(where, name), self(where, item)] for name, item in value.items()),
                                          key=json.dumps))
        if kind in (set, frozenset):
            return _tagged(kind.__name__, sorted((self(where, item) for item in value), key=json.dumps))
        if kind in (bytes, bytearray):
            return _tagged(kind.__name__, _bytes(value))
        if kind is np.ndarray:
            content = self(where, value.tolist()) if value.dtype.hasobject else _bytes(value.tobytes())
            return _tagged("numpy.ndarray", [str(value.dtype.descr if value.dtype.names else value.dtype.str),
                                             list(value.shape), content])
        if isinstance(value, np.generic) and not value.dtype.hasobject:
            return _tagged(_name(kind), [value.dtype.str, repr(value.item())]
                           if value.dtype.kind in "biuf" and value.itemsize <= 8 else
                           [str(value.dtype.descr), _bytes(value.tobytes())])
        if isinstance(value, type):
            return _tagged("class", _name(value) if _found(value) else self._class(where, value))
        if isinstance(value, types.ModuleType) and sys.modules.get(value.__name__) is value:
            return _tagged("module", value.__name__)
        if kind in (types.FunctionType, types.BuiltinFunctionType) and _found(value):
            return _tagged("function", _name(value))
        if kind is types.FunctionType:
            return self._short("function", self._function(where, value))
        torch = sys.modules.get("torch")  # who holds a tensor has imported it
        if torch is not None and isinstance(value, torch.Tensor):
            return _tagged(_name(kind), self._tensor(where, value, torch))
        if _is_estimator(value):
            return self._estimator(where, value)
        return self._short(_name(kind), self._copied(where, value))

    def _estimator(self, where: str, value: Any) -> dict[str, Any]:
        """Class and parameters; and what else it holds, if it is fitted or was given something by hand."""
        from sklearn.base import clone

        try:
            given = value.get_params(deep=False)
            known = attributes(clone(value)).keys() | given.keys()
        except Exception as error:
            raise self._refused(where, value, f"its get_params or clone raised {said(error)}") from error
        further = {name: item for name, item in attributes(value).items() if name not in known}
        node = {"_target_": _name(type(value)),
                **{name: self(f"{where}.{name}", item) for name, item in sorted(given.items())}}
        if not _found(type(value)):
            node["_class_"] = self(where, type(value))
        if further:
            node["_fitted_"] = self._short("dict", self(where, further))
        return node

    def _copied(self, where: str, value: Any) -> Any:
        """What a copy would be made of."""
        parts = self.parts(where, value)
        if isinstance(parts[0], str):
            for module in (getattr(value, "__module__", None), type(value).__module__):
                if getattr(sys.modules.get(str(module)), parts[0], None) is value:
                    return f"{module}.{parts[0]}"
            raise self._refused(where, value, f"no module has it under its name, {parts[0]}")
        function, arguments, state, *content = parts
        given = [self(where, part) for part in (list(arguments), state, content)]
        return given if function is NEW or function is type(value) else [self(where, function), *given]

    def parts(self, where: str, value: Any) -> tuple[Any, ...]:
        """(function, its arguments, state, items, pairs) of the copy protocol, or (global name,)."""
        try:
            reduce = copyreg.dispatch_table.get(type(value))
            found: Any = reduce(value) if reduce else value.__reduce_ex__(2)
            if isinstance(found, str):
                return (found,)
            parts: list[Any] = [*found, None, None, None]
            return *parts[:3], list(parts[3] or ()), [list(pair) for pair in parts[4] or ()]
        except Exception as error:
            raise self._refused(where, value, said(error)) from error

    def _tensor(self, where: str, value: Any, torch: Any) -> list[Any]:
        try:
            content = value.detach().cpu().resolve_conj().resolve_neg().contiguous().reshape(-1).view(torch.uint8)
            return [str(value.dtype), list(value.shape), value.requires_grad, _bytes(content.numpy().tobytes())]
        except Exception as error:
            raise self._refused(where, value, said(error)) from error

    def _function(self, where: str, value: types.FunctionType) -> list[Any]:
        """What a function that has no name of its own does, as a lambda: its code and all that this refers to."""
        cells = zip(value.__code__.co_freevars, value.__closure__ or (), strict=True)
        closed = {name: cell.cell_contents for name, cell in cells if name != "__class__" and _filled(cell)}
        named = {name: value.__globals__[name] for name in sorted(_names(value.__code__)) if name in value.__globals__}
        return [value.__qualname__, self._code(where, value.__code__),
                *(self(where, part) for part in (value.__defaults__, value.__kwdefaults__, closed, named))]

    def _code(self, where: str, code: types.CodeType) -> list[Any]:
        return [code.co_code.hex(), list(code.co_names), list(code.co_varnames), code.co_flags,
                [self._code(where, part) if isinstance(part, types.CodeType) else self(where, part)
                 for part in code.co_consts]]

    def _class(self, where: str, kind: type) -> Any:
        """What a class that is not to be had by its name, as one within a function, is made of."""
        content: dict[str, Any] = {}
        for name, value in vars(kind).items():
            if isinstance(value, property):
                value = [value.fget, value.fset, value.fdel]
            elif isinstance(value, staticmethod | classmethod):
                value = [class_name(value), value.__func__]
            elif isinstance(value, types.MemberDescriptorType | types.GetSetDescriptorType):
                value = name
            special = name[:2] == name[-2:] == "__" and not isinstance(value, types.FunctionType)
            if not special and name != "_abc_impl":
                content[name] = value
        return self._short("class", [_name(kind), self(where, list(kind.__bases__)), self(where, content)])

    def _short(self, kind: str, value: Any) -> dict[str, Any]:
        text = json.dumps(value, sort_keys=True)
        return _tagged(kind, value if len(text) <= LONGEST else f"sha256:{_sha256(text.encode())}")

    def _refused(self, where: str, value: Any, why: str) -> DetectorError:
        kind = class_name(value)
        what = f"its attribute '{where}' holds" if where else "it is"
        return DetectorError(f"{self.owner} cannot be written down, so that its results could not be told from "
                             f"another's: {what} an object of type {kind} ({why}); {ADVICE}, or make it in fit")


def _tagged(kind: str, value: Any) -> dict[str, Any]:
    return {TAG: kind, "value": value}


def _bytes(data: bytes | bytearray) -> str:
    return data.hex() if len(data) <= 32 else f"sha256:{_sha256(data)}"


def _sha256(data: bytes | bytearray) -> str:
    return hashlib.sha256(data).hexdigest()


def _name(named: Any) -> str:
    return siblings.recorded(f"{named.__module__}.{named.__qualname__}")


def _found(named: Any) -> bool:
    """Whether a class or function is what its own name leads to, so that the name says which it is."""
    found: Any = sys.modules.get(str(named.__module__))
    for part in str(getattr(named, "__qualname__", "?")).split("."):
        found = getattr(found, part, None)
    return found is named


def _is_estimator(value: Any) -> bool:
    return hasattr(type(value), "get_params") and not isinstance(value, type)


def attributes(made: Any) -> dict[str, Any]:
    """What an object holds, in its ``__dict__`` and in ``__slots__``, whatever it says itself."""
    slots = {name: member for kind in type.mro(type(made)) for name, member in vars(kind).items()
             if isinstance(member, types.MemberDescriptorType)}
    held = {}
    for name, member in slots.items():
        try:
            held[name] = member.__get__(made)
        except AttributeError:  # nothing has been put there
            continue
    try:
        return held | object.__getattribute__(made, "__dict__")
    except AttributeError:
        return held


def _filled(cell: types.CellType) -> bool:
    try:
        cell.cell_contents  # noqa: B018
    except ValueError:
        return False
    return True


def _names(code: types.CodeType) -> set[str]:
    """The names that a function's code, or that of one within it, looks up."""
    return set(code.co_names).union(*(_names(part) for part in code.co_consts if isinstance(part, types.CodeType)))
