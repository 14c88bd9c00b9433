// The page of several runs: the same curves over each other.
const runs = JSON.parse(document.getElementById('data').textContent);

/** One series a run; take(run) -> {x, y} or null. */
function overRuns(take, more = {}) {
  return runs.map((run, i) => {
    const taken = take(run);
    return taken && taken.y && taken.y.some(finite) ? {name: run.label, colour: i, ...taken, ...more} : null;
  }).filter((s) => s !== null);
}

function chart(grid, series, options) {
  if (series.length > 0) new LineChart(grid, series, options);
}

/** Mean (or sum) of curves, point by point. */
function combined(curves, divide) {
  if (curves.length === 0) return [];
  return curves[0].map((_, i) => {
    const values = curves.map((c) => c[i]).filter(finite);
    return values.length ? values.reduce((a, b) => a + b, 0) / (divide ? values.length : 1) : null;
  });
}

/** The value of a curve between its points; null outside. */
function valueAt(xs, ys, x) {
  let i = xs.findIndex((v) => v >= x);
  if (i < 0 || (i === 0 && xs[0] > x)) return null;
  if (xs[i] === x || i === 0) return ys[i];
  const [a, b] = [ys[i - 1], ys[i]];
  return finite(a) && finite(b) ? a + (b - a) * (x - xs[i - 1]) / (xs[i] - xs[i - 1]) : null;
}

/** The smoothed loss of every later run against the first one's, as a share of it. */
function gapSeries() {
  const base = runs[0].steps;
  return runs.slice(1).map((run, i) => {
    const series = {name: run.label, colour: i + 1, x: run.steps.x};
    // A getter, because the smoothing may change.
    Object.defineProperty(series, 'y', {enumerable: true, get() {
      const baseLine = smoothed(base.loss, view.smoothing), line = smoothed(run.steps.loss, view.smoothing);
      return run.steps.x.step.map((step, j) => {
        const reference = valueAt(base.x.step, baseLine, step);
        return finite(reference) && finite(line[j]) ? line[j] / reference - 1 : null;
      });
    }});
    return series;
  });
}

const stepCurve = (key) => overRuns((run) => ({x: run.steps.x, y: run.steps[key]}), {smooth: true});
const setNames = [...new Set(runs.flatMap((run) => run.sets.map((set) => set.name)))];
const setCurve = (name, take) => overRuns((run) => {
  const set = run.sets.find((s) => s.name === name);
  return set ? take(set) : null;
}, {dots: true});

function lossSection() {
  const {grid} = section('Training loss', 'Smoothed by the slider above. The gap compares at equal steps; smoothing works on it too.', 'grid wide');
  chart(grid, stepCurve('loss'), {key: 'loss', title: 'Loss', unit: 'nats a token', height: 320, log: true, robust: true});
  if (runs.length > 1) {
    const format = (v) => signed(v, (size) => trim((100 * size).toPrecision(3)) + ' %');
    chart(grid, gapSeries(), {key: 'gap', title: `Gap to ${runs[0].label}`, unit: 'of the smoothed loss, relative', height: 320, robust: true,
      format, references: [{value: 0, name: ''}]});
  }
}

function validationSection() {
  if (setNames.length === 0) return;
  const {grid} = section('Validation', '');
  for (const name of setNames) {
    chart(grid, setCurve(name, (set) => ({x: set.x, y: set.loss})), {key: `loss ${name}`, title: `Loss on ${name}`, unit: 'nats a token', log: true, robust: true});
    chart(grid, setCurve(name, (set) => ({x: set.x, y: set.bits_per_byte})), {key: `bpb ${name}`, title: `Bits per byte on ${name}`, log: true, robust: true});
  }
}

function mtpSection() {
  const loss = overRuns((run) => ({x: run.steps.x, y: run.steps.mtp_loss[0]}), {smooth: true});
  const acceptance = setNames.map((name) => [name, setCurve(name, (set) => ({x: set.acceptance.x, y: set.acceptance.share[0]}))]);
  if (loss.length === 0 && acceptance.every(([, series]) => series.length === 0)) return;
  const {grid} = section('Multi-token prediction', 'Depth 1.');
  chart(grid, loss, {key: 'mtp', title: 'MTP loss', unit: 'nats a token, training', log: true, robust: true});
  for (const [name, series] of acceptance) chart(grid, series, {key: `acceptance ${name}`, title: `Draft acceptance on ${name}`, unit: 'share of drafts', format: percent});
}

function balanceSection() {
  if (runs.every((run) => run.layers.names.length === 0)) return;
  const {grid} = section('Expert balance', 'Over all layers.');
  const layers = (key, divide) => overRuns((run) => ({x: run.layers.x, y: combined(run.layers[key], divide)}), {smooth: true});
  chart(grid, layers('max_vio', true), {key: 'max_vio', title: 'MaxVio', unit: 'mean over the layers', zero: true, log: true, robust: true});
  chart(grid, layers('entropy', true), {key: 'entropy', title: 'Router entropy', unit: 'nats, mean over the layers'});
  chart(grid, layers('dead_experts', false), {key: 'dead', title: 'Dead experts', unit: 'sum over the layers', zero: true});
  const specialisation = overRuns((run) => ({x: run.specialisation.x, y: combined(run.specialisation.bits, true)}), {dots: true});
  chart(grid, specialisation, {key: 'specialisation', title: 'Specialisation by domain', unit: 'bits, mean over the layers', zero: true});
}

function optimisationSection() {
  const {grid} = section('Optimisation and speed', '');
  chart(grid, stepCurve('grad_norm'), {key: 'grad_norm', title: 'Gradient norm', unit: 'before the clip', log: true, logFirst: true, robust: true});
  chart(grid, stepCurve('lr').map((s) => ({...s, smooth: false})), {key: 'lr', title: 'Learning rate', zero: true, log: true});
  chart(grid, stepCurve('tokens_per_s'), {key: 'tokens_per_s', title: 'Speed', unit: 'tokens a second', zero: true, format: withPrefix});
  chart(grid, stepCurve('gemm_peak_frac'), {key: 'gemm_peak_frac', title: 'Share of the GEMM peak', zero: true, format: percent});
}

view.load();
buildToolbar(Math.max(...runs.map((run) => run.steps.x.step.length)));
lossSection();
validationSection();
mtpSection();
balanceSection();
optimisationSection();
view.changed();
followRun();
