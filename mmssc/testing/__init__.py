"""Synthetic scenes and helpers for tests and the quick start."""
