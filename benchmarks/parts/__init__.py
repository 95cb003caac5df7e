"""The parts of a step, each alone: contenders of one interface."""
