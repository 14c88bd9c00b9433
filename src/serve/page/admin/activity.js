// The charts of the last hour.
import {byId} from '../shared/dom.js';
import {percent, short} from './format.js';
import {LineChart} from './line_chart.js';
import {texts} from './texts.js';

const mostSamples = 720;

/** "2", "0.5", "24": a rate of 23.99 a minute is one of 24. */
const whole = (value) => short(Number(value.toFixed(1)));
const share = (part, all) => (all > 0 ? part / all : null);

// Of each chart: how a value is written, what the axis goes to at least, and its lines from the columns
// of /admin/history at index i.
const charts = {
  tokens: {format: short, least: 1, lines: [
    (c, i) => c.generated_tokens[i] / c.seconds[i],
    (c, i) => c.prompt_tokens[i] / c.seconds[i]]},
  requests: {format: whole, least: 4, lines: [(c, i) => c.running[i], (c, i) => c.waiting[i]]},
  cache: {format: percent, least: 1, lines: [
    (c, i) => c.cache_share[i],
    (c, i) => share(c.cached_tokens[i], c.cached_tokens[i] + c.prompt_tokens[i])]},
  drafts: {format: percent, least: 1, lines: [(c, i) => share(c.accepted_tokens[i], c.draft_tokens[i])]},
  ends: {format: whole, least: 4, lines: [
    (c, i) => 60 * c.failed[i] / c.seconds[i],
    (c, i) => 60 * c.refused[i] / c.seconds[i],
    (c, i) => 60 * c.cancelled[i] / c.seconds[i]]},
};

export class Activity {
  constructor() {
    this.columns = null;
    this.views = Object.entries(charts).map(([name, {format, least}]) => (
      {name, chart: new LineChart(byId('activity'), texts.charts[name], format, least)}));
  }

  /** The end of the last sample that is known here. */
  get after() {
    return this.columns?.end_s.at(-1) ?? 0;
  }

  forget() {
    this.columns = null;
  }

  /** Adds samples of /admin/history to those that are here. */
  add(columns) {
    if (!this.columns) this.columns = columns;
    else for (const name of Object.keys(columns)) this.columns[name].push(...columns[name]);
    const over = this.columns.end_s.length - mostSamples;
    if (over > 0) for (const values of Object.values(this.columns)) values.splice(0, over);
    for (const {name, chart} of this.views) {
      chart.show(this.columns.end_s, charts[name].lines.map((line) => (
        this.columns.end_s.map((_, i) => line(this.columns, i)))));
    }
  }
}
