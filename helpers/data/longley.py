"""The Longley data: a regression whose answer is certified to fifteen digits.

Introduced in chapters/20-published-numbers.md, "Linear regression against certified values".
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

# Employed, then: deflator, gross national product, unemployed, armed forces, population, year.
_ROWS = """
60323  83.0 234289 2356 1590 107608 1947
61122  88.5 259426 2325 1456 108632 1948
60171  88.2 258054 3682 1616 109773 1949
61187  89.5 284599 3351 1650 110929 1950
63221  96.2 328975 2099 3099 112075 1951
63639  98.1 346999 1932 3594 113270 1952
64989  99.0 365385 1870 3547 115094 1953
63761 100.0 363112 3578 3350 116219 1954
66019 101.2 397469 2904 3048 117388 1955
67857 104.6 419180 2822 2857 118734 1956
68169 108.4 442769 2936 2798 120445 1957
66513 110.8 444546 4681 2637 121950 1958
68655 112.6 482704 3813 2552 123366 1959
69564 114.2 502601 3931 2514 125368 1960
69331 115.7 518173 4806 2572 127852 1961
70551 116.9 554894 4007 2827 130081 1962
"""
_COEFFICIENTS = """
-3482258.63459582    890420.383607373
15.0618722713733     84.9149257747669
-0.0358191792925910  0.0334910077722432
-2.02022980381683    0.488399681651699
-1.03322686717359    0.214274163161675
-0.0511041056535807  0.226073200069370
1829.15146461355     455.478499142212
"""


class Longley(NamedTuple):
    """Features [16, 6], targets [16], and what is certified of their linear regression.

    ``coefficients`` and ``errors`` [7] belong to the intercept and the six features, ``noise`` is
    the standard deviation of the residuals.
    """

    features: Array
    targets: Array
    coefficients: Array
    errors: Array
    noise: float


def load_longley() -> Longley:
    """Return the data and the certified answer, in float64.

    References ---------- Longley (1967), *An Appraisal of Least Squares Programs for the Electronic
    Computer from the Point of View of the User*; National Institute of Standards and Technology,
    *Statistical Reference Datasets* (in the public domain).
    """
    rows = np.array([line.split() for line in _ROWS.split("\n") if line], np.float64)
    answer = np.array([line.split() for line in _COEFFICIENTS.split("\n") if line], np.float64)
    return Longley(rows[:, 1:], rows[:, 0], answer[:, 0], answer[:, 1], 304.854073561965)
