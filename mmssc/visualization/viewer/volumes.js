// Label volumes: one byte per voxel, 0 = empty, 255 = no label; x slowest, z fastest.

export const NO_LABEL = 255;

/** What a prediction is where there are labels; the index is the value in a compared volume. */
export const DIFFERENCES = [
  null,
  { name: 'right', color: [67, 160, 71] },
  { name: 'wrong class', color: [255, 179, 0] },
  { name: 'missed', color: [30, 136, 229] },
  { name: 'invented', color: [229, 57, 53] },
];

/** Unpack a volume: base64 of deflated bytes. */
export async function unpack(text) {
  const packed = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream('deflate'));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** Number of voxels of each value. */
export function countValues(labels) {
  const counts = new Uint32Array(256);
  for (let n = 0; n < labels.length; ++n) ++counts[labels[n]];
  return counts;
}

/** The difference of one voxel: an index of DIFFERENCES, 0 if there is nothing to show. */
export function differenceOf(predicted, truth) {
  if (truth === NO_LABEL || predicted === NO_LABEL) return 0;
  if (!truth) return predicted ? 4 : 0;
  if (!predicted) return 3;
  return predicted === truth ? 1 : 2;
}

/** Compare a prediction with the labels, voxel by voxel. */
export function compare(prediction, truth) {
  return prediction.map((label, n) => differenceOf(label, truth[n]));
}

/**
 * The voxels to draw: a copy of values that is 0 outside the cut and where a voxel is switched off.
 *
 * @param {Uint8Array} values Labels, or differences.
 * @param {number[]} shape Voxels along x, y, z.
 * @param {{low: number[], high: number[]}} cut Voxels to keep, high excluded.
 * @param {function(number, number): boolean} isShown Takes the value and the index of a voxel.
 */
export function cutVolume(values, shape, cut, isShown) {
  const kept = new Uint8Array(values.length);
  for (let x = cut.low[0]; x < cut.high[0]; ++x) {
    for (let y = cut.low[1]; y < cut.high[1]; ++y) {
      const row = (x * shape[1] + y) * shape[2];
      for (let n = row + cut.low[2]; n < row + cut.high[2]; ++n) {
        const value = values[n];
        if (value && value !== NO_LABEL && isShown(value, n)) kept[n] = value;
      }
    }
  }
  return kept;
}

/** Per layer the smallest box {low, high} of voxels around everything drawn of some volumes. */
export function layerBoxes(volumes, shape) {
  const boxes = [...Array(shape[2]).keys()].map((z) =>
    ({ low: [...shape.slice(0, 2), z], high: [0, 0, z + 1] }));
  for (const labels of volumes) {
    for (let x = 0, n = 0; x < shape[0]; ++x) {
      for (let y = 0; y < shape[1]; ++y) {
        for (let z = 0; z < shape[2]; ++z, ++n) {
          if (!labels[n]) continue;
          const { low, high } = boxes[z];
          if (x < low[0]) low[0] = x;
          if (y < low[1]) low[1] = y;
          if (x >= high[0]) high[0] = x + 1;
          if (y >= high[1]) high[1] = y + 1;
        }
      }
    }
  }
  return boxes.filter(({ high }) => high[0]);
}

/**
 * The first voxel along a ray.
 *
 * @param {Uint8Array} labels What is drawn.
 * @param {{shape: number[], origin: number[], voxel_size: number[]}} grid
 * @param {number[]} eye Metres.
 * @param {number[]} direction Any length.
 * @returns {?{voxel: number[], index: number, point: number[]}} The point is where the ray enters.
 */
export function firstVoxel(labels, grid, eye, direction) {
  const { shape, origin, voxel_size: size } = grid;
  const start = eye.map((value, n) => (value - origin[n]) / size[n]);
  const step = direction.map((value, n) => value / size[n] || 1e-12);
  const enter = step.map((value, n) => ((value > 0 ? 0 : shape[n]) - start[n]) / value);
  const leave = step.map((value, n) => ((value > 0 ? shape[n] : 0) - start[n]) / value);
  let time = Math.max(0, ...enter);
  const end = Math.min(...leave);
  if (time >= end) return null;
  const voxel = start.map((value, n) =>
    Math.min(shape[n] - 1, Math.max(0, Math.floor(value + step[n] * (time + 1e-9)))));
  const next = voxel.map((value, n) => (value + (step[n] > 0 ? 1 : 0) - start[n]) / step[n]);
  while (time < end) {
    const index = (voxel[0] * shape[1] + voxel[1]) * shape[2] + voxel[2];
    if (labels[index]) {
      return { voxel, index, point: eye.map((value, n) => value + time * direction[n]) };
    }
    const axis = next[0] < next[1] ? (next[0] < next[2] ? 0 : 2) : next[1] < next[2] ? 1 : 2;
    time = next[axis];
    voxel[axis] += Math.sign(step[axis]);
    if (voxel[axis] < 0 || voxel[axis] >= shape[axis]) return null;
    next[axis] += Math.abs(1 / step[axis]);
  }
  return null;
}
