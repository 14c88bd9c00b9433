// A line chart: axes, legend, hover and keyboard cursor, zoom by dragging, smoothing, log scale.
//
// series: {name, x: {step, tokens, seconds}, y, range?: [least, largest], colour, smooth?, dash?, dots?}
// options: {key, title, unit, format, log?: may be logarithmic, zero?: the axis starts at 0,
//           robust?: extremes are outside until "full range", references?: [{value, name}],
//           skips?: steps, depth?: series are layers in order,
//           layers?: their number if there are several series a layer, height?}
const MARGIN = {left: 54, right: 12, top: 8, bottom: 24};
const MAX_LEGEND = 12, MAX_TIP_ROWS = 10;
const charts = document.getElementById('charts');
let chartCount = 0;

/** A section of the page with a grid for charts. */
function section(title, help, className = 'grid') {
  const grid = element('div', {class: className});
  const node = element('section', {}, element('h2', {}, title));
  if (help) node.append(element('p', {class: 'help'}, help));
  node.append(grid);
  charts.append(node);
  return {node, grid};
}

/**
 * Mean with weights that fall by `weight` a point to both sides, so that the line does not lag behind; at
 * the last point it is the usual exponential moving average. The first points, where curves are steep,
 * are averaged over fewer. Gaps stay gaps.
 */
function smoothed(values, weight) {
  if (!(weight > 0)) return values;
  return values.map((value, i) => {
    if (!finite(value)) return value;
    const own = Math.min(weight, i / (i + 3));
    let sum = value, norm = 1;
    for (let d = 1, w = own; w > 1e-3; ++d, w *= own) {
      for (const v of [values[i - d], values[i + d]]) {
        if (finite(v)) {
          sum += w * v;
          norm += w;
        }
      }
    }
    return sum / norm;
  });
}

function niceTicks(lo, hi, count) {
  const raw = (hi - lo) / Math.max(1, count);
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].map((m) => m * power).find((s) => s >= raw * 0.999) || raw;
  const ticks = [];
  for (let i = Math.ceil(lo / step - 1e-9); i * step <= hi + step * 1e-9; ++i) ticks.push(i * step);
  return ticks;
}

const TIME_STEPS = [1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14400, 21600, 43200, 86400, 172800, 432000, 864000];

/** Ticks for seconds: whole seconds, minutes, hours or days. */
function timeTicks(lo, hi, count, log) {
  if (log) return thinned(TIME_STEPS.filter((t) => t >= lo && t <= hi), count);
  const raw = (hi - lo) / Math.max(1, count);
  const step = TIME_STEPS.find((s) => s >= raw);
  if (raw < 1 || !step) return niceTicks(lo, hi, count);
  const ticks = [];
  for (let t = Math.ceil(lo / step) * step; t <= hi; t += step) ticks.push(t);
  return ticks;
}

function thinned(ticks, count) {
  const skip = Math.ceil(ticks.length / Math.max(1, count));
  return ticks.filter((_, i) => i % skip === 0);
}

function logTicks(lo, hi, count) {
  const decades = Math.log10(hi / lo);
  const digits = decades > 4 ? [1] : decades > 1.5 ? [1, 3] : [1, 2, 3, 5, 7];
  let ticks = [];
  for (let p = Math.floor(Math.log10(lo)); p <= Math.ceil(Math.log10(hi)); ++p) {
    for (const d of digits) ticks.push(Number(`${d}e${p}`));
  }
  ticks = ticks.filter((t) => t >= lo * 0.999 && t <= hi * 1.001);
  if (ticks.length < 2) ticks = niceTicks(lo, hi, count).filter((t) => t > 0);
  return thinned(ticks, count + 2);
}

/** A format with as many digits as it takes to tell the ticks of an axis apart: 0.99998, 0.99999, 1. */
function distinctLabels(ticks, format) {
  for (let digits = 4; digits < 10; ++digits) {
    if (new Set(ticks.map((v) => format(v, digits))).size === ticks.length) return (v) => format(v, digits);
  }
  return format;
}

/** A monotonic map of [lo, hi] to pixels. */
function makeScale(lo, hi, from, to, log) {
  const f = log ? Math.log : (v) => v;
  const a = f(lo), b = f(hi);
  const scale = (v) => from + (to - from) * ((f(v) - a) / (b - a || 1));
  scale.invert = (p) => {
    const t = a + (b - a) * ((p - from) / (to - from));
    return log ? Math.exp(t) : t;
  };
  return scale;
}

function quantile(sorted, q) {
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.round(q * (sorted.length - 1))))];
}

class LineChart {
  constructor(parent, series, options) {
    this.series = series;
    this.options = {format: plain, height: 230, ...options};
    this.id = ++chartCount;
    this.hidden = new Set(view.toggles[`${this.options.key} hidden`] || []);
    this.figure = element('figure');
    this.plot = element('div', {class: 'plot'});
    this.legend = element('div', {class: 'legend'});
    this.tip = element('div', {class: 'tip', hidden: ''});
    this.spoken = element('div', {class: 'visually-hidden', 'aria-live': 'polite'});
    this.svg = svgElement('svg', {tabindex: 0, role: 'img', height: this.options.height});
    this.plot.append(this.svg, this.tip);
    this.figure.append(this.caption(), this.plot, this.legend, this.spoken);
    parent.append(this.figure);
    this.buildLegend();
    this.listen();  // the first drawing comes with view.changed(), when the layout is known
  }

  caption() {
    const {key, title, unit, log, robust, help} = this.options;
    const buttons = element('span', {class: 'buttons'});
    if (robust) buttons.append(toggle(`${key} full`, 'full range', 'Also the extreme values', false, () => this.draw()));
    if (log) buttons.append(toggle(`${key} log`, 'log', 'Logarithmic vertical axis', this.options.logFirst || false, () => this.draw()));
    const caption = element('figcaption', {}, element('b', {}, title), element('span', {class: 'unit'}, unit || ''), element('span', {class: 'latest'}), buttons);
    if (help) caption.title = help;
    return caption;
  }

  colour(s) {
    if (!this.options.depth) return `var(--s${s.colour % 8})`;
    const layers = this.options.layers || this.series.length;
    const share = layers > 1 ? (this.series.indexOf(s) % layers) / (layers - 1) : 0.7;
    return `rgb(${mix(rgb(cssColour('--depth-from')), rgb(cssColour('--depth-to')), share)})`;
  }

  buildLegend() {
    this.values = new Map();
    if (this.series.length === 1) {
      this.values.set(this.series[0], this.figure.querySelector('.latest'));
      return;
    }
    if (this.series.length > MAX_LEGEND) {
      const [first, last] = [this.series[0].name, this.series[(this.options.layers || this.series.length) - 1].name];
      const ramp = element('i', {style: 'background: linear-gradient(90deg, var(--depth-from), var(--depth-to))'});
      this.legend.append(element('span', {class: 'ramp'}, first, ramp, last));
      return;
    }
    for (const s of this.series) {
      const value = element('span', {class: 'value'});
      const swatch = element('span', {class: 'swatch', style: `background: ${this.colour(s)}`});
      const button = element('button', {type: 'button', 'aria-pressed': !this.hidden.has(s.name), title: 'Show or hide'}, swatch, s.name + ' ', value);
      button.addEventListener('click', () => {
        if (!this.hidden.delete(s.name)) this.hidden.add(s.name);
        button.setAttribute('aria-pressed', !this.hidden.has(s.name));
        view.toggles[`${this.options.key} hidden`] = [...this.hidden];
        view.save();
        this.draw();
      });
      this.values.set(s, value);
      this.legend.append(button);
    }
  }

  shown() {
    return this.series.filter((s) => !this.hidden.has(s.name));
  }

  /** Where a series' drawn line is: smoothed if it asks for it. */
  line(s) {
    return s.smooth ? smoothed(s.y, view.smoothing) : s.y;
  }

  findXRange() {
    if (view.zoom) return view.zoom;
    let lo = Infinity, hi = -Infinity;
    for (const s of this.series) {
      const x = s.x[view.xAxis];
      for (const v of x) {
        if (view.xLog && !(v > 0)) continue;
        if (v < lo) lo = v;
        if (v > hi) hi = v;
      }
    }
    if (!(lo <= hi)) return [0, 1];
    if (!view.xLog && this.series[0].x[view.xAxis].length > 3) lo = Math.min(lo, 0);
    return lo === hi ? [lo - (view.xLog ? lo / 2 : 1), hi + 1] : [lo, hi];
  }

  /** What a series adds to the vertical range: its values between the x's, without the extremes if `robust`. */
  extent(s, [xLo, xHi], log, robust) {
    const x = s.x[view.xAxis], line = this.line(s), values = [];
    const good = (v) => finite(v) && (!log || v > 0);
    for (let i = 0; i < x.length; ++i) {
      if (x[i] < xLo || x[i] > xHi) continue;
      const shown = s.smooth ? [line[i], s.y[i]] : [line[i]];
      if (s.range && !robust) shown.push(s.range[0][i], s.range[1][i]);
      values.push(...shown.filter(good));
    }
    values.sort((a, b) => a - b);
    const cut = robust && values.length > 100 ? 0.005 : 0;
    return values.length ? [quantile(values, cut), quantile(values, 1 - cut)] : [];
  }

  findYRange([xLo, xHi], log) {
    // The steep first steps would leave no height for the rest: they may leave the frame, unless they are asked for.
    const robust = Boolean(this.options.robust && !view.xLog && !view.toggles[`${this.options.key} full`]);
    const begin = robust && !view.zoom ? xLo + 0.05 * (xHi - xLo) : xLo;
    const all = this.shown().flatMap((s) => this.extent(s, [begin, xHi], log, robust));
    for (const r of this.options.references || []) all.push(r.value);
    if (all.length === 0) return [log ? 0.1 : 0, 1];
    let lo = Math.min(...all);
    const hi = Math.max(...all);
    if (log) return lo === hi ? [lo / 2, hi * 2] : [lo * (lo / hi) ** 0.04, hi * (hi / lo) ** 0.04];
    if (this.options.zero) lo = Math.min(lo, 0);
    const pad = (hi - lo) * 0.06 || Math.abs(hi) * 0.1 || 0.5;
    return [this.options.zero && lo === 0 ? 0 : lo - pad, hi + pad];
  }

  draw() {
    const width = Math.max(240, this.plot.clientWidth || 480);
    const {height, key, log: mayLog} = this.options;
    const log = Boolean(mayLog && (view.toggles[`${key} log`] ?? this.options.logFirst));
    const xRange = this.findXRange(), yRange = this.findYRange(xRange, log);
    const box = {left: MARGIN.left, right: width - MARGIN.right, top: MARGIN.top, bottom: height - MARGIN.bottom};
    this.x = makeScale(...xRange, box.left, box.right, view.xLog && xRange[0] > 0);
    this.y = makeScale(...yRange, box.bottom, box.top, log);
    Object.assign(this, {width, box, xRange, yRange, log});
    this.svg.setAttribute('viewBox', `0 0 ${width} ${height}`);
    this.svg.textContent = '';
    this.drawAxes();
    this.drawSeries();
    this.overlay = svgElement('g');
    this.svg.append(this.overlay);
    this.describe();
    this.drawCursor();
  }

  drawAxes() {
    const {box, svg} = this;
    const axis = X_AXES[view.xAxis];
    const xCount = Math.floor((box.right - box.left) / 85), yCount = Math.floor((box.bottom - box.top) / 38);
    const xLog = view.xLog && this.xRange[0] > 0;
    const xTicks = view.xAxis === 'seconds' ? timeTicks(...this.xRange, xCount, xLog)
      : (xLog ? logTicks : niceTicks)(...this.xRange, xCount);
    const yTicks = this.log ? logTicks(...this.yRange, yCount) : niceTicks(...this.yRange, yCount);
    const label = distinctLabels(yTicks, this.options.format);
    for (const v of yTicks) {
      const y = this.y(v);
      svg.append(svgElement('line', {class: 'grid-line', x1: box.left, x2: box.right, y1: y, y2: y}),
        svgElement('text', {x: box.left - 6, y: y + 4, 'text-anchor': 'end'}, label(v)));
    }
    for (const v of xTicks) {
      const x = this.x(v);
      svg.append(svgElement('line', {class: 'axis-line', x1: x, x2: x, y1: box.bottom, y2: box.bottom + 4}),
        svgElement('text', {x, y: box.bottom + 16, 'text-anchor': x > box.right - 20 ? 'end' : 'middle'}, axis.format(v)));
    }
    svg.append(svgElement('line', {class: 'axis-line', x1: box.left, x2: box.right, y1: box.bottom, y2: box.bottom}));
  }

  path(x, y) {
    let d = '', pen = 'M';
    for (let i = 0; i < x.length; ++i) {
      if (!finite(y[i]) || (this.log && !(y[i] > 0)) || (view.xLog && !(x[i] > 0))) {
        pen = 'M';
        continue;
      }
      d += `${pen}${this.x(x[i]).toFixed(1)} ${this.y(y[i]).toFixed(1)}`;
      pen = 'L';
    }
    return d;
  }

  band(x, [least, largest]) {
    const keep = x.map((_, i) => i).filter((i) => finite(least[i]) && (!this.log || least[i] > 0) && (!view.xLog || x[i] > 0));
    if (keep.length < 2) return '';
    const point = (i, v) => `${this.x(x[i]).toFixed(1)} ${this.y(v).toFixed(1)}`;
    return 'M' + keep.map((i) => point(i, largest[i])).join('L') + 'L' + keep.reverse().map((i) => point(i, least[i])).join('L') + 'Z';
  }

  drawSeries() {
    const {box, svg} = this;
    const clip = svgElement('clipPath', {id: `clip${this.id}`});
    clip.append(svgElement('rect', {x: box.left, y: box.top - 4, width: box.right - box.left + 4, height: box.bottom - box.top + 8}));
    const layer = svgElement('g', {'clip-path': `url(#clip${this.id})`});
    svg.append(clip, layer);
    const many = this.series.length > MAX_LEGEND;
    for (const {value, name} of this.options.references || []) {
      const y = this.y(value);
      layer.append(svgElement('line', {class: 'reference', x1: box.left, x2: box.right, y1: y, y2: y}),
        svgElement('text', {x: box.right - 4, y: y - 4, 'text-anchor': 'end'}, name));
    }
    for (const step of (view.xAxis === 'step' && this.options.skips) || []) {
      const x = this.x(step);
      if (x >= box.left) layer.append(svgElement('line', {class: 'skip', x1: x, x2: x, y1: box.bottom - 9, y2: box.bottom}));
    }
    for (const s of this.shown()) {
      const x = s.x[view.xAxis], colour = this.colour(s);
      const style = {fill: 'none', stroke: colour, 'stroke-linejoin': 'round'};
      if (s.range) layer.append(svgElement('path', {d: this.band(x, s.range), fill: colour, opacity: 0.16, stroke: 'none'}));
      if (s.smooth && view.smoothing > 0) layer.append(svgElement('path', {...style, d: this.path(x, s.y), opacity: this.series.length > 8 ? 0 : this.options.depth ? 0.15 : 0.3, 'stroke-width': 1}));
      layer.append(svgElement('path', {...style, d: this.path(x, this.line(s)), 'stroke-width': many ? 1 : 1.8, opacity: many ? 0.75 : 1, 'stroke-dasharray': s.dash || 'none'}));
      const few = x.length <= 60 && !many;
      if ((s.dots && few) || x.length === 1) {
        for (let i = 0; i < x.length; ++i) {
          if (!finite(s.y[i]) || (this.log && !(s.y[i] > 0)) || (view.xLog && !(x[i] > 0))) continue;
          layer.append(svgElement('circle', {cx: this.x(x[i]), cy: this.y(s.y[i]), r: 2.4, fill: colour}));
        }
      }
    }
  }

  describe() {
    const parts = this.series.slice(0, MAX_LEGEND).map((s) => {
      const values = this.line(s).filter(finite);
      const last = values[values.length - 1];
      const text = finite(last) ? this.options.format(last) : 'no value';
      if (this.values.has(s)) this.values.get(s).textContent = text;
      return `${s.name} ${text}`;
    });
    this.svg.setAttribute('aria-label', `${this.options.title}, latest: ${parts.join(', ')}. Arrow keys move through the values.`);
  }

  /** The index of the series' point nearest to x, or -1. */
  nearest(s, x) {
    const xs = s.x[view.xAxis];
    if (xs.length === 0) return -1;
    let lo = 0, hi = xs.length - 1;
    while (hi - lo > 1) {
      const middle = (lo + hi) >> 1;
      if (xs[middle] < x) lo = middle;
      else hi = middle;
    }
    return Math.abs(xs[lo] - x) <= Math.abs(xs[hi] - x) ? lo : hi;
  }

  drawCursor(withTip = false) {
    this.overlay.textContent = '';
    this.tip.hidden = true;
    const x = view.hover;
    if (x === null || x < this.xRange[0] || x > this.xRange[1]) return;
    const at = this.x(x), {box} = this;
    this.overlay.append(svgElement('line', {class: 'cursor', x1: at, x2: at, y1: box.top, y2: box.bottom}));
    let rows = this.shown().map((s) => {
      const i = this.nearest(s, x);
      return i < 0 ? null : {s, i, x: s.x[view.xAxis][i], y: this.line(s)[i], raw: s.y[i]};
    }).filter((row) => row && finite(row.y));
    for (const row of rows) {
      const y = this.y(row.y);
      if (this.series.length > MAX_LEGEND || !(y >= box.top - 4 && y <= box.bottom + 4)) continue;
      this.overlay.append(svgElement('circle', {cx: this.x(row.x), cy: y, r: 3, fill: this.colour(row.s)}));
    }
    if (!withTip || rows.length === 0) return;
    if (rows.length > MAX_TIP_ROWS && finite(this.pointerY)) {
      rows.sort((a, b) => Math.abs(this.y(a.y) - this.pointerY) - Math.abs(this.y(b.y) - this.pointerY));
    }
    const more = rows.length - MAX_TIP_ROWS;
    rows = rows.slice(0, MAX_TIP_ROWS);
    this.showTip(at, rows, more);
  }

  showTip(at, rows, more) {
    const nearestRow = rows.reduce((a, b) => (Math.abs(a.x - view.hover) <= Math.abs(b.x - view.hover) ? a : b));
    const heading = X_AXES[view.xAxis].exact(nearestRow.x);
    const table = element('table');
    for (const row of rows) {
      const swatch = element('span', {class: 'swatch', style: `background: ${this.colour(row.s)}`});
      let value = this.options.format(row.y, 5);
      if (row.s.smooth && view.smoothing > 0 && finite(row.raw)) value += ` (raw ${this.options.format(row.raw, 5)})`;
      table.append(element('tr', {}, element('td', {}, swatch, row.s.name), element('td', {}, value)));
    }
    this.tip.textContent = '';
    this.tip.append(element('b', {}, heading), table);
    if (more > 0) this.tip.append(`and ${more} more`);
    this.tip.hidden = false;
    const left = at + 14 + this.tip.offsetWidth > this.width ? at - 14 - this.tip.offsetWidth : at + 14;
    this.tip.style.left = `${Math.max(0, left)}px`;
    this.tip.style.top = '8px';
    if (this.bySpeech) this.spoken.textContent = heading + ': ' + rows.map((r) => `${r.s.name} ${this.options.format(r.y, 4)}`).join(', ');
  }

  listen() {
    const pixel = (event) => {
      const frame = this.svg.getBoundingClientRect();
      this.pointerY = event.clientY - frame.top;
      return Math.min(this.box.right, Math.max(this.box.left, event.clientX - frame.left));
    };
    let dragFrom = null;
    this.svg.addEventListener('pointerdown', (event) => {
      if (event.pointerType === 'mouse' && event.button === 0) {
        dragFrom = pixel(event);
        this.svg.setPointerCapture(event.pointerId);
      }
    });
    this.svg.addEventListener('pointermove', (event) => {
      const at = pixel(event);
      this.bySpeech = false;
      view.point(this.x.invert(at), this);
      if (dragFrom === null) return;
      this.overlay.append(svgElement('rect', {class: 'selection', x: Math.min(dragFrom, at), y: this.box.top, width: Math.abs(at - dragFrom), height: this.box.bottom - this.box.top}));
    });
    this.svg.addEventListener('pointerup', (event) => {
      const from = dragFrom, to = pixel(event);
      dragFrom = null;
      if (from === null || Math.abs(to - from) < 8) return;
      view.zoom = [this.x.invert(Math.min(from, to)), this.x.invert(Math.max(from, to))];
      view.changed();
    });
    this.svg.addEventListener('pointerleave', () => { if (dragFrom === null) view.point(null, this); });
    this.svg.addEventListener('dblclick', () => {
      view.zoom = null;
      view.changed();
    });
    this.svg.addEventListener('keydown', (event) => this.onKey(event));
    this.svg.addEventListener('blur', () => view.point(null, this));
    view.listeners.push((what, source) => {
      if (what === 'view') this.draw();
      else if (this.x) this.drawCursor(source === this);
    });
    new ResizeObserver(() => {
      if (this.x && Math.abs((this.plot.clientWidth || this.width) - this.width) > 1) this.draw();
    }).observe(this.plot);
  }

  onKey(event) {
    const s = this.shown()[0];
    if (!s) return;
    const xs = s.x[view.xAxis];
    const now = view.hover === null ? xs.length - 1 : this.nearest(s, view.hover);
    const page = Math.max(1, Math.round(xs.length / 20));
    const moves = {ArrowLeft: now - 1, ArrowRight: now + 1, PageUp: now - page, PageDown: now + page, Home: 0, End: xs.length - 1};
    if (event.key === 'Escape') {
      view.point(null, this);
    } else if (event.key in moves) {
      event.preventDefault();
      this.bySpeech = true;
      view.point(xs[Math.min(xs.length - 1, Math.max(0, moves[event.key]))], this);
    }
  }
}
