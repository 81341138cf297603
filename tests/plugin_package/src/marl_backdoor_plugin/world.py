"""An environment of a third party's: two agents on a grid are to meet, and a stranger walks about."""

import numpy as np

from bench.contracts import COMPASS, Environment, EnvSpec, Step

MOVES = (*COMPASS, "stop")
WAYS = np.array([*COMPASS.values(), (0, 0)])  # (move, 2)
LIMIT, SIGHT, STRANGER = 20, 4.0, 2
LAYOUT = ("own.x", "own.y", "ally.0.dx", "ally.0.dy", "outsider.0.seen", "outsider.0.dx", "outsider.0.dy",
          "outsider.0.moved_x", "outsider.0.moved_y", "rest.time")
BESIDE = np.array([1, 0])  # the other agent


class Meeting:
    """A batch of episodes; see :class:`bench.contracts.Battles`. ``size`` is the grid's width, "7" or "9"."""

    environment = Environment("meeting", "1", "marl_backdoor_plugin.world.Meeting", {"size": ("7", "9")})

    def __init__(self, size: str = "7") -> None:
        identity = self.environment.identity({"size": size})
        self.size, self._seed = int(size), 0
        self.spec = EnvSpec(
            id=identity.id, version=identity.version, n_agents=2, observation_size=len(LAYOUT), state_size=7,
            n_actions=len(MOVES), n_outsiders=1, episode_limit=LIMIT, sight_range=(SIGHT, SIGHT),
            map_size=(self.size - 1.0, self.size - 1.0), agent_actions=MOVES, outsider_orders=MOVES,
            observation_layout=LAYOUT, success="the agents are in one place", sighted_by="seen",
            order_seen_by={"north": ("moved_y", 1), "east": ("moved_x", 1), "south": ("moved_y", -1),
                           "west": ("moved_x", -1)})
        self._state: dict[str, np.ndarray] = {}

    def reset(self, seed, battles):
        self._seed = seed
        self._state = self._begun(battles)
        return self._step()

    def replace(self, slots, battles):
        for name, value in self._begun(battles).items():
            self._state[name] = self._state[name].copy()
            self._state[name][slots] = value
        return self._step()

    def step(self, actions, orders=None):
        now = self._state
        going = ~self._over()
        walk = now["walk"][np.arange(len(going)), np.minimum(now["time"], LIMIT - 1)]
        stranger = walk if orders is None else np.where(orders[:, 0] >= 0, orders[:, 0], walk)
        made = np.concatenate([actions, stranger[:, None]], 1)
        place = np.clip(now["place"] + WAYS[made], 0, self.size - 1)
        before = np.abs(now["place"][:, 0] - now["place"][:, 1]).sum(-1)
        after = np.abs(place[:, 0] - place[:, 1]).sum(-1)
        reward = np.where(going, before - after + 10 * (after == 0), 0)
        self._state = {
            **now, "reward": reward.astype(np.float32), "time": now["time"] + going,
            "place": np.where(going[:, None, None], place, now["place"]),
            "last": np.where(going, stranger, now["last"])}
        return self._step()

    def snapshot(self):
        return {"seed": self._seed, **self._state}

    def restore(self, snapshot):
        self._state = dict(snapshot)
        self._seed = self._state.pop("seed")

    def _begun(self, battles):
        """First states; all that is drawn is drawn here, from the seed and each number."""
        drawn = [np.random.default_rng([self._seed, int(number)]) for number in battles]
        place = np.stack([rng.integers(self.size, size=(3, 2)) for rng in drawn])
        same = (place[:, 0] == place[:, 1]).all(-1)
        place[same, 1] = (place[same, 0] + 1) % self.size  # nobody has met yet
        walk = np.stack([rng.integers(len(MOVES), size=LIMIT) for rng in drawn])
        n = len(battles)
        return {"place": place, "walk": walk, "time": np.zeros(n, int), "last": np.full(n, -1),
                "reward": np.zeros(n, np.float32)}

    def _met(self):
        return (self._state["place"][:, 0] == self._state["place"][:, 1]).all(-1)

    def _over(self):
        return self._met() | (self._state["time"] >= LIMIT)

    def _step(self):
        place, last = self._state["place"], self._state["last"]
        n, far = len(place), self.size - 1.0
        offset = (place[:, STRANGER, None] - place[:, :2]) / SIGHT  # (battle, agent, 2)
        seen = np.linalg.norm(offset, axis=-1, keepdims=True) < 1
        moved = WAYS[np.where(last < 0, len(MOVES) - 1, last)][:, None]
        time = np.broadcast_to((self._state["time"] / LIMIT)[:, None, None], (n, 2, 1))
        observation = np.concatenate([place[:, :2] / far, (place[:, BESIDE] - place[:, :2]) / far, seen, offset * seen,
                                      moved * seen, time], -1).astype(np.float32)
        state = np.concatenate([place.reshape(n, -1) / far, time[:, 0]], -1).astype(np.float32)
        everybody = np.ones((n, 3), bool)
        return Step(observation=observation, state=state, available=np.ones((n, 2, len(MOVES)), bool),
                    reward=self._state["reward"], done=self._over(), won=self._met(), active=everybody[:, :2],
                    present=everybody, position=place.astype(np.float32),
                    sight=np.full((n, 2), SIGHT, np.float32), outsider_actions=last[:, None])
