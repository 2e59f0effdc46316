// @ts-check
// Everything about one row: its image beside its video, its prompt, what went wrong, and every request made for it.

import { copyButton, day, grouped, isOfTheWeb, lasting, link, make, moment, outside, sentence, stateWord } from './text.js';

/**
 * @typedef {{ file: string | null, url: string | null }} Media
 * @typedef {{ row: number, place: string, id: string | null, status: string, prompt: string, code: string | null,
 *   message: string | null, attempts: number, submitted_at: number | null, completed_at: number | null,
 *   credits: number | null, kind: string | null, image: Media | null, video: Media | null }} RowCard
 * @typedef {{ began_at: number | null, answered_at: number | null, result: string | null, http_status: number | null,
 *   code: string | null, message: string | null, task_id: string | null, credits: number | null,
 *   ended: string | null }} RequestStory
 * @typedef {RowCard & { task_id?: string | null, remedy?: string | null, cells?: [string, string][],
 *   requests?: RequestStory[] }} RowStory
 * @typedef {(card: RowCard, kind: 'image' | 'video') => string | null} Address Where the document finds a picture or a
 *   video; nothing: nowhere that it may look.
 */

/** So long the API keeps a video. */
const LIFE = 14 * 24 * 3600 * 1000;

/**
 * The video of a row, or what is to be said in its place.
 * @param {RowCard} card
 * @param {Address} address
 */
export function video(card, address) {
  const place = make('div', { class: 'media' });
  const source = address(card, 'video');
  if (!source) {
    place.append(noVideo(card));
    return place;
  }
  // It shows its first frame, which is the source image come to life: another poster would hide a video that is not.
  const player = make('video', {
    controls: true,
    loop: true,
    playsinline: true,
    preload: 'metadata',
    'aria-label': `video of row ${card.row}`,
    error: () => player.replaceWith(noVideo(card)),
  });
  player.append(make('source', { src: `${source}#t=0.001`, error: () => player.replaceWith(noVideo(card)) }));
  place.append(player);
  return place;
}

/**
 * What is to be said of a video that cannot be shown.
 * @param {RowCard} card
 */
function noVideo(card) {
  const text = make('p', { class: 'missing' });
  const { file = null, url = null } = card.video ?? {};
  const deleted = card.completed_at === null ? null : card.completed_at + LIFE;
  if (file) {
    text.append(make('b', {}, 'The video is not here'), 'It was saved as ', outside(file), '.');
  } else if (url) {
    text.append(make('b', {}, 'Not saved'));
  } else if (card.status === 'failed') {
    text.append(make('b', {}, 'No video'), 'The task ended without one.');
  } else if (card.status === 'accepted') {
    text.append(make('b', {}, 'Not yet'), 'Its task has not ended.');
  } else {
    text.append(make('b', {}, 'No video'), `The row is ${card.status}.`);
  }
  if (url && deleted !== null && deleted < Date.now()) {
    text.append(` The API has deleted its own on ${day(deleted)}.`);
  } else if (url && isOfTheWeb(url)) {
    text.append(' ', link(url, 'Its address at the API'), ' works for about a day');
    text.append(deleted === null ? '.' : `; there it is kept until ${day(deleted)}.`);
  }
  return text;
}

/**
 * The source image of a row, or its address.
 * @param {RowCard} card
 * @param {Address} address
 */
function image(card, address) {
  const place = make('div', { class: 'media' });
  const source = address(card, 'image');
  if (source) {
    const picture = make('img', {
      src: source,
      alt: `source image of row ${card.row}`,
      decoding: 'async',
      error: () => picture.replaceWith(noImage(card)),
    });
    place.append(picture);
  } else {
    place.append(noImage(card));
  }
  return place;
}

/** @param {RowCard} card */
function noImage(card) {
  const text = make('p', { class: 'missing' }, make('b', {}, 'The image cannot be shown here'));
  const { file = null, url = null } = card.image ?? {};
  if (url) text.append(link(url));
  else if (file) text.append(outside(file));
  return text;
}

/**
 * @param {RowStory} story
 * @param {Address} address
 */
export function detail(story, address) {
  return [
    make('div', { class: 'pair' },
      make('figure', {}, make('figcaption', {}, 'Source image'), image(story, address)),
      make('figure', {}, make('figcaption', {}, 'Video'), video(story, address))),
    trouble(story),
    story.prompt ? part('Prompt', make('p', { class: 'prompt-whole', dir: 'auto' }, outside(story.prompt))) : null,
    part('Row', facts(story)),
    requests(story),
    story.cells?.length ? part('Cells of the manifest', list(story.cells.map(([name, text]) => [name, outside(text)]), true)) : null,
  ].filter((element) => element !== null);
}

/**
 * @param {string} name
 * @param {HTMLElement} content
 */
function part(name, content) {
  return make('div', {}, make('h3', {}, name), content);
}

/**
 * @param {[string, Node | string | null][]} entries Those without a value are left out.
 * @param {boolean} [isOutside] The names are from the manifest, too.
 */
function list(entries, isOutside = false) {
  const facts = make('dl', { class: 'facts' });
  for (const [name, value] of entries) {
    if (value === null || value === '') continue;
    facts.append(make('dt', {}, isOutside ? outside(name) : name), make('dd', {}, value));
  }
  return facts;
}

/** @param {RowStory} story */
function trouble(story) {
  if (!story.message && !story.code) return null;
  const what = make('p', {}, stateWord(story.status), ' ');
  if (story.code && story.code !== story.status) what.append(make('code', {}, outside(story.code)), ' ');
  if (story.message) what.append(make('bdi', {}, sentence(story.message)));
  const box = make('div', { class: 'trouble' }, what);
  if (story.remedy) box.append(make('p', {}, make('b', {}, 'What to do: '), sentence(story.remedy), '.'));
  return box;
}

/** @param {RowStory} story */
function facts(story) {
  const { task_id, submitted_at, completed_at } = story;
  return list([
    ['status', stateWord(story.status)],
    ['place', story.place],
    ['id', story.id === null ? null : outside(story.id)],
    ['clip', story.kind],
    ['task', task_id ? make('span', { class: 'copyable' }, make('code', {}, outside(task_id)), copyButton(task_id)) : null],
    ['accepted', submitted_at === null ? null : `${moment(submitted_at)} UTC`],
    ['ended', completed_at === null ? null : `${moment(completed_at)} UTC`],
    ['took', submitted_at === null || completed_at === null ? null : lasting(completed_at - submitted_at)],
    ['credits', story.credits === null ? null : grouped(story.credits)],
    ['requests', grouped(story.attempts)],
    ['saved as', story.video?.file ? outside(story.video.file) : null],
    ['image', address(story.image)],
    ['video', address(story.video)],
  ]);
}

/** @param {Media | null} media */
function address(media) {
  return media?.url ? link(media.url) : media?.file ? outside(media.file) : null;
}

/** @param {RowStory} story */
function requests(story) {
  if (!story.requests?.length) return null;
  const entries = story.requests.map((request) => {
    const { began_at, answered_at, http_status, code, message, task_id, credits, ended } = request;
    const line = make('li', {});
    if (began_at !== null) line.append(make('span', { class: 'when' }, `${moment(began_at)} UTC `));
    line.append(make('b', {}, request.result === 'again' ? 'to be made again' : request.result ?? 'in flight'));
    const notes = [
      began_at !== null && answered_at !== null ? `after ${lasting(answered_at - began_at)}` : null,
      http_status === null ? null : `HTTP ${http_status}`,
      code === null || code === String(http_status) ? null : outside(code),
      message === null ? null : outside(message),
      task_id === null ? null : make('code', {}, outside(task_id)),
      ended === null ? null : `its task ${ended}`,
      credits === null ? null : `${grouped(credits)} credits`,
    ];
    for (const note of notes) {
      if (note !== null) line.append(' · ', note);
    }
    return line;
  });
  return part('Requests', make('ol', { class: 'requests' }, ...entries));
}
