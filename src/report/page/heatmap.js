// Heat maps: a canvas of one pixel a cell, enlarged; axes, hover and keyboard cursor around it.

/** 0 … 255 -> the load relative to the mean; NaN: not recorded. See load_code in report_data.h. */
function decodeLoad(code) {
  if (code === 255) return NaN;
  return code === 0 ? 0 : 2 ** ((code - 1) * 8 / 253 - 4);
}

function decodeBytes(base64) {
  const text = atob(base64);
  return Uint8Array.from(text, (c) => c.charCodeAt(0));
}

/** How far the colours of loads reach to each side of the mean: [name, octaves]. */
const LOAD_SPANS = {'4×': 2, '2×': 1, '1.2×': Math.log2(1.2)};
const loadSpan = () => LOAD_SPANS[view.toggles['load span']] || 2;

/** The load relative to the mean -> [r, g, b, a]. */
function loadPalette() {
  const span = loadSpan();
  const [low, even, high, dead] = ['--low', '--even', '--high', '--dead'].map((name) => rgb(cssColour(name)));
  return (load) => {
    if (!finite(load)) return [0, 0, 0, 0];
    if (load <= 0) return [...dead, 255];
    const share = Math.max(-1, Math.min(1, Math.log2(load) / span));
    return [...mix(even, share < 0 ? low : high, Math.abs(share) ** 0.85), 255];
  };
}

/** A difference of relative loads, `span` at the end of the scale. */
function differencePalette(span) {
  const [less, same, more] = ['--less', '--same', '--more'].map((name) => rgb(cssColour(name)));
  return (value) => {
    if (!finite(value)) return [0, 0, 0, 0];
    const share = Math.max(-1, Math.min(1, value / span));
    return [...mix(same, share < 0 ? less : more, Math.abs(share) ** 0.85), 255];
  };
}

function ramp(from, to, gradient, withDead) {
  const legend = element('span', {class: 'ramp'}, from, element('i', {style: `background: linear-gradient(90deg, ${gradient})`}), to);
  if (withDead) legend.append(element('span', {class: 'dead'}), 'no token');
  return legend;
}

/** The colours of loads, with buttons for how far they reach; `redraw` follows a choice. */
function loadRamp(redraw) {
  const legend = element('div', {class: 'map-tools'});
  const build = () => {
    const octaves = loadSpan();
    const group = element('span', {class: 'group', role: 'group', 'aria-label': 'range of the colours'}, 'colours up to');
    for (const name of Object.keys(LOAD_SPANS)) {
      const button = element('button', {type: 'button', 'aria-pressed': LOAD_SPANS[name] === octaves}, name);
      button.addEventListener('click', () => {
        view.toggles['load span'] = name;
        view.save();
        loadRamp.redraw.forEach((act) => act());
        legend.querySelector('[aria-pressed=true]').focus();
      });
      group.append(button);
    }
    legend.replaceChildren(ramp(`${plain(2 ** -octaves, 2)}× the mean`, `${plain(2 ** octaves, 2)}×`, 'var(--low), var(--even), var(--high)', true), group);
  };
  loadRamp.redraw.push(build, redraw);
  build();
  return legend;
}
loadRamp.redraw = [];

/**
 * options: {title, unit, rows, columns, value(r, c), palette() -> value -> rgba, describe(r, c) -> text,
 *           yLabels: text[], yEach?: a label stands at each row, xLabels: text[], height}
 */
class HeatMap {
  constructor(parent, options) {
    this.options = options;
    this.canvas = element('canvas', {tabindex: 0, role: 'img', width: options.columns, height: options.rows, style: `height: ${options.height}px`,
      'aria-label': `${options.title}. Arrow keys move through the cells.`});
    this.mark = element('div', {class: 'mark', hidden: ''});
    this.tip = element('div', {class: 'tip', hidden: ''});
    this.spoken = element('div', {class: 'visually-hidden', 'aria-live': 'polite'});
    const cells = element('div', {class: 'cells'}, this.canvas, this.mark, this.tip);
    const labels = (kind, texts) => element('div', {class: kind}, ...texts.map((text) => element('span', {}, text)));
    const map = element('div', {class: 'map'}, labels(options.yEach ? 'y each' : 'y', options.yLabels), cells, labels('x', options.xLabels));
    this.figure = element('figure', {}, element('figcaption', {}, element('b', {}, options.title), element('span', {class: 'unit'}, options.unit || '')), map, this.spoken);
    parent.append(this.figure);
    this.cell = null;
    this.listen();
    this.draw();
  }

  draw() {
    const {rows, columns, value, palette} = this.options;
    const colour = palette();
    const context = this.canvas.getContext('2d');
    const image = context.createImageData(columns, rows);
    for (let r = 0; r < rows; ++r) {
      for (let c = 0; c < columns; ++c) image.data.set(colour(value(r, c)), 4 * (r * columns + c));
    }
    context.putImageData(image, 0, 0);
  }

  point(cell, spoken) {
    this.cell = cell;
    this.mark.hidden = this.tip.hidden = cell === null;
    if (cell === null) return;
    const {rows, columns, describe} = this.options;
    const [r, c] = cell;
    const width = this.canvas.clientWidth, height = this.canvas.clientHeight;
    const [w, h] = [width / columns, height / rows];
    Object.assign(this.mark.style, {left: `${c * w}px`, top: `${r * h}px`, width: `${w}px`, height: `${h}px`});
    this.tip.textContent = describe(r, c);
    const left = (c + 1) * w + 10 + this.tip.offsetWidth > width ? c * w - 10 - this.tip.offsetWidth : (c + 1) * w + 10;
    this.tip.style.left = `${Math.max(-40, left)}px`;
    this.tip.style.top = `${Math.min(height, (r + 1) * h + 4)}px`;
    if (spoken) this.spoken.textContent = describe(r, c);
  }

  listen() {
    const {rows, columns} = this.options;
    this.canvas.addEventListener('pointermove', (event) => {
      const frame = this.canvas.getBoundingClientRect();
      const r = Math.floor((event.clientY - frame.top) / frame.height * rows);
      const c = Math.floor((event.clientX - frame.left) / frame.width * columns);
      this.point(r >= 0 && r < rows && c >= 0 && c < columns ? [r, c] : null);
    });
    for (const kind of ['pointerleave', 'blur']) this.canvas.addEventListener(kind, () => this.point(null));
    this.canvas.addEventListener('keydown', (event) => {
      if (event.key === 'Escape') return this.point(null);
      const move = {ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0]}[event.key];
      if (!move) return undefined;
      event.preventDefault();
      const [r, c] = this.cell || [0, -move[1]];
      return this.point([Math.min(rows - 1, Math.max(0, r + move[0])), Math.min(columns - 1, Math.max(0, c + move[1]))], true);
    });
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.draw());
  }
}
