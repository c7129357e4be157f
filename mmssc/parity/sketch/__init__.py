"""Parity recipe of 3D-Sketch."""
