"""The Longley data give the certified answer, in exact arithmetic."""

from fractions import Fraction

import numpy as np

from helpers.data.longley import load_longley


def solved_exactly(matrix, right):
    """Gaussian elimination with fractions: no digit is lost."""
    rows = [
        [*map(Fraction, row), Fraction(value)] for row, value in zip(matrix, right, strict=True)
    ]
    for column in range(len(rows)):
        pivot = next(i for i in range(column, len(rows)) if rows[i][column])
        rows[column], rows[pivot] = rows[pivot], rows[column]
        rows[column] = [value / rows[column][column] for value in rows[column]]
        for other in range(len(rows)):
            if other != column:
                factor = rows[other][column]
                pairs = zip(rows[other], rows[column], strict=True)
                rows[other] = [a - factor * b for a, b in pairs]
    return [row[-1] for row in rows]


def test_all_digits_are_those_of_the_certificate():
    longley = load_longley()
    design = [[Fraction(1), *(Fraction(str(x)) for x in row)] for row in longley.features]
    targets = [Fraction(str(x)) for x in longley.targets]
    columns = list(zip(*design, strict=True))
    gram = [[sum(a * b for a, b in zip(c, d, strict=True)) for d in columns] for c in columns]
    moments = [sum(a * y for a, y in zip(c, targets, strict=True)) for c in columns]
    weights = solved_exactly(gram, moments)
    np.testing.assert_allclose([float(w) for w in weights], longley.coefficients, rtol=5e-15)
    left = [y - sum(a * w for a, w in zip(row, weights, strict=True))
            for row, y in zip(design, targets, strict=True)]  # fmt: skip
    noise = float(sum(value**2 for value in left) / 9) ** 0.5
    np.testing.assert_allclose(noise, longley.noise, rtol=5e-15)
    for k in range(7):
        unit = [Fraction(int(i == k)) for i in range(7)]
        error = noise * float(solved_exactly(gram, unit)[k]) ** 0.5
        np.testing.assert_allclose(error, longley.errors[k], rtol=5e-15)
