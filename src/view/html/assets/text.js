// @ts-check
// How the scripts write: text stays text, whoever it is from, and moments are in UTC as in the rest of the page.

/** Characters that are not to be seen, or that reorder what stands around them; white space is left alone. */
const ODD = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;

/**
 * A text in which everything is to be seen.
 * @param {string} text
 */
export function visible(text) {
  return text.replace(ODD, (odd) => `\\u{${odd.charCodeAt(0).toString(16)}}`);
}

/**
 * A new element. Children that are texts become text, never markup.
 * @param {string} tag
 * @param {Record<string, string | number | boolean | ((event: any) => void) | null | undefined>} [properties] An attribute
 *   each; a function listens to the event of that name; nothing and false leave the attribute out.
 * @param {...(Node | string | null | undefined)} children
 * @returns {HTMLElement}
 */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (typeof value === 'function') {
      element.addEventListener(name, value);
    } else if (value !== null && value !== undefined && value !== false) {
      element.setAttribute(name, value === true ? '' : String(value));
    }
  }
  for (const child of children) {
    if (child) element.append(child);
  }
  return element;
}

/**
 * Text from outside, kept apart from what stands beside it, as it may run from right to left.
 * @param {string} text
 * @param {string} [className]
 */
export function outside(text, className) {
  return make('bdi', { class: className, dir: 'auto' }, visible(text));
}

/**
 * A small square in the colour of a state, with its word.
 * @param {string} state
 */
export function stateWord(state) {
  const namespace = 'http://www.w3.org/2000/svg';
  const patterns = { rejected: 'p-lines', failed: 'p-cross', unknown: 'p-dots', invalid: 'p-bars' };
  const swatch = document.createElementNS(namespace, 'svg');
  const attributes = { class: 'swatch', width: '10', height: '10', 'aria-hidden': 'true' };
  for (const [name, value] of Object.entries(attributes)) {
    swatch.setAttribute(name, value);
  }
  const fills = [null, patterns[/** @type {keyof typeof patterns} */ (state)]];
  for (const fill of fills) {
    if (fill === undefined) continue;
    const square = document.createElementNS(namespace, 'rect');
    for (const [name, value] of Object.entries({ width: '10', height: '10', rx: '2' })) {
      square.setAttribute(name, value);
    }
    square.setAttribute(fill === null ? 'class' : 'fill', fill === null ? `s-${state}` : `url(#${fill})`);
    swatch.append(square);
  }
  const word = make('span', { class: 'state' });
  word.append(swatch, state);
  return word;
}

/** `3412` as `3,412`. @param {number} number */
export function grouped(number) {
  return number.toLocaleString('en-US', { maximumFractionDigits: 2 });
}

/** `22 Nov, 14:05:22`. @param {number} millis */
export function moment(millis) {
  const at = new Date(millis);
  const day = at.toLocaleDateString('en-GB', { day: 'numeric', month: 'short', timeZone: 'UTC' });
  return `${day}, ${at.toISOString().slice(11, 19)}`;
}

/** `6 December 2026`. @param {number} millis */
export function day(millis) {
  return new Date(millis).toLocaleDateString('en-GB', { day: 'numeric', month: 'long', year: 'numeric', timeZone: 'UTC' });
}

/** `40 ms`, `1.3 s`, `2 min 20 s`, `1 h 5 min`. @param {number} millis */
export function lasting(millis) {
  const seconds = Math.max(0, millis) / 1000;
  if (seconds < 0.95) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  if (seconds < 60) return `${Math.round(seconds)} s`;
  const whole = Math.round(seconds);
  const [large, largeUnit, small, smallUnit] =
    whole < 3600
      ? [Math.floor(whole / 60), 'min', whole % 60, 's']
      : [Math.floor(whole / 3600), 'h', Math.floor((whole % 3600) / 60), 'min'];
  return small ? `${large} ${largeUnit} ${small} ${smallUnit}` : `${large} ${largeUnit}`;
}

/**
 * An address that a link may lead to: of the web, and nothing that runs.
 * @param {string | null | undefined} address
 */
export function isOfTheWeb(address) {
  return typeof address === 'string' && /^https?:\/\//i.test(address);
}

/**
 * A link to somewhere else, or the mere text of an address that is none of the web.
 * @param {string} address
 * @param {string} [words]
 */
export function link(address, words) {
  if (!isOfTheWeb(address)) return outside(words ?? address);
  return make('a', { href: address, rel: 'noreferrer noopener', target: '_blank' }, visible(words ?? address));
}

/**
 * One of the program's own sentences, with its commands between backticks.
 * @param {string} text
 */
export function sentence(text) {
  const line = make('span');
  text.split('`').forEach((part, index) => line.append(index % 2 ? make('code', {}, visible(part)) : visible(part)));
  return line;
}

/**
 * A button that copies a text.
 * @param {string} text
 */
export function copyButton(text) {
  return make('button', { type: 'button', class: 'copy', 'data-copy': text }, 'Copy');
}

/** Lets all buttons of the document that copy do so, also those that come later. */
export function letButtonsCopy() {
  document.addEventListener('click', async (event) => {
    const button = event.target instanceof Element ? event.target.closest('[data-copy]') : null;
    if (!(button instanceof HTMLElement)) return;
    const before = button.dataset.words ?? button.textContent ?? '';
    button.dataset.words = before;
    try {
      await navigator.clipboard.writeText(button.dataset.copy ?? '');
      button.textContent = 'Copied';
    } catch {
      // Without HTTPS browsers keep the clipboard to themselves.
      button.textContent = 'Not allowed';
    }
    setTimeout(() => { button.textContent = before; }, 1500);
  });
}
