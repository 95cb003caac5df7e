"""Engine room: a training that saves itself, and goes on where it was."""
