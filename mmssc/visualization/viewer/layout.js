// Where the panes lie on the stage, in pixels of CSS.

const GAP = 8;
export const NAME_HEIGHT = 28; // Above each of several panes.
export const SCENE_ASPECT = 1.7; // Of most scenes, seen from an orbit.

/** Rectangles of `count` panes, in a row or a column: where pictures of an aspect are larger. */
export function paneRectangles(count, width, height, aspect) {
  const inRow = Math.min(width / count / aspect, height);
  const isRow = inRow >= Math.min(width / aspect, height / count);
  const length = ((isRow ? width : height) - GAP * (count - 1)) / count;
  const name = count > 1 ? NAME_HEIGHT : 0;
  return [...Array(count).keys()].map((n) => (isRow
    ? { left: n * (length + GAP), top: name, width: length, height: height - name }
    : { left: 0, top: n * (length + GAP) + name, width, height: length - name }));
}

/** The largest rectangle of an image's proportions in the middle of a pane. */
export function fitImage({ left, top, width, height }, [rows, columns]) {
  const scale = Math.min(width / columns, height / rows);
  const size = { width: columns * scale, height: rows * scale };
  return { left: left + (width - size.width) / 2, top: top + (height - size.height) / 2, ...size };
}

/** A rectangle in whole pixels of a canvas with `ratio` pixels per pixel of CSS. */
export function inPixels({ left, top, width, height }, ratio) {
  const [x, y] = [Math.round(left * ratio), Math.round(top * ratio)];
  return {
    left: x, top: y,
    width: Math.max(1, Math.round((left + width) * ratio) - x),
    height: Math.max(1, Math.round((top + height) * ratio) - y),
  };
}

/** Whether a point lies in a rectangle. */
export const isInside = ({ left, top, width, height }, [x, y]) =>
  x >= left && y >= top && x < left + width && y < top + height;
