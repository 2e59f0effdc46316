// @ts-check
// The report: its rows are in the document itself, and its videos are files beside it.

import { letButtonsCopy } from './text.js';
import { Rows } from './rows.js';

document.documentElement.classList.add('scripted');
letButtonsCopy();

/** The values of a row in their order; `report/rows.rs` writes them. */
const FIELDS = ['row', 'place', 'id', 'status', 'prompt', 'attempts', 'submitted_at', 'completed_at', 'credits', 'kind',
  'code', 'message', 'image', 'video'];

const data = JSON.parse(document.getElementById('data')?.textContent ?? '{"rows":[],"texts":[],"remedies":{}}');

/** @param {any[]} values */
function card(values) {
  /** @type {any} */
  const card = {};
  FIELDS.forEach((name, index) => { card[name] = values[index] ?? null; });
  card.kind = data.texts[card.kind] ?? null;
  card.message = data.texts[card.message] ?? null;
  for (const kind of ['image', 'video']) {
    if (card[kind]) {
      const [file, folder, name] = card[kind];
      card[kind] = { file, url: folder === undefined ? null : `${data.texts[folder]}/${name}` };
    }
  }
  return /** @type {import('./detail.js').RowCard} */ (card);
}

/** @type {import('./detail.js').RowCard[]} */
const all = data.rows.map(card);

/** What a search looks through, made when it is first needed. @type {string[]} */
let texts = [];

/** @param {import('./rows.js').Filter} filter */
function found(filter) {
  const { status, code } = filter;
  const q = filter.q.toLowerCase();
  if (q && texts.length === 0) {
    texts = all.map((row) => [row.id, row.place, row.prompt, row.code, row.message, row.video?.file].join('\n').toLowerCase());
  }
  return all.filter((row, index) =>
    (status.length === 0 || status.includes(row.status))
    && (code === '' || row.code === code)
    && (q === '' || texts[index].includes(q) || String(row.row) === q));
}

/** @type {{ key: string, rows: import('./detail.js').RowCard[] }} */
let last = { key: '', rows: [] };

/** Where a file is, from the report on. @param {string} file */
function beside(file) {
  const path = file.split('/').map(encodeURIComponent).join('/');
  // Without the scheme a name with a colon would be one.
  return file.startsWith('/') ? `file://${path}` : `./${path}`;
}

// As `report.html` it comes from the server of the live page, which has pictures and videos at addresses of its own. The
// data names the files all the same, so that the report is as good when it is saved beside them.
const isServed = location.protocol !== 'file:' && location.pathname.endsWith('/report.html');

const place = document.getElementById('rows');
if (place) {
  new Rows(place, {
    async page(filter, offset, limit) {
      const key = JSON.stringify(filter);
      if (last.key !== key) last = { key, rows: found(filter) };
      return { total: last.rows.length, rows: last.rows.slice(offset, offset + limit) };
    },
    async story(row) {
      // The rows are in the manifest's order and mostly without gaps.
      const card = all[row - 1]?.row === row ? all[row - 1] : all.find((other) => other.row === row);
      if (!card) return null;
      return { ...card, remedy: data.remedies[`${card.status} ${card.code ?? ''}`] ?? null };
    },
    address(card, kind) {
      const media = card[kind];
      if (isServed && (media?.file || kind === 'image' && media)) return `media/${card.row}/${kind}`;
      return media?.file ? beside(media.file) : null;
    },
  });
}
