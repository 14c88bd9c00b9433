// The page of one run.
const data = JSON.parse(document.getElementById('data').textContent);
const setColour = (index) => index + 1;  // 0 is the training text's
const shortLayer = (name) => name.replace(/^model\.layers\./, 'layer ');

const hasValues = (values) => values.some((v) => finite(v) && v !== 0);

/** A series of data.steps. */
function stepSeries(key, name, more = {}) {
  const range = data.steps.range && data.steps.range[key];
  return {name, x: data.steps.x, y: data.steps[key], range, colour: 0, smooth: true, ...more};
}

function lossSection() {
  const {grid} = section('Loss', 'Of the main model: cross-entropy, or what the stage minimises in its place. Bold: smoothed by the slider above; faint: every step; the band is the range of the steps that share a point.', 'grid wide');
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

/** What the stage behind pre-training measures: a chart a number. */
function stageSection() {
  if (!data.stage) return;
  const {grid} = section('What this stage measures', 'docs/posttraining.md says what each number is.', 'grid');
  data.stage.names.forEach((name, i) => {
    const title = name.replaceAll('_', ' ').replaceAll('/', ': ');
    new LineChart(grid, [{name: title, x: data.stage.x, y: data.stage.numbers[i], colour: 0, smooth: true}], {key: `stage ${name}`, title, unit: 'a step'});
  });
}

/** Benchmarks: a chart for the shares of a task, with the line of guessing, and one for each other number. */
function taskSection() {
  if (data.tasks.length === 0) return;
  const {grid} = section('Tasks', 'Benchmarks put to the model on the way, as fathom eval measures them. The band is the 95 % interval of the standard error.');
  const isShare = (values) => values.every((y) => !finite(y) || (y >= 0 && y <= 1));
  for (const task of data.tasks) {
    const series = task.metrics.map((name, m) => {
      const values = task.values[m], share = isShare(values);
      const bound = (sign) => values.map((y, i) => {
        const error = task.errors[m][i];
        if (!finite(y) || !finite(error)) return y;
        const at = y + sign * 1.96 * error;
        return share ? Math.min(1, Math.max(0, at)) : y - 1.96 * error > 0 ? at : y;  // a perplexity's band may not reach 0
      });
      return {name, x: task.x, y: values, range: [bound(-1), bound(1)], dots: true, share};
    });
    const charts = [series.filter((s) => s.share), ...series.filter((s) => !s.share).map((s) => [s])];
    for (const lines of charts.filter((list) => list.length > 0)) {
      const {name, share, y} = lines[0];
      new LineChart(grid, lines.map((s, i) => ({...s, colour: i})), {
        key: `task ${task.name} ${name}`, title: task.name, unit: lines.length > 1 ? 'share of the items' : name,
        references: share && task.chance > 0 ? [{value: task.chance, name: 'guessing'}] : [],
        log: !share, logFirst: !share && y.every((v) => !finite(v) || v > 0),
      });
    }
  }
}

function layerSeries(key, more = {}) {
  return data.layers.names.map((name, l) => ({name: shortLayer(name), x: data.layers.x, y: data.layers[key][l], colour: l, ...more}));
}

function balanceSection() {
  if (data.layers.names.length === 0) return;
  const {grid} = section('Expert balance', 'One line a layer, darker (in dark mode: brighter) the deeper. MaxVio = (largest load − mean load) / mean load of the step: 0 is perfect balance.');
  const chart = (key, title, unit, options, more) => new LineChart(grid, layerSeries(key, {smooth: true, ...more}), {key, title, unit, depth: true, ...options});
  chart('max_vio', 'MaxVio', 'of each step', {zero: true, log: true, robust: true});
  const experts = new Set(data.shares.layers.map((layer) => layer.experts));
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
  const layers = data.shares.layers;
  const width = layers.reduce((sum, layer) => sum + layer.experts, 0);
  const {node, grid} = section('Expert load over time', 'Load of each expert relative to the mean of its layer, averaged over the steps of a column. Training text, from the first step (left) to the last.', 'grid narrow');
  const draw = () => {
    grid.textContent = '';
    let first = 0;
    const all = view.toggles['all layers'] ?? false;
    const last = layers.length - 1;
    const step = all ? 1 : Math.max(1, last / 11);  // at most 12, the first and the last among them
    const picked = new Set(Array.from({length: Math.floor(last / step + 1e-9) + 1}, (_, i) => Math.round(i * step)));
    layers.forEach(({name, experts}, l) => {
      const offset = first;
      first += experts;
      if (!picked.has(l)) return;
      const value = (r, c) => decodeLoad(codes[c * width + offset + r]);
      new HeatMap(grid, {
        title: shortLayer(name), unit: `${experts} experts × time`, rows: experts, columns, value, palette: loadPalette,
        describe: (r, c) => `expert ${r}, ${X_AXES[view.xAxis].exact(data.shares.x[view.xAxis][c])}: ${finite(value(r, c)) ? times(value(r, c)) + ' the mean load' : 'not recorded'}`,
        yLabels: ['0', String(experts - 1)], xLabels: timeLabels(data.shares.x), height: Math.min(256, Math.max(96, experts * 6)),
      });
    });
  };
  if (layers.length > 12) {
    node.insertBefore(element('p', {}, toggle('all layers', `all ${layers.length} layers`, '', false, draw)), grid);
  }
  node.insertBefore(loadRamp(draw), grid);
  let drawnFor = view.xAxis;
  view.listeners.push((what) => {
    if (what === 'view' && view.xAxis !== drawnFor) draw();
    drawnFor = view.xAxis;
  });
  draw();
}

/** Loads of a validation set, relative to the mean: at(time, layer, expert); the last time is the latest, exactly. */
function setLoads(set) {
  const {x, layers, codes} = set.shares;
  const bytes = decodeBytes(codes);
  const width = layers.reduce((sum, layer) => sum + layer.experts, 0);
  const offsets = layers.map((_, l) => layers.slice(0, l).reduce((sum, layer) => sum + layer.experts, 0));
  const last = x.step.length - 1;
  const at = (t, l, e) => {
    if (!layers[l] || e >= layers[l].experts) return NaN;
    return t >= last ? set.load[l]?.load[e] ?? NaN : decodeLoad(bytes[t * width + offsets[l] + e]);
  };
  return {name: set.name, steps: x.step, layers, at};
}

/** The order in which a layer's experts are drawn: by number, or by the set that uses them most. */
function expertOrder(loads, layer, count, bySet) {
  const order = Array.from({length: count}, (_, e) => e);
  if (!bySet) return order;
  const of = (e) => loads.map((load) => load(layer, e) || 0);
  const favourite = order.map((e) => of(e).indexOf(Math.max(...of(e))));
  const lead = order.map((e) => of(e)[favourite[e]] - of(e).reduce((a, b) => a + b, 0) / loads.length);
  return order.sort((a, b) => favourite[a] - favourite[b] || lead[b] - lead[a]);
}

/** A map of layers by experts; `text(l, e)` describes a cell. */
function layerMap(parent, layers, orders, options) {
  const yEach = layers.length <= 16;
  const names = layers.map((layer) => shortLayer(layer.name).replace('layer ', ''));
  const cell = (give, otherwise) => (r, c) => (orders[r][c] === undefined ? otherwise : give(r, orders[r][c]));
  new HeatMap(parent, {
    ...options, rows: layers.length, columns: Math.max(...layers.map((layer) => layer.experts)), yEach,
    yLabels: yEach ? names : [names[0], names[names.length - 1]],
    height: Math.min(480, Math.max(72, layers.length * (layers.length > 16 ? 8 : 22))),
    value: cell(options.value, NaN), describe: cell((l, e) => `${shortLayer(layers[l].name)}, expert ${e}: ${options.text(l, e)}`, 'no such expert'),
  });
}

/** The maps of all sets at one validation, and below what each uses more or less than the others. */
function drawDomains(body, sets, time) {
  const bySet = (view.toggles['by domain'] ?? false) && sets.length > 1;
  const {layers, steps} = sets[0];
  const loads = sets.map((set) => (l, e) => set.at(time, l, e));
  const orders = layers.map((layer, l) => expertOrder(loads, l, layer.experts, bySet));
  const xLabels = bySet ? ['experts, by preferring domain', ''] : ['expert 0', String(Math.max(...layers.map((layer) => layer.experts)) - 1)];
  const maps = element('div', {class: 'grid maps'});
  body.append(maps);
  sets.forEach((set, s) => layerMap(maps, layers, orders, {title: set.name, unit: `load at step ${steps[time]}`, xLabels, palette: loadPalette,
    value: loads[s], text: (l, e) => `${times(loads[s](l, e))} the mean load for ${set.name}`}));
  if (sets.length < 2) return;
  const difference = (s, l, e) => loads[s](l, e) - loads.reduce((sum, load) => sum + load(l, e), 0) / sets.length;
  const sizes = sets.flatMap((_, s) => layers.flatMap((layer, l) => Array.from({length: layer.experts}, (__, e) => Math.abs(difference(s, l, e))))).filter(finite);
  const span = Math.max(0.1, quantile(sizes.sort((a, b) => a - b), 0.98) || 0);
  const differences = element('div', {class: 'grid maps'});
  body.append(element('h3', {}, 'What each domain uses more or less than the others'), ramp(`−${plain(span, 2)}`, `+${plain(span, 2)} × the mean load`, 'var(--less), var(--same), var(--more)'), differences);
  sets.forEach((set, s) => layerMap(differences, layers, orders, {title: set.name, unit: 'load − mean of the sets', xLabels, palette: () => differencePalette(span),
    value: (l, e) => difference(s, l, e),
    text: (l, e) => `${signed(difference(s, l, e), (v) => v.toFixed(2))} × the mean load against the sets’ mean (${sets.map((other, i) => `${other.name} ${times(loads[i](l, e))}`).join(', ')})`}));
}

function domainSection() {
  const sets = data.sets.filter((set) => set.shares.layers.length > 0).map(setLoads);
  if (sets.length === 0) return;
  const {node, grid} = section('Expert load by domain', 'Each validation set’s own tokens: layers from top to bottom, experts from left to right.', '');
  const last = Math.min(...sets.map((set) => set.steps.length)) - 1;
  const slider = element('input', {type: 'range', min: 0, max: last, step: 1, value: last});
  const shown = element('output');
  const draw = () => {
    grid.textContent = '';
    shown.textContent = `step ${sets[0].steps[slider.value]}`;
    drawDomains(grid, sets, Number(slider.value));
  };
  slider.addEventListener('input', draw);
  const tools = element('p', {class: 'map-tools'});
  if (last > 0) tools.append(element('label', {}, 'validation ', slider, ' ', shown));
  if (sets.length > 1) tools.append(toggle('by domain', 'order experts by preferring domain', 'Within each layer', false, draw));
  node.insertBefore(tools, grid);
  node.insertBefore(loadRamp(draw), grid);
  draw();
}

view.load();
buildToolbar(data.steps.x.step.length);
if (data.steps.x.step.length === 0 && data.sets.length === 0) {
  charts.append(element('p', {class: 'none'}, 'Curves appear with the first step.'));
} else {
  lossSection();
  stageSection();
  taskSection();
  optimisationSection();
  mtpSection();
  balanceSection();
  loadOverTimeSection();
  domainSection();
  view.changed();
}
followRun();
