// Metrics as bars, and the items behind them. Texts of models and sets are never parsed as HTML.
const data = JSON.parse(document.getElementById('data').textContent);
const $ = (id) => document.getElementById(id);

function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

const figure = (value) => (Math.abs(value) >= 100 ? value.toFixed(2) : value.toFixed(4));
const tasks = [...new Set(data.runs.flatMap((run) => Object.keys(run.tasks)))].sort();
const sameName = data.runs.length > 1 && data.runs[0].model === data.runs[1].model;
const nameOf = (r) => data.runs[r].model + (sameName ? ` (${'ab'[r]})` : '');
const NUMBERS = ['items', 'value', '95 %', 'difference'];
const heading = (text) => element('th', NUMBERS.includes(text) ? {class: 'number'} : {}, text);
const label = (row) => (row.filter === 'none' ? row.metric : `${row.metric} (${row.filter})`);

/** Value, interval and the line of guessing, each in percent of the bar. */
function bar(row, chance, second) {
  const node = element('div', {class: 'bar' + (second ? ' second' : '')});
  const spread = row.stderr ?? 0;
  const [low, high] = [row.low ?? row.value - spread, row.high ?? row.value + spread].map((v) => Math.max(0, Math.min(1, v)));
  const part = (name, left, width) => {
    const span = element('span', {class: name});
    span.style.left = `${100 * left}%`;
    if (width !== undefined) span.style.width = `${100 * width}%`;
    node.append(span);
  };
  part('value', 0, Math.max(0, Math.min(1, row.value)));
  part('interval', low, high - low);
  if (chance) part('chance', chance);
  return node;
}

function metricLine(task, row, r, chance) {
  const share = row.low !== undefined;
  const line = element('tr', {tabindex: '0'}, element('th', {scope: 'row'}, task), element('td', {}, label(row)),
    element('td', {}, data.runs.length > 1 ? nameOf(r) : ''), element('td', {class: 'number'}, String(row.items)),
    element('td', {class: 'number'}, figure(row.value)),
    element('td', {class: 'number'}, share ? `${figure(row.low)} – ${figure(row.high)}` : row.stderr === undefined ? '' : `± ${figure(row.stderr)}`),
    element('td', {}, share ? bar(row, chance, r === 1) : ''));
  const open = () => choose(task, row.filter, row.metric);
  line.addEventListener('click', open);
  line.addEventListener('keydown', (event) => event.key === 'Enter' && open());
  return line;
}

function drawMetrics() {
  const body = element('tbody');
  for (const task of tasks) {
    const chance = data.runs.map((run) => run.tasks[task]?.chance).find((c) => c);
    const rows = data.runs.flatMap((run, r) => (run.tasks[task]?.metrics ?? []).map((row) => ({row, r})));
    const order = [...new Set(rows.map(({row}) => label(row)))];
    rows.sort((a, b) => order.indexOf(label(a.row)) - order.indexOf(label(b.row)) || a.r - b.r);
    for (const {row, r} of rows) body.append(metricLine(task, row, r, chance));
  }
  const head = ['task', 'metric', data.runs.length > 1 ? 'model' : '', 'items', 'value', '95 %', ''];
  $('metrics').append(element('table', {}, element('thead', {}, element('tr', {}, ...head.map(heading))), body));
}

function drawDifferences() {
  if (data.differences.length === 0) return;
  $('difference-part').hidden = false;
  const sign = (v) => (v > 0 ? '+' : '') + v.toFixed(4);
  const rows = data.differences.map((row) => element('tr', {}, element('th', {scope: 'row'}, row.task), element('td', {}, label(row)),
    element('td', {class: 'number'}, String(row.items)), element('td', {class: 'number'}, sign(row.mean)),
    element('td', {class: 'number'}, `${sign(row.low)} – ${sign(row.high)}`), element('td', {}, row.tie ? 'tie' : row.mean > 0 ? 'second' : 'first')));
  const head = ['task', 'metric', 'items', 'difference', '95 %', 'larger'];
  $('differences').append(element('table', {}, element('thead', {}, element('tr', {}, ...head.map(heading))), element('tbody', {}, ...rows)));
}

// ---- the browser of items

const fill = (select, values) => {
  const before = select.value;
  select.replaceChildren(...values.map((v) => element('option', {}, v)));
  if (values.includes(before)) select.value = before;
};
const itemsOf = (run) => data.runs[run]?.tasks[$('task').value]?.items ?? [];
let shown = null;  // document hash

function refresh() {
  const all = data.runs.flatMap((_, r) => itemsOf(r));
  fill($('filter'), [...new Set(all.map((i) => i.filter))]);
  fill($('metric'), [...new Set(all.flatMap((i) => Object.keys(i.metrics)))]);
  fill($('which'), data.runs.length > 1 ? ['all', 'right', 'wrong', 'different'] : ['all', 'right', 'wrong']);
  drawList();
}

const valueOf = (item) => item?.metrics[$('metric').value];
const twin = (item) => itemsOf(1).find((other) => other.document === item.document && other.filter === item.filter);
const promptOf = (item) => item.arguments?.gen_args_0?.arg_0 ?? '';

function wanted(item) {
  const which = $('which').value, value = valueOf(item);
  if (which === 'right' && value !== 1) return false;
  if (which === 'wrong' && value !== 0) return false;
  if (which === 'different' && valueOf(twin(item)) === value) return false;
  const text = $('search').value.toLowerCase();
  return !text || JSON.stringify([item.arguments, item.resps]).toLowerCase().includes(text);
}

function drawList() {
  const all = itemsOf(0).filter((item) => item.filter === $('filter').value), list = all.filter(wanted);
  $('count').textContent = `${list.length} of ${all.length} items` +
    (data.runs[0].tasks[$('task').value]?.total > itemsOf(0).length ? ' (the first ones of each task are on this page)' : '');
  $('list').replaceChildren(...list.map((item) => {
    const value = valueOf(item);
    const button = element('button', {type: 'button', class: value === 1 ? 'right' : value === 0 ? 'wrong' : 'other'},
      `${item.id}: ${promptOf(item).trim().split('\n\n').pop().replace(/\s+/g, ' ').slice(0, 90)}`);
    button.addEventListener('click', () => { shown = item.document; drawList(); $('item').focus(); });
    if (item.document === shown) button.setAttribute('aria-current', 'true');
    return element('li', {}, button);
  }));
  drawItem(list.find((item) => item.document === shown) ?? list[0]);
}

/** Options alone: behind them stand those with an empty context, of unconditional scores. */
function optionsOf(item) {
  const all = Object.values(item.arguments ?? {});
  return all.filter((option) => option.arg_0 !== '' || all[0].arg_0 === '');
}

function optionsTable(item, other) {
  const options = optionsOf(item);
  const numbers = (one) => (one?.resps ?? []).slice(0, options.length).map((r) => (Array.isArray(r[0]) ? Number(r[0][0]) : NaN));
  const sums = [numbers(item), numbers(other)], best = sums.map((s) => s.indexOf(Math.max(...s)));
  const several = new Set(options.map((o) => o.arg_0)).size > 1;
  return element('table', {}, element('thead', {}, element('tr', {}, ...['option', ...data.runs.map((_, r) => `log p, ${nameOf(r)}`), 'greedy'].map((h) => element('th', {}, h)))),
    element('tbody', {}, ...options.map((option, i) => element('tr', {class: String(i) === item.target ? 'gold' : ''},
      element('td', {}, several ? `…${option.arg_0.slice(-80)}|${option.arg_1}` : option.arg_1),
      ...data.runs.map((_, r) => element('td', {class: best[r] === i ? 'chosen' : ''}, Number.isFinite(sums[r][i]) ? sums[r][i].toFixed(4) : '–')),
      element('td', {}, item.resps[i][0][1])))));
}

const listOf = (value) => (Array.isArray(value) ? value : [value ?? '']);

/** Every answer of a run to an item, what of it was compared, what became of its edits, what a judge said of it. */
function answerParts(one, r) {
  const answers = listOf(one.resps?.[0]), compared = listOf(one.filtered_resps?.[0]);
  const isScore = one.arguments?.gen_args_0?.arg_1 === undefined;  // of a document
  const parts = [];
  answers.forEach((answer, i) => {
    const number = answers.length > 1 ? ` ${i + 1}` : '';
    parts.push(element('h3', {}, isScore ? `log p, ${nameOf(r)}` : `Answer${number} of ${nameOf(r)}`), element('pre', {}, String(answer)));
    if (compared[i] !== undefined && String(compared[i]) !== String(answer)) {
      parts.push(element('p', {}, 'compared:'), element('pre', {}, String(compared[i])));
    }
    const tried = one.tries?.[i];
    if (!tried) return;
    parts.push(element('p', {}, tried.passed ? '✓ the tests passed' : '✗ the tests failed', tried.malformed ? `; edits: ${tried.malformed}` : ''),
      element('pre', {}, String(tried.tests ?? '')));
  });
  const votes = one.judge ?? [];
  if (votes.length) parts.push(element('h3', {}, data.runs.length > 1 ? `Judge on ${nameOf(r)}` : 'Judge'));
  for (const vote of votes) {
    parts.push(element('details', {}, element('summary', {}, vote.verdict || 'no verdict', vote.swapped ? ' (shown second)' : ''), element('pre', {}, String(vote.reply))));
  }
  return parts;
}

function drawItem(item) {
  if (!item) return $('item').replaceChildren(element('p', {class: 'none'}, 'No item.'));
  const other = data.runs.length > 1 ? twin(item) : undefined;
  const parts = [element('h3', {}, `Item ${item.id}`), element('p', {class: 'help'},
    Object.entries(item.metrics).map(([name, value]) => `${name} ${figure(value)}` + (other ? ` / ${figure(other.metrics[name] ?? NaN)}` : '')).join(' · ')),
  element('h3', {}, 'Prompt'), element('pre', {id: 'prompt'}, promptOf(item))];
  if (Array.isArray(item.resps?.[0]?.[0])) {
    parts.push(element('h3', {}, 'Options'), optionsTable(item, other));
  } else {
    [item, other].forEach((one, r) => one && parts.push(...answerParts(one, r)));
  }
  parts.push(element('h3', {}, 'Right'), element('pre', {}, String(item.target)));
  $('item').replaceChildren(...parts);
  $('prompt').scrollTop = $('prompt').scrollHeight;  // the question stands behind its examples
}

function choose(task, filter, metric) {
  $('task').value = task;
  refresh();
  $('filter').value = filter;
  $('metric').value = metric;
  drawList();
  $('items-title').scrollIntoView();
}

drawMetrics();
drawDifferences();
fill($('task'), tasks);
$('task').addEventListener('change', refresh);
for (const id of ['filter', 'metric', 'which']) $(id).addEventListener('change', drawList);
$('search').addEventListener('input', drawList);
refresh();
