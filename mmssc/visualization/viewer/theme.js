// Light and dark: the system's choice unless the user takes another one.

const root = document.documentElement;
const preference = matchMedia('(prefers-color-scheme: dark)');

/** Colours of the page's style for what is drawn on a canvas. */
export function readTheme() {
  const style = getComputedStyle(root);
  const color = (name) => style.getPropertyValue(`--${name}`).trim();
  const names = ['page', 'card', 'text', 'mark', 'floor', 'border', 'sensor'];
  return Object.fromEntries(names.map((name) => [name, color(name)]));
}

/** Red, green and blue (0 to 1) of '#rrggbb'. */
export const rgbOf = (color) =>
  [1, 3, 5].map((start) => parseInt(color.slice(start, start + 2), 16) / 255);

export const isDark = () =>
  root.dataset.theme === 'dark' || (!root.dataset.theme && preference.matches);

export function setDark(dark) {
  root.dataset.theme = dark ? 'dark' : 'light';
}

/** Call back when the system changes between light and dark. */
export function onThemeChange(callback) {
  preference.addEventListener('change', callback);
}
