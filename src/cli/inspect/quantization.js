// The page of a quantisation study. Data: see quantization_page.cc.
const data = JSON.parse(document.getElementById('data').textContent);

const RATES = [
  {key: 0, name: 'relative error', unit: 'mean of |x − q| / |x|', format: percent},
  {key: 1, name: 'rms error', unit: '‖x − q‖ / ‖x‖', format: percent},
  {key: 2, name: 'absolute error', unit: 'mean of |x − q|', format: (v) => plain(v, 4)},
  {key: 3, name: 'clamped', unit: 'share beyond the largest number', format: percent},
  {key: 4, name: 'to zero', unit: 'share that becomes zero', format: percent},
  {key: 5, name: 'subnormal', unit: 'share below the least normal number', format: percent},
];
const SCALINGS = ['tensor', 'channel', 'block', 'tile'];  // of the octaves
const FORMATS = {bf16: ['BF16', 7], e5m6: ['E5M6', 6], e4m3: ['E4M3', 0], e5m2: ['E5M2', 1]};  // name, colour

const formatOf = (scheme) => scheme.split('-')[0];
const indexOf = (name, otherwise) => {
  const i = data.schemes.indexOf(name);
  return i >= 0 ? i : otherwise;
};

/** "e4m3-block-pow2" -> "128×128 blocks, power-of-two scales" */
function wordsOf(scheme) {
  const parts = scheme.split('-').slice(1);
  const words = {tensor: 'one scale', channel: 'a scale a row', block: '128×128 blocks', tile: '1×128 tiles', static: 'fixed range', pow2: 'powers of two'};
  if (scheme === 'bf16') return 'no scale: the baseline';
  if (scheme === 'e5m6-tile') return '1×128 tiles, powers of two';
  return parts.map((part) => words[part]).join(', ');
}

const chosen = {
  group: 0, rate: RATES[0], scheme: indexOf('e4m3-tensor', 0), against: null,
  listeners: [],
  set(changes) {
    Object.assign(this, changes);
    for (const listener of this.listeners) listener();
  },
};

function choice(label, options, value, act) {
  const select = element('select', {}, ...options.map(([key, text]) => element('option', key === value ? {value: key, selected: ''} : {value: key}, text)));
  select.addEventListener('change', () => act(select.value));
  return element('label', {}, label, select);
}

// ---- schemes side by side

function schemeTable() {
  const rates = data.groups[chosen.group].rates;
  const largest = Math.max(...rates.map((r) => r[chosen.rate.key]), 1e-300);
  const heading = (text, more = {}) => element('th', {scope: 'col', ...more}, text);
  const head = element('tr', {}, heading('scheme'), heading('', {class: 'bar'}), ...RATES.map((rate) => heading(rate.name, {title: rate.unit})));
  const body = element('tbody');
  data.schemes.forEach((scheme, i) => {
    const [name, colour] = FORMATS[formatOf(scheme)];
    const first = i === 0 || formatOf(scheme) !== formatOf(data.schemes[i - 1]);
    const button = element('button', {type: 'button', title: `Show ${scheme} below`}, scheme);
    const length = 100 * rates[i][chosen.rate.key] / largest;
    const bar = element('i', {style: `width: ${length.toFixed(1)}%; background: var(--s${colour})`, title: name});
    const cells = RATES.map((rate) => {
      const value = rates[i][rate.key];
      const lost = (rate.key === 3 || rate.key === 4) && value >= 0.01;  // 1 % of all numbers
      return element('td', {class: value === 0 ? 'zero' : lost ? 'alarm' : ''}, value === 0 ? '0' : rate.format(value));
    });
    const row = element('tr', {'aria-selected': i === chosen.scheme, class: first && i ? 'family' : ''},
      element('th', {scope: 'row'}, button, element('small', {}, wordsOf(scheme))), element('td', {class: 'bar'}, length > 0 ? bar : ''), ...cells);
    row.addEventListener('click', () => chosen.set({scheme: i}));
    body.append(row);
  });
  return element('table', {class: 'schemes'}, element('thead', {}, head), body);
}

/** Buttons for what bars and colours show. */
function rateButtons() {
  return element('span', {class: 'group', role: 'group', 'aria-label': 'what bars and colours show'}, ...RATES.map((rate) => {
    const button = element('button', {type: 'button', 'aria-pressed': rate === chosen.rate, title: rate.unit}, rate.name);
    button.addEventListener('click', () => chosen.set({rate}));
    chosen.listeners.push(() => button.setAttribute('aria-pressed', rate === chosen.rate));
    return button;
  }));
}

function buildSchemes() {
  const place = document.getElementById('schemes');
  const names = data.groups.map((g, i) => [String(i), `${g.name}${g.linear ? '' : ' (not quantised by the FP8 recipe)'}: ${g.tensors} × ${withPrefix(g.numbers / g.tensors)} numbers, largest ${plain(g.amax, 3)}`]);
  document.getElementById('schemes-tools').append(choice('Matrices', names, '0', (value) => chosen.set({group: Number(value)})), rateButtons());
  const draw = () => {
    const focused = place.contains(document.activeElement) ? chosen.scheme : -1;
    place.replaceChildren(schemeTable());
    if (focused >= 0) place.querySelectorAll('button')[focused].focus();
  };
  chosen.listeners.push(draw);
  draw();
}

// ---- the map of kinds and layers

const kinds = [...new Set(data.groups.map((g) => g.name))].filter((name) => data.cells.some((c) => c.kind === name));
const layers = [...new Set(data.cells.map((c) => c.layer))].sort((a, b) => a - b);
const cellOf = new Map(data.cells.map((c) => [`${c.kind} ${c.layer}`, c]));
const cellAt = (r, c) => cellOf.get(`${kinds[r]} ${layers[c]}`);
const layerName = (layer) => (layer < 0 ? 'no layer' : `layer ${layer}`);

/** The cell's value under the present choice; against another scheme their quotient. NaN: no cell. */
function cellValue(r, c) {
  const cell = cellAt(r, c);
  if (!cell) return NaN;
  const value = cell.rates[chosen.scheme][chosen.rate.key];
  if (chosen.against === null) return value;
  const other = cell.rates[chosen.against][chosen.rate.key];
  return other > 0 ? value / other : value > 0 ? Infinity : 1;
}

function cellWords(r, c) {
  const cell = cellAt(r, c);
  const place = `${kinds[r]}, ${layerName(layers[c])}`;
  if (!cell) return `${place}: none`;
  const rates = cell.rates[chosen.scheme];
  const all = RATES.map((rate) => `${rate.name} ${rate.format(rates[rate.key])}`).join(', ');
  const more = chosen.against === null ? '' : `; ${data.schemes[chosen.against]}: ${chosen.rate.format(cell.rates[chosen.against][chosen.rate.key])}`;
  return `${place}${cell.tensors > 1 ? ` (${cell.tensors} tensors)` : ''}: ${all}${more}`;
}

/** The least and the largest finite value of all cells. */
function valueRange() {
  const values = kinds.flatMap((_, r) => layers.map((_, c) => cellValue(r, c))).filter(finite);
  return values.length ? [Math.min(...values), Math.max(...values)] : [0, 0];
}

function buildMap() {
  const place = document.getElementById('map');
  const tools = document.getElementById('map-tools');
  const rates = rateButtons();
  const draw = () => {
    const [least, largest] = valueRange();
    const {rate, against} = chosen;
    const name = data.schemes[chosen.scheme];
    const spread = Math.max(Math.abs(Math.log(Math.max(largest, 1e-9))), Math.abs(Math.log(Math.max(least, 1e-9))), 1e-6);
    const palette = () => {
      const [low, even, high] = ['--low', '--even', '--high'].map((colour) => rgb(cssColour(colour)));
      return (value) => {
        if (Number.isNaN(value)) return [0, 0, 0, 0];
        if (against === null) {
          return [...mix(even, high, largest > least ? 0.04 + 0.96 * (value - least) / (largest - least) : value > 0 ? 0.5 : 0), 255];
        }
        const share = Math.max(-1, Math.min(1, Math.log(Math.max(value, 1e-9)) / spread));
        return [...mix(even, share < 0 ? low : high, Math.abs(share)), 255];
      };
    };
    place.textContent = '';
    new HeatMap(place, {
      title: against === null ? `${rate.name}, ${name}` : `${rate.name}: ${name} over ${data.schemes[against]}`,
      unit: against === null ? rate.unit : 'quotient', rows: kinds.length, columns: layers.length, value: cellValue, palette,
      describe: cellWords, yLabels: kinds, yEach: true, xLabels: layers.length > 1 ? [layerName(layers[0]), layerName(layers[layers.length - 1])] : [layerName(layers[0])],
      height: Math.max(80, 20 * kinds.length),
    });
    const text = (value) => (against === null ? rate.format(value) : `${plain(value, 3)}×`);
    const from = against === null ? 'var(--even), var(--high)' : 'var(--low), var(--even), var(--high)';
    const ends = against === null ? [text(least), text(largest)] : [text(Math.exp(-spread)), text(Math.exp(spread))];
    place.append(element('div', {class: 'map-tools'}, ramp(ends[0], ends[1], from, false)));
    const names = data.schemes.map((scheme, i) => [String(i), scheme]);
    tools.replaceChildren(
      choice('Scheme', names, String(chosen.scheme), (value) => chosen.set({scheme: Number(value)})),
      choice('against', [['', 'nothing'], ...names], against === null ? '' : String(against), (value) => chosen.set({against: value === '' ? null : Number(value)})),
      rates);
  };
  chosen.listeners.push(draw);
  draw();
}

// ---- where the numbers lie

const LIMITS = {e4m3: [14.807, 18.807], e5m2: [29.807, 32.807]};  // from amax: subnormal, zero
const LEAST_SHARE = 1e-7, MOST_OCTAVES = 40, SUPERSCRIPTS = '⁰¹²³⁴';

function rangePlot(group) {
  const width = 380, height = 190, box = {left: 40, right: width - 8, top: 18, bottom: height - 22};
  const x = (octave) => box.left + (box.right - box.left) * octave / MOST_OCTAVES;
  const y = (share) => box.bottom - (box.bottom - box.top) * Math.max(0, 1 - Math.log10(Math.max(share, LEAST_SHARE)) / Math.log10(LEAST_SHARE));
  const svg = svgElement('svg', {viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': `Ranges of ${group.name}`});
  const zone = (name, from, to) => svg.append(svgElement('rect', {class: `zone ${name}`, x: x(from), y: box.top, width: x(to) - x(from), height: box.bottom - box.top}));
  zone('subnormal', LIMITS.e4m3[0], LIMITS.e4m3[1]);
  zone('lost', LIMITS.e4m3[1], MOST_OCTAVES);
  for (let p = 0; p >= -7; --p) {
    const at = y(10 ** p);
    svg.append(svgElement('line', {class: 'grid-line', x1: box.left, x2: box.right, y1: at, y2: at}));
    if (p % 2 === 0) svg.append(svgElement('text', {x: box.left - 5, y: at + 4, 'text-anchor': 'end'}, p === 0 ? '100 %' : p === -2 ? '1 %' : `10⁻${'⁰¹²³⁴⁵⁶⁷'[-p]}`));
  }
  for (let octave = 0; octave <= MOST_OCTAVES; octave += 10) {
    svg.append(svgElement('text', {x: x(octave), y: box.bottom + 14, 'text-anchor': octave === MOST_OCTAVES ? 'end' : 'middle'}, octave === 0 ? 'largest' : `2⁻${SUPERSCRIPTS[octave / 10]}⁰`));
  }
  svg.append(svgElement('text', {class: 'zone-name', x: x(LIMITS.e4m3[0]) - 3, y: box.top - 6, 'text-anchor': 'end'}, 'E4M3:'),
    svgElement('text', {class: 'zone-name', x: x(LIMITS.e4m3[0]), y: box.top - 6}, 'subnormal'),
    svgElement('text', {class: 'zone-name', x: x(LIMITS.e4m3[1]) + 28, y: box.top - 6}, 'zero'),
    svgElement('line', {class: 'limit', x1: x(LIMITS.e5m2[1]), x2: x(LIMITS.e5m2[1]), y1: box.top - 4, y2: box.bottom}),
    svgElement('text', {class: 'zone-name', x: x(LIMITS.e5m2[1]) + 3, y: box.top - 6}, 'zero in E5M2'));
  group.octaves.forEach((shares, s) => {
    let path = '';
    let pen = 'M';
    for (let o = 0; o < MOST_OCTAVES; ++o) {
      const share = o === MOST_OCTAVES - 1 ? shares.slice(o).reduce((a, b) => a + b, 0) : shares[o];
      if (share < LEAST_SHARE) {
        pen = 'M';
        continue;
      }
      path += `${pen}${x(o).toFixed(1)} ${y(share).toFixed(1)}L${x(o + 1).toFixed(1)} ${y(share).toFixed(1)}`;
      pen = 'L';
    }
    svg.append(svgElement('path', {d: path, fill: 'none', stroke: `var(--s${s})`, 'stroke-width': 1.7, 'stroke-linejoin': 'round'}));
  });
  const lost = ['e4m3-tensor', 'e4m3-tile'].map((name) => [name, indexOf(name, -1)]).filter(([, i]) => i >= 0)
    .map(([name, i]) => `${name.slice(5)} ${group.rates[i][4] === 0 ? '0' : trim((100 * group.rates[i][4]).toPrecision(2)) + ' %'}`).join(', ');
  const caption = element('figcaption', {}, element('b', {}, group.name), element('span', {class: 'unit'}, lost ? `to zero: ${lost}` : ''));
  return element('figure', {}, caption, element('div', {class: 'plot'}, svg));
}

function buildRanges() {
  const legend = document.getElementById('ranges-legend');
  SCALINGS.forEach((name, s) => legend.append(element('span', {}, element('span', {class: 'swatch', style: `background: var(--s${s})`}), `${name} `)));
  document.getElementById('ranges').append(...data.groups.map(rangePlot));
}

// ---- the worst tensors

function buildWorst() {
  const place = document.getElementById('worst');
  const draw = () => {
    const head = element('tr', {}, ...[`under ${data.schemes[chosen.scheme]}`, 'shape', 'largest', ...RATES.map((rate) => rate.name)].map((text) => element('th', {scope: 'col'}, text)));
    const rows = data.worst[chosen.scheme].map((tensor) => element('tr', {}, element('th', {scope: 'row'}, tensor.name),
      element('td', {}, tensor.shape.join(' × ')), element('td', {}, plain(tensor.amax, 3)),
      ...RATES.map((rate) => element('td', {}, tensor.rates[rate.key] === 0 ? '0' : rate.format(tensor.rates[rate.key])))));
    place.replaceChildren(element('table', {}, element('thead', {}, head), element('tbody', {}, ...rows)));
  };
  chosen.listeners.push(draw);
  draw();
}

buildSchemes();
buildMap();
buildRanges();
buildWorst();
