// Chats to files and back. The JSON holds everything a chat has, so that importing what was exported
// changes nothing; the Markdown is for people.
import {make} from './dom.js';
import {path} from './tree.js';

const format = 'fathom-chats';
const version = 1;

function download(name, type, text) {
  const url = URL.createObjectURL(new Blob([text], {type}));
  const link = make('a', {href: url, download: name});
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}

export function toJson(chats, preferences) {
  return JSON.stringify({format, version, exported: new Date().toISOString(), preferences, chats}, null, 1);
}

export function toMarkdown(chat) {
  const parts = [`# ${chat.title || 'Chat'}`];
  if (chat.system) parts.push(`## System\n\n${chat.system}`);
  for (const node of path(chat)) {
    parts.push(`## ${node.role === 'user' ? 'User' : 'Assistant'}`);
    if (node.reasoning) parts.push(`<details><summary>Thought</summary>\n\n${node.reasoning}\n\n</details>`);
    parts.push(node.content);
  }
  return `${parts.join('\n\n')}\n`;
}

export function exportAll(chats, preferences) {
  const day = new Date().toISOString().slice(0, 10);
  download(`fathom-chats-${day}.json`, 'application/json', toJson(chats, preferences));
}

export function exportMarkdown(chat) {
  const name = (chat.title || 'chat').replace(/[^\p{L}\p{N}]+/gu, '-').slice(0, 60);
  download(`${name}.md`, 'text/markdown', toMarkdown(chat));
}

function checkNode(node, where) {
  for (const field of ['id', 'parent', 'role', 'content', 'reasoning', 'state']) {
    if (typeof node?.[field] !== 'string') throw new Error(`${where}.${field}: expected a string`);
  }
  if (node.role !== 'user' && node.role !== 'assistant') {
    throw new Error(`${where}.role: expected user or assistant, found ${node.role}`);
  }
}

function isObject(value) {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function checkChat(chat, where) {
  for (const field of ['id', 'title', 'system']) {
    if (typeof chat?.[field] !== 'string') throw new Error(`${where}.${field}: expected a string`);
  }
  for (const field of ['settings', 'chosen']) {
    if (!isObject(chat[field])) throw new Error(`${where}.${field}: expected an object`);
  }
  for (const field of ['created', 'updated']) {
    if (typeof chat[field] !== 'number') throw new Error(`${where}.${field}: expected a number`);
  }
  if (!Array.isArray(chat.nodes)) throw new Error(`${where}.nodes: expected an array`);
  const before = new Set(['root']);
  chat.nodes.forEach((node, at) => {
    checkNode(node, `${where}.nodes[${at}]`);
    if (before.has(node.id)) throw new Error(`${where}.nodes[${at}].id: there are two of ${node.id}`);
    // Parents stand before their children, so there are no circles.
    if (!before.has(node.parent)) throw new Error(`${where}.nodes[${at}].parent: there is no ${node.parent}`);
    before.add(node.id);
  });
}

/** {chats, preferences} of an exported text; throws what is wrong with it, having changed nothing. */
export function fromJson(text) {
  let file;
  try {
    file = JSON.parse(text);
  } catch {
    throw new Error('the file is no JSON');
  }
  if (file?.format !== format) throw new Error(`format: expected "${format}", found ${JSON.stringify(file?.format)}`);
  if (file.version !== version) throw new Error(`version: expected ${version}, found ${JSON.stringify(file.version)}`);
  if (!Array.isArray(file.chats)) throw new Error('chats: expected an array');
  file.chats.forEach((chat, at) => checkChat(chat, `chats[${at}]`));
  return {chats: file.chats, preferences: isObject(file.preferences) ? file.preferences : {}};
}
