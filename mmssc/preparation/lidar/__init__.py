"""Voxel targets from labelled lidar scans."""
