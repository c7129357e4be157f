"""Parity recipe of VoxDet."""
