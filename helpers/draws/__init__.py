"""Engine room: the noise of a step as a function of a seed and the number of the step.

A reader need not enter. Two things are done here that the plain loop
(:mod:`helpers.training.plain`) does without:

- *Repeat.* A traced step is replayed with its draws given from outside (``replay``), so that a
  training that was killed goes on to the same history, draw for draw, and several devices share one
  draw (``noise``; ``indexed_noise`` for predictions, draw by draw and image by image).
- *Speed.* XLA compiles functions of numbers that a processor's vectors can compute
  (``xla_substitutes``, and the normals of ``noise``). In ``results/pieces.json`` a step without the
  normals for vectors takes 1.11 times as long, without the softplus for vectors 1.11 times, and on
  ``DenseReparameterization`` without the scales kept as results 1.26 times.
"""
