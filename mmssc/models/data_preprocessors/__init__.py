"""Batching, normalising and moving samples to the device."""

from .ssc_data_preprocessor import SSCDataPreprocessor

__all__ = ['SSCDataPreprocessor']
