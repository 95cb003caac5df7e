"""Engine room: random numbers as functions of a seed and a step."""
