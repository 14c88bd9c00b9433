// The chat page: what is looked at and what buttons and keys do. Start reading here.
import {Attachments} from './attachments.js';
import {answer, anyRunning, markInterrupted, runningNode, saveRunning, stopAnswer} from './answer.js';
import {serverState} from './api.js';
import {announce, byId} from '../shared/dom.js';
import {canRender} from './markdown.js';
import {openSettings} from './settings.js';
import {showChats, toast, toggleSidebar, watchWidth} from './sidebar.js';
import {allChats, deleteChat, openStore, readPreferences, saveChat, savePreferences} from './store.js';
import {texts} from './texts.js';
import {Thread} from './thread.js';
import {exportAll, exportMarkdown, fromJson} from './transfer.js';
import {addNode, chooseSibling, newChat, path, titleOf} from './tree.js';

const input = byId('input');
const preferences = readPreferences();
let chats = [];
let chat = newChat();
let capabilities = null;

const attachments = new Attachments({
  files: () => chat.files,
  changed: () => saveDraft(),
  complain: (text) => toast(text),
});

const thread = new Thread({
  edit: editMessage,
  regenerate: (node) => ask(chat.nodes.find((n) => n.id === node.parent)),
  resume: (node) => answer(chat, {unfinished: node}, onAnswer),
  giveResults: (node, results) => ask(addNode(chat, node.id, 'tool', {results})),
  choose(node, step) {
    chooseSibling(chat, node, step);
    saveChat(chat);
    thread.show(chat);
  },
});

function ask(question) {
  thread.sticks = true;
  answer(chat, {question}, onAnswer);
}

function onAnswer(whose, node, what) {
  if (whose === chat) {
    if (what === 'begin') thread.show(chat);
    if (what === 'delta') thread.delta(node);
    if (what === 'end') thread.end(node);
  }
  if (what === 'delta') return;
  if (what === 'begin') announce(texts.started);
  else announce(node.state === 'failed' ? texts.failed(node.error) : texts.finished);
  if (node.state === 'failed') checkServer();
  showButtons();
}

function showButtons() {
  const isRunning = Boolean(runningNode(chat));
  byId('send').hidden = isRunning;
  byId('stop').hidden = !isRunning;
}

function refresh() {
  byId('title').textContent = chat.title || texts.newChat;
  document.title = chat.title ? `${chat.title} – fathom` : 'fathom';
  showChats(chats, chat, {open: openChat, remove: removeChat});
  showButtons();
}

function openChat(next) {
  chat = next;
  chat.files ??= [];  // a chat of an older version has none
  input.value = chat.draft ?? '';
  attachments.show();
  fitInput();
  location.hash = chats.includes(chat) ? chat.id : '';
  thread.show(chat);
  refresh();
  if (document.body.classList.contains('sidebar-open')) toggleSidebar(false);
  input.focus();
}

async function removeChat(gone) {
  stopAnswer(gone);
  chats = chats.filter((other) => other !== gone);
  await deleteChat(gone.id);
  if (gone === chat) openChat(newChat());
  else refresh();
  toast(texts.deleted(gone.title), async () => {
    chats = [gone, ...chats].sort((a, b) => b.updated - a.updated);
    await saveChat(gone);
    openChat(gone);
  });
}

function send() {
  const text = input.value;
  if (!(text.trim() || chat.files.length > 0) || runningNode(chat)) return;
  const last = path(chat).at(-1);
  const files = chat.files.length > 0 ? {files: chat.files} : {};
  const question = addNode(chat, last?.id ?? 'root', 'user', {content: text, ...files});
  if (!chat.title) chat.title = titleOf(text.trim() ? text : chat.files[0].name);
  chat.draft = input.value = '';
  chat.files = [];
  attachments.show();
  fitInput();
  chats = [chat, ...chats.filter((other) => other !== chat)];
  location.hash = chat.id;
  ask(question);
  refresh();
}

/** A question that is edited begins a branch and is asked; an answer becomes a branch beside it. */
function editMessage(node, text) {
  if (runningNode(chat)) return;
  if (node.role === 'user') {
    ask(addNode(chat, node.parent, 'user', node.files ? {content: text, files: node.files} : {content: text}));
    return;
  }
  addNode(chat, node.parent, 'assistant', {content: text, reasoning: node.reasoning, edited: true});
  saveChat(chat);
  thread.show(chat);
}

function fitInput() {
  input.style.height = 'auto';
  input.style.height = `${Math.min(input.scrollHeight + 2, innerHeight * 0.4)}px`;
}

function onInputKey(event) {
  // Enter also ends the composition of a character (keyCode 229 in Safari): that sends nothing.
  if (event.key !== 'Enter' || event.isComposing || event.keyCode === 229) return;
  const isPhone = matchMedia('(pointer: coarse)').matches;
  const hasModifier = event.ctrlKey || event.metaKey;
  const sends = hasModifier || (!event.shiftKey && !isPhone && !preferences.ctrl_enter);
  if (!sends) return;
  event.preventDefault();
  send();
}

const serverTexts = {away: texts.away, loading: texts.loading, draining: texts.draining,
  stalled: texts.stalled, key: texts.needsKey};
let checkTimer = null;

async function checkServer() {
  clearTimeout(checkTimer);
  const found = await serverState();
  capabilities = found.capabilities ?? capabilities;
  let problem = serverTexts[found.state] ?? '';
  if (found.state === 'ok' && capabilities?.chat_template === null) problem = texts.noTemplate;
  if (byId('banner-text').textContent !== problem) byId('banner-text').textContent = problem;
  byId('banner').hidden = !problem;
  const facts = [];
  if (capabilities) facts.push(capabilities.model, `${capabilities.context_length} tokens of context`);
  if (!canRender) facts.push(texts.plain);
  byId('model').textContent = facts.join(' · ');
  checkTimer = setTimeout(checkServer, problem ? 3000 : 30000);
}

async function importFile(file) {
  try {
    const {chats: imported, preferences: theirs} = fromJson(await file.text());
    if (anyRunning()) throw new Error('an answer is still coming');
    for (const one of imported) {
      markInterrupted(one);
      await saveChat(one);
    }
    Object.assign(preferences, theirs, {presets: {...preferences.presets, ...theirs.presets}});
    savePreferences(preferences);
    chats = await allChats();
    openChat(chats.find((other) => other.id === chat.id) ?? chats[0] ?? chat);
    toast(texts.imported(imported.length));
  } catch (fault) {
    toast(texts.notImported(fault.message));
  }
}

function saveDraft() {
  chat.draft = input.value;
  fitInput();
  if (chats.includes(chat)) saveChat(chat);
}

function listen() {
  const onClick = (id, action) => byId(id).addEventListener('click', action);
  byId('composer').addEventListener('submit', (event) => {
    event.preventDefault();
    send();
  });
  input.addEventListener('keydown', onInputKey);
  input.addEventListener('input', saveDraft);
  onClick('stop', () => stopAnswer(chat));
  onClick('new-chat', () => openChat(newChat()));
  onClick('open-sidebar', () => toggleSidebar(true));
  onClick('close-sidebar', () => toggleSidebar(false));
  onClick('banner-retry', checkServer);
  onClick('export-all', () => exportAll(chats, preferences));
  onClick('export-markdown', () => exportMarkdown(chat));
  onClick('import', () => byId('import-file').click());
  onClick('open-settings', () => openSettings(chat, preferences, capabilities, () => {
    if (chats.includes(chat)) saveChat(chat);
    checkServer();
  }));
  byId('import-file').addEventListener('change', (event) => {
    if (event.target.files[0]) importFile(event.target.files[0]);
    event.target.value = '';
  });
  byId('search').addEventListener('input', refresh);
  addEventListener('keydown', (event) => {
    if (event.key !== 'Escape' || event.isComposing || byId('settings').open) return;
    if (document.body.classList.contains('sidebar-open')) toggleSidebar(false);
    else stopAnswer(chat);
  });
  addEventListener('pagehide', saveRunning);
  addEventListener('visibilitychange', saveRunning);
}

async function start() {
  listen();
  watchWidth();
  try {
    await openStore();
  } catch (fault) {
    toast(texts.notSaved(fault.message));
  }
  chats = await allChats();
  for (const one of chats) {
    if (markInterrupted(one)) await saveChat(one);
  }
  openChat(chats.find((one) => one.id === location.hash.slice(1)) ?? chat);
  await checkServer();
}

start();
