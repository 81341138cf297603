"""Value-based cooperative multi-agent learning: networks, mixers, replay, play, the Q-learner, training."""
