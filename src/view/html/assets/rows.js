// @ts-check
// The list of all rows: filter, search, columns or videos, and one row at a time. The page and the report share it; they
// differ in where the rows are from.

import { grouped, lasting, make, moment, outside, stateWord, visible } from './text.js';
import { VirtualList } from './virtual.js';
import { detail, video } from './detail.js';

/**
 * @typedef {import('./detail.js').RowCard} RowCard
 * @typedef {import('./detail.js').RowStory} RowStory
 * @typedef {{ status: string[], code: string, q: string }} Filter
 * @typedef {{
 *   page: (filter: Filter, offset: number, limit: number, signal: AbortSignal) => Promise<{ total: number, rows: RowCard[] }>,
 *   story: (row: number, signal: AbortSignal) => Promise<RowStory | null>,
 *   address: import('./detail.js').Address,
 * }} Source
 */

/** Rows that are asked for at once. */
const PAGE = 100;

/** Pages that are kept; those that were not seen for the longest time are dropped. */
const KEPT = 24;

/** Milliseconds after the last letter until a search begins, and between two looks at what has changed. */
const TYPING = 200;
const FRESHNESS = 1500;

/** Milliseconds until rows that could not be read are asked for again, each time longer. */
const AGAIN = [2000, 5000, 15000];

/** The states in the order of the counts, and those whose rows have a video. */
const STATES = ['saved', 'succeeded', 'accepted', 'sending', 'failed', 'rejected', 'unknown', 'invalid', 'queued'];
const WITH_VIDEO = ['saved', 'succeeded'];

/** The rows of one filter, page by page. */
class Pages {
  /**
   * @param {Source} source
   * @param {Filter} filter
   * @param {(first: number, last: number) => void} arrived Told which rows have come or have changed.
   * @param {(error: unknown) => void} failed
   */
  constructor(source, filter, arrived, failed) {
    this.source = source;
    this.filter = filter;
    this.arrived = arrived;
    this.failed = failed;
    this.abort = new AbortController();
    this.total = -1;
    /** @type {Map<number, RowCard[]>} By number of the page; the one that was seen last is the last. */
    this.pages = new Map();
    /** @type {Set<number>} */
    this.asked = new Set();
    /** @type {Set<number>} Perhaps changed since they were asked for the last time. */
    this.stale = new Set();
    /** @type {Set<number>} Could not be read: scrolling alone does not ask for them again. */
    this.missed = new Set();
  }

  /** @param {number} index */
  row(index) {
    return this.pages.get(Math.floor(index / PAGE))?.[index % PAGE];
  }

  /** Asks for the pages that these rows are on, unless they are here. @param {number} first @param {number} last */
  need(first, last) {
    for (let page = Math.floor(first / PAGE); page <= Math.floor(last / PAGE); page += 1) {
      const rows = this.pages.get(page);
      if (rows) {
        this.pages.delete(page);
        this.pages.set(page, rows);
      }
      if ((!rows || this.stale.has(page)) && !this.missed.has(page)) this.ask(page);
    }
  }

  /** @param {number} page */
  async ask(page) {
    if (this.asked.has(page)) return;
    this.asked.add(page);
    this.missed.delete(page);
    // Before the answer comes: it may be older than a change that is heard of while it is on its way.
    this.stale.delete(page);
    try {
      const answer = await this.source.page(this.filter, page * PAGE, PAGE, this.abort.signal);
      if (this.abort.signal.aborted) return;
      this.asked.delete(page);
      this.total = answer.total;
      this.pages.set(page, answer.rows);
      for (const oldest of this.pages.keys()) {
        if (this.pages.size <= KEPT) break;
        this.pages.delete(oldest);
      }
    } catch (error) {
      if (this.abort.signal.aborted) return;
      this.asked.delete(page);
      this.stale.add(page);
      this.missed.add(page);
      this.failed(error);
      return;
    }
    const rows = this.pages.get(page)?.length ?? 0;
    this.arrived(page * PAGE, page * PAGE + rows - 1);
    // An empty list has nothing in sight that would ask.
    if (this.total === 0 && this.stale.has(page)) this.ask(page);
  }

  /** Any row may have changed, also of those that are on their way: what is in sight is asked for when it is needed. */
  spoil() {
    for (const page of [...this.pages.keys(), ...this.asked]) this.stale.add(page);
  }

  /** What could not be read may be asked for again. */
  forgive() {
    this.missed.clear();
  }

  close() {
    this.abort.abort();
  }
}

export class Rows {
  /**
   * @param {HTMLElement} place The section of the rows, with its heading.
   * @param {Source} source
   */
  constructor(place, source) {
    this.source = source;
    /** @type {Filter} */
    this.filter = { status: [], code: '', q: '' };
    this.view = 'list';
    this.open = 0;
    this.active = 0;
    /** @type {string} What is told of the row that is shown. */
    this.told = '';
    /** @type {AbortController | undefined} */
    this.asking = undefined;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.typing = undefined;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.changing = undefined;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.trying = undefined;
    /** How often in a row rows could not be read. */
    this.failures = 0;
    /** Whether nobody is there any more who would answer later. */
    this.isOver = false;
    this.bar = bar(() => this.typed(), (view) => this.choose(view), () => this.offerCodes(), (state) => this.toggle(state));
    this.grid = grid((event) => this.keyInList(event));
    this.viewport = this.grid.viewport;
    place.append(this.bar.box, this.grid.box);
    this.pages = new Pages(source, this.filter, () => {}, () => {});
    this.list = new VirtualList(this.viewport, (index) => this.draw(index), (first, last) => this.pages.need(first, last));
    this.sheet = sheet((step) => this.step(step));
    this.dialog = this.sheet.dialog;
    document.body.append(this.dialog);
    this.dialog.addEventListener('close', () => this.closed());
    this.dialog.addEventListener('click', (event) => { if (event.target === this.dialog) this.dialog.close(); });
    this.dialog.addEventListener('keydown', (event) => this.keyInDialog(event));
    document.addEventListener('keydown', (event) => this.keyAnywhere(event));
    document.addEventListener('click', (event) => this.clicked(event));
    window.addEventListener('hashchange', () => this.follow());
    window.addEventListener('popstate', () => this.follow());
    new ResizeObserver(() => this.measure()).observe(this.viewport);
    this.follow(true);
  }

  // What there is to see.

  /** Takes the sizes from the style sheet, which knows how wide the window is. */
  measure() {
    if (this.pages.total < 0) return;
    const width = this.viewport.clientWidth;
    // The head has no scroll bar beside it.
    this.grid.head.style.setProperty('--bar', `${this.viewport.offsetWidth - width}px`);
    if (this.view === 'gallery') {
      const columns = Math.max(1, Math.floor((width - 12) / 232));
      this.list.resize(this.pages.total, 264, columns);
      this.list.shown.style.gridTemplateColumns = `repeat(${columns}, minmax(0, 1fr))`;
    } else {
      const isNarrow = window.matchMedia('(max-width: 639px)').matches;
      this.list.resize(this.pages.total, isNarrow ? 68 : 40);
      this.list.shown.style.gridTemplateColumns = '';
    }
    this.list.shown.classList.toggle('cards', this.view === 'gallery');
    // A short list leaves no gap below it. The style sheet bounds a long one.
    const spare = this.view === 'gallery' ? 12 : 0;
    this.viewport.style.height = this.list.whole() < 560 ? `${this.list.whole() + spare}px` : '';
  }

  /** @param {number} index */
  draw(index) {
    const card = this.pages.row(index);
    return this.view === 'gallery' ? this.drawCard(index, card) : this.drawRow(index, card);
  }

  /**
   * @param {number} index
   * @param {RowCard | undefined} card
   */
  drawRow(index, card) {
    if (!card) return make('div', { class: 'row waiting', role: 'row', 'aria-rowindex': index + 2 }, make('span', { role: 'gridcell' }, '…'));
    const { row, id, prompt, code, message, credits, submitted_at, completed_at } = card;
    const cell = (/** @type {string} */ name, /** @type {(Node | string | null)[]} */ ...children) =>
      make('span', { class: `cell-${name}`, role: 'gridcell' }, ...children);
    const trouble = [code && code !== card.status ? code : null, message].filter(Boolean).join(': ');
    const took = submitted_at !== null && completed_at !== null ? lasting(completed_at - submitted_at) : '';
    return make('div', {
      class: index === this.active ? 'row active' : 'row', role: 'row', id: `item-${index}`, 'aria-rowindex': index + 2,
      'data-index': index, click: () => { this.activate(index); this.show(row); },
    },
      cell('row', String(row)),
      cell('status', stateWord(card.status)),
      cell('prompt', id === null ? null : outside(shorten(id, 40), 'cell-id'), outside(shorten(prompt, 300), 'text')),
      cell('trouble', trouble ? outside(shorten(trouble, 200)) : null),
      cell('credits', credits === null ? '' : grouped(credits)),
      cell('sent', submitted_at === null ? '' : moment(submitted_at)),
      cell('took', took));
  }

  /**
   * @param {number} index
   * @param {RowCard | undefined} card
   */
  drawCard(index, card) {
    if (!card) return make('div', { class: 'card waiting' }, make('div', { class: 'media' }));
    const { row, id, prompt } = card;
    return make('article', { class: 'card', id: `item-${index}`, 'aria-label': `row ${row}` },
      video(card, this.source.address),
      make('button', { type: 'button', class: 'about', click: () => { this.activate(index); this.show(row); } },
        make('span', { class: 'line' }, `${row}`, stateWord(card.status), id === null ? null : outside(shorten(id, 40), 'id')),
        make('span', { class: 'prompt' }, outside(shorten(prompt, 160)))));
  }

  /** What stands in the place of the list. @param {...(Node | string)} content */
  say(...content) {
    this.list.resize(0, this.list.lineHeight, this.list.columns);
    this.viewport.replaceChildren(make('div', { class: 'list-state' }, ...content));
  }

  // Which rows.

  /** Reads filter, view and row from the address. @param {boolean} [isFirst] @param {string} [address] */
  follow(isFirst = false, address = location.hash) {
    const text = address.slice(1);
    // A mere name is a place in the document.
    if (!isFirst && text !== '' && !text.includes('=')) return;
    const hash = new URLSearchParams(text.includes('=') ? text : '');
    const status = (hash.get('status') ?? '').split(',').filter((state) => STATES.includes(state));
    const filter = { status, code: hash.get('code') ?? '', q: hash.get('q') ?? '' };
    const view = hash.get('view') === 'gallery' ? 'gallery' : 'list';
    const isNew = JSON.stringify([filter, view]) !== JSON.stringify([this.filter, this.view]);
    [this.filter, this.view] = [filter, view];
    if (isNew || isFirst) this.start();
    if (document.activeElement !== this.bar.search) this.bar.search.value = filter.q;
    if (document.activeElement !== this.bar.code) this.bar.code.value = filter.code;
    const row = Number(hash.get('row') ?? 0);
    if (row > 0) this.show(row, true);
    else if (this.dialog.open) this.dialog.close();
  }

  /** Writes them there, so that a reload keeps them and the address can be passed on. @param {boolean} [asStep] */
  note(asStep = false) {
    const hash = new URLSearchParams();
    const { status, code, q } = this.filter;
    if (status.length) hash.set('status', status.join(','));
    if (code) hash.set('code', code);
    if (q) hash.set('q', q);
    if (this.view !== 'list') hash.set('view', this.view);
    if (this.open) hash.set('row', String(this.open));
    // Commas may stand in an address, and are easier to read.
    const text = hash.toString().replaceAll('%2C', ',');
    const address = text ? `#${text}` : location.pathname + location.search;
    try {
      if (asStep) history.pushState(null, '', address);
      else history.replaceState(null, '', address);
    } catch {
      // A document that may not even do this, as in a preview of a mail, is read all the same.
    }
  }

  /** Begins a list of its own for the filter. */
  start() {
    this.pages.close();
    clearTimeout(this.trying);
    this.failures = 0;
    this.active = 0;
    const pages = new Pages(this.source, this.filter,
      (first, last) => { if (pages === this.pages) this.arrived(first, last); },
      () => { if (pages === this.pages) this.failed(); });
    this.pages = pages;
    this.viewport.scrollTop = 0;
    this.bar.count.textContent = '…';
    this.grid.box.setAttribute('aria-busy', 'true');
    this.drawBar();
    pages.ask(0);
  }

  /** @param {number} first @param {number} last */
  arrived(first, last) {
    this.failures = 0;
    if (this.list.canvas.parentElement !== this.viewport) this.viewport.replaceChildren(this.list.canvas);
    const { total } = this.pages;
    if (this.grid.box.ariaBusy === 'true') {
      // What is there is of another filter.
      this.grid.box.removeAttribute('aria-busy');
      this.list.clear();
    }
    this.bar.count.textContent = total === 1 ? '1 row' : `${grouped(total)} rows`;
    this.grid.box.setAttribute('aria-rowcount', String(total + 1));
    if (total === 0) {
      this.say(this.isFiltered() ? 'No row fits this filter.' : 'No row yet.',
        ...(this.isFiltered() ? [make('button', { type: 'button', click: () => this.clearFilter() }, 'Show all rows')] : []));
      return;
    }
    this.measure();
    for (let index = first; index <= last; index += 1) {
      // Whoever looks at a video is not disturbed.
      const item = this.list.items.get(index);
      const player = item?.querySelector('video');
      if (!item || player && (!player.paused || player.currentTime > 0.01 || this.sameVideo(player, index))) continue;
      this.list.redraw(index);
    }
    this.point();
  }

  /** @param {HTMLVideoElement} player @param {number} index */
  sameVideo(player, index) {
    const card = this.pages.row(index);
    return card !== undefined && player.querySelector('source')?.getAttribute('src')?.split('#')[0] === this.source.address(card, 'video');
  }

  /** What is shown stays: it is as good as it was. */
  failed() {
    this.grid.box.removeAttribute('aria-busy');
    // Said once, so that the button keeps the focus.
    if (this.pages.total < 0 && this.failures === 0) {
      this.bar.count.textContent = '';
      this.say('The rows could not be read.',
        make('button', { type: 'button', click: () => this.start() }, 'Try again'));
    }
    clearTimeout(this.trying);
    if (!this.isOver) this.trying = setTimeout(() => this.look(), AGAIN[Math.min(this.failures, AGAIN.length - 1)]);
    this.failures += 1;
  }

  /** Any row may have changed. */
  changed() {
    if (this.changing || this.isOver) return;
    this.changing = setTimeout(() => this.refresh(), FRESHNESS);
  }

  /** Rows have changed for the last time. At once, as whoever answers is about to leave; then nobody is asked unbidden. */
  ended() {
    this.isOver = true;
    this.refresh();
  }

  refresh() {
    clearTimeout(this.changing);
    this.changing = undefined;
    this.drawBar();
    this.pages.spoil();
    this.look();
    if (this.open) this.renew();
  }

  /** Asks for whatever is in sight and is not known, or perhaps has changed. */
  look() {
    clearTimeout(this.trying);
    this.pages.forgive();
    if (this.pages.total <= 0) this.pages.ask(0);
    else this.list.render();
  }

  isFiltered() {
    return this.filter.status.length > 0 || this.filter.code !== '' || this.filter.q !== '';
  }

  /** Shows which filter there is. The counts are those of the section that has them. */
  drawBar() {
    for (const [state, { chip, count }] of this.bar.chips) {
      const tile = document.querySelector(`#counts a[href="#status=${state}"] strong`);
      const isOn = this.filter.status.includes(state);
      chip.hidden = !tile && !isOn;
      chip.setAttribute('aria-pressed', String(isOn));
      count.textContent = tile?.textContent ?? '0';
    }
    for (const button of this.bar.views) button.setAttribute('aria-pressed', String(button.dataset.view === this.view));
    const isGallery = this.view === 'gallery';
    this.grid.box.setAttribute('role', isGallery ? 'group' : 'grid');
    this.viewport.setAttribute('role', isGallery ? 'presentation' : 'rowgroup');
    this.grid.head.hidden = isGallery;
  }

  offerCodes() {
    const codes = new Set([...document.querySelectorAll('#problems .cause code, #outcomes th code')].map((code) => code.textContent ?? ''));
    this.bar.codes.replaceChildren(...[...codes].sort().map((code) => make('option', { value: code })));
  }

  /** @param {string} state */
  toggle(state) {
    const { status } = this.filter;
    const chosen = status.includes(state) ? status.filter((other) => other !== state) : [...status, state];
    this.filter = { ...this.filter, status: STATES.filter((other) => chosen.includes(other)) };
    this.note();
    this.start();
  }

  /** @param {string} view */
  choose(view) {
    if (view === this.view) return;
    this.view = view;
    if (view === 'gallery' && this.filter.status.length === 0) this.filter = { ...this.filter, status: [...WITH_VIDEO] };
    else if (view === 'list' && String(this.filter.status) === String(WITH_VIDEO)) this.filter = { ...this.filter, status: [] };
    this.note();
    this.start();
  }

  typed() {
    clearTimeout(this.typing);
    this.typing = setTimeout(() => {
      this.filter = { ...this.filter, q: this.bar.search.value.trim(), code: this.bar.code.value.trim() };
      this.note();
      this.start();
    }, TYPING);
  }

  clearFilter() {
    this.filter = { status: [], code: '', q: '' };
    this.bar.search.value = '';
    this.bar.code.value = '';
    this.note();
    this.start();
    this.grid.box.focus();
  }

  // Keys and clicks.

  /** @param {number} index */
  activate(index) {
    const before = this.active;
    this.active = index;
    this.list.items.get(before)?.classList.remove('active');
    this.point();
  }

  /** Shows which row the keys are at. */
  point() {
    const item = this.list.items.get(this.active);
    item?.classList.add('active');
    if (item && this.view === 'list') this.grid.box.setAttribute('aria-activedescendant', `item-${this.active}`);
    else this.grid.box.removeAttribute('aria-activedescendant');
  }

  /** @param {KeyboardEvent} event */
  keyInList(event) {
    if (event.target !== this.grid.box || event.ctrlKey || event.metaKey || event.altKey || this.pages.total <= 0) return;
    const { columns } = this.list;
    const lines = this.list.lines();
    /** @type {Record<string, number>} */
    const steps = {
      ArrowDown: columns, ArrowUp: -columns, PageDown: lines * columns, PageUp: -lines * columns,
      Home: -Infinity, End: Infinity,
    };
    if (columns > 1) Object.assign(steps, { ArrowRight: 1, ArrowLeft: -1 });
    if (event.key in steps) {
      event.preventDefault();
      const index = Math.max(0, Math.min(this.pages.total - 1, this.active + steps[event.key]));
      this.list.reveal(index);
      this.activate(index);
    } else if (event.key === 'Enter' || event.key === ' ') {
      event.preventDefault();
      const card = this.pages.row(this.active);
      if (card) this.show(card.row);
    }
  }

  /** @param {KeyboardEvent} event */
  keyAnywhere(event) {
    const { target } = event;
    const isTyping = target instanceof HTMLInputElement || target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement;
    if (event.key === '/' && !isTyping && !this.dialog.open && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      this.bar.search.focus();
      this.bar.search.select();
    }
  }

  /** Links to rows and filters lead to the list. @param {MouseEvent} event */
  clicked(event) {
    const anchor = event.target instanceof Element ? event.target.closest('a[href^="#"]') : null;
    const hash = anchor?.getAttribute('href') ?? '';
    if (!hash.includes('=') || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    const row = new URLSearchParams(hash.slice(1)).get('row');
    if (row) {
      this.show(Number(row));
      return;
    }
    this.follow(false, hash);
    if (this.view === 'gallery' && this.filter.status.length === 0) {
      this.view = 'list';
      this.choose('gallery');
    } else {
      this.note(true);
    }
    this.grid.box.closest('section')?.scrollIntoView();
    this.grid.box.focus({ preventScroll: true });
  }

  // One row.

  /** Shows a row. @param {number} row @param {boolean} [isNoted] Its number is in the address already. */
  async show(row, isNoted = false) {
    if (this.open === row && this.dialog.open) return;
    const wasOpen = this.dialog.open;
    this.open = row;
    if (!isNoted) this.note(!wasOpen);
    this.told = '';
    this.asking?.abort();
    this.asking = new AbortController();
    if (!wasOpen) {
      this.fill('', make('p', { class: 'nothing' }, 'Reading…'));
      this.dialog.showModal();
    }
    await this.tell(row, this.asking.signal);
  }

  /** @param {number} row @param {AbortSignal} signal */
  async tell(row, signal) {
    try {
      const story = await this.source.story(row, signal);
      if (signal.aborted || this.open !== row) return;
      const news = JSON.stringify(story);
      if (news === this.told) return;
      this.told = news;
      const content = story ? detail(story, this.source.address) : [make('p', { class: 'nothing' }, 'The batch has no such row.')];
      this.fill(story?.id ?? '', ...content);
    } catch (error) {
      if (signal.aborted || this.told) return;
      this.fill('', make('p', { class: 'nothing' }, 'The row could not be read.'));
    }
  }

  /** Looks whether the row that is shown has changed; not while its video plays. */
  renew() {
    const player = this.dialog.querySelector('video');
    if (player && !player.paused || this.asking === undefined) return;
    this.tell(this.open, this.asking.signal);
  }

  /** What is in the dialog; its buttons stay, so that the keys stay where they are. @param {string} id @param {...HTMLElement} content */
  fill(id, ...content) {
    const { name, body } = this.sheet;
    name.replaceChildren(`Row ${this.open} `);
    if (id) name.append(outside(id));
    body.replaceChildren(...content);
    body.scrollTop = 0;
  }

  /** To the next row of the list, or the one before. @param {number} step */
  async step(step) {
    const isListed = this.pages.row(this.active)?.row === this.open;
    if (!isListed) {
      // It was opened by its number: then the numbers are what is gone along.
      if (this.open + step > 0) await this.show(this.open + step);
      return;
    }
    const index = this.active + step;
    if (index < 0 || index >= this.pages.total) return;
    this.list.reveal(index);
    this.activate(index);
    const card = this.pages.row(index);
    if (card) await this.show(card.row);
  }

  /** @param {KeyboardEvent} event */
  keyInDialog(event) {
    const { target } = event;
    if (target instanceof HTMLVideoElement || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === 'ArrowLeft' || event.key === 'ArrowRight') {
      event.preventDefault();
      this.step(event.key === 'ArrowLeft' ? -1 : 1);
    }
  }

  closed() {
    this.asking?.abort();
    this.open = 0;
    // Nothing plays on.
    this.sheet.body.replaceChildren();
    this.note();
    this.grid.box.focus({ preventScroll: true });
  }
}

/**
 * What chooses the rows.
 * @param {() => void} typed
 * @param {(view: string) => void} choose
 * @param {() => void} offerCodes
 * @param {(state: string) => void} toggle
 */
function bar(typed, choose, offerCodes, toggle) {
  const search = /** @type {HTMLInputElement} */ (make('input', {
    type: 'search', class: 'search', placeholder: 'Search prompts, ids, messages', 'aria-label': 'Search the rows',
    'aria-keyshortcuts': '/', autocomplete: 'off', spellcheck: 'false', input: typed,
  }));
  const code = /** @type {HTMLInputElement} */ (make('input', {
    type: 'search', class: 'code', placeholder: 'Code', 'aria-label': 'Only rows with this error code', list: 'codes',
    autocomplete: 'off', spellcheck: 'false', input: typed, focus: offerCodes,
  }));
  const codes = make('datalist', { id: 'codes' });
  const views = ['list', 'gallery'].map((view) => make('button', {
    type: 'button', 'data-view': view, click: () => choose(view),
  }, view === 'list' ? 'List' : 'Videos'));
  // They stay the same elements: one that was exchanged under a finger would not be clicked.
  const chips = new Map(STATES.map((state) => {
    const count = make('span');
    const chip = make('button', { type: 'button', class: 'chip', 'data-state': state, click: () => toggle(state) }, state, count);
    return [state, { chip, count }];
  }));
  const count = make('span', { class: 'rows-total', role: 'status', 'aria-live': 'polite' });
  const box = make('div', { class: 'rows-bar', role: 'search' },
    search, code, codes,
    make('span', { class: 'choice', role: 'group', 'aria-label': 'Show as' }, ...views),
    make('div', { class: 'rows-filter' },
      make('div', { class: 'chips', role: 'group', 'aria-label': 'Only rows that are' }, ...[...chips.values()].map(({ chip }) => chip)),
      count));
  return { box, search, code, codes, views, chips, count };
}

/**
 * The table, without rows.
 * @param {(event: KeyboardEvent) => void} keydown
 */
function grid(keydown) {
  const names = [['row', 'Row'], ['status', 'Status'], ['prompt', 'Prompt'], ['trouble', 'Trouble'],
    ['credits', 'Credits'], ['sent', 'Accepted, UTC'], ['took', 'Took']];
  const head = make('div', { class: 'list-head', role: 'row', 'aria-rowindex': 1 },
    ...names.map(([name, words]) => make('span', { class: `cell-${name}`, role: 'columnheader' }, words)));
  const viewport = make('div', { class: 'viewport', role: 'rowgroup', tabindex: -1 });
  const box = make('div', {
    class: 'list', role: 'grid', tabindex: 0, 'aria-labelledby': 'rows-heading', 'aria-readonly': 'true', keydown,
  }, head, viewport);
  return { box, head, viewport };
}

/**
 * Where one row is shown.
 * @param {(step: number) => void} go
 */
function sheet(go) {
  const name = make('h2', { id: 'detail-name' });
  const body = make('div', { class: 'detail-body', tabindex: 0 });
  const dialog = /** @type {HTMLDialogElement} */ (make('dialog', { 'aria-labelledby': 'detail-name' },
    make('div', { class: 'detail' },
      make('div', { class: 'detail-bar' }, name,
        make('button', { type: 'button', 'aria-label': 'Previous row', title: 'Previous row (←)', click: () => go(-1) }, '←'),
        make('button', { type: 'button', 'aria-label': 'Next row', title: 'Next row (→)', click: () => go(1) }, '→'),
        make('button', { type: 'button', title: 'Close (Esc)', autofocus: true, click: () => dialog.close() }, 'Close')),
      body)));
  return { dialog, name, body };
}

/** The beginning of a text, as what is out of sight need not be laid out. @param {string} text @param {number} most */
function shorten(text, most) {
  return text.length > most ? `${visible(text.slice(0, most))}…` : text;
}
