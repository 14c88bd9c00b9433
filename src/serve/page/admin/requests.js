// The table of requests in flight. A request keeps its row, so that its button keeps the focus.
import {byId, make} from '../shared/dom.js';
import {count, short, span} from './format.js';
import {texts} from './texts.js';

const names = ['phase', 'age', 'key', 'prompt', 'generated', 'speed', 'model', 'endpoint'];
const numbers = new Set(['age', 'prompt', 'generated', 'speed']);

function cells(request) {
  const decodeS = (request.age_ms - request.first_token_ms) / 1000;
  const isPrefill = request.phase === 'prefill';
  return {
    phase: texts.phases[request.phase],
    age: span(request.age_ms / 1000),
    key: request.key,
    prompt: isPrefill ? texts.promptCell(count(request.prefilled_tokens), count(request.prompt_tokens))
      : count(request.prompt_tokens),
    generated: texts.promptCell(count(request.generated_tokens), count(request.max_tokens)),
    speed: request.phase === 'decode' && decodeS > 0 ? short(request.generated_tokens / decodeS) : texts.none,
    model: request.model,
    endpoint: request.endpoint,
  };
}

export class Requests {
  /** `end(request)` is called when an operator wants a request to end. */
  constructor(end) {
    this.end = end;
    this.rows = new Map();
    this.body = make('tbody');
    const head = [...names, 'end'].map((name) => make('th', {scope: 'col', class: numbers.has(name) ? 'number' : undefined}, texts.columns[name]));
    byId('requests').append(make('thead', {}, make('tr', {}, ...head)), this.body);
  }

  /** `list`: of /admin/requests. */
  show({open, data}) {
    const all = open.queue + open.prefill + open.decode;
    const more = all - data.length;
    byId('requests-note').textContent = all === 0 ? texts.nothingOpen
      : texts.openCounts(open) + (more > 0 ? texts.more(more) : '');
    byId('requests').hidden = data.length === 0;
    const here = new Set(data.map(({id}) => id));
    for (const [id, row] of this.rows) {
      if (here.has(id)) continue;
      row.element.remove();
      this.rows.delete(id);
    }
    for (const request of data) this.showOne(request);
  }

  showOne(request) {
    if (!this.rows.has(request.id)) this.rows.set(request.id, this.makeRow(request));
    const row = this.rows.get(request.id);
    row.request = request;
    row.element.dataset.phase = request.phase;
    for (const [name, text] of Object.entries(cells(request))) {
      if (row.cells[name].textContent !== text) row.cells[name].textContent = text;
    }
  }

  makeRow(request) {
    const row = {request, cells: {}};
    for (const name of names) {
      row.cells[name] = make(name === 'phase' ? 'th' : 'td', {scope: name === 'phase' ? 'row' : undefined,
        class: numbers.has(name) ? 'number' : undefined});
    }
    const button = make('button', {type: 'button', 'aria-label': texts.endLabel(request.id, request.key),
      onclick: () => this.ask(row.request)}, texts.end);
    row.element = make('tr', {'data-id': request.id, title: request.request_id}, ...Object.values(row.cells), make('td', {}, button));
    this.body.append(row.element);
    return row;
  }

  ask(request) {
    if (confirm(texts.endQuestion(request.id, request.key))) this.end(request);
  }
}
