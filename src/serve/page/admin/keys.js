// The keys with their limits, from /admin/keys.
import {byId, make} from '../shared/dom.js';
import {count, utcDay} from './format.js';
import {texts} from './texts.js';
import {byKey} from './usage.js';

const dayMs = 86400000;

/** The first day, in UTC, of the day, week (from Monday) or month that now is in. */
export function periodBegin(period, now = Date.now()) {
  const date = new Date(now);
  if (period === 'month') return `${utcDay(now).slice(0, 8)}01`;
  if (period === 'week') return utcDay(now - ((date.getUTCDay() + 6) % 7) * dayMs);
  return utcDay(now);
}

/** The first day of all that the keys' periods need. */
export const periodsBegin = () => ['day', 'week', 'month'].map((period) => periodBegin(period)).sort()[0];

function stateOf(key, now) {
  if (key.revoked_s > 0) return 'revoked';
  if (!key.enabled) return 'off';
  return key.expires_s > 0 && key.expires_s <= now ? 'expired' : 'on';
}

function usedOf(key, lines) {
  const begin = periodBegin(key.period);
  const [used] = byKey(lines.filter((line) => line.key === key.name && line.day >= begin));
  return {tokens: used ? used.prompt_tokens + used.completion_tokens : 0, cost: used?.cost ?? 0};
}

function rowOf(key, lines) {
  const limit = (value) => (value > 0 ? count(value) : texts.none);
  const state = stateOf(key, Date.now() / 1000);
  const used = usedOf(key, lines);
  const marks = [texts.keyStates[state], key.admin ? texts.admin : '', key.static ? texts.static : ''];
  const budget = Number(key.budget);
  return make('tr', {'data-state': state}, make('th', {scope: 'row'}, key.name),
    ...[key.shown, marks.filter(Boolean).join(', '), key.models.join(', ') || texts.any].map((text) => make('td', {}, text)),
    ...[limit(key.requests_per_minute), limit(key.tokens_per_minute), limit(key.max_parallel),
      key.quota_tokens > 0 ? texts.usedOf(count(used.tokens), count(key.quota_tokens), key.period) : texts.none,
      budget > 0 ? texts.usedOf(Number(used.cost.toFixed(4)), key.budget, key.period) : texts.none,
      key.priority, key.weight].map((text) => make('td', {class: 'number'}, String(text))),
    make('td', {}, key.expires_s > 0 ? utcDay(1000 * key.expires_s) : texts.none));
}

/** `lines`: usage by key and day since periodsBegin(). */
export function showKeys(keys, lines) {
  const order = [...keys].sort((a, b) => (a.revoked_s > 0) - (b.revoked_s > 0) || a.name.localeCompare(b.name));
  byId('keys').replaceChildren(
    make('thead', {}, make('tr', {}, ...texts.keyColumns.map((name) => make('th', {scope: 'col'}, name)))),
    make('tbody', {}, ...order.map((key) => rowOf(key, lines))));
}
