"""Metrics for mmengine's evaluator."""

from .ssc_metric import SSCMetric

__all__ = ['SSCMetric']
