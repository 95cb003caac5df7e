"""Making all posterior scales tiny: there a KL's gradient is its weight, and nothing else.

For a tiny σ the objective's data term no longer feels σ, since the weights stand still, and of the
KL only the entropy, −log σ per weight, still changes. So the slope of the objective along log σ is
minus the factor λ of the KL, whatever the prior and the estimator are. That holds at every depth: a
slope that differs between two depths is the weight of nothing.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import tensorflow as tf

from .untouched import read, snapshot
from .weight_posteriors import Posterior

# Values for the untransformed scale: enough for softplus and exp, for exp(ρ/2), for softplus(ρ/100)
# and for a scale that is a variable as it stands.
CANDIDATES = (-14.0, -28.0, -9.0, -60.0, -1400.0, 1e-6)
WANTED = np.log(2e-6)
SMALLEST = np.log(2e-7)
MOST_STEPS = 60  # of a factor of 1.5 in σ
HIGHER = 0.835  # of a negative value: σ ten times as large, where σ falls exponentially with it


@dataclass(frozen=True)
class SmallScale:
    """A posterior whose scales were made tiny.

    Attributes
    ----------
    posterior
        The posterior.
    log_scale
        Mean of log σ over its weights.
    slopes
        Gradient of the entropy by each variable of the posterior, 0 where it moves the mean too.
    is_tiny
        Whether σ is tiny. If a floor keeps it from that, ``slopes`` are those of minus the KL, and
        the factor is right for entries of ``losses`` alone, not for what a data term is in.
    """

    posterior: Posterior
    log_scale: float
    slopes: list[Any]
    is_tiny: bool = True

    @property
    def works(self) -> bool:
        """Whether the scales follow variables of their own, and are tiny."""
        return self.weighs and self.is_tiny

    @property
    def weighs(self) -> bool:
        """Whether the slopes tell a weight, of entries of ``losses`` at least."""
        follow = any(np.any(slope) for slope in self.slopes)
        return follow and bool(np.isfinite(self.log_scale))

    def by_kl(self) -> "SmallScale":
        """Return the same with the slopes of minus the KL, where it has a closed form.

        They are those of the entropy up to what of σ is left: exact where σ is small but not tiny.
        """
        slopes = self.posterior.kl_gradients()
        if slopes is None:
            return self
        pairs = zip(slopes, self.slopes, strict=True)
        return replace(self, slopes=[np.where(own != 0, -slope, 0) for slope, own in pairs])

    def factor(self, gradients: list[Any]) -> float:
        """Return λ from the objective's gradient by each variable of the posterior."""
        found, wanted, counts = 0.0, 0.0, False
        for gradient, slope in zip(gradients, self.slopes, strict=True):
            mask = slope != 0
            if gradient is not None:
                mask &= np.isfinite(gradient)
                found += float(np.sum(gradient, where=mask, dtype=float))
            wanted += float(np.sum(slope, where=mask, dtype=float))
            counts = counts or bool(mask.any())
        return -found / wanted if counts else float("nan")


@contextlib.contextmanager
def small_scales(
    posteriors: list[Posterior], *, higher: bool = False
) -> Iterator[list[SmallScale]]:
    """Keep the scales of all posteriors tiny inside the block; point estimates have none.

    Parameters
    ----------
    posteriors
        Whose scales.
    higher
        Whether to keep them some ten times as large as otherwise, for a second look.
    """
    random = [posterior for posterior in posteriors if posterior.is_random]
    put_back = snapshot({id(v): v for p in random for v in p.variables}.values())
    try:
        yield [shrink(posterior, higher=higher) for posterior in random]
    finally:
        put_back()


def shrink(posterior: Posterior, *, higher: bool = False) -> SmallScale:
    """Set the variables of the scales so that σ is about 1e-6, and leave the means."""
    _, slopes = posterior.entropy_gradients()
    means = posterior.moves_mean()
    masks = [(slope != 0) & ~moved for slope, moved in zip(slopes, means, strict=True)]
    start = [read(variable) for variable in posterior.variables]
    if sum(int(mask.sum()) for mask in masks) > posterior.num_weights:
        start, masks = _without_factors(posterior, start, masks)
    best, best_value, best_score = None, CANDIDATES[0], -np.inf
    if not any(mask.any() for mask in masks):
        return SmallScale(posterior, float("nan"), slopes)
    for value in CANDIDATES:
        _fill(posterior, start, masks, value)
        try:
            tried = _tried(posterior, masks)
        except tf.errors.InvalidArgumentError:  # a covariance that cannot be inverted there
            continue
        if (score := _score(tried, masks)) > best_score:
            best, best_value, best_score = tried, value, score
        if best is not None and SMALLEST <= best.log_scale <= WANTED and best_score > -np.inf:
            break
    if best is None:
        _fill(posterior, start, masks, None)
        return _where_it_stands(posterior, masks)
    if higher:
        best_value = best_value * HIGHER if best_value < 0 else 10 * best_value
    _fill(posterior, start, masks, best_value)
    return _tried(posterior, masks) if higher else best


def _without_factors(
    posterior: Posterior, start: list[Any], masks: list[Any]
) -> tuple[list[Any], list[Any]]:
    """Set the factors of a covariance of low rank to 0, and leave them out of the scales.

    They add to the variance by their squares, so that the entropy has no slope where they are 0.
    """
    _fill(posterior, start, masks, 0.0)
    try:
        _, slopes = posterior.entropy_gradients()
    except tf.errors.InvalidArgumentError:
        return start, masks
    left = [mask & (slope != 0) for mask, slope in zip(masks, slopes, strict=True)]
    if not any(mask.any() for mask in left) or not all(map(np.all, map(np.isfinite, slopes))):
        return start, masks
    gone = [mask & ~own for mask, own in zip(masks, left, strict=True)]
    triples = zip(start, gone, strict=True)
    return [np.where(factor, 0.0, value).astype(value.dtype) for value, factor in triples], left


def enlarged(small: SmallScale, scale: float) -> SmallScale:
    """Make tiny scales larger, step by step, until their mean log σ is that of ``scale``.

    The variables move by what multiplies σ by 1.5 where it is exponential in them, as softplus and
    exp are far below 0, or by a factor of 1.5 where σ is the variable itself.
    """
    for _ in range(MOST_STEPS):
        if not small.works or small.log_scale >= np.log(scale):
            break
        for variable, slope in zip(small.posterior.variables, small.slopes, strict=True):
            moved = slope != 0
            value = read(variable)
            direct = moved & (value > 0) & (slope * value > 0.5)
            step = np.log(1.5) / np.clip(np.abs(slope), 0.5, 1.0)
            larger = np.where(direct, value * 1.5, value + step)
            variable.assign(np.where(moved, larger, value).astype(value.dtype))
        small = SmallScale(small.posterior, *small.posterior.entropy_gradients())
    return small


def _where_it_stands(posterior: Posterior, masks: list[Any]) -> SmallScale:
    """Return the slopes of the KL in closed form, for scales that cannot be made tiny."""
    slopes = posterior.kl_gradients()
    if slopes is None:
        return SmallScale(posterior, float("nan"), [np.zeros(mask.shape) for mask in masks])
    own = [np.where(mask, -slope, 0) for slope, mask in zip(slopes, masks, strict=True)]
    return SmallScale(posterior, 0.0, own, is_tiny=False)


def _tried(posterior: Posterior, masks: list[Any]) -> SmallScale:
    log_scale, slopes = posterior.entropy_gradients()
    own = [np.where(mask, slope, 0) for slope, mask in zip(slopes, masks, strict=True)]
    return SmallScale(posterior, log_scale, own)


def _fill(posterior: Posterior, start: list[Any], masks: list[Any], value: float | None) -> None:
    """Give the masked numbers a value, or those that they had."""
    for variable, old, mask in zip(posterior.variables, start, masks, strict=True):
        if mask.any():
            variable.assign(np.where(mask, old if value is None else value, old).astype(old.dtype))


def _score(tried: SmallScale, masks: list[Any]) -> float:
    """Return how good a value is: small scales that still follow their variable."""
    pairs = zip(tried.slopes, masks, strict=True)
    slopes = np.concatenate([np.abs(s[m]).ravel() for s, m in pairs])
    if not np.isfinite(tried.log_scale) or not np.all(np.isfinite(slopes)):
        return -np.inf
    if slopes.min() < 1e-4 or tried.log_scale > np.log(0.02):
        return -np.inf
    return float(-abs(tried.log_scale - WANTED))
