"""Psi: a formula over where an outsider is, as seen from the poisoned agent, in N consecutive steps.

    0.6 < dx[0] <= 1.0 and not (dy[3] > 0.5 or distance[1] < 0.8)

``dx``, ``dy`` and ``distance`` are the unit's position minus the agent's; ``[k]`` is the step, 0 being the first of the
trigger. Atoms compare features and numbers with < <= > >= ==, also in chains; ``and``, ``or``, ``not`` and parentheses
join them. The text is parsed, never evaluated as code.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import reduce

import numpy as np

from bench.errors import BenchError, unknown

LONGEST = 1_000  # characters; formulas come with strangers' results as well
DEEPEST = 50  # of and, or, not within one another
FEATURES = ("dx", "dy", "distance")
RELATIONS: dict[type[ast.cmpop], Callable] = {
    ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge, ast.Eq: operator.eq}

# A truth value of which not everything is known yet: (can be true, must be true), arrays of bool.
Truth = tuple[np.ndarray, np.ndarray]
Node = Callable[[np.ndarray, int], Truth]
Term = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Formula:
    """A parsed formula over ``length`` steps.

    Raises
    ------
    BenchError : the text is not such a formula; says where and why.
    """

    text: str
    length: int
    _node: Node = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not isinstance(self.text, str):
            raise BenchError(f"a formula is text; this one is of type {type(self.text).__name__}")
        if len(self.text) > LONGEST:
            raise BenchError(f"a formula has {len(self.text):,} characters; allowed: up to {LONGEST:,}")
        try:
            tree = ast.parse(self.text.strip(), mode="eval").body
        except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
            where = f" at character {error.offset}" if isinstance(error, SyntaxError) and error.offset else ""
            raise BenchError(f"formula '{self.text}' does not parse{where}") from None
        if _depth(tree) > DEEPEST:
            raise BenchError(f"a formula is nested {_depth(tree)} deep; allowed: up to {DEEPEST}")
        object.__setattr__(self, "_node", self._parse(tree))

    def __call__(self, features: np.ndarray, known: int) -> Truth:
        """Whether the formula can be true and must be true, when only steps 0 .. known-1 have been seen.

        ``features`` (..., step, 3) in the order of ``FEATURES``; both results have the leading shape. With ``known``
        equal to ``length`` they are the same. In between, the answer treats atoms as independent of one another.
        """
        return self._node(features, known)

    def _parse(self, tree: ast.expr) -> Node:
        if isinstance(tree, ast.BoolOp):
            join = operator.and_ if isinstance(tree.op, ast.And) else operator.or_
            return _joined(join, [self._parse(value) for value in tree.values])
        if isinstance(tree, ast.UnaryOp) and isinstance(tree.op, ast.Not):
            inner = self._parse(tree.operand)
            return lambda features, known: tuple(~part for part in reversed(inner(features, known)))  # type: ignore
        if isinstance(tree, ast.Compare):
            sides = [self._term(side) for side in (tree.left, *tree.comparators)]
            atoms = [self._atom(op, left, right) for op, left, right
                     in zip(tree.ops, sides, sides[1:], strict=False)]
            return _joined(operator.and_, atoms)
        raise self._error(tree, "expected a comparison such as 0.5 < dx[0], or and / or / not")

    def _atom(self, op: ast.cmpop, left: tuple[Term, int], right: tuple[Term, int]) -> Node:
        if type(op) not in RELATIONS:
            raise BenchError(f"formula '{self.text}': only < <= > >= == compare")
        relation, last = RELATIONS[type(op)], max(left[1], right[1])

        def atom(features: np.ndarray, known: int) -> Truth:
            if last >= known:
                shape = features.shape[:-2]
                return np.ones(shape, bool), np.zeros(shape, bool)
            truth = np.broadcast_to(relation(left[0](features), right[0](features)), features.shape[:-2])
            return truth, truth

        return atom

    def _term(self, tree: ast.expr) -> tuple[Term, int]:
        """A number or a feature, and the step it needs (-1 for a number)."""
        sign = 1.0
        if isinstance(tree, ast.UnaryOp) and isinstance(tree.op, ast.USub):
            sign, tree = -1.0, tree.operand
        if isinstance(tree, ast.Constant) and isinstance(tree.value, int | float) \
                and not isinstance(tree.value, bool):
            try:
                number = sign * float(tree.value)
            except OverflowError:
                raise self._error(tree, "the number is too great") from None
            return (lambda _: np.asarray(number)), -1
        if isinstance(tree, ast.Name) and tree.id in FEATURES:
            raise self._error(tree, f"say at which step, for example {tree.id}[0]")
        if not (isinstance(tree, ast.Subscript) and isinstance(tree.value, ast.Name)):
            raise self._error(tree, "expected a number or a feature such as dx[0]")
        name, step = tree.value.id, tree.slice
        if name not in FEATURES:
            raise unknown(f"feature in formula '{self.text}'", name, FEATURES)
        if not (isinstance(step, ast.Constant) and type(step.value) is int and 0 <= step.value < self.length):
            raise self._error(step, f"a step is a whole number from 0 to {self.length - 1}")
        column, index = FEATURES.index(name), step.value
        return (lambda features: sign * features[..., index, column]), index

    def _error(self, tree: ast.expr, why: str) -> BenchError:
        part = ast.get_source_segment(self.text.strip(), tree) or self.text
        return BenchError(f"formula '{self.text}': '{part}': {why}")


def _depth(tree: ast.expr) -> int:
    """How many of and, or and not stand within one another, this one included."""
    inner = tree.values if isinstance(tree, ast.BoolOp) else [tree.operand] if isinstance(tree, ast.UnaryOp) else []
    return bool(inner) + max(map(_depth, inner), default=0)


def _joined(join: Callable, nodes: list[Node]) -> Node:
    def node(features: np.ndarray, known: int) -> Truth:
        truths = [inner(features, known) for inner in nodes]
        return reduce(join, (t[0] for t in truths)), reduce(join, (t[1] for t in truths))
    return node
