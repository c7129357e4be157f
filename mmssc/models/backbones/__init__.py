"""Image, depth and voxel encoders."""
