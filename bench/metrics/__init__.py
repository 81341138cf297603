"""The figures: pure functions of arrays, each tested against a closed form. What is missing is None, never 0."""
