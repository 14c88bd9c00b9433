// The messages of the chat that is looked at, and where one is in them.
import {byId, make} from '../shared/dom.js';
import {MessageView} from './message.js';
import {texts} from './texts.js';
import {path} from './tree.js';

const stickPx = 32;      // nearer to the end than this, the page follows what comes
const paintEveryMs = 50;

export class Thread {
  constructor(actions) {
    this.actions = actions;
    this.scroll = byId('scroll');
    this.list = byId('thread');
    this.views = new Map();
    this.sticks = true;
    this.pending = null;
    this.timer = null;
    this.lastTop = 0;
    this.scroll.addEventListener('scroll', () => this.onScroll(), {passive: true});
    byId('down').addEventListener('click', () => this.toEnd());
    new ResizeObserver(() => this.follow()).observe(this.list);
    new ResizeObserver(() => this.follow()).observe(this.scroll);
  }

  /** Shows the chat's branch anew; keeps the place unless it is another chat. */
  show(chat) {
    const isOther = this.chat !== chat;
    const top = this.scroll.scrollTop;
    this.chat = chat;
    this.views.clear();
    const nodes = path(chat);
    this.list.replaceChildren(...nodes.map((node) => {
      const view = new MessageView(chat, node, this.actions);
      this.views.set(node.id, view);
      return view.element;
    }));
    if (nodes.length === 0) this.list.append(make('p', {class: 'empty note'}, texts.empty));
    if (isOther) this.toEnd();
    else if (!this.sticks) this.scroll.scrollTop = top;
  }

  /** The node has more text. Painted soon, at most 20 times a second, less where painting is slow. */
  delta(node) {
    this.pending = node;
    if (this.timer === null) this.timer = setTimeout(() => this.paint(), 0);
  }

  paint() {
    this.timer = null;
    const view = this.pending && this.views.get(this.pending.id);
    this.pending = null;
    if (!view) return;
    const begun = performance.now();
    view.update();
    const pause = Math.max(paintEveryMs, 4 * (performance.now() - begun));
    this.timer = setTimeout(() => this.paint(), pause);
  }

  end(node) {
    this.pending = null;
    this.views.get(node.id)?.update();
  }

  onScroll() {
    const {scrollHeight, scrollTop, clientHeight} = this.scroll;
    const isNear = scrollHeight - scrollTop - clientHeight <= stickPx;
    // What grows below is no move of the reader: only going up lets go.
    if (isNear) this.sticks = true;
    else if (scrollTop < this.lastTop - 1) this.sticks = false;
    this.lastTop = scrollTop;
    byId('down').hidden = this.sticks;
  }

  follow() {
    if (this.sticks) this.scroll.scrollTop = this.scroll.scrollHeight;
    this.onScroll();
  }

  toEnd() {
    this.sticks = true;
    this.follow();
  }
}
