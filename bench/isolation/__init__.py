"""A detector in a process of its own: it sees public arrays, and the run sees its scores.

What is promised: labels, seeds and other cells' battles are not in the detector's process, and nothing that it does to
its own process changes what is measured of another detector. What is not: that process runs with the user's rights, so
that it is no sandbox for code that means harm to the machine.
"""
