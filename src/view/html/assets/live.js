// @ts-check
// The live page: puts new sections in the place of old ones, and says whether it still hears of the batch.

import { letButtonsCopy } from './text.js';
import { Rows } from './rows.js';

document.documentElement.classList.add('scripted');
letButtonsCopy();

/** Seconds to wait before a connection is tried again, each time longer. */
const WAITS = [1, 2, 4, 8, 15, 30];

/** @param {string} address @param {AbortSignal} [signal] */
async function json(address, signal) {
  const answer = await fetch(address, { signal, headers: { accept: 'application/json' } });
  // The door is at the page's own address.
  if (answer.status === 401) location.reload();
  if (answer.status === 404) return null;
  if (!answer.ok) throw new Error(`${answer.status}`);
  return answer.json();
}

/** @type {import('./rows.js').Source} */
const server = {
  async page(filter, offset, limit, signal) {
    const query = new URLSearchParams({ offset: String(offset), limit: String(limit) });
    if (filter.status.length) query.set('status', filter.status.join(','));
    if (filter.code) query.set('code', filter.code);
    if (filter.q) query.set('q', filter.q);
    const page = await json(`api/rows?${query}`, signal);
    if (page === null) throw new Error('404');
    return page;
  },
  story: (row, signal) => json(`api/rows/${row}`, signal),
  address(card, kind) {
    const media = card[kind];
    // A video that is not on disk is not fetched from elsewhere.
    const isHere = kind === 'image' ? media !== null : Boolean(media?.file);
    return isHere ? `media/${card.row}/${kind}` : null;
  },
};

const place = document.getElementById('rows');
const rows = place ? new Rows(place, server) : null;

/** @type {Map<string, string>} Sections that wait until nobody has text selected in them, or is about to click. */
const waiting = new Map();

/** A button of the mouse is down, or a finger: a link that was exchanged before it is up would not be clicked. */
let isPressed = false;

/** @param {Element} element */
function isSelected(element) {
  const selection = getSelection();
  return selection !== null && !selection.isCollapsed && selection.containsNode(element, true);
}

/** What of an element is the same in its successor. @param {Element} element */
function keyOf(element) {
  return element.getAttribute('data-key') ?? element.getAttribute('data-copy') ?? element.getAttribute('href')
    ?? element.closest('[data-key]')?.getAttribute('data-key') ?? null;
}

/** @param {string} id @param {string} html Made by the server, which has escaped whatever is not ours. */
function replace(id, html) {
  const section = document.getElementById(id);
  if (!section) return;
  if (isPressed || isSelected(section)) {
    waiting.set(id, html);
    return;
  }
  waiting.delete(id);
  const open = new Set([...section.querySelectorAll('details[open][data-key]')].map(keyOf));
  const focused = document.activeElement && section.contains(document.activeElement) ? document.activeElement : null;
  const [key, tag] = [focused && keyOf(focused), focused?.tagName];
  section.innerHTML = html;
  for (const details of section.querySelectorAll('details[data-key]')) {
    if (open.has(keyOf(details))) details.setAttribute('open', '');
  }
  if (key) {
    const successor = [...section.querySelectorAll(tag ?? '*')].find((element) => keyOf(element) === key);
    if (successor instanceof HTMLElement) successor.focus({ preventScroll: true });
  }
}

function catchUp() {
  for (const [id, html] of [...waiting]) replace(id, html);
}

document.addEventListener('selectionchange', catchUp);
addEventListener('pointerdown', () => { isPressed = true; }, { capture: true });
for (const end of ['pointerup', 'pointercancel', 'blur']) {
  addEventListener(end, () => {
    isPressed = false;
    // The click comes behind this.
    setTimeout(catchUp);
  }, { capture: true });
}

function entitle() {
  const title = document.querySelector('[data-title]')?.getAttribute('data-title');
  if (title) document.title = title;
}

const connection = document.getElementById('connection');

/** @param {string} words @param {string} state */
function tell(words, state) {
  if (!connection || connection.textContent === words) return;
  connection.textContent = words;
  connection.className = `connection is-${state}`;
}

let failures = 0;
let isLost = false;
/** @type {unknown} */
let seen = null;

function listen() {
  const events = new EventSource('events');
  events.addEventListener('open', () => {
    failures = 0;
    tell('connected', 'connected');
    // What changed meanwhile was told to nobody, and another process has numbers of its own.
    if (isLost) rows?.changed();
    isLost = false;
  });
  events.addEventListener('overview', (event) => {
    const { sections, rows: version, ended } = JSON.parse(event.data);
    for (const [id, html] of Object.entries(sections)) replace(id, html);
    entitle();
    rows?.drawBar();
    if (seen !== version) {
      if (seen !== null) rows?.changed();
      seen = version;
    }
    // A stream that ends without this, as when whoever only showed the batch was stopped, is a lost connection.
    if (ended) {
      events.close();
      rows?.ended();
      tell('The run has ended. This is how it ended.', 'ended');
    }
  });
  events.addEventListener('error', () => {
    isLost = true;
    tell('Connection lost, trying again…', 'lost');
    // The browser tries again by itself unless it was answered something else than events.
    if (events.readyState !== EventSource.CLOSED) return;
    const wait = WAITS[Math.min(failures, WAITS.length - 1)];
    failures += 1;
    setTimeout(async () => {
      // Whoever is to show the token again learns so from this.
      await json('api/rows?limit=1').catch(() => null);
      listen();
    }, wait * 1000);
  });
}

entitle();
tell('Connecting…', 'lost');
listen();
