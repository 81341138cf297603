"""The rules of the benchmark: what is watched, judged and responded to. No configuration and no file is known here.

In the order in which a cell, an attack and a detector, is measured:

* ``seeds``: which battles they are;
* ``plan``: which detector is judged on which team, and which of these rows are the attack, controls and baselines;
* ``watch``: the battles that a detector learns from, that thresholds come from, and that it is judged in;
* ``host``: what a detector is shown and what its scores must be, whichever process holds it;
* ``scoring``: how it is asked, and that a score depends on its own step and earlier ones of its own battle alone;
* ``judge``: what the scores are worth, before onset, after it and in the whole battle;
* ``effect``: what the attack does;
* ``stealth``: what its team gives away without the trigger, and what the attack does, in battles of the team's own;
* ``response``: what is left of it when something is done about alarms;
* ``models``: how detectors of whole teams are judged.
"""
