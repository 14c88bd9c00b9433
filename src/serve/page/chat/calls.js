// Calls of tools in an answer, while they come and afterwards, and the results that a person gives them.
import {make} from '../shared/dom.js';
import {texts} from './texts.js';
import {wholeCalls} from './tree.js';

/** Adds what a chunk says of calls to those of the answer. */
export function addCalls(node, deltas) {
  node.tool_calls ??= [];
  for (const {index, id, function: part} of deltas) {
    const call = node.tool_calls[index] ??= {id, type: 'function', function: {name: '', arguments: ''}};
    call.function.name += part?.name ?? '';
    call.function.arguments += part?.arguments ?? '';
  }
}

/** Arguments for people; those that are cut, or are no JSON, as they are. */
function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

export class CallsView {
  constructor() {
    this.element = make('div', {class: 'calls', hidden: true});
    this.shown = [];
  }

  update(calls = []) {
    this.element.hidden = calls.length === 0;
    calls.forEach((call, i) => {
      this.shown[i] ??= this.add(call.function.name);
      const text = pretty(call.function.arguments);
      if (this.shown[i].textContent !== text) this.shown[i].textContent = text;
    });
  }

  add(name) {
    const body = make('pre', {tabindex: '0', role: 'region', 'aria-label': texts.argumentsOf(name)});
    this.element.append(make('details', {open: true}, make('summary', {}, texts.calls(name)), body));
    return body;
  }
}

/** Fields for the results of an answer's calls; `send(results)` gets [{tool_call_id, name, content}]. */
export function resultsForm(node, send) {
  const calls = wholeCalls(node);
  const fields = calls.map(({function: {name}}) => make('textarea', {rows: '2', 'aria-label': texts.resultOf(name),
    placeholder: texts.resultOf(name)}));
  return make('form', {class: 'results', onsubmit: (event) => {
    event.preventDefault();
    send(calls.map((call, i) => ({tool_call_id: call.id, name: call.function.name, content: fields[i].value})));
  }}, ...fields, make('button', {type: 'submit'}, texts.sendResults));
}

/** Results that were given. */
export function resultsView(results) {
  return make('div', {class: 'calls'}, ...results.map(({name, content}) => make('details', {open: true},
    make('summary', {}, texts.resultOf(name)),
    make('pre', {tabindex: '0', role: 'region', 'aria-label': texts.resultOf(name)}, pretty(content)))));
}
