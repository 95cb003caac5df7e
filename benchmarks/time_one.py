"""Time one contender in this process, and print one line of JSON."""

import importlib
import json
import os
import resource
import sys
import time
import pathlib

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from work import Work, load_images


def main():
    name, num_steps, rounds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    work = Work(**json.loads(sys.argv[4])) if len(sys.argv) > 4 else Work()
    images, labels = load_images()
    start = time.perf_counter()
    run = importlib.import_module(f"contenders.{name}").prepare(work, images, labels)
    run(num_steps)
    first = time.perf_counter() - start
    walls, cpus = [], []
    for _ in range(rounds):
        wall, cpu = time.perf_counter(), time.process_time()
        loss = run(num_steps)
        walls.append((time.perf_counter() - wall) / num_steps * 1e3)
        cpus.append((time.process_time() - cpu) / num_steps * 1e3)
    print(json.dumps(dict(name=name, first=first, ms=walls, cpu=cpus, loss=loss,
        peak=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss/1024)))

main()
