// From a volume to rectangles: neighbouring faces of equal look become one.

// Along axis a, runs go along RUN[a] and are stacked along STACK[a].
const RUN = [1, 0, 0], STACK = [2, 2, 1];
export const VERTEX_BYTES = 12; // uint16 x, y, z, axis; uint8 red, green, blue, unused.

/** A copy of a volume with one empty voxel around it. */
function pad(labels, [nx, ny, nz]) {
  const strides = [(ny + 2) * (nz + 2), nz + 2, 1];
  const cells = new Uint8Array((nx + 2) * strides[0]);
  for (let x = 0, row = 0; x < nx; ++x) {
    for (let y = 0; y < ny; ++y, row += nz) {
      cells.set(labels.subarray(row, row + nz), (x + 1) * strides[0] + (y + 1) * strides[1] + 1);
    }
  }
  return { cells, strides };
}

/** Free cells among the eight around a cell, in the plane of two strides. */
function openness(cells, at, s, t) {
  let free = 0;
  if (!cells[at - s - t]) ++free;
  if (!cells[at - s]) ++free;
  if (!cells[at - s + t]) ++free;
  if (!cells[at - t]) ++free;
  if (!cells[at + t]) ++free;
  if (!cells[at + s - t]) ++free;
  if (!cells[at + s]) ++free;
  if (!cells[at + s + t]) ++free;
  return free;
}

/** Rectangles of one direction, filled voxel by voxel in the order of the volume. */
class Rectangles {
  constructor(axis, shape) {
    Object.assign(this, { axis, run: RUN[axis], stack: STACK[axis], shape });
    this.items = []; // Five numbers each: plane, start and end of the run, place, look.
    this.last = new Int32Array(shape[axis] * shape[this.stack]).fill(-5);
  }

  add(voxel, look) {
    const { items } = this, plane = voxel[this.axis], place = voxel[this.stack];
    const start = voxel[this.run], row = plane * this.shape[this.stack] + place;
    const before = this.last[row];
    if (before >= 0 && items[before + 2] === start && items[before + 4] === look) {
      ++items[before + 2];
    } else {
      this.last[row] = items.length;
      items.push(plane, start, start + 1, place, look);
    }
  }

  /** Stack runs of equal ends; six numbers each: plane, start, end, place, its end, look. */
  stacked() {
    const { items } = this, out = [];
    const last = new Int32Array(this.shape[this.axis] * this.shape[this.run]).fill(-6);
    for (let n = 0; n < items.length; n += 5) {
      const plane = items[n], start = items[n + 1], end = items[n + 2];
      const place = items[n + 3], look = items[n + 4];
      const row = plane * this.shape[this.run] + start, before = last[row];
      if (before >= 0 && out[before + 2] === end && out[before + 4] === place
          && out[before + 5] === look) {
        ++out[before + 4];
      } else {
        last[row] = out.length;
        out.push(plane, start, end, place, place + 1, look);
      }
    }
    return out;
  }
}

function collectFaces(labels, shape) {
  const { cells, strides } = pad(labels, shape);
  const parts = [0, 0, 1, 1, 2, 2].map((axis) => new Rectangles(axis, shape));
  const voxel = [0, 0, 0];
  for (let x = 0, n = 0; x < shape[0]; ++x) {
    for (let y = 0; y < shape[1]; ++y) {
      for (let z = 0; z < shape[2]; ++z, ++n) {
        const label = labels[n];
        if (!label) continue;
        const at = (x + 1) * strides[0] + (y + 1) * strides[1] + z + 1;
        voxel[0] = x; voxel[1] = y; voxel[2] = z;
        for (let direction = 0; direction < 6; ++direction) {
          const axis = direction >> 1;
          const outside = at + (direction & 1 ? strides[axis] : -strides[axis]);
          if (cells[outside]) continue;
          const free = openness(cells, outside, strides[RUN[axis]], strides[STACK[axis]]);
          parts[direction].add(voxel, label | free << 8);
        }
      }
    }
  }
  return parts.map((part) => part.stacked());
}

/**
 * The surface of a volume.
 *
 * @param {Uint8Array} labels 0 = empty; all other voxels are drawn.
 * @param {number[]} shape Voxels along x, y, z.
 * @param {function(number, number, number): number[]} paint Red, green and blue of a label, a
 *     direction (-x, +x, -y, +y, -z, +z) and a share of free cells around the face.
 * @returns {{vertices: ArrayBuffer, parts: {first: number, count: number, planes: number[]}[]}}
 *     Four vertices per rectangle; per direction its rectangles, and the ends of their planes.
 */
export function buildMesh(labels, shape, paint) {
  const faces = collectFaces(labels, shape);
  const total = faces.reduce((sum, part) => sum + part.length / 6, 0);
  const vertices = new ArrayBuffer(4 * total * VERTEX_BYTES);
  const words = new Uint16Array(vertices), bytes = new Uint8Array(vertices);
  let vertex = 0;
  const parts = faces.map((items, direction) => {
    const axis = direction >> 1, run = RUN[axis], stack = STACK[axis];
    // Counter-clockwise from outside: x -> y -> z is a right-handed order of run and stack.
    const isTurned = (axis === 1) === Boolean(direction & 1);
    const first = vertex / 4, planes = [Infinity, -Infinity];
    for (let n = 0; n < items.length; n += 6) {
      const plane = items[n] + (direction & 1), look = items[n + 5];
      const color = paint(look & 255, direction, (look >> 8) / 8);
      planes[0] = Math.min(planes[0], plane);
      planes[1] = Math.max(planes[1], plane);
      for (let corner = 0; corner < 4; ++corner, ++vertex) {
        const turned = isTurned ? 3 - corner : corner;
        const at = vertex * VERTEX_BYTES / 2;
        words[at + axis] = plane;
        words[at + run] = items[n + (turned === 1 || turned === 2 ? 2 : 1)];
        words[at + stack] = items[n + (turned > 1 ? 4 : 3)];
        words[at + 3] = axis;
        bytes.set(color, 2 * at + 8);
      }
    }
    return { first, count: vertex / 4 - first, planes };
  });
  return { vertices, parts };
}
