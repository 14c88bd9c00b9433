// The messages of the chat that is looked at, and where one is in them.
import {byId, make} from '../shared/dom.js';
import {MessageView} from './message.js';
import {texts} from './texts.js';
import {path} from './tree.js';

const stickPx = 32;      // nearer to the end than this, the page follows what comes
const paintEveryMs = 50;
const drawMs = 40;       // of a long chat's messages, until the browser may do something else

export class Thread {
  constructor(actions) {
    this.actions = actions;
    this.scroll = byId('scroll');
    this.list = byId('thread');
    this.views = new Map();
    this.undrawn = [];
    this.sticks = true;
    this.pending = null;
    this.timer = null;
    this.lastTop = 0;
    this.scroll.addEventListener('scroll', () => this.onScroll(), {passive: true});
    byId('down').addEventListener('click', () => this.toEnd());
    new ResizeObserver(() => this.follow()).observe(this.list);
    new ResizeObserver(() => this.follow()).observe(this.scroll);
  }

  /** Shows the chat's branch. What was there of it stays as it is, and so does the place. */
  show(chat) {
    const isOther = this.chat !== chat;
    this.chat = chat;
    const before = isOther ? new Map() : this.views;
    this.views = new Map();
    for (const node of path(chat)) {
      // An answer that is gone on with was drawn as a whole one.
      const kept = node.state === 'streaming' ? null : before.get(node.id);
      this.views.set(node.id, kept ?? new MessageView(chat, node, this.actions));
    }
    const elements = [...this.views.values()].map((view) => view.element);
    for (const element of [...this.list.children]) {
      if (!elements.includes(element)) element.remove();
    }
    // Branches part once: what is kept stands before all that is new.
    this.list.append(...elements.filter((element) => !element.isConnected));
    if (elements.length === 0) this.list.append(make('p', {class: 'empty note'}, texts.empty));
    for (const view of this.views.values()) if (view.isDrawn) view.update();
    this.undrawn = [...this.views.values()].filter((view) => !view.isDrawn);
    this.drawSome();
    if (isOther) this.toEnd();
  }

  /** Draws messages, the last ones first, a little at a time. */
  drawSome() {
    clearTimeout(this.drawTimer);
    const begun = performance.now();
    while (this.undrawn.length > 0 && performance.now() - begun < drawMs) {
      const view = this.undrawn.at(-1);
      this.keepPlace(view.element, () => {
        if (view.isDrawn || view.draw()) this.undrawn.pop();
      });
    }
    if (this.undrawn.length > 0) this.drawTimer = setTimeout(() => this.drawSome(), 0);
  }

  /** Does something to a message; what the reader looks at below it does not move. */
  keepPlace(element, action) {
    const {bottom} = element.getBoundingClientRect();
    const isAbove = !this.sticks && bottom <= this.scroll.getBoundingClientRect().top;
    action();
    if (isAbove) this.scroll.scrollTop += element.getBoundingClientRect().bottom - bottom;
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
