// The state of the page, and the picture of it.

import {
  add, clamp, cornersOf, distance, fitOrbit, matrixOf, orbitFrom, orbitPose, rayThrough,
  sensorPose,
} from './geometry.js';
import { SCENE_ASPECT, fitImage, inPixels, isInside, paneRectangles } from './layout.js';
import { buildMesh } from './mesh.js';
import { drawBackdrop, drawOverlay } from './overlay.js';
import { readTheme, rgbOf } from './theme.js';
import {
  DIFFERENCES, compare, countValues, cutVolume, firstVoxel, layerBoxes, unpack,
} from './volumes.js';

export const ALL = 'side by side', DIFFERENCE = 'difference';
// Azimuth from forward to the left and angle below the horizon, in degrees.
export const VIEWS = { oblique: [14, 38], behind: [0, 20], above: [0, 89.5] };
export const CAMERA = 'camera';
const FREE = 'free';
const RADIANS = Math.PI / 180;
const REST_AFTER = 160; // Milliseconds without motion until the picture gets its full resolution.
const SLOW_FRAME = 40, FAST_FRAME = 20; // Milliseconds.
const MOST_PIXELS = 16e6;

export class Viewer {
  /**
   * @param {object} scene What the page holds.
   * @param {{stage, backdrop, voxels, overlay}} elements The stage and its three canvases.
   * @param {object} renderer
   */
  constructor(scene, elements, renderer) {
    Object.assign(this, { scene, ...elements, renderer });
    this.onchange = () => {};
    this.frameNumber = 0;
    this.volumes = []; // {name, labels, counts} of the frame.
    this.panes = []; // {name, kept, mesh, isDifference}
    this.show = scene.frames[0].volumes.length > 1 ? ALL : 0;
    this.view = 'oblique';
    this.opacity = 0.7; // Of the voxels over the image.
    this.hidden = new Set(scene.hidden);
    this.hiddenDifferences = new Set();
    this.slice = null; // Layer of voxels.
    this.isMeasuring = false;
    this.points = [];
    this.aims = false;
    this.quality = 1;
    new ResizeObserver(() => this.draw()).observe(this.stage);
  }

  get frame() { return this.scene.frames[this.frameNumber]; }
  get grid() { return this.frame.grid; }
  get truth() { return this.volumes.findIndex(({ name }) => name === this.scene.truth); }
  get canCompare() { return this.truth > 0; }

  get box() {
    const { origin, shape, voxel_size: size } = this.grid;
    return { low: origin, high: origin.map((low, n) => low + shape[n] * size[n]) };
  }

  get isCut() {
    const { low, high } = this.cut;
    return low.some((value) => value > 0) || high.some((value, n) => value < this.grid.shape[n]);
  }

  /** Load a frame; the view, the classes and the cut stay if the grid has the same shape. */
  async setFrame(number) {
    this.wanted = number;
    const frame = this.scene.frames[number];
    const all = await Promise.all(frame.volumes.map(({ labels }) => unpack(labels)));
    const image = frame.image && new Image();
    if (image) {
      image.src = frame.image;
      await image.decode();
    }
    if (this.wanted !== number) return; // The user has gone on.
    const shapeBefore = this.volumes.length && String(this.grid.shape);
    this.frameNumber = number;
    this.image = image;
    this.volumes = frame.volumes.map(({ name }, n) =>
      ({ name, labels: all[n], counts: countValues(all[n]) }));
    this.difference = null;
    if (String(this.grid.shape) !== shapeBefore) this.resetCut();
    if (this.view === CAMERA && !frame.camera) this.view = 'oblique';
    this.points = [];
    this.rebuild();
  }

  resetCut() {
    this.cut = { low: [0, 0, 0], high: [...this.grid.shape] };
    this.slice = null;
  }

  /** Change the state ({name: value}), and the picture with it. */
  change(values) {
    Object.assign(this, values);
    this.rebuild();
  }

  rebuild() {
    this.isStale = true;
    this.onchange();
    this.draw();
  }

  setView(name) {
    this.view = name;
    this.orbit = null;
    this.onchange();
    this.draw();
  }

  // ---- What is drawn ----

  get compared() {
    this.difference ??= (() => {
      const values = compare(this.volumes[0].labels, this.volumes[this.truth].labels);
      return { values, counts: countValues(values) };
    })();
    return this.difference;
  }

  chosenVolumes() {
    if (this.show === DIFFERENCE) {
      return [{ name: DIFFERENCE, values: this.compared.values, isDifference: true }];
    }
    const chosen = this.show === ALL ? this.volumes : [this.volumes[this.show]];
    return chosen.map(({ name, labels }) => ({ name, values: labels, isDifference: false }));
  }

  buildPane({ name, values, isDifference }) {
    const { shape } = this.grid;
    const low = [...this.cut.low], high = [...this.cut.high];
    if (this.slice !== null) {
      low[2] = Math.max(low[2], this.slice);
      high[2] = Math.min(high[2], this.slice + 1);
    }
    const isHidden = Uint8Array.from({ length: 256 }, (_, label) => Number(this.hidden.has(label)));
    let isShown = (value) => !isHidden[value];
    if (isDifference) {
      const predicted = this.volumes[0].labels, truth = this.volumes[this.truth].labels;
      isShown = (value, n) =>
        !this.hiddenDifferences.has(value) && !isHidden[predicted[n] || truth[n]];
    }
    const kept = cutVolume(values, shape, { low, high }, isShown);
    const { light, darkest_corner: darkest, colors } = this.scene;
    const paint = (label, direction, open) => {
      const color = isDifference ? DIFFERENCES[label].color : colors[label];
      const factor = light[direction] * (darkest + (1 - darkest) * open);
      return color.map((value) => Math.round(value * factor));
    };
    const mesh = this.renderer.upload(buildMesh(kept, shape, paint));
    return { name, kept, mesh, isDifference };
  }

  rebuildPanes() {
    this.panes.forEach(({ mesh }) => this.renderer.remove(mesh));
    this.panes = this.chosenVolumes().map((volume) => this.buildPane(volume));
    this.isStale = false;
  }

  // ---- The view ----

  layOut() {
    const { clientWidth: width, clientHeight: height } = this.stage;
    const { length } = this.panes;
    if (this.view !== CAMERA) return paneRectangles(length, width, height, SCENE_ASPECT);
    const { size } = this.frame.camera;
    const rectangles = paneRectangles(length, width, height, size[1] / size[0]);
    return rectangles.map((rectangle) => fitImage(rectangle, size));
  }

  fit(aspect) {
    const { origin, voxel_size: size, shape } = this.grid;
    const boxes = layerBoxes(this.panes.map(({ kept }) => kept), shape);
    if (!boxes.length) boxes.push({ low: [0, 0, 0], high: shape });
    const points = boxes.flatMap(cornersOf)
      .map((corner) => corner.map((value, n) => origin[n] + value * size[n]));
    const [azimuth, elevation] = VIEWS[this.view];
    return fitOrbit(points, this.box, (azimuth + this.frame.forward) * RADIANS,
      elevation * RADIANS, aspect);
  }

  poseOf({ width, height }) {
    if (this.view === CAMERA) return sensorPose(this.frame.camera, this.box);
    const aspect = width / height;
    // A view that nobody has turned follows the size of the stage.
    if (!this.orbit || (this.view !== FREE && aspect !== this.fitted)) {
      this.orbit = this.fit(aspect);
      this.fitted = aspect;
    }
    return orbitPose(this.orbit, aspect, this.box);
  }

  /** Start to move freely from the present view. */
  leaveView() {
    if (this.view === FREE) return;
    this.poseOf(this.layOut()[0]); // A view that is not painted yet has no orbit.
    if (this.view === CAMERA) {
      const middle = this.box.low.map((low, n) => (low + this.box.high[n]) / 2);
      const pose = sensorPose(this.frame.camera, this.box);
      this.orbit = orbitFrom(pose, Math.max(1, distance(pose.eye, middle)));
    }
    this.view = FREE;
    this.onchange();
  }

  /** Turn by angles in radians. */
  turn(left, down) {
    this.leaveView();
    this.orbit.azimuth += left;
    this.orbit.elevation = clamp(this.orbit.elevation + down, -0.3, 89.5 * RADIANS);
    this.draw(true);
  }

  /** Move by pixels of CSS. */
  move(right, down) {
    this.leaveView();
    const pose = this.poseOf(this.layOut()[0]), { orbit } = this;
    const step = orbit.distance / this.stage.clientHeight;
    orbit.target = add(add(orbit.target, pose.right, -right * step), pose.up, down * step);
    this.draw(true);
  }

  zoom(factor) {
    this.leaveView();
    const reach = distance(this.box.low, this.box.high);
    this.orbit.distance = clamp(this.orbit.distance * factor, 0.02 * reach, 4 * reach);
    this.draw(true);
  }

  // ---- Painting ----

  /** Paint at the next frame of the screen; a moving picture may have fewer pixels. */
  draw(isMoving = false) {
    document.body.dataset.still = 'no';
    clearTimeout(this.resting);
    this.isMoving = isMoving;
    if (!this.queued) this.queued = requestAnimationFrame((time) => this.paint(time));
  }

  paint(time) {
    this.queued = 0;
    if (!this.volumes.length) return;
    if (this.isMoving) {
      this.adaptQuality(time);
      this.resting = setTimeout(() => this.draw(), REST_AFTER);
    }
    this.paintNow(this.isMoving);
    document.body.dataset.still = this.isMoving ? 'no' : 'yes';
  }

  adaptQuality(time) {
    const passed = time - (this.paintedAt ?? time);
    this.paintedAt = time;
    if (passed > SLOW_FRAME && passed < 10 * SLOW_FRAME) this.quality *= 0.85;
    if (passed && passed < FAST_FRAME) this.quality *= 1.05;
    this.quality = clamp(this.quality, 0.4, 1);
  }

  paintNow(isMoving) {
    if (this.isStale) this.rebuildPanes();
    const { clientWidth: width, clientHeight: height } = this.stage;
    const sharp = devicePixelRatio || 1;
    const most = Math.sqrt(MOST_PIXELS / Math.max(1, width * height));
    const ratio = isMoving ? sharp * this.quality : Math.min(most, Math.max(2, sharp));
    const rectangles = this.layOut(), poses = rectangles.map((rectangle) => this.poseOf(rectangle));
    const theme = readTheme();
    this.renderer.clear(Math.round(width * ratio), Math.round(height * ratio));
    this.panes.forEach((pane, n) => {
      this.renderer.enter(inPixels(rectangles[n], ratio));
      this.paintPane(pane, poses[n], theme);
    });
    const onScreen = rectangles.map((rectangle) => inPixels(rectangle, sharp));
    const size = { width: Math.round(width * sharp), height: Math.round(height * sharp) };
    const isCamera = this.view === CAMERA;
    drawBackdrop(this.backdrop, size, onScreen, isCamera ? this.image : null);
    this.voxels.style.opacity = isCamera && this.image ? this.opacity : 1;
    const panes = this.panes.map(({ name }, n) => ({ name, rectangle: onScreen[n] }));
    const marks = { poses, points: this.points, aims: this.aims, unit: sharp };
    drawOverlay(this.overlay, size, panes, marks, theme);
  }

  paintPane(pane, pose, theme) {
    const { renderer, grid, box } = this, matrix = matrixOf(pose);
    if (this.view !== CAMERA) this.paintSurroundings(pose, matrix, theme);
    if (this.isCut && this.view !== CAMERA) {
      const metres = (corner) => corner.map((value, n) => box.low[n] + value * grid.voxel_size[n]);
      const corners = cornersOf({ low: metres(this.cut.low), high: metres(this.cut.high) });
      const edges = [0, 1, 2, 3, 4, 5, 6, 7].flatMap((from) =>
        [1, 2, 4].filter((bit) => !(from & bit)).flatMap((bit) => [from, from | bit]));
      const points = edges.flatMap((corner) => corners[corner]);
      renderer.drawPlain('LINES', points, rgbOf(theme.mark), matrix);
    }
    renderer.drawVoxels(pane.mesh, grid, pose.eye, matrix);
  }

  /** The floor of the grid, and the sensor. */
  paintSurroundings(pose, matrix, theme) {
    const { renderer, frame, box } = this;
    const z = box.low[2] - 0.01 * this.grid.voxel_size[2];
    const [x0, y0] = box.low, [x1, y1] = box.high;
    const square = [x0, y0, z, x1, y0, z, x1, y1, z, x0, y1, z];
    if (pose.eye[2] > z) renderer.drawPlain('TRIANGLE_FAN', square, rgbOf(theme.floor), matrix);
    renderer.drawPlain('LINE_LOOP', square, rgbOf(theme.border), matrix);
    if (frame.camera) {
      const sensor = sensorPose(frame.camera, box), size = distance(box.low, box.high) / 30;
      const corners = [[-1, -1], [1, -1], [1, 1], [-1, 1]].map((place) =>
        add(sensor.eye, rayThrough(sensor, place), size));
      const lines = corners.flatMap((corner, n) =>
        [...sensor.eye, ...corner, ...corner, ...corners[(n + 1) % 4]]);
      renderer.drawPlain('LINES', lines, rgbOf(theme.sensor), matrix);
    } else if (frame.sensor) {
      const [x, y] = frame.sensor.position;
      const arrow = [[-0.4, 0], [-2.6, 1], [-2.1, 0], [-2.6, -1]];
      const points = arrow.flatMap(([ahead, left]) => [x + ahead, y + left, z]);
      renderer.drawPlain('TRIANGLE_FAN', points, rgbOf(theme.sensor), matrix);
    }
  }

  // ---- What lies at a place ----

  /** The first voxel at a place of the stage in pixels of CSS, or null. */
  pick(place) {
    const rectangles = this.layOut();
    const n = rectangles.findIndex((rectangle) => isInside(rectangle, place));
    if (n < 0 || !this.panes[n]) return null;
    const { left, top, width, height } = rectangles[n], pose = this.poseOf(rectangles[n]);
    const inPicture = [2 * (place[0] - left) / width - 1, 1 - 2 * (place[1] - top) / height];
    return firstVoxel(this.panes[n].kept, this.grid, pose.eye, rayThrough(pose, inPicture));
  }

  /** A line of text about a voxel: classes, position of its centre, distance from the sensor. */
  describe({ voxel, index }) {
    const { origin, voxel_size: size } = this.grid;
    const center = voxel.map((value, n) => origin[n] + (value + 0.5) * size[n]);
    const classOf = (label) => this.scene.classes[label] ?? 'no label';
    const names = this.volumes.length === 1
      ? [classOf(this.volumes[0].labels[index])]
      : this.volumes.map(({ name, labels }) => `${name}: ${classOf(labels[index])}`);
    const position = center.map((value, n) => `${'xyz'[n]} ${value.toFixed(2)}`).join('  ');
    const { sensor } = this.frame;
    const far = sensor
      ? `${distance(center, sensor.position).toFixed(2)} m from the ${sensor.name}` : '';
    return [...names, `${position} m`, far].filter(Boolean).join(' · ');
  }

  /** Take the point at a place as the next end of the measured line. */
  measure(place) {
    const hit = this.pick(place);
    if (!hit) return;
    this.points = this.points.length === 1 ? [...this.points, hit.point] : [hit.point];
    this.onchange();
    this.draw();
  }

  /** The picture on the stage as a PNG. */
  async savePicture() {
    this.paintNow(false);
    const { width, height } = this.voxels;
    const picture = Object.assign(document.createElement('canvas'), { width, height });
    const context = picture.getContext('2d');
    context.fillStyle = readTheme().page;
    context.fillRect(0, 0, width, height);
    for (const canvas of [this.backdrop, this.voxels, this.overlay]) {
      if (canvas.hidden) continue;
      context.globalAlpha = canvas === this.voxels ? Number(canvas.style.opacity) : 1;
      context.drawImage(canvas, 0, 0, width, height);
    }
    return new Promise((resolve) => picture.toBlob(resolve, 'image/png'));
  }
}
