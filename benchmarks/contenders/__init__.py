"""The contenders: one file each, ``prepare(work, images, labels)`` gives ``run(num_steps)``."""
