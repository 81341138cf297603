"""What SMAX's battles are called: names without the simulator, whose import takes seconds."""

from __future__ import annotations

from bench.contracts import Identity

VERSION = "jaxmarl-0.2.0+1"
OPPONENTS = ("random", "closest", "skirmish")
EPISODE_LIMITS = {"3m": 60, "2s3z": 120, "25m": 150, "3s5z": 150, "8m": 120, "5m_vs_6m": 70, "10m_vs_11m": 150,
                  "27m_vs_30m": 180, "3s5z_vs_3s6z": 170, "3s_vs_5z": 250, "6h_vs_8z": 150, "smacv2_5_units": 200,
                  "smacv2_10_units": 200, "smacv2_20_units": 200}  # SMAC's and SMACv2's own limits


def identity(map: str, opponent: str) -> Identity:
    """How a map with an opponent is named in results, and by which version of the rules it is played."""
    return Identity(f"smax/{map}/{opponent}", VERSION)
