// The panel beside the scene.

import { describeMeasure } from './overlay.js';
import { isDark, onThemeChange, setDark } from './theme.js';
import { ALL, CAMERA, DIFFERENCE, VIEWS } from './viewer.js';
import { DIFFERENCES } from './volumes.js';

const PLAY_STEP = 400; // Milliseconds per frame.
export const element = (id) => document.getElementById(id);

function make(kind, values = {}, ...children) {
  const made = Object.assign(document.createElement(kind), values);
  made.append(...children);
  return made;
}

const press = (button, isOn) => button.setAttribute('aria-pressed', String(isOn));

/** Buttons of which one is on: [key, text] pairs; returns a function that presses one. */
function makeChoices(parent, choices, choose) {
  const buttons = choices.map(([key, text]) => [key, make('button', { textContent: text })]);
  buttons.forEach(([key, button]) => { button.onclick = () => choose(key); });
  parent.replaceChildren(...buttons.map(([, button]) => button));
  return (chosen) => buttons.forEach(([key, button]) => press(button, key === chosen));
}

/** A line with a check box, a colour, a name and a count. */
function makeSwitch(name, color, count, isOn, change) {
  const box = make('input', { type: 'checkbox', checked: isOn });
  box.onchange = () => change(box.checked);
  const swatch = make('span', { className: 'swatch' });
  swatch.style.background = `rgb(${color})`;
  const counter = make('span', { className: 'count', textContent: count });
  return make('label', { className: 'row' }, box, swatch, name, counter);
}

function toggled(set, value, isOn) {
  const changed = new Set(set);
  changed[isOn ? 'add' : 'delete'](value);
  return changed;
}

const counted = (counts) => counts.map((value) => value.toLocaleString('en')).join(' | ');

export class Controls {
  constructor(viewer) {
    this.viewer = viewer;
    viewer.onchange = () => this.update();
    this.bindFrames();
    this.bindCut();
    this.bindTools();
    const { image } = viewer.frame;
    element('image').hidden = !image;
  }

  bindFrames() {
    const { viewer } = this, { frames } = viewer.scene;
    element('frames').hidden = frames.length < 2;
    element('frame').max = frames.length - 1;
    element('frame').oninput = () => viewer.setFrame(Number(element('frame').value));
    element('earlier').onclick = () => this.step(-1);
    element('later').onclick = () => this.step(1);
    element('play').onclick = () => this.play();
  }

  /** Go on by some frames, round and round. */
  step(by) {
    const count = this.viewer.scene.frames.length;
    return this.viewer.setFrame((this.viewer.frameNumber + by + count) % count);
  }

  play() {
    const isOn = !this.playing;
    clearTimeout(this.playing);
    this.playing = 0;
    const next = async () => {
      await this.step(1);
      if (this.playing) this.playing = setTimeout(next, PLAY_STEP);
    };
    if (isOn && this.viewer.scene.frames.length > 1) this.playing = setTimeout(next, PLAY_STEP);
    press(element('play'), Boolean(this.playing));
  }

  bindCut() {
    const { viewer } = this;
    element('slice-on').onchange = () => this.setSlice(element('slice-on').checked);
    element('slice').oninput = () => this.setSlice(true);
    this.ends = [...'xyz'].map((axis, n) => {
      const [low, high] = ['from', 'to'].map((end) => {
        const input = make('input', { type: 'range', min: 0, id: `${axis}-${end}` });
        input.setAttribute('aria-label', `${axis} ${end}`);
        return input;
      });
      low.oninput = () => this.setEnd('low', n, low, Math.min);
      high.oninput = () => this.setEnd('high', n, high, Math.max);
      const text = make('output');
      element('cut').append(make('div', { className: 'ends' }, axis, low, high, text));
      return { low, high, text };
    });
    element('uncut').onclick = () => {
      viewer.resetCut();
      viewer.rebuild();
    };
  }

  setSlice(isOn) {
    this.viewer.change({ slice: isOn ? Number(element('slice').value) : null });
  }

  /** Move an end of the clipping box; one voxel stays between the ends of an axis. */
  setEnd(end, axis, input, limit) {
    const { cut } = this.viewer;
    const changed = { low: [...cut.low], high: [...cut.high] };
    const beside = end === 'low' ? cut.high[axis] - 1 : cut.low[axis] + 1;
    changed[end][axis] = limit(Number(input.value), beside);
    this.viewer.change({ cut: changed });
  }

  bindTools() {
    const { viewer } = this;
    element('theme').onclick = () => {
      setDark(!isDark());
      this.update();
      viewer.draw();
    };
    onThemeChange(() => {
      this.update();
      viewer.draw();
    });
    element('save').onclick = () => this.save();
    element('opacity').oninput = () => {
      viewer.opacity = Number(element('opacity').value);
      viewer.draw();
    };
    element('measure').onclick = () => this.setMeasuring(!viewer.isMeasuring);
    element('unmeasure').onclick = () => this.setMeasuring(viewer.isMeasuring);
    element('all').onclick = () => viewer.change({ hidden: new Set() });
    element('none').onclick = () => viewer.change({ hidden: new Set(viewer.scene.classes.keys()) });
  }

  setMeasuring(isOn) {
    Object.assign(this.viewer, { isMeasuring: isOn, points: [] });
    this.update();
    this.viewer.draw();
  }

  /** Offer the picture as a download named after the frame. */
  async save() {
    const picture = await this.viewer.savePicture();
    const name = this.viewer.frame.title.replace(/[^\w.-]+/g, '_') || 'scene';
    const link = make('a', { href: URL.createObjectURL(picture), download: `${name}_view.png` });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }

  /** Show the state of the viewer. */
  update() {
    const { viewer } = this, { frame, scene } = viewer;
    if (!viewer.volumes.length) return;
    document.title = frame.title;
    element('title').textContent = frame.title;
    element('frame').value = viewer.frameNumber;
    element('frame-name').textContent = `${viewer.frameNumber + 1} of ${scene.frames.length}`;
    const picture = element('image').querySelector('img');
    element('image').hidden = !frame.image;
    if (frame.image && picture.src !== frame.image) picture.src = frame.image;
    press(element('theme'), isDark());
    this.updateChoices();
    this.updateCut();
    this.updateLegend();
    press(element('measure'), viewer.isMeasuring);
    element('surface').classList.toggle('measures', viewer.isMeasuring);
    element('length').textContent =
      viewer.isMeasuring || viewer.points.length ? describeMeasure(viewer.points) : '';
  }

  /** The things that can be shown: [key, name]. */
  get shows() {
    const { viewer } = this;
    const volumes = viewer.volumes.map(({ name }, n) => [n, name]);
    return [
      ...(volumes.length > 1 ? [[ALL, ALL]] : []),
      ...volumes,
      ...(viewer.canCompare ? [[DIFFERENCE, DIFFERENCE]] : []),
    ];
  }

  get views() {
    return [...Object.keys(VIEWS), ...(this.viewer.frame.camera ? [CAMERA] : [])];
  }

  updateChoices() {
    const { viewer } = this;
    const choices = JSON.stringify([this.shows, this.views]);
    if (choices !== this.choices) {
      this.choices = choices;
      this.pressShow = makeChoices(element('shows'), this.shows, (show) => viewer.change({ show }));
      const views = this.views.map((name) => [name, name]);
      this.pressView = makeChoices(element('views'), views, (name) => viewer.setView(name));
    }
    this.pressShow(viewer.show);
    this.pressView(viewer.view);
    element('opacity-row').hidden = viewer.view !== CAMERA || !viewer.frame.image;
    element('opacity').value = viewer.opacity;
  }

  updateCut() {
    const { cut, grid, slice } = this.viewer;
    const metres = (voxels, axis) =>
      (grid.origin[axis] + voxels * grid.voxel_size[axis]).toFixed(2);
    this.ends.forEach(({ low, high, text }, axis) => {
      for (const [input, end] of [[low, cut.low], [high, cut.high]]) {
        input.max = grid.shape[axis];
        input.value = end[axis];
        input.setAttribute('aria-valuetext', `${metres(end[axis], axis)} m`);
      }
      text.textContent = `${metres(cut.low[axis], axis)} to ${metres(cut.high[axis], axis)} m`;
    });
    element('slice-on').checked = slice !== null;
    element('slice').max = grid.shape[2] - 1;
    if (slice !== null) element('slice').value = slice;
    const height = metres(Number(element('slice').value) + 0.5, 2);
    element('slice-height').textContent = `z ${height} m`;
    element('slice').setAttribute('aria-valuetext', `${height} m`);
  }

  updateLegend() {
    const { viewer } = this, { scene, volumes } = viewer;
    const shown = viewer.show === ALL || viewer.show === DIFFERENCE
      ? volumes : [volumes[viewer.show]];
    this.fill('classes', scene.classes.slice(1).map((name, n) => {
      const label = n + 1, counts = shown.map((volume) => volume.counts[label]);
      const row = makeSwitch(name, scene.colors[label], counted(counts), !viewer.hidden.has(label),
        (isOn) => viewer.change({ hidden: toggled(viewer.hidden, label, !isOn) }));
      row.classList.toggle('absent', counts.every((count) => count === 0));
      return row;
    }));
    element('differences').hidden = viewer.show !== DIFFERENCE;
    if (viewer.show !== DIFFERENCE) return;
    const { counts } = viewer.compared;
    this.fill('differences', [make('legend', { textContent: 'Difference' }),
      ...DIFFERENCES.slice(1).map(({ name, color }, n) => makeSwitch(
        name, color, counted([counts[n + 1]]), !viewer.hiddenDifferences.has(n + 1),
        (isOn) => viewer.change({
          hiddenDifferences: toggled(viewer.hiddenDifferences, n + 1, !isOn),
        })))]);
  }

  /** Replace the lines of a list, and keep the focus on its line. */
  fill(id, rows) {
    const parent = element(id);
    const boxes = () => [...parent.querySelectorAll('input')];
    const focused = boxes().indexOf(document.activeElement);
    parent.replaceChildren(...rows);
    if (focused >= 0) boxes()[focused]?.focus();
  }
}
