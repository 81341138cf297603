"""Detectors: anomaly scores for recorded episodes, which know episodes, and the policy if they need it
(:class:`bench.contracts.Detector`), and verdicts on whole teams (:class:`bench.contracts.ModelDetector`). Beside them
what is done about a backdoor: ``repairs`` of teams, ``responses`` to alarms.

What is here stands in ``__init__.pyi``. A module is imported when one of its classes is asked for first, so that a
detector without networks does not wait for torch.
"""

import lazy_loader

from bench.conformance import check_detector

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
__all__ += ["check_detector"]
