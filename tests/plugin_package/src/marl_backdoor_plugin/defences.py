"""A repair and a response of a third party's, which name no class of the benchmark's."""

import numpy as np


class Damped:
    """A repair: hidden units are read a little less."""

    def __init__(self, share=0.1, name="damped"):
        self.share, self.name = share, name

    def __call__(self, team, battles, episodes, seed, progress):
        progress(0.5, f"{len(episodes)} episodes seen")
        return team.with_weights({"fc2.weight": team.weights["fc2.weight"] * (1 - self.share)})


class Stay:
    """A response: suspected agents do the last thing they can, whatever their team would do."""

    name, halts = "stay", False

    def __init__(self, battles=8):
        self.battles = battles

    def start(self, team, clean, n):
        pass

    def act(self, action, observation, last_action, available, fresh, suspected):
        last = available.shape[2] - 1 - available[..., ::-1].argmax(-1)
        return np.where(suspected, last, action)
