// Start the page.

import { Controls, element } from './controls.js';
import { bindKeys, bindPointer } from './input.js';
import { Renderer } from './renderer.js';
import { Viewer } from './viewer.js';

function fail(message) {
  element('problem').hidden = false;
  element('problem').textContent = message;
}

async function start() {
  const scene = JSON.parse(element('scene').textContent);
  const names = ['stage', 'backdrop', 'voxels', 'overlay'];
  const elements = Object.fromEntries(names.map((name) => [name, element(name)]));
  const viewer = new Viewer(scene, elements, new Renderer(elements.voxels));
  const controls = new Controls(viewer);
  bindPointer(element('surface'), viewer);
  bindKeys(element('surface'), controls);
  elements.voxels.addEventListener('webglcontextlost', () =>
    fail('The graphics card has dropped this page. Please load it again.'));
  await viewer.setFrame(0);
  document.body.dataset.ready = 'yes';
}

start().catch((error) => {
  fail(error.message);
  throw error;
});
