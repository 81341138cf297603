"""Can an agent be told by what it does? Simple statistics of its battles, and how far the best of them goes.

The list of statistics is fixed: :func:`statistics` is all of it. None of them asks for a network, a view or training,
so that whoever watches battles could count them.
"""

from __future__ import annotations

import numpy as np
from scipy.special import xlogy
from scipy.stats import bootstrap
from sklearn.model_selection import StratifiedKFold

from bench.contracts import NOBODY, Distinguished, EnvSpec, Episodes, Estimate
from bench.metrics.detection import roc_area

PHASES = {"early": (0, 10), "middle": (10, 30), "late": (30, np.inf)}  # steps of a battle: from, and before
STILL = 0.01  # of the map's diagonal: who moves less in a step stands still
FOLDS = 5  # of the outer and of the inner cross-validation
FEWEST = 40  # samples: of fewer, some statistic or other tells any two sets apart in every fold
# The folds' choices are made from overlapping samples, so that their mean scatters more than independent ones would:
# the correction of Nadeau and Bengio (2003, Machine Learning 52), the root of 1 + FOLDS / (FOLDS - 1).
WIDER = (1 + FOLDS / (FOLDS - 1)) ** 0.5
RESAMPLES = 1_000


def recorded(spec: EnvSpec) -> list[str]:
    """What has to be recorded of battles, on request, for all statistics that there can be."""
    return ["position", "present", *([f"extras.{spec.bar}"] if spec.bar else [])]


def statistics(episodes: Episodes) -> dict[str, np.ndarray]:
    """Name -> (episode, agent), every statistic of the fixed list that these episodes allow.

    * the share of each kind of action, in the whole battle, ``early``, ``middle`` and ``late`` (:data:`PHASES`); how
      varied they are (entropy, in nats), how often a kind follows on itself, the longest run of one;
    * actions towards outsiders: the first step of one (the limit of steps if there is none), on how many outsiders,
      and the share of them that another agent does on the same outsider at the same step;
    * places, where they are recorded: idle steps (the agent stands still and acts on nobody), how far it moves in a
      step and from its start, and how far it is from the nearest teammate, from the middle of its teammates and from
      the nearest outsider;
    * where the environment has a bar for every body (``EnvSpec.bar``): what the agent loses of its own, when first,
      what is left of it at the end, and what outsiders lose to it, shared evenly among all who act on one;
    * for how many steps it acts, whether it does in the last one, and the length of the battle.

    All are finite: a share of no steps is 0, a distance from nobody is the map's diagonal.
    """
    acting = episodes.alive & episodes.mask[..., None]
    target = episodes.described.target_of_action[episodes.action]
    step = np.arange(acting.shape[1])[:, None]
    when = {name: acting & (step >= first) & (step < end) for name, (first, end) in PHASES.items()}
    when = {"whole": acting} | when
    return (_choices(episodes, when) | _towards(episodes, acting, target) | _places(episodes, when, target)
            | _bars(episodes, acting, target) | _life(episodes, acting))


def _choices(episodes: Episodes, when: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Which kinds of action it takes, and in what order."""
    spec, acting = episodes.described, when["whole"]
    kind = spec.kind_of_action[episodes.action]
    found = {f"{name}, {phase}": _share(kind == k, inside)
             for k, name in enumerate(spec.action_kinds) for phase, inside in when.items()}
    shares = np.stack([found[f"{name}, whole"] for name in spec.action_kinds])
    same = np.concatenate([np.zeros_like(acting[:, :1]), (kind[:, 1:] == kind[:, :-1]) & acting[:, :-1]], 1)
    run, longest = np.zeros(shares.shape[1:], int), np.zeros(shares.shape[1:], int)
    for t in range(acting.shape[1]):
        run = np.where(acting[:, t], run * same[:, t] + 1, 0)
        longest = np.maximum(longest, run)
    return found | {"variety of actions": -xlogy(shares, shares).sum(0),
                    "same kind of action again": _share(same, acting), "longest run of a kind of action": longest}


def _towards(episodes: Episodes, acting: np.ndarray, target: np.ndarray) -> dict[str, np.ndarray]:
    """Its actions towards outsiders; nothing where there are no such actions."""
    spec = episodes.described
    if (spec.target_of_action == NOBODY).all():
        return {}
    at = _on(acting, target, spec)
    any_of_them = at.sum(-1) > 0
    together = (at & (at.sum(2, keepdims=True) > 1)).any(-1)
    return {"first action on an outsider": _first(any_of_them, spec),
            "outsiders acted on": at.any(1).sum(-1),
            "acts on an outsider beside others": _share(together, any_of_them)}


def _places(episodes: Episodes, when: dict[str, np.ndarray], target: np.ndarray) -> dict[str, np.ndarray]:
    """Where it is; nothing where positions are not recorded."""
    labels, spec, acting = episodes.labels, episodes.described, when["whole"]
    if labels.position is None or labels.present is None:
        return {}
    far, agents = float(np.hypot(*spec.map_size)), spec.n_agents
    place, outsiders = labels.position[:, :, :agents], labels.position[:, :, agents:]
    moved = np.linalg.norm(np.diff(place, axis=1), axis=-1)
    idle = (moved < STILL * far) & (target[:, :-1] == NOBODY)
    on = acting[:, 1:]  # whoever is no longer there has not moved
    found = {f"idle, {phase}": _share(idle, when[phase][:, :-1] & on) for phase in ("early", "whole")}
    found["distance moved in a step"] = _mean(moved, acting[:, :-1] & on, 0.0)
    found["distance from its start, early"] = _mean(np.linalg.norm(place - place[:, :1], axis=-1), when["early"], 0.0)
    others = acting[:, :, None] & ~np.eye(agents, dtype=bool)  # (episode, step, agent, other agent)
    count = others.sum(-1)[..., None]
    middle = np.einsum("etab,etbx->etax", others.astype(np.float32), place) / np.maximum(count, 1)
    alone = np.where(count[..., 0] > 0, np.linalg.norm(place - middle, axis=-1), np.inf)
    outside = _nearest(place, outsiders, labels.present[:, :, None, agents:])
    distances = {"nearest teammate": _nearest(place, place, others), "middle of its teammates": alone,
                 "nearest outsider": outside}
    for name, distance in distances.items():
        for phase in ("early", "whole"):
            found[f"distance to the {name}, {phase}"] = _mean(distance, when[phase] & np.isfinite(distance), far)
    return found | {"smallest distance to an outsider": np.where(acting, outside, np.inf).min(1).clip(max=far)}


def _bars(episodes: Episodes, acting: np.ndarray, target: np.ndarray) -> dict[str, np.ndarray]:
    """What it loses and what others lose to it, where the environment has a bar for that."""
    spec = episodes.described
    if spec.bar not in episodes.labels.extras:
        return {}
    bar, agents = episodes.labels.extras[spec.bar], spec.n_agents
    lost = np.maximum(bar[:, :-1] - bar[:, 1:], 0) * episodes.mask[:, 1:, None]
    own = lost[:, :, :agents]
    at = _on(acting, target, spec)[:, :-1]
    done = np.einsum("etak,etk->ea", at / np.maximum(at.sum(2, keepdims=True), 1), lost[:, :, agents:])
    last = bar[np.arange(len(bar)), episodes.length - 1, :agents]
    return {f"{spec.bar} lost": own.sum(1), f"first {spec.bar} lost": _first(own > 0, spec),
            f"{spec.bar} in the end": last, f"{spec.bar} that outsiders lose to it": done}


def _life(episodes: Episodes, acting: np.ndarray) -> dict[str, np.ndarray]:
    last = acting[np.arange(len(acting)), episodes.length - 1]
    return {"steps acted": acting.sum(1), "acts in the last step": last,
            "length of the battle": np.broadcast_to(episodes.length[:, None], last.shape)}


def _on(acting: np.ndarray, target: np.ndarray, spec: EnvSpec) -> np.ndarray:
    """(episode, step, agent, outsider) bool: who acts on whom."""
    return acting[..., None] & (target[..., None] == np.arange(spec.n_outsiders))


def _share(what: np.ndarray, where: np.ndarray) -> np.ndarray:
    """(episode, agent) of the steps (episode, step, agent) that count, the share with something; 0 of no steps."""
    return (what & where).sum(1) / np.maximum(where.sum(1), 1)


def _mean(values: np.ndarray, where: np.ndarray, otherwise: float) -> np.ndarray:
    """(episode, agent) the mean over the steps that count, or ``otherwise`` if none does."""
    n = where.sum(1)
    return np.where(n > 0, np.where(where, values, 0).sum(1) / np.maximum(n, 1), otherwise)


def _first(what: np.ndarray, spec: EnvSpec) -> np.ndarray:
    """(episode, agent) the first step with something, or the limit of steps."""
    return np.where(what.any(1), what.argmax(1), spec.episode_limit)


def _nearest(place: np.ndarray, others: np.ndarray, there: np.ndarray) -> np.ndarray:
    """(episode, step, agent) the distance to the nearest of the ``others`` that are ``there``, infinite if none is."""
    distance = np.linalg.norm(place[:, :, :, None] - others[:, :, None], axis=-1)
    return np.where(there, distance, np.inf).min(-1, initial=np.inf)


def distinguishability(one: np.ndarray, other: np.ndarray, names: list[str]) -> Distinguished:
    """How well the best statistic tells two sets of samples, (sample, statistic) each, apart.

    Nested cross-validation, so that the best of many is not better than chance by choice alone: in each of five folds
    the statistic, and which way it points, is chosen by its mean AUROC in five inner folds of all other samples, and
    judged in samples that nobody has looked at. The figure is the mean AUROC over the outer folds; chance .5. Samples
    are taken as they come, not shuffled: battles of a seed have no order, and where both sets are of the same battles,
    a battle stays in one fold.

    The 95 % interval is a bootstrap over the judged samples, half as wide again (:data:`WIDER`): it is that of more
    battles of these two teams, and says nothing of other teams. None of fewer than :data:`FEWEST` samples.
    """
    if min(len(one), len(other)) < FEWEST:
        return Distinguished(Estimate(None), None)
    values, label = np.concatenate([one, other]), np.repeat([0, 1], [len(one), len(other)])
    chosen, judged = [], []
    for train, test in StratifiedKFold(FOLDS).split(values, label):
        best, sign = _best(values[train], label[train])
        chosen.append(best)
        judged += [sign * values[test, best][label[test] == side] for side in (0, 1)]

    def mean(*samples: np.ndarray, axis: int = -1) -> np.ndarray:
        return np.mean([roc_area(samples[i], samples[i + 1], axis) for i in range(0, 2 * FOLDS, 2)], axis=0)

    value = float(mean(*judged))
    ends = bootstrap(judged, mean, n_resamples=RESAMPLES, vectorized=True, batch=50, method="percentile",
                     rng=np.random.default_rng(0)).confidence_interval
    low, high = (float(np.clip(value + WIDER * (end - value), 0, 1)) for end in ends)
    return Distinguished(Estimate(value, low, high), names[int(np.bincount(chosen).argmax())])


def _best(values: np.ndarray, label: np.ndarray) -> tuple[int, int]:
    """The statistic that tells the samples with label 1 from the others best, and the sign by which theirs are higher.

    Each inner fold judges all statistics, pointing as the samples outside it say.
    """
    found = []
    for train, test in StratifiedKFold(FOLDS).split(values, label):
        up = _areas(values[train], label[train]) >= 0.5
        area = _areas(values[test], label[test])
        found.append(np.where(up, area, 1 - area))
    best = int(np.mean(found, axis=0).argmax())
    return best, 1 if _areas(values, label)[best] >= 0.5 else -1


def _areas(values: np.ndarray, label: np.ndarray) -> np.ndarray:
    """(statistic,) AUROC of each, higher for label 1."""
    return roc_area(values[label == 0], values[label == 1], axis=0)
