"""The figures: pure functions of arrays, each tested against a closed form. A missing value is None, never a made-up 0."""
