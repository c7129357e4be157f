// What lies over and under the voxels: the image of the camera, names, the measured line.

import { distance, project } from './geometry.js';
import { NAME_HEIGHT } from './layout.js';

const FONT = 'system-ui, sans-serif';

/** Start an empty picture; a canvas without content is hidden, which saves time in every frame. */
function begin(canvas, { width, height }, isUsed) {
  canvas.hidden = !isUsed;
  if (isUsed) Object.assign(canvas, { width, height }); // This also clears it.
  return isUsed && canvas.getContext('2d');
}

/** Draw the image of the camera behind each pane. */
export function drawBackdrop(canvas, size, rectangles, image) {
  const context = begin(canvas, size, Boolean(image));
  if (!context) return;
  for (const { left, top, width, height } of rectangles) {
    context.drawImage(image, left, top, width, height);
  }
}

function label(context, text, x, y, size, theme) {
  context.font = `600 ${size}px ${FONT}`;
  context.textAlign = 'center';
  context.textBaseline = 'middle';
  const width = context.measureText(text).width;
  // Near the border the label moves inwards.
  const half = width / 2 + 0.6 * size;
  const middle = Math.min(Math.max(x, half), Math.max(half, context.canvas.width - half));
  context.fillStyle = theme.card;
  context.fillRect(middle - half, y - 0.8 * size, 2 * half, 1.6 * size);
  context.fillStyle = theme.text;
  context.fillText(text, middle, y);
}

function placeIn(pose, { left, top, width, height }, point) {
  const place = project(pose, point);
  return place && [left + (place[0] + 1) / 2 * width, top + (1 - place[1]) / 2 * height];
}

/** Text of a measured distance, or of what is missing. */
export function describeMeasure([from, to]) {
  if (!from) return 'Click two points.';
  if (!to) return 'Click the second point.';
  const parts = to.map((value, n) => `${'xyz'[n]} ${(value - from[n]).toFixed(2)}`);
  return `${distance(from, to).toFixed(2)} m (${parts.join(', ')})`;
}

function drawMeasure(context, pose, rectangle, points, unit, theme) {
  const places = points.map((point) => placeIn(pose, rectangle, point));
  if (places.includes(null)) return;
  context.lineWidth = 2 * unit;
  context.strokeStyle = theme.mark;
  context.fillStyle = theme.mark;
  context.beginPath();
  places.forEach(([x, y]) => context.lineTo(x, y));
  context.stroke();
  for (const [x, y] of places) {
    context.beginPath();
    context.arc(x, y, 4 * unit, 0, 2 * Math.PI);
    context.fill();
  }
  if (places.length < 2) return;
  const middle = [0, 1].map((axis) => (places[0][axis] + places[1][axis]) / 2);
  const text = `${distance(...points).toFixed(2)} m`;
  label(context, text, middle[0], middle[1] - 16 * unit, 13 * unit, theme);
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {{width: number, height: number}} size Pixels.
 * @param {{name: string, rectangle: object}[]} panes
 * @param {{poses: object[], points: number[][], aims: boolean, unit: number}} view `aims`: show the
 *     cross at which the keys aim; `unit`: pixels of a pixel of CSS.
 * @param {object} theme Colours.
 */
export function drawOverlay(canvas, size, panes, { poses, points, aims, unit }, theme) {
  const context = begin(canvas, size, panes.length > 1 || points.length > 0 || aims);
  if (!context) return;
  panes.forEach(({ name, rectangle }, n) => {
    const { left, top, width, height } = rectangle;
    if (panes.length > 1) {
      label(context, name, left + width / 2, top - NAME_HEIGHT / 2 * unit, 13 * unit, theme);
    }
    context.save();
    context.beginPath();
    context.rect(left, top, width, height);
    context.clip();
    if (points.length) drawMeasure(context, poses[n], rectangle, points, unit, theme);
    if (aims) {
      const x = left + width / 2, y = top + height / 2;
      context.fillStyle = theme.mark;
      context.fillRect(x - 8 * unit, y - unit / 2, 16 * unit, unit);
      context.fillRect(x - unit / 2, y - 8 * unit, unit, 16 * unit);
    }
    context.restore();
  });
}
