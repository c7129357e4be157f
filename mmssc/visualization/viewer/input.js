// Mouse, fingers and keys.

import { element } from './controls.js';
import { ALL, CAMERA, DIFFERENCE, VIEWS } from './viewer.js';

const TURN = 0.006; // Radians per pixel.
const CLICK = 5; // A press that moves less than so many pixels is a click.
const KEY_TURN = 0.08, KEY_MOVE = 30, KEY_ZOOM = 1.15;

const placeOn = (surface, event) => {
  const { left, top } = surface.getBoundingClientRect();
  return [event.clientX - left, event.clientY - top];
};

/** Turn, move, zoom, read out and measure with a pointer. */
export function bindPointer(surface, viewer) {
  const fingers = new Map();
  let travelled = 0;
  const forget = (event) => fingers.delete(event.pointerId);
  surface.addEventListener('pointerdown', (event) => {
    if (!fingers.size) travelled = 0;
    fingers.set(event.pointerId, event);
    surface.setPointerCapture(event.pointerId);
  });
  surface.addEventListener('pointerup', (event) => {
    const isClick = fingers.size === 1 && travelled < CLICK && event.button === 0;
    forget(event);
    if (!isClick) return;
    readOut(viewer, placeOn(surface, event));
    if (viewer.isMeasuring) viewer.measure(placeOn(surface, event));
  });
  surface.addEventListener('pointercancel', forget);
  surface.addEventListener('pointerleave', () => { if (!fingers.size) readOut(viewer, null); });
  surface.addEventListener('pointermove', (event) => {
    const last = fingers.get(event.pointerId);
    if (!last) {
      aim(viewer, false);
      readOut(viewer, placeOn(surface, event));
      return;
    }
    const dx = event.clientX - last.clientX, dy = event.clientY - last.clientY;
    travelled += Math.abs(dx) + Math.abs(dy);
    if (fingers.size === 1 && travelled < CLICK) return;
    const other = [...fingers.values()].find((finger) => finger.pointerId !== event.pointerId);
    if (other) {
      const gap = (finger) =>
        Math.hypot(finger.clientX - other.clientX, finger.clientY - other.clientY);
      viewer.zoom(gap(last) / Math.max(1, gap(event)));
      viewer.move(dx / 2, dy / 2);
    } else if (event.shiftKey || last.button === 2) {
      viewer.move(dx, dy);
    } else {
      viewer.turn(-dx * TURN, dy * TURN);
    }
    const { pointerId, clientX, clientY } = event;
    fingers.set(pointerId, { pointerId, button: last.button, clientX, clientY });
  });
  surface.addEventListener('wheel', (event) => {
    event.preventDefault();
    viewer.zoom(Math.exp(event.deltaY * 0.001));
  }, { passive: false });
  surface.addEventListener('contextmenu', (event) => event.preventDefault());
}

function readOut(viewer, place) {
  const hit = place && viewer.pick(place);
  element('readout').textContent = hit ? viewer.describe(hit) : '';
}

/** Show or hide the cross at which the keys aim. */
function aim(viewer, isOn) {
  if (viewer.aims === isOn) return;
  viewer.aims = isOn;
  viewer.draw();
}

/** The middle of the first pane, where the cross is. */
function aimedPlace(viewer) {
  const { left, top, width, height } = viewer.layOut()[0];
  return [left + width / 2, top + height / 2];
}

function arrows(viewer) {
  const steps = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
  return Object.fromEntries(Object.entries(steps).map(([key, [left, up]]) => [key, (event) => {
    aim(viewer, true);
    if (event.shiftKey) viewer.move(left * KEY_MOVE, up * KEY_MOVE);
    else viewer.turn(left * KEY_TURN, -up * KEY_TURN);
    readOut(viewer, aimedPlace(viewer));
  }]));
}

/** Show the next of the things that can be shown. */
function showNext(controls) {
  const keys = controls.shows.map(([key]) => key), { viewer } = controls;
  viewer.change({ show: keys[(keys.indexOf(viewer.show) + 1) % keys.length] });
}

/** Keys, texts and actions; `onScene`: only while the scene has the focus. */
function shortcutsOf(controls) {
  const { viewer } = controls;
  const choose = (show) => () => {
    if (controls.shows.some(([key]) => key === show)) viewer.change({ show });
  };
  const view = (name) => () => { if (controls.views.includes(name)) viewer.setView(name); };
  const first = { o: 'oblique', b: 'behind', a: 'above', c: CAMERA };
  return [
    { keys: 'Arrows', text: 'turn; with shift: move (on the scene)' },
    { keys: 'Enter', text: 'read out, or measure, at the cross (on the scene)' },
    { keys: '+ -', text: 'zoom' },
    ...Object.entries(first).map(([key, name]) =>
      ({ keys: key, text: `view: ${name}`, run: view(name) })),
    { keys: 'Space', text: 'next volume', run: () => showNext(controls), code: ' ' },
    { keys: '1', text: 'all volumes side by side', run: choose(ALL) },
    { keys: 'd', text: 'difference', run: choose(DIFFERENCE) },
    { keys: 'h', text: 'height slice on or off',
      run: () => controls.setSlice(viewer.slice === null) },
    { keys: 'm', text: 'measure on or off',
      run: () => controls.setMeasuring(!viewer.isMeasuring) },
    { keys: 'p', text: 'play or stop', run: () => controls.play() },
    { keys: ', .', text: 'previous, next frame' },
    { keys: 's', text: 'save picture', run: () => controls.save() },
    { keys: 't', text: 'dark or light', run: () => element('theme').click() },
    { keys: '?', text: 'this list', run: () => element('help').toggleAttribute('open') },
  ];
}

/** Shortcuts of the keyboard, and their list on the page. */
export function bindKeys(surface, controls) {
  const { viewer } = controls, shortcuts = shortcutsOf(controls);
  element('keys').replaceChildren(...shortcuts.flatMap(({ keys, text }) => [
    Object.assign(document.createElement('dt'), { textContent: keys }),
    Object.assign(document.createElement('dd'), { textContent: text }),
  ]));
  const onScene = {
    ...arrows(viewer),
    Enter: () => {
      aim(viewer, true);
      readOut(viewer, aimedPlace(viewer));
      if (viewer.isMeasuring) viewer.measure(aimedPlace(viewer));
    },
  };
  const anywhere = {
    '+': () => viewer.zoom(1 / KEY_ZOOM), '=': () => viewer.zoom(1 / KEY_ZOOM),
    '-': () => viewer.zoom(KEY_ZOOM), ',': () => controls.step(-1), '.': () => controls.step(1),
    ...Object.fromEntries(shortcuts.filter(({ run }) => run)
      .map(({ keys, code, run }) => [code ?? keys, run])),
  };
  addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const isOnScene = event.target === surface;
    // Space belongs to the button or box that has the focus.
    if (event.key === ' ' && !isOnScene && event.target !== document.body) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const action = (isOnScene && onScene[key]) || anywhere[key];
    if (!action) return;
    event.preventDefault();
    action(event);
  });
  surface.addEventListener('blur', () => aim(viewer, false));
}
