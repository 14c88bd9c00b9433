// Usage by key and day, from /admin/usage.
import {byId, make} from '../shared/dom.js';
import {BarChart} from './bar_chart.js';
import {count, short, utcDay} from './format.js';
import {colours} from './svg.js';
import {texts} from './texts.js';

const dayMs = 86400000;

const measures = {
  tokens: (line) => line.prompt_tokens + line.completion_tokens,
  requests: (line) => line.requests,
  cost: (line) => Number(line.cost),
};
const sums = ['requests', 'errors', 'prompt_tokens', 'cached_tokens', 'completion_tokens', 'reasoning_tokens'];

/** "0.12" and the like, exact to the billionth as the server writes it. */
const money = (value) => String(Number(value.toFixed(9)));

function lastDays(number) {
  const now = Date.now();
  return Array.from({length: number}, (_, i) => utcDay(now - (number - 1 - i) * dayMs));
}

/** The sums of each key, the busiest first. */
export function byKey(lines) {
  const keys = new Map();
  for (const line of lines) {
    const key = keys.get(line.key) ?? {key: line.key, cost: 0, ...Object.fromEntries(sums.map((name) => [name, 0]))};
    for (const name of sums) key[name] += line[name];
    key.cost += Number(line.cost);
    keys.set(line.key, key);
  }
  return [...keys.values()].sort((a, b) => measures.tokens(b) - measures.tokens(a));
}

/** A series for each of the busiest keys, and one for all others. */
function seriesOf(lines, days, measure) {
  const order = byKey(lines).map(({key}) => key);
  const shown = order.length > colours ? order.slice(0, colours - 1) : order;
  const series = new Map(shown.map((key) => [key, days.map(() => 0)]));
  if (shown.length < order.length) series.set(texts.others, days.map(() => 0));
  for (const line of lines) {
    const values = series.get(line.key) ?? series.get(texts.others);
    values[days.indexOf(line.day)] += measures[measure](line);
  }
  return [...series].map(([name, values]) => ({name, values}));
}

export class Usage {
  /** `changed()` asks for usage anew. */
  constructor(changed) {
    this.lines = [];
    this.chart = new BarChart(byId('usage-chart'), texts.usageTitle);
    byId('usage-measure').append(...Object.entries(texts.measures).map(([name, text]) => make('option', {value: name}, text)));
    byId('usage-measure').addEventListener('change', () => this.draw());
    byId('usage-days').addEventListener('change', changed);
  }

  get from() {
    return lastDays(Number(byId('usage-days').value))[0];
  }

  show(lines) {
    this.lines = lines;
    this.draw();
  }

  draw() {
    const measure = byId('usage-measure').value;
    const days = lastDays(Number(byId('usage-days').value));
    const lines = this.lines.filter((line) => days.includes(line.day));
    this.chart.show({days, series: seriesOf(lines, days, measure), unit: texts.usageUnit[measure],
      format: measure === 'cost' ? money : short});
    const keys = byKey(lines);
    const total = {key: texts.sum, cost: keys.reduce((all, key) => all + key.cost, 0)};
    for (const name of sums) total[name] = keys.reduce((all, key) => all + key[name], 0);
    byId('usage-keys').replaceChildren(
      make('thead', {}, make('tr', {}, ...texts.usageColumns.map((name) => make('th', {scope: 'col'}, name)))),
      make('tbody', {}, ...[...keys, total].map((key) => make('tr', {}, make('th', {scope: 'row'}, key.key),
        ...sums.map((name) => make('td', {class: 'number'}, count(key[name]))), make('td', {class: 'number'}, money(key.cost))))));
  }
}
