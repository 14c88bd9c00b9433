// One message: its text, its thought, what it cost and what can be done with it.
import {copyText, make} from './dom.js';
import {Markdown} from './markdown.js';
import {texts} from './texts.js';
import {siblings} from './tree.js';

const number = (value, digits = 1) => value.toFixed(value >= 100 ? 0 : digits);

/** "23.4 tokens/s · first token 0.21 s · 120 tokens · 64 of 80 prompt tokens cached" */
function speedLine(node) {
  const {timings, usage} = node;
  const parts = [];
  if (timings?.predicted_per_second > 0) parts.push(`${number(timings.predicted_per_second)} tokens/s`);
  if (node.first_ms !== undefined) parts.push(`first token ${number(node.first_ms / 1000, 2)} s`);
  if (usage) {
    parts.push(`${usage.completion_tokens} tokens`);
    const cached = usage.prompt_tokens_details?.cached_tokens ?? 0;
    parts.push(`${cached} of ${usage.prompt_tokens} prompt tokens cached`);
  }
  if (timings?.draft_n > 0) {
    parts.push(`drafts ${Math.round(100 * timings.draft_n_accepted / timings.draft_n)} % accepted`);
  }
  return parts.join(' · ');
}

function stateText(node) {
  if (node.state === 'failed') return texts.failed(node.error ?? '');
  if (node.state === 'interrupted') return texts.interrupted;
  if (node.state === 'stopped') return texts.stopped;
  return node.finish === 'length' ? texts.cut : '';
}

/** `actions`: {edit(node, text), regenerate(node), resume(node), choose(node, step)} */
export class MessageView {
  constructor(chat, node, actions) {
    Object.assign(this, {chat, node, actions});
    const isAnswer = node.role === 'assistant';
    this.body = make('div', {class: 'body'});
    this.notice = make('p', {class: 'notice', hidden: true});
    this.speed = make('p', {class: 'speed note'});
    this.tools = make('div', {class: 'tools'});
    this.element = make('article', {class: `message ${node.role}`, 'data-id': node.id,
      'aria-label': isAnswer ? texts.model : texts.you});
    if (isAnswer) this.addThought();
    this.element.append(this.body, this.notice, this.speed, this.tools);
    this.text = isAnswer ? new Markdown(this.body) : null;
    this.update();
  }

  addThought() {
    this.summary = make('summary');
    const body = make('div', {class: 'thought'});
    this.thought = make('details', {class: 'thinking', hidden: true}, this.summary, body);
    this.thoughtText = new Markdown(body);
    this.thought.addEventListener('toggle', () => this.updateThought());
    this.element.append(this.thought);
  }

  update() {
    const isLive = this.node.state === 'streaming';
    if (this.text) {
      this.updateThought();
      this.text.update(this.node.content, !isLive);
    } else {
      this.body.textContent = this.node.content;
    }
    this.element.classList.toggle('live', isLive);
    const isWaiting = isLive && !this.node.content && !this.node.reasoning;
    const notice = isWaiting ? texts.waiting : stateText(this.node);
    this.notice.textContent = notice;
    this.notice.hidden = !notice;
    this.notice.classList.toggle('bad', this.node.state === 'failed');
    if (isLive && this.tools.childElementCount > 0) this.tools.replaceChildren();
    if (isLive) return;
    this.speed.textContent = this.text ? speedLine(this.node) : '';
    this.showTools();
  }

  updateThought() {
    const {node} = this;
    this.thought.hidden = !node.reasoning;
    if (!node.reasoning) return;
    const isThinking = node.state === 'streaming' && !node.content;
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
    this.tools.replaceChildren(...this.branches(), copy,
      this.button(texts.edit, () => this.startEdit(), {class: 'edit'}));
    if (node.role !== 'assistant') return;
    this.tools.append(this.button(texts.regenerate, () => actions.regenerate(node), {class: 'again'}));
    const isWhole = node.state === 'done' && node.finish !== 'length';
    if (!isWhole && node.content) {
      this.tools.append(this.button(texts.continue, () => actions.resume(node), {class: 'continue'}));
    }
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
