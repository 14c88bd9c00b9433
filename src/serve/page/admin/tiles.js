// The figures of this moment.
import {byId, make} from '../shared/dom.js';
import {count, percent, short} from './format.js';
import {texts} from './texts.js';

const overMs = 3000;  // rates are of at least this long, so that they can be read

export class Tiles {
  constructor() {
    this.values = {};
    for (const [name, [title, unit]] of Object.entries(texts.tiles)) {
      this.values[name] = make('b');
      byId('tiles').append(make('div', {class: 'tile', 'data-name': name}, make('dt', {}, title),
        make('dd', {}, this.values[name], ' ', make('span', {class: 'note'}, unit))));
    }
    this.before = [];
  }

  /** Tokens a second since some seconds ago; nothing while only one answer is known. */
  rate(name, totals, now) {
    const first = this.before[0];
    if (!first) return texts.none;
    return short(1000 * (totals[name] - first.totals[name]) / (now - first.now));
  }

  /** `status` of /admin/status, `open` of /admin/requests. */
  show(status, open) {
    const {totals, cache, engine} = status;
    const now = 1000 * status.now_s;
    if (this.before.at(-1)?.now > now) this.before = [];  // another server
    const share = (part, all) => (all > 0 ? percent(part / all) : texts.none);
    this.set({
      decode: this.rate('generated_tokens', totals, now),
      prefill: this.rate('prompt_tokens', totals, now),
      open: count(open.queue + open.prefill + open.decode),
      cache: share(cache.pages - cache.free_pages, cache.pages),
      hits: share(totals.cached_tokens, totals.cached_tokens + totals.prompt_tokens),
      disk: cache.disk_bytes > 0 ? short(cache.disk_bytes / (1 << 20)) : texts.none,
      drafts: engine.drafts ? share(totals.accepted_tokens, totals.draft_tokens) : texts.none,
      finished: count(totals.finished),
      wrong: count(totals.failed),
      refused: count(totals.refused),
      cancelled: count(totals.cancelled),
      preempted: count(engine.preemptions),
    });
    this.before.push({now, totals});
    while (this.before.length > 1 && now - this.before[1].now >= overMs) this.before.shift();
  }

  set(values) {
    for (const [name, value] of Object.entries(values)) this.values[name].textContent = value;
  }

  forget() {
    this.before = [];
  }
}
