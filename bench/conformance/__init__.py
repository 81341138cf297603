"""Does a detector keep the contract? A suite for everybody's detectors, in the manner of scikit-learn's."""

from bench.conformance.checks import Outcome, check_detector, outcomes, require, unmade

__all__ = ["Outcome", "check_detector", "outcomes", "require", "unmade"]
