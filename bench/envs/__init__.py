"""Simulators, one file each, all behind the batched interface of :class:`bench.contracts.Battles`."""
