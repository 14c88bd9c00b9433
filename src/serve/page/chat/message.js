// One message: its text, its thought, what it cost and what can be done with it.
import {copyText, make} from '../shared/dom.js';
import {fileView} from './attachments.js';
import {CallsView, resultsForm, resultsView} from './calls.js';
import {Markdown} from './markdown.js';
import {speedLine} from './speed.js';
import {texts} from './texts.js';
import {siblings, wholeCalls} from './tree.js';

const longLines = 15, longCharacters = 1500;  // of a question; longer ones are folded in
const pieceCharacters = 10000;  // of an answer that are drawn at once
const opened = new Set();  // ids of messages whose thought or whole text was asked for

function stateText(node) {
  if (node.state === 'failed') return texts.failed(node.error ?? '');
  if (node.state === 'interrupted') return texts.interrupted;
  if (node.state === 'stopped') return texts.stopped;
  return node.finish === 'length' ? texts.cut : '';
}

/** `actions`: {edit(node, text), regenerate(node), resume(node), choose(node, step), giveResults(node, results)} */
export class MessageView {
  constructor(chat, node, actions) {
    Object.assign(this, {chat, node, actions});
    const isAnswer = node.role === 'assistant';
    this.body = make('div', {class: 'body'});
    this.notice = make('p', {class: 'notice', hidden: true});
    this.speed = make('p', {class: 'speed note'});
    this.tools = make('div', {class: 'tools'});
    this.element = make('article', {class: `message ${node.role}`, 'data-id': node.id,
      'aria-label': {assistant: texts.model, user: texts.you, tool: texts.tool}[node.role]});
    this.calls = new CallsView();
    this.progress = make('progress', {hidden: true, max: '1', 'aria-label': texts.reading});
    if (isAnswer) this.addThought();
    if (node.files?.length) this.element.append(make('div', {class: 'files'}, ...node.files.map((file) => fileView(file))));
    this.element.append(this.body, this.calls.element, this.progress, this.notice, this.speed, this.tools);
    if (node.results) this.body.replaceWith(resultsView(node.results));
    this.text = isAnswer ? new Markdown(this.body) : null;
    this.isDrawn = false;
    this.drawn = 0;  // characters of an answer, while it is drawn in pieces
  }

  /** Draws the message, or some more of a long one; until then there is an empty box. True: all of it is there. */
  draw() {
    const {content, role, state} = this.node;
    this.drawn += pieceCharacters;
    if (this.text && state !== 'streaming' && this.drawn < content.length) {
      this.text.update(content.slice(0, this.drawn), false);
      return false;
    }
    this.isDrawn = true;
    this.update();
    if (role === 'user') this.foldIn();
    return true;
  }

  addThought() {
    this.summary = make('summary');
    const body = make('div', {class: 'thought'});
    this.thought = make('details', {class: 'thinking', hidden: true, open: opened.has(this.node.id)}, this.summary, body);
    this.thoughtText = new Markdown(body);
    this.thought.addEventListener('toggle', () => {
      this.remember(this.thought.open);
      this.updateThought();
    });
    this.element.append(this.thought);
  }

  remember(isOpen) {
    if (isOpen) opened.add(this.node.id);
    else opened.delete(this.node.id);
  }

  /** A long question shows its beginning. */
  foldIn() {
    const {content} = this.node;
    if (content.length <= longCharacters && content.split('\n').length <= longLines) return;
    const button = this.button('', () => {
      this.remember(!opened.has(this.node.id));
      apply();
    }, {class: 'fold'});
    const apply = () => {
      const isOpen = opened.has(this.node.id);
      this.body.classList.toggle('folded', !isOpen);
      button.textContent = isOpen ? texts.showLess : texts.showAll;
      button.setAttribute('aria-expanded', isOpen);
    };
    apply();
    this.body.after(button);
  }

  update() {
    const isLive = this.node.state === 'streaming';
    if (this.text) {
      this.updateThought();
      this.text.update(this.node.content, !isLive);
      this.calls.update(this.node.tool_calls);
    } else {
      this.body.textContent = this.node.content;
    }
    this.element.classList.toggle('live', isLive);
    const isWaiting = isLive && this.node.first_ms === undefined;
    const notice = isWaiting ? this.waitingText() : stateText(this.node);
    if (!isWaiting) this.progress.hidden = true;
    this.notice.textContent = notice;
    this.notice.hidden = !notice;
    this.notice.classList.toggle('bad', this.node.state === 'failed');
    if (isLive && this.tools.childElementCount > 0) this.tools.replaceChildren();
    this.speed.textContent = this.text ? speedLine(this.node) : '';
    if (!isLive) this.showTools();
    if (!isLive && this.text) this.showResultsForm();
  }

  /** Calls wait for results; others than those that were given begin a branch. */
  showResultsForm() {
    this.results?.remove();
    if (wholeCalls(this.node).length === 0) return;
    this.results = resultsForm(this.node, (results) => this.actions.giveResults(this.node, results));
    this.calls.element.after(this.results);
  }

  /** How far the prompt has been read. */
  waitingText() {
    const {total, processed} = this.node.progress ?? {};
    this.progress.hidden = !total;
    if (!total) return texts.waiting;
    this.progress.value = processed / total;
    return texts.readSoFar(processed, total);
  }

  updateThought() {
    const {node} = this;
    this.thought.hidden = !node.reasoning;
    if (!node.reasoning) return;
    const isThinking = node.state === 'streaming' && !node.content && !node.tool_calls;
    const seconds = (node.thought_ms ?? 0) / 1000;
    const heading = isThinking ? texts.thinkingNow(seconds) : texts.thoughtFor(seconds);
    this.summary.textContent = node.thought_ms === undefined ? texts.thought : heading;
    if (this.thought.open) this.thoughtText.update(node.reasoning, !isThinking);
  }

  button(text, action, attributes = {}) {
    return make('button', {type: 'button', onclick: action, ...attributes}, text);
  }

  showTools() {
    const {node, actions} = this;
    const copy = this.button(texts.copy, async () => {
      await copyText(node.content);
      copy.textContent = texts.copied;
    });
    if (node.role === 'tool') {
      this.tools.replaceChildren(...this.branches());
      return;
    }
    this.tools.replaceChildren(...this.branches(), copy,
      this.button(texts.edit, () => this.startEdit(), {class: 'edit'}));
    if (node.role !== 'assistant') return;
    this.tools.append(this.button(texts.regenerate, () => actions.regenerate(node), {class: 'again'}));
    const isWhole = node.state === 'done' && node.finish !== 'length';
    if (!isWhole && (node.content || node.reasoning)) {
      this.tools.append(this.button(texts.continue, () => actions.resume(node), {class: 'continue'}));
    }
    this.tools.append(this.button(texts.raw, () => this.toggleRaw(), {class: 'raw-button', 'aria-expanded': String(Boolean(this.raw))}));
  }

  /** The answer as the server gave it. */
  toggleRaw() {
    const {role, content, reasoning, tool_calls: calls, finish, usage, timings, model} = this.node;
    const button = this.tools.querySelector('.raw-button');
    button.setAttribute('aria-expanded', String(!this.raw));
    if (this.raw) {
      this.raw.remove();
      this.raw = null;
      return;
    }
    const answer = {model, message: {role, content, reasoning_content: reasoning || undefined, tool_calls: calls},
      finish_reason: finish, usage, timings};
    this.raw = make('pre', {class: 'raw', tabindex: '0', role: 'region', 'aria-label': texts.raw}, JSON.stringify(answer, null, 2));
    this.tools.after(this.raw);
  }

  branches() {
    const all = siblings(this.chat, this.node);
    if (all.length < 2) return [];
    const at = all.indexOf(this.node);
    const step = (by, text, label) => this.button(text, () => this.actions.choose(this.node, by),
      {class: 'icon', 'aria-label': label, disabled: !all[at + by]});
    return [step(-1, '‹', texts.previous),
      make('span', {class: 'count', 'aria-label': texts.branch(at + 1, all.length)}, `${at + 1}/${all.length}`),
      step(1, '›', texts.next)];
  }

  startEdit() {
    const field = make('textarea', {'aria-label': texts.editField, rows: 4});
    field.value = this.node.content;
    const close = () => {
      form.remove();
      this.body.hidden = this.tools.hidden = false;
      this.tools.querySelector('.edit')?.focus();
    };
    const isAnswer = this.node.role === 'assistant';
    const form = make('form', {class: 'editor', onsubmit: (event) => {
      event.preventDefault();
      close();
      this.actions.edit(this.node, field.value);
    }, onkeydown: (event) => {
      if (event.key !== 'Escape') return;
      event.stopPropagation();
      close();
    }}, field, make('div', {class: 'row wrap'},
      make('button', {class: 'primary', type: 'submit'}, isAnswer ? texts.save : texts.sendEdited),
      this.button(texts.cancel, close)));
    this.body.hidden = this.tools.hidden = true;
    this.body.after(form);
    field.focus();
  }
}
