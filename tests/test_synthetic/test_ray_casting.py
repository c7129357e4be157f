"""The renderer against brute force and against geometry done by hand."""

import numpy as np
import pytest

from mmssc.synthetic.ray_casting import PanoramaRays, ParallelRays, PinholeRays, cast_rays
from mmssc.synthetic.solids import BOX, CYLINDER, ELLIPSOID, Solids, surface_normals


def make_solids(kind, center, size, yaw=0.0):
    count = len(kind)
    return Solids(
        np.array(kind, np.uint8), np.array(center, np.float64), np.array(size, np.float64) / 2,
        np.broadcast_to(np.float64(yaw), count), np.arange(1, count + 1, dtype=np.uint16),
        np.full((count, 3), 0.5), np.zeros(count, np.uint8),
    )  # fmt: skip


def random_solids(seed, count=40):
    rng = np.random.default_rng(seed)
    return make_solids(
        rng.integers(0, 3, count), rng.uniform((-30, -30, -2), (30, 30, 5), (count, 3)),
        rng.uniform(0.1, 5, (count, 3)), rng.uniform(-4, 4, count),
    )  # fmt: skip


def forward_camera(origin=(0.0, 0.0, 1.5), size=(24, 40)):
    cam2world = np.eye(4)
    cam2world[:3, :3] = np.array([(0, 0, 1), (-1, 0, 0), (0, -1, 0)])
    cam2world[:3, 3] = origin
    intrinsics = np.array([(20.0, 0, 20), (0, 20, 12), (0, 0, 1)])
    return PinholeRays(intrinsics, cam2world, size)


def sensors():
    pose = np.eye(4)
    pose[:3, 3] = (1, 2, 1.7)
    towards = np.array((0.5, 0.3, 0.8))
    return {
        'pinhole': forward_camera(),
        'panorama': PanoramaRays(np.deg2rad(np.linspace(40, -50, 30)), 72, pose),
        'parallel': ParallelRays(np.array((-20.0, -20.0)), (40, 40), 1.0, towards),
    }


@pytest.mark.parametrize('name', ['pinhole', 'panorama', 'parallel'])
@pytest.mark.parametrize('seed', range(3))
def test_windows_cut_nothing_off(name, seed, monkeypatch):
    rays, solids = sensors()[name], random_solids(seed)
    t, index = cast_rays(rays, solids, 500.0)

    def everything(self, solids):
        rows, columns = self.size
        whole = [(n, 0, rows, 0, columns) for n in range(len(solids))]
        return np.array(whole), np.zeros(len(solids))

    monkeypatch.setattr(type(rays), 'windows', everything)
    expected_t, expected_index = cast_rays(rays, solids, 500.0)
    assert (expected_index >= 0).sum() > 50
    np.testing.assert_array_equal(index, expected_index)
    np.testing.assert_array_equal(t, expected_t)


def test_known_distances_along_the_axis():
    camera = forward_camera()
    for kind, near in ((BOX, 9.0), (CYLINDER, 9.0), (ELLIPSOID, 9.0)):
        solids = make_solids([kind], [(10, 0, 1.5)], [(2, 2, 2)])
        t, index = cast_rays(camera, solids, 100.0)
        assert t[12, 20] == pytest.approx(near, abs=1e-5)
        assert index[12, 20] == 0 and index[0, 0] == -1 and np.isinf(t[0, 0])


def test_a_turned_box_is_met_at_its_edge():
    solids = make_solids([BOX], [(10, 0, 1.5)], [(2, 2, 2)], yaw=np.pi / 4)
    t, _ = cast_rays(forward_camera(), solids, 100.0)
    assert t[12, 20] == pytest.approx(10 - np.sqrt(2), abs=1e-4)


def test_the_nearer_solid_wins_whatever_the_order():
    centers = [(10, 0, 1.5), (20, 0, 1.5)]
    for order in ((0, 1), (1, 0)):
        solids = make_solids([BOX] * 2, [centers[n] for n in order], [(2, 4, 4)] * 2)
        assert cast_rays(forward_camera(), solids, 100.0)[1][12, 20] == order.index(0)


def test_solids_behind_the_camera_or_past_the_reach_are_not_seen():
    solids = make_solids([BOX] * 2, [(-10, 0, 1.5), (50, 0, 1.5)], [(4, 4, 4)] * 2)
    assert (cast_rays(forward_camera(), solids, 30.0)[1] == -1).all()
    assert (cast_rays(forward_camera(), solids, 100.0)[1] == 1).any()


def test_a_solid_that_reaches_past_the_camera_is_seen():
    solids = make_solids([BOX], [(0, 3, 1.5)], [(60, 2, 3)])
    t, index = cast_rays(forward_camera(), solids, 100.0)
    assert (index[12, :10] == 0).all() and (index[:, 21:] == -1).all()
    assert t[12, 0] == pytest.approx(2.0, abs=1e-5)


def test_far_thin_poles_keep_their_digits():
    solids = make_solids([CYLINDER], [(90.0, 0.0, 1.5)], [(0.06, 0.06, 4)])
    camera = forward_camera()
    assert cast_rays(camera, solids, 100.0)[0][12, 20] == pytest.approx(89.97, abs=2e-3)


@pytest.mark.parametrize('seed', range(3))
def test_hits_lie_on_the_surface_and_normals_point_at_the_sensor(seed):
    rays, solids = sensors()['panorama'], random_solids(seed)
    t, index = cast_rays(rays, solids, 500.0)
    hit = index >= 0
    points, seen = rays.points(np.where(hit, t, 0))[hit], solids.take(index[hit])
    unit = seen.to_local(points) / seen.half_size
    radius = np.where(seen.kind == CYLINDER, np.hypot(unit[:, 0], unit[:, 1]), 0)
    radius = np.maximum(radius, np.abs(unit[:, 2]) * (seen.kind == CYLINDER))
    radius = np.where(seen.kind == BOX, np.abs(unit).max(1), radius)
    radius = np.where(seen.kind == ELLIPSOID, np.linalg.norm(unit, axis=1), radius)
    np.testing.assert_allclose(radius, 1, atol=2e-3)
    normals = surface_normals(seen, points)
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1, atol=1e-6)
    assert ((normals * rays.direction[hit]).sum(1) < 1e-2).mean() > 0.995


def test_panorama_finds_the_cell_of_its_own_points():
    rays = sensors()['panorama']
    row, column, distance = rays.cells(rays.points(np.full(rays.size, 7.0)))
    rows, columns = np.meshgrid(*(np.arange(n) for n in rays.size), indexing='ij')
    np.testing.assert_allclose(row, rows, atol=1e-6)
    np.testing.assert_allclose(column, columns, atol=1e-6)
    np.testing.assert_allclose(distance, 7, atol=1e-9)
