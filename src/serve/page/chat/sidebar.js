// The list of chats.
import {announce, byId, make} from '../shared/dom.js';
import {texts} from './texts.js';

export function showChats(chats, current, {open, remove}) {
  const wanted = byId('search').value.trim().toLowerCase();
  const shown = chats.filter((chat) => (chat.title || texts.newChat).toLowerCase().includes(wanted));
  byId('chats').replaceChildren(...shown.map((chat) => {
    const title = chat.title || texts.newChat;
    return make('li', {class: chat === current ? 'current' : ''},
      make('button', {class: 'grow', type: 'button', title, onclick: () => open(chat),
        'aria-current': chat === current ? 'true' : undefined}, title),
      make('button', {class: 'icon', type: 'button', onclick: () => remove(chat),
        'aria-label': texts.deleteChat(title)}, '×'));
  }));
}

const isNarrow = () => matchMedia('(max-width: 720px)').matches;

export function toggleSidebar(isOpen) {
  document.body.classList.toggle('sidebar-open', isOpen);
  // What is off the screen is no stop for the Tab key either.
  byId('sidebar').inert = isNarrow() && !isOpen;
  if (!isNarrow()) return;
  document.querySelector('main').inert = isOpen;
  byId(isOpen ? 'close-sidebar' : 'open-sidebar').focus();
}

export function watchWidth() {
  const apply = () => {
    const isOpen = document.body.classList.contains('sidebar-open');
    byId('sidebar').inert = isNarrow() && !isOpen;
    document.querySelector('main').inert = isNarrow() && isOpen;
  };
  matchMedia('(max-width: 720px)').addEventListener('change', apply);
  apply();
}

let undoTimer = null;
/** A note that goes by itself; with `undo` it has a button. */
export function toast(text, undo) {
  clearTimeout(undoTimer);
  byId('toast-text').textContent = text;
  announce(text);
  byId('toast-undo').hidden = !undo;
  byId('toast-undo').onclick = () => {
    byId('toast').hidden = true;
    undo();
  };
  byId('toast').hidden = false;
  undoTimer = setTimeout(() => { byId('toast').hidden = true; }, 10000);
}
