"""Parity recipe of CleanerS and AMMNet."""
