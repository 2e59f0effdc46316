// @ts-check
// A list of any length, of which only what is in sight is in the document.

/**
 * Browsers clip taller elements (Firefox at 17.9 million pixels, Chromium at 33.5 million). A list that would be taller,
 * from some 200,000 rows on, is squeezed: a pixel of the scroll bar is more than a pixel of the list then.
 */
const TALLEST = 8_000_000;

/** Pixels above and below those in sight that are drawn, too. */
const SPARE = 240;

export class VirtualList {
  /**
   * @param {HTMLElement} viewport What scrolls.
   * @param {(index: number) => HTMLElement} draw Makes an item.
   * @param {(first: number, last: number) => void} seen Told which items are in the document.
   */
  constructor(viewport, draw, seen) {
    this.viewport = viewport;
    this.draw = draw;
    this.seen = seen;
    this.total = 0;
    this.columns = 1;
    this.lineHeight = 40;
    /** @type {Map<number, HTMLElement>} */
    this.items = new Map();
    this.canvas = document.createElement('div');
    this.canvas.className = 'canvas';
    this.shown = document.createElement('div');
    this.shown.className = 'shown';
    for (const box of [this.canvas, this.shown]) box.setAttribute('role', 'presentation');
    this.canvas.append(this.shown);
    viewport.replaceChildren(this.canvas);
    this.frame = 0;
    viewport.addEventListener('scroll', () => this.soon(), { passive: true });
  }

  /**
   * @param {number} total How many items there are.
   * @param {number} lineHeight In pixels, the gap below included.
   * @param {number} [columns] Items in a line.
   */
  resize(total, lineHeight, columns = 1) {
    const changed = lineHeight !== this.lineHeight || columns !== this.columns;
    [this.total, this.lineHeight, this.columns] = [total, lineHeight, columns];
    this.canvas.style.height = `${Math.min(this.whole(), TALLEST)}px`;
    if (changed) this.clear();
    this.render();
  }

  /** The height that the list would have, in pixels. */
  whole() {
    return Math.ceil(this.total / this.columns) * this.lineHeight;
  }

  /** Pixels of the list for a pixel of the scroll bar. */
  squeeze() {
    const room = Math.min(this.whole(), TALLEST) - this.viewport.clientHeight;
    return room > 0 ? (this.whole() - this.viewport.clientHeight) / room : 1;
  }

  /** Takes all items out of the document, so that they are made anew. */
  clear() {
    this.items.clear();
    this.shown.replaceChildren();
  }

  /** Makes one item anew, if it is in the document. @param {number} index */
  redraw(index) {
    const old = this.items.get(index);
    if (!old) return;
    const item = this.draw(index);
    old.replaceWith(item);
    this.items.set(index, item);
  }

  soon() {
    if (this.frame) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      this.render();
    });
  }

  /** Puts what is in sight into the document, and takes the rest out. */
  render() {
    const { scrollTop, clientHeight } = this.viewport;
    const top = scrollTop * this.squeeze();
    const firstLine = Math.max(0, Math.floor((top - SPARE) / this.lineHeight));
    const lastLine = Math.ceil((top + clientHeight + SPARE) / this.lineHeight);
    const first = firstLine * this.columns;
    const last = Math.min(this.total, lastLine * this.columns) - 1;
    for (const [index, item] of this.items) {
      if (index < first || index > last) {
        item.remove();
        this.items.delete(index);
      }
    }
    /** @type {HTMLElement | null} */
    let before = null;
    for (let index = first; index <= last; index += 1) {
      let item = this.items.get(index);
      if (!item) {
        item = this.draw(index);
        this.items.set(index, item);
        // Elements that stay are not moved: a video that is moved stops.
        if (before) before.after(item);
        else this.shown.prepend(item);
      }
      before = item;
    }
    this.shown.style.transform = `translateY(${scrollTop + firstLine * this.lineHeight - top}px)`;
    if (last >= first) this.seen(first, last);
  }

  /** Scrolls as little as it takes to have an item in sight. @param {number} index */
  reveal(index) {
    const top = Math.floor(index / this.columns) * this.lineHeight;
    const squeeze = this.squeeze();
    const { scrollTop, clientHeight } = this.viewport;
    if (top < scrollTop * squeeze) {
      this.viewport.scrollTop = top / squeeze;
    } else if (top + this.lineHeight > scrollTop * squeeze + clientHeight) {
      this.viewport.scrollTop = (top + this.lineHeight - clientHeight) / squeeze;
    }
    this.render();
  }

  /** Lines that are in sight at once. */
  lines() {
    return Math.max(1, Math.floor(this.viewport.clientHeight / this.lineHeight));
  }
}
