"""Predictions as averages over draws of the weights, and what they are worth."""

from .drawn_predictions import HeadsPredictions, Interval, Predictions
from .predict import predict_by_draws

__all__ = ["HeadsPredictions", "Interval", "Predictions", "predict_by_draws"]
