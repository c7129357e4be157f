"""Parity of LMSCNet and SSCNet for LiDAR scans."""
