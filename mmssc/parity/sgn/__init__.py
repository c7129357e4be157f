"""Parity recipe of SGN."""
