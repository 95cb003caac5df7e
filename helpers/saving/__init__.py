"""Engine room: a training that saves itself, and goes on where it was.

A reader need not enter: ``train_by_elbo(folder=…, resume=True)`` is the door. ``autosave`` is what
a training sees, one context that locks the folder, looks once what it holds, and saves now and
then; ``checkpoint`` writes a file that is whole or absent, whenever the process is killed;
``same_run`` tells whether a checkpoint is of this training.
"""
