"""The sample of the longest families of tests that a usual run takes; at night all are run."""

import os
import zlib

import pytest

# Of a family of few: a usual run leaves this one to the night.
NIGHTLY = pytest.mark.sampled(10**6)
# A single long test that a usual run leaves to CI, which takes all of these.
IN_CI = pytest.mark.sampled(1 if os.environ.get("CI") else 10**6)
# Of a long file of single tests: a usual run takes a third of them, CI and the night all.
THIRD = pytest.mark.sampled(1 if os.environ.get("CI") else 3)
# Of a file whose tests are alike and take many seconds each: a usual run takes an eighth.
EIGHTH = pytest.mark.sampled(1 if os.environ.get("CI") else 8)


def in_sample(name: str, one_in: int) -> bool:
    """Whether a usual run takes this test: one in so many, the same ones each time.

    SAMPLED=all takes all.
    """
    if os.environ.get("SAMPLED") == "all":
        return True
    return zlib.crc32(name.encode()) % one_in == 0
