// Vectors and poses of the view. A pose is {eye, right, up, forward, focal, center, near, far}:
// metres in the frame of the grid; focal and center per axis in units of half the picture.

const FOCAL = 1.9;
const ORBIT_ASPECT = 1.3; // Narrower pictures get a wider angle.
const FILLED = 0.92; // Share of the picture that a scene fills at the start.
const NEAR_SENSOR = 0.05; // Metres.

export const add = (a, b, factor = 1) => a.map((value, n) => value + factor * b[n]);
export const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
export const distance = (a, b) => Math.hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]);
export const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

/** The eight corners of a box {low, high}. */
export function cornersOf({ low, high }) {
  return [...Array(8).keys()].map((bits) =>
    low.map((value, axis) => ((bits >> axis) & 1 ? high[axis] : value)));
}

function lookAlong({ azimuth: a, elevation: e }) {
  return {
    forward: [Math.cos(e) * Math.cos(a), Math.cos(e) * Math.sin(a), -Math.sin(e)],
    right: [Math.sin(a), -Math.cos(a), 0],
    up: [Math.sin(e) * Math.cos(a), Math.sin(e) * Math.sin(a), Math.cos(e)],
  };
}

/** Pose of a camera on an orbit {azimuth, elevation, distance, target} around a box. */
export function orbitPose(orbit, aspect, box) {
  const axes = lookAlong(orbit);
  const eye = add(orbit.target, axes.forward, -orbit.distance);
  const focal = FOCAL * Math.min(1, aspect / ORBIT_ASPECT);
  const far = Math.max(...cornersOf(box).map((corner) => distance(corner, eye)));
  const near = Math.min(orbit.distance, far) / 100;
  return { ...axes, eye, focal: [focal / aspect, focal], center: [0, 0], near, far: 1.1 * far };
}

/** Pose of the camera that took the image: {cam2img, ref2cam, size: [height, width]}. */
export function sensorPose({ cam2img, ref2cam, size }, box) {
  const [right, down, forward] = ref2cam.slice(0, 3).map((row) => row.slice(0, 3));
  const shift = ref2cam.slice(0, 3).map((row) => row[3]);
  const eye = [0, 1, 2].map((n) => -dot([right[n], down[n], forward[n]], shift));
  const [height, width] = size;
  const far = Math.max(...cornersOf(box).map((corner) => distance(corner, eye)));
  return {
    right, up: down.map((value) => -value), forward, eye,
    focal: [2 * cam2img[0][0] / width, 2 * cam2img[1][1] / height],
    // Pixel (0, 0) is the centre of the top-left pixel.
    center: [2 * (cam2img[0][2] + 0.5) / width - 1, 1 - 2 * (cam2img[1][2] + 0.5) / height],
    near: NEAR_SENSOR, far: 1.1 * far,
  };
}

/** An orbit that starts where a sensor is, so that turning continues from its view. */
export function orbitFrom(pose, length) {
  return {
    azimuth: Math.atan2(pose.forward[1], pose.forward[0]),
    elevation: Math.asin(clamp(-pose.forward[2], -1, 1)),
    distance: length,
    target: add(pose.eye, pose.forward, length),
  };
}

/** Matrix from the frame of the grid to clip space, column by column as WebGL wants it. */
export function matrixOf({ eye, right, up, forward, focal, center, near, far }) {
  const depth = (far + near) / (far - near);
  const rows = [
    right.map((value, n) => focal[0] * value + center[0] * forward[n]),
    up.map((value, n) => focal[1] * value + center[1] * forward[n]),
    forward.map((value) => depth * value),
    forward,
  ];
  const last = rows.map((row) => -dot(row, eye));
  last[2] -= 2 * far * near / (far - near);
  return new Float32Array([...[0, 1, 2].flatMap((n) => rows.map((row) => row[n])), ...last]);
}

/** Place of a point in the picture, each axis -1 to 1; null behind the camera. */
export function project(pose, point) {
  const local = add(point, pose.eye, -1);
  const depth = dot(local, pose.forward);
  if (depth < pose.near) return null;
  return [dot(local, pose.right), dot(local, pose.up)]
    .map((value, axis) => pose.focal[axis] * value / depth + pose.center[axis]);
}

/** Direction from the eye through a place in the picture. */
export function rayThrough(pose, place) {
  const [across, upwards] = place.map((value, n) => (value - pose.center[n]) / pose.focal[n]);
  return add(add(pose.forward, pose.right, across), pose.up, upwards);
}

/**
 * The orbit from a direction whose picture shows some points in the middle and as large as fits.
 *
 * @param {number[][]} points What to show, metres.
 * @param {{low: number[], high: number[]}} box The grid, metres.
 */
export function fitOrbit(points, box, azimuth, elevation, aspect) {
  const middle = box.low.map((value, n) => (value + box.high[n]) / 2);
  const orbit = { azimuth, elevation, distance: 1, target: middle };
  const { right, up, forward, focal } = orbitPose(orbit, aspect, box);
  const local = points.map((point) => add(point, middle, -1));
  const depths = local.map((point) => dot(point, forward));
  // A point is in the picture if |place - eye| <= slope * (depth + distance): two lines per axis.
  const axes = [right, up].map((axis, n) => {
    const slope = FILLED / focal[n], places = local.map((point) => dot(point, axis));
    const high = Math.max(...places.map((place, at) => place - slope * depths[at]));
    const low = Math.min(...places.map((place, at) => place + slope * depths[at]));
    return { axis, slope, places, high, low };
  });
  orbit.distance = Math.max(...axes.map(({ slope, high, low }) => (high - low) / 2 / slope));
  for (const { axis, slope, places, high, low } of axes) {
    // Between the two lines, search where both borders are equally wide.
    let from = high - slope * orbit.distance, to = low + slope * orbit.distance;
    for (let round = 0; round < 30; ++round) {
      const eye = (from + to) / 2;
      const shares = places.map((place, at) => (place - eye) / (depths[at] + orbit.distance));
      if (Math.max(...shares) + Math.min(...shares) > 0) from = eye;
      else to = eye;
    }
    orbit.target = add(orbit.target, axis, from);
  }
  return orbit;
}
