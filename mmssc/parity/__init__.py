"""Parity checks: comparison of a method with the figures of its official code."""
