// The page of a training plan. Data: see plan_page.cc.
const data = JSON.parse(document.getElementById('data').textContent);

const KINDS = [
  {css: 'op-f', name: 'forward'}, {css: 'op-b', name: 'backward'}, {css: 'op-i', name: 'backward, inputs alone'},
  {css: 'op-w', name: 'weight gradients'}, {css: 'op-o', name: 'forward beside backward'},
];
const ROW = 18, LEFT = 46, TOP = 16;

const time = (s) => (s < 1 ? `${plain(s * 1e3, 4)} ms` : `${plain(s, 4)} s`);

function describe(rank, op) {
  const [kind, chunk, micro, backChunk, backMicro, start, end] = op;
  const what = kind === 3 ? 'weight gradients' : `${KINDS[kind].name}: micro-batch ${micro} of chunk ${chunk}` + (kind === 4 ? ` beside backward of micro-batch ${backMicro} of chunk ${backChunk}` : '');
  return `rank ${rank}, ${what}, ${time(start)} to ${time(end)} (${time(end - start)})`;
}

/** The schedule, `zoom` times as wide as the page. */
function drawTimeline(place, now, zoom) {
  const width = Math.max(320, place.clientWidth - 2) * zoom, height = TOP + ROW * data.ranks.length + 4;
  const x = (s) => LEFT + (width - LEFT - 8) * s / data.makespan;
  const svg = svgElement('svg', {width, height, viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': 'Timeline of a step'});
  const step = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50].find((s) => data.makespan / s <= 12 * zoom) || data.makespan / 10;
  for (let s = 0; s <= data.makespan; s += step) svg.append(svgElement('text', {x: x(s), y: 10, 'text-anchor': 'middle'}, `${plain(s, 3)} s`));
  data.ranks.forEach((ops, rank) => {
    const y = TOP + rank * ROW;
    svg.append(svgElement('text', {x: 4, y: y + 12}, `rank ${rank}`), svgElement('rect', {class: 'row', x: LEFT, y, width: width - LEFT - 8, height: ROW - 3}));
    ops.forEach((op, i) => {
      svg.append(svgElement('rect', {class: KINDS[op[0]].css, x: x(op[5]).toFixed(2), y, width: Math.max(0.6, x(op[6]) - x(op[5]) - 0.4).toFixed(2), height: ROW - 3, 'data-op': `${rank} ${i}`}));
    });
  });
  svg.addEventListener('pointermove', (event) => {
    const name = event.target.dataset ? event.target.dataset.op : undefined;
    if (!name) return;
    const [rank, i] = name.split(' ').map(Number);
    now.textContent = describe(rank, data.ranks[rank][i]);
  });
  place.replaceChildren(svg);
}

function buildTimeline() {
  const place = document.getElementById('timeline'), now = document.getElementById('timeline-now'), tools = document.getElementById('timeline-tools');
  const legend = element('span', {class: 'legend'}, ...KINDS.map((kind) => {
    const swatch = svgElement('svg', {width: 12, height: 12});
    swatch.append(svgElement('rect', {class: kind.css, width: 12, height: 12, rx: 2}));
    return element('span', {}, swatch, ` ${kind.name} `);
  }));
  const group = element('span', {class: 'group', role: 'group', 'aria-label': 'width of the timeline'});
  for (const zoom of [1, 4, 16]) {
    const button = element('button', {type: 'button', 'aria-pressed': zoom === 1}, zoom === 1 ? 'whole' : `${zoom}× as wide`);
    button.addEventListener('click', () => {
      for (const other of group.children) other.setAttribute('aria-pressed', other === button);
      drawTimeline(place, now, zoom);
    });
    group.append(button);
  }
  tools.append(group, legend);
  drawTimeline(place, now, 1);
}

/** Rows of [name, [[part, value, colour]], text]; `limit` is a line across all of them. */
function bars(place, rows, whole, limit = 0) {
  place.append(element('div', {class: 'bars'}, ...rows.map(([name, parts, text]) => {
    const track = element('span', {class: 'bar-track'}, ...parts.map(([part, value, colour]) => element('i', {style: `width: ${(100 * value / whole).toFixed(2)}%; background: var(--s${colour})`, title: part})));
    if (limit > 0) track.append(element('b', {style: `left: ${(100 * limit / whole).toFixed(2)}%`, title: 'memory of a GPU'}));
    return element('div', {class: 'bar-line'}, element('span', {}, name), track, element('span', {}, text));
  })));
}

function buildMemory() {
  const legend = document.getElementById('memory-legend');
  data.categories.forEach((name, c) => legend.append(element('span', {}, element('span', {class: 'swatch', style: `background: var(--s${c})`}), `${name} `)));
  const totals = data.memory.map((rank) => rank.reduce((a, b) => a + b, 0));
  const whole = 1.04 * Math.max(data.room, ...totals);
  const rows = data.memory.map((rank, r) => [`rank ${r}`, rank.map((value, c) => [`${data.categories[c]}: ${plain(value / 1e9, 3)} GB`, value, c]), `${(totals[r] / 1e9).toFixed(1)} GB`]);
  bars(document.getElementById('memory'), rows, whole, data.room);
}

function buildTimes() {
  for (const [id, list] of [['step', data.step], ['kernels', data.kernels]]) {
    const sum = list.reduce((total, [, value]) => total + value, 0), most = Math.max(...list.map(([, value]) => value));
    bars(document.getElementById(id), list.map(([name, value]) => [name, [[`${name}: ${time(value)}`, value, id === 'step' ? 0 : 2]], `${time(value)}, ${Math.round(100 * value / sum)} %`]), most);
  }
}

buildTimeline();
buildMemory();
buildTimes();
