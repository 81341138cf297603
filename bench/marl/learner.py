"""Where configurations, and what is hashed of them, look for the settings of VDN and QMIX."""

from bench.marl.learners.q import Learning

__all__ = ["Learning"]
