"""Parity recipe of Symphonies."""
