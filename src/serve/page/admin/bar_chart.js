// Stacked bars, one for each day, with a table of the same.
import {make} from '../shared/dom.js';
import {onWidth, plot, svg, swatch} from './svg.js';
import {texts} from './texts.js';

const height = 230;

export class BarChart {
  constructor(parent, title) {
    this.unit = make('span', {class: 'note'});
    this.legend = make('div', {class: 'legend'});
    this.plot = make('div', {class: 'plot'});
    this.table = make('table');
    this.details = make('details', {}, make('summary', {}, texts.byDay),
      make('div', {class: 'table', tabindex: '0', role: 'region', 'aria-label': title}, this.table));
    parent.append(make('figure', {}, make('figcaption', {}, make('b', {}, title), this.unit), this.legend,
      this.plot, this.details));
    onWidth(this.plot, () => this.draw());
  }

  /** `series`: [{name, values}], a value for each day. */
  show({days, series, unit, format}) {
    Object.assign(this, {days, series, format});
    this.unit.textContent = unit;
    this.legend.replaceChildren(...series.map(({name}, i) => make('span', {class: 'entry'}, swatch(i, true), ` ${name}`)));
    this.draw();
    this.fillTable();
  }

  draw() {
    if (!this.series) return;
    const width = Math.max(240, this.plot.clientWidth);
    const sums = this.days.map((_, day) => this.series.reduce((all, {values}) => all + values[day], 0));
    const most = Math.max(...sums);
    if (!(most > 0)) {
      this.plot.replaceChildren(make('p', {class: 'note'}, texts.nothingUsed));
      return;
    }
    const {root, y, left, right, bottom} = plot(width, height, most, this.format);
    const step = (right - left) / this.days.length;
    const every = Math.ceil(this.days.length / Math.max(2, (right - left) / 60));
    this.days.forEach((day, at) => {
      const x = left + at * step;
      if ((this.days.length - 1 - at) % every === 0) {
        const isLast = at === this.days.length - 1;
        root.append(svg('text', {x: isLast ? right : x + step / 2, y: bottom + 17,
          'text-anchor': isLast ? 'end' : 'middle'}, day.slice(5)));
      }
      let below = 0;
      this.series.forEach(({name, values}, i) => {
        if (values[at] === 0) return;
        const top = y(below + values[at]);
        root.append(svg('rect', {class: `area series-${i}`, x: x + step * 0.12, width: step * 0.76, y: top, height: y(below) - top},
          svg('title', {}, `${day}, ${name}: ${this.format(values[at])}`)));
        below += values[at];
      });
    });
    const all = sums.reduce((a, b) => a + b, 0);
    root.setAttribute('aria-label', `${texts.usageTitle}: ${this.format(all)} ${this.unit.textContent}`);
    this.plot.replaceChildren(root);
  }

  fillTable() {
    const head = [texts.day, ...this.series.map(({name}) => name)];
    const rows = this.days.map((day, at) => make('tr', {}, make('th', {scope: 'row'}, day),
      ...this.series.map(({values}) => make('td', {}, this.format(values[at])))));
    this.table.replaceChildren(make('thead', {}, make('tr', {}, ...head.map((name) => make('th', {scope: 'col'}, name)))),
      make('tbody', {}, ...rows.reverse()));
  }
}
