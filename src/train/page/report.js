// The page of one run.
const data = JSON.parse(document.getElementById('data').textContent);
const charts = document.getElementById('charts');
const setColour = (index) => index + 1;  // 0 is the training text's
const shortLayer = (name) => name.replace(/^model\.layers\./, 'layer ');

function section(title, help, className = 'grid') {
  const grid = element('div', {class: className});
  const node = element('section', {}, element('h2', {}, title));
  if (help) node.append(element('p', {class: 'help'}, help));
  node.append(grid);
  charts.append(node);
  return {node, grid};
}

const hasValues = (values) => values.some((v) => finite(v) && v !== 0);

/** A series of data.steps. */
function stepSeries(key, name, more = {}) {
  const range = data.steps.range && data.steps.range[key];
  return {name, x: data.steps.x, y: data.steps[key], range, colour: 0, smooth: true, ...more};
}

function lossSection() {
  const {grid} = section('Loss', 'Cross-entropy of the main model. Bold: smoothed by the slider above; faint: every step; the band is the range of the steps that share a point.', 'grid wide');
  for (const [key, title, unit] of [['loss', 'Loss', 'nats a token'], ['bits_per_byte', 'Bits per byte', 'comparable between tokenizers']]) {
    const series = [stepSeries(key, 'training')];
    data.sets.forEach((set, i) => series.push({name: set.name, x: set.x, y: set[key], colour: setColour(i), dots: true}));
    if (series.some((s) => s.y.some(finite))) {
      new LineChart(grid, series, {key, title, unit, height: 320, log: true, robust: true, skips: data.skipped, format: plain});
    }
  }
}

function mtpSection() {
  const loss = data.steps.mtp_loss.map((y, d) => ({name: `training, depth ${d + 1}`, x: data.steps.x, y, colour: 0, smooth: true, dash: d ? '5 3' : ''}));
  const acceptance = [];
  data.sets.forEach((set, i) => {
    set.mtp.loss.forEach((y, d) => loss.push({name: `${set.name}, depth ${d + 1}`, x: set.mtp.x, y, colour: setColour(i), dots: true, dash: d ? '5 3' : ''}));
    set.acceptance.share.forEach((y, d) => acceptance.push({name: `${set.name}, depth ${d + 1}`, x: set.acceptance.x, y, colour: setColour(i), dots: true, dash: d ? '5 3' : ''}));
  });
  if (loss.length === 0) return;
  const {grid} = section('Multi-token prediction', 'The module of depth d predicts d tokens further ahead. Acceptance is the share of its drafts that the main model would have chosen too.');
  new LineChart(grid, loss, {key: 'mtp', title: 'MTP loss', unit: 'nats a token', log: true, robust: true});
  if (acceptance.length) new LineChart(grid, acceptance, {key: 'acceptance', title: 'Draft acceptance', unit: 'share of drafts', format: percent});
}

function optimisationSection() {
  const {grid} = section('Optimisation and speed', '', 'grid');
  const chart = (key, title, unit, options, more) => {
    if (hasValues(data.steps[key])) new LineChart(grid, [stepSeries(key, title.toLowerCase(), more)], {key, title, unit, ...options});
  };
  chart('lr', 'Learning rate', '', {zero: true, log: true}, {smooth: false});
  chart('grad_norm', 'Gradient norm', 'before the clip', {log: true, logFirst: true, robust: true, skips: data.skipped});
  chart('tokens_per_s', 'Speed', 'tokens a second', {zero: true, format: withPrefix});
  chart('gemm_peak_frac', 'Share of the GEMM peak', 'of the measured peak', {zero: true, format: percent});
  chart('balance_loss', 'Balance loss', 'as it enters the total', {zero: true});
  chart('bias_update_speed', 'Bias update speed', 'γ', {zero: true}, {smooth: false});
  chart('dropped', 'Dropped token-expert pairs', 'a step', {zero: true});
}

function layerSeries(key, more = {}) {
  return data.layers.names.map((name, l) => ({name: shortLayer(name), x: data.layers.x, y: data.layers[key][l], colour: l, ...more}));
}

function balanceSection() {
  if (data.layers.names.length === 0) return;
  const {grid} = section('Expert balance', 'One line a layer, darker (in dark mode: brighter) the deeper. MaxVio = (largest load − mean load) / mean load of the step: 0 is perfect balance.');
  const chart = (key, title, unit, options, more) => new LineChart(grid, layerSeries(key, {smooth: true, ...more}), {key, title, unit, depth: true, ...options});
  chart('max_vio', 'MaxVio', 'of each step', {zero: true, log: true, robust: true});
  const experts = new Set(data.layers.experts.filter((e) => e > 0));
  chart('entropy', 'Router entropy', 'nats, of the normalised scores', {references: [...experts].map((e) => ({value: Math.log(e), name: `uniform: ln ${e}`}))});
  chart('dead_experts', 'Dead experts', 'without a token in the step', {zero: true}, {smooth: false});
  const bias = [...layerSeries('bias_max'), ...layerSeries('bias_min').map((s) => ({...s, dash: '4 3'}))];
  if (bias.some((s) => hasValues(s.y))) {
    const names = data.layers.names.length;
    bias.forEach((s, i) => { s.name += i < names ? ', largest' : ', least'; });
    new LineChart(grid, bias, {key: 'bias', title: 'Range of the routing bias', unit: 'e_score_correction_bias', depth: true, layers: names});
  }
  const bits = data.specialisation.bits;
  if (bits.some((y) => y.some(finite))) {
    const series = bits.map((y, l) => ({name: shortLayer(data.specialisation.layers[l]), x: data.specialisation.x, y, dots: true}));
    new LineChart(grid, series, {key: 'specialisation', title: 'Specialisation by domain', unit: 'bits', depth: true, zero: true,
      help: 'Jensen-Shannon divergence of the validation sets’ expert loads: 0 if every set loads the experts alike'});
  }
}

/** "A … B" positions of a run for the axis under a map over time. */
function timeLabels(x) {
  const format = X_AXES[view.xAxis].format, values = x[view.xAxis];
  const at = (share) => format(values[Math.round(share * (values.length - 1))]);
  return values.length < 3 ? [at(0), at(1)] : [at(0), at(0.5), at(1)];
}

function loadOverTimeSection() {
  const columns = data.shares.x.step.length;
  if (columns === 0) return;
  const codes = decodeBytes(data.shares.codes);
  const width = data.layers.experts.reduce((a, b) => a + b, 0);
  const {node, grid} = section('Expert load over time', 'Load of each expert relative to the mean of its layer, averaged over the steps of a column. Training text, from the first step (left) to the last.', 'grid narrow');
  const draw = () => {
    grid.textContent = '';
    let first = 0;
    const all = view.toggles['all layers'] ?? false;
    const last = data.layers.names.length - 1;
    const step = all ? 1 : Math.max(1, last / 11);  // at most 12, the first and the last among them
    const picked = new Set(Array.from({length: Math.floor(last / step + 1e-9) + 1}, (_, i) => Math.round(i * step)));
    data.layers.names.forEach((name, l) => {
      const experts = data.layers.experts[l], offset = first;
      first += experts;
      if (experts === 0 || !picked.has(l)) return;
      const value = (r, c) => decodeLoad(codes[c * width + offset + r]);
      new HeatMap(grid, {
        title: shortLayer(name), unit: `${experts} experts × time`, rows: experts, columns, value, palette: loadPalette,
        describe: (r, c) => `expert ${r}, ${X_AXES[view.xAxis].exact(data.shares.x[view.xAxis][c])}: ${finite(value(r, c)) ? times(value(r, c)) + ' the mean load' : 'not recorded'}`,
        yLabels: ['0', String(experts - 1)], xLabels: timeLabels(data.shares.x), height: Math.min(256, Math.max(96, experts * 6)),
      });
    });
  };
  if (data.layers.names.length > 12) {
    node.insertBefore(element('p', {}, toggle('all layers', `all ${data.layers.names.length} layers`, '', false, draw)), grid);
  }
  node.insertBefore(loadRamp(draw), grid);
  let drawnFor = view.xAxis;
  view.listeners.push((what) => {
    if (what === 'view' && view.xAxis !== drawnFor) draw();
    drawnFor = view.xAxis;
  });
  draw();
}

/** For each layer the order in which its experts are drawn: by number, or by the set that uses them most. */
function expertOrder(sets, layer, bySet) {
  const count = sets[0].load[layer].load.length;
  const order = Array.from({length: count}, (_, e) => e);
  if (!bySet) return order;
  const loads = (e) => sets.map((set) => set.load[layer].load[e] ?? 0);
  const favourite = order.map((e) => loads(e).indexOf(Math.max(...loads(e))));
  const lead = order.map((e) => { const l = loads(e); return l[favourite[e]] - l.reduce((a, b) => a + b, 0) / l.length; });
  return order.sort((a, b) => favourite[a] - favourite[b] || lead[b] - lead[a]);
}

function domainSection() {
  const sets = data.sets.filter((set) => set.load.length > 0 && set.load[0].load.length > 0);
  if (sets.length === 0) return;
  const layers = sets[0].load.map((l) => l.layer);
  const columns = Math.max(...sets[0].load.map((l) => l.load.length));
  const {node, grid} = section('Expert load by domain', 'Each validation set’s tokens at its latest validation: layers from top to bottom, experts from left to right.', '');
  const body = grid;
  const draw = () => {
    body.textContent = '';
    const bySet = view.toggles['by domain'] ?? false;
    const orders = layers.map((_, l) => expertOrder(sets, l, bySet));
    const load = (s, r, c) => (orders[r][c] === undefined ? NaN : sets[s].load[r] ? sets[s].load[r].load[orders[r][c]] ?? NaN : NaN);
    const mean = (r, c) => sets.reduce((sum, _, s) => sum + load(s, r, c), 0) / sets.length;
    const height = Math.min(480, Math.max(72, layers.length * (layers.length > 16 ? 8 : 22)));
    const yEach = layers.length <= 16;
    const yLabels = yEach ? layers.map((name) => shortLayer(name).replace('layer ', '')) : [layers[0], layers[layers.length - 1]].map((n) => shortLayer(n).replace('layer ', ''));
    const shared = {rows: layers.length, columns, yEach, yLabels, height, xLabels: bySet ? ['experts, by preferring domain', ''] : ['expert 0', String(columns - 1)]};
    const where = (r, c) => `${shortLayer(layers[r])}, expert ${orders[r][c]}`;
    const loads = element('div', {class: 'grid'});
    body.append(loads);
    sets.forEach((set, s) => new HeatMap(loads, {...shared, title: set.name, unit: `load at step ${set.step}`, palette: loadPalette, value: (r, c) => load(s, r, c),
      describe: (r, c) => (orders[r][c] === undefined ? 'no such expert' : `${where(r, c)}: ${times(load(s, r, c))} the mean load for ${set.name}`)}));
    if (sets.length < 2) return;
    const difference = (s, r, c) => load(s, r, c) - mean(r, c);
    const sizes = [];
    sets.forEach((_, s) => layers.forEach((__, r) => { for (let c = 0; c < columns; ++c) if (finite(difference(s, r, c))) sizes.push(Math.abs(difference(s, r, c))); }));
    const span = Math.max(0.1, quantile(sizes.sort((a, b) => a - b), 0.98));
    const differences = element('div', {class: 'grid'});
    body.append(element('h3', {}, 'What each domain uses more or less than the others'), ramp(`−${plain(span, 2)}`, `+${plain(span, 2)} × the mean load`, 'var(--less), var(--same), var(--more)'), differences);
    sets.forEach((set, s) => new HeatMap(differences, {...shared, title: set.name, unit: 'load − mean of the sets', palette: () => differencePalette(span), value: (r, c) => difference(s, r, c),
      describe: (r, c) => (orders[r][c] === undefined ? 'no such expert' : `${where(r, c)}: ${signed(difference(s, r, c), (v) => v.toFixed(2))} × the mean load against the sets’ mean (${sets.map((t, i) => `${t.name} ${times(load(i, r, c))}`).join(', ')})`)}));
  };
  const tools = loadRamp(draw);
  if (sets.length > 1) {
    node.insertBefore(element('p', {}, toggle('by domain', 'order experts by preferring domain', 'Within each layer', false, draw)), body);
  }
  node.insertBefore(tools, body);
  draw();
}

view.load();
buildToolbar(data.steps.x.step.length);
if (data.steps.x.step.length === 0 && data.sets.length === 0) {
  charts.append(element('p', {class: 'none'}, 'Curves appear with the first step.'));
} else {
  lossSection();
  optimisationSection();
  mtpSection();
  balanceSection();
  loadOverTimeSection();
  domainSection();
  view.changed();
}
followRun();
