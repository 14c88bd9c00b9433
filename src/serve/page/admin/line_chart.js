// Lines over the last hour, with a table of the same for those who do not see them.
import {make} from '../shared/dom.js';
import {clock} from './format.js';
import {margin, onWidth, plot, svg, swatch} from './svg.js';
import {texts} from './texts.js';

const height = 190;
const leastWindowS = 300;  // a server that has just begun is no chart of a few seconds
const tickEveryS = [60, 120, 300, 600, 900];

/** Means by whole minute of the samples that have a value: [{minute, values}], the last minute first. */
function byMinute(times, lines) {
  const minutes = new Map();
  times.forEach((time, at) => {
    const minute = Math.floor(time / 60);
    if (!minutes.has(minute)) minutes.set(minute, lines.map(() => []));
    lines.forEach((line, i) => {
      if (line[at] !== null) minutes.get(minute)[i].push(line[at]);
    });
  });
  const mean = (values) => (values.length ? values.reduce((a, b) => a + b, 0) / values.length : null);
  return [...minutes].map(([minute, all]) => ({minute, values: all.map(mean)})).reverse();
}

export class LineChart {
  /** `text`: {title, unit, series: [names]}; `format` writes a value; `least`: of the highest line. */
  constructor(parent, text, format, least = 1) {
    Object.assign(this, {text, format, least, times: [], lines: []});
    this.readouts = text.series.map(() => make('b'));
    const legend = text.series.map((name, i) => make('span', {class: 'entry'}, swatch(i), ` ${name} `, this.readouts[i]));
    this.moment = make('span', {class: 'note'});
    this.plot = make('div', {class: 'plot'});
    this.table = make('table');
    this.details = make('details', {ontoggle: () => this.fillTable()}, make('summary', {}, texts.asTable),
      make('div', {class: 'table', tabindex: '0', role: 'region', 'aria-label': text.title}, this.table));
    parent.append(make('figure', {},
      make('figcaption', {}, make('b', {}, text.title), make('span', {class: 'note'}, text.unit), this.moment),
      make('div', {class: 'legend'}, ...legend), this.plot, this.details));
    this.plot.addEventListener('pointermove', (event) => this.point(event));
    this.plot.addEventListener('pointerleave', () => this.readOut(null));
    onWidth(this.plot, () => this.draw());
  }

  /** `times`: seconds since 1970; `lines`: for each series a value or null for each of them. */
  show(times, lines) {
    Object.assign(this, {times, lines});
    this.draw();
    this.fillTable();
  }

  draw() {
    const width = Math.max(240, this.plot.clientWidth);
    if (this.times.length === 0) {
      this.plot.replaceChildren(make('p', {class: 'note'}, texts.noSamples));
      return;
    }
    const end = this.times[this.times.length - 1];
    const begin = Math.min(this.times[0], end - leastWindowS);
    const highest = Math.max(this.least, ...this.lines.flat().filter((value) => value !== null));
    const {root, y, left, right, bottom} = plot(width, height, highest, this.format);
    this.x = (time) => left + (right - left) * (time - begin) / (end - begin);
    this.drawTimes(root, begin, end, bottom);
    this.lines.forEach((line, i) => root.append(svg('path', {class: `line series-${i}`, d: this.path(line, y)})));
    this.cursor = svg('line', {class: 'cursor', y1: margin.top, y2: bottom, visibility: 'hidden'});
    root.append(this.cursor);
    root.setAttribute('aria-label', `${this.text.title}, ${this.text.unit}. ${this.describe()}`);
    this.plot.replaceChildren(root);
    this.readOut(null);
  }

  drawTimes(root, begin, end, bottom) {
    const step = tickEveryS.find((s) => (end - begin) / s <= Math.max(3, (this.x(end) - this.x(begin)) / 80)) ?? 1800;
    for (let time = Math.ceil(begin / step) * step; time <= end; time += step) {
      const x = this.x(time);
      root.append(svg('text', {x, y: bottom + 17, 'text-anchor': x > this.x(end) - 18 ? 'end' : 'middle'}, clock(time)));
    }
  }

  path(line, y) {
    let pen = 'M';
    return line.map((value, at) => {
      const move = value === null ? '' : `${pen}${this.x(this.times[at]).toFixed(1)} ${y(value).toFixed(1)}`;
      pen = value === null ? 'M' : 'L';
      return move;
    }).join('');
  }

  describe() {
    return this.lines.map((line, i) => {
      const known = line.filter((value) => value !== null);
      if (known.length === 0) return '';
      return texts.mean(this.text.series[i], this.format(known[known.length - 1]), this.format(Math.max(...known)));
    }).filter(Boolean).join('; ');
  }

  point(event) {
    if (this.times.length === 0) return;
    const x = event.clientX - this.plot.getBoundingClientRect().left;
    let nearest = 0;
    this.times.forEach((time, at) => {
      if (Math.abs(this.x(time) - x) < Math.abs(this.x(this.times[nearest]) - x)) nearest = at;
    });
    this.readOut(nearest);
  }

  /** The legend's values at this sample; null: at the last one. */
  readOut(at) {
    const shown = at ?? this.times.length - 1;
    this.lines.forEach((line, i) => {
      const value = line[shown] ?? null;
      this.readouts[i].textContent = value === null ? texts.none : this.format(value);
    });
    this.moment.textContent = at === null ? '' : clock(this.times[at]);
    if (!this.cursor) return;
    this.cursor.setAttribute('visibility', at === null ? 'hidden' : 'visible');
    if (at === null) return;
    for (const end of ['x1', 'x2']) this.cursor.setAttribute(end, this.x(this.times[at]));
  }

  fillTable() {
    if (!this.details.open) return;
    const head = make('tr', {}, ...[texts.time, ...this.text.series].map((name) => make('th', {scope: 'col'}, name)));
    const rows = byMinute(this.times, this.lines).map(({minute, values}) => make('tr', {},
      make('th', {scope: 'row'}, clock(60 * minute)),
      ...values.map((value) => make('td', {}, value === null ? texts.none : this.format(value)))));
    this.table.replaceChildren(make('thead', {}, head), make('tbody', {}, ...rows));
  }
}
