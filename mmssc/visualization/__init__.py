"""Visualisation of voxel grids without a display: PNG, PLY, GLB, HTML."""

from typing import TYPE_CHECKING

from mmssc.lazy_names import lazy_names

from .bird_eye_view import bird_eye_view, draw_bird_eye_view
from .html_viewer import PageFile, PageFrame, write_html, write_page
from .mesh_files import write_glb, write_ply
from .panel import add_depth_bar, compose_panel, draw_depth, draw_legend, draw_points, write_png
from .scene import Scene, class_colors, write_scenes
from .video_files import VideoFile
from .voxel_faces import VoxelFaces, visible_faces, visible_labels
from .voxel_renderer import (
    ViewCamera,
    oblique_camera,
    render_faces,
    render_voxels,
    sensor_camera,
)

if TYPE_CHECKING:
    from .ssc_visualizer import SSCVisualizer

__all__ = [
    'PageFile', 'PageFrame', 'SSCVisualizer', 'Scene', 'VideoFile', 'ViewCamera', 'VoxelFaces',
    'add_depth_bar', 'bird_eye_view', 'class_colors', 'compose_panel', 'draw_bird_eye_view',
    'draw_depth', 'draw_legend', 'draw_points', 'oblique_camera', 'render_faces', 'render_voxels',
    'sensor_camera', 'visible_faces', 'visible_labels', 'write_glb', 'write_html', 'write_page',
    'write_ply', 'write_png', 'write_scenes',
]  # fmt: skip

# It imports mmengine's hooks and models: not for pictures alone.
__getattr__ = lazy_names(__name__, {'ssc_visualizer': ['SSCVisualizer']})
