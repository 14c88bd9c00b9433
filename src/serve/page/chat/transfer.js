// Chats to files and back. The JSON holds everything a chat has, so that importing what was exported
// changes nothing; the Markdown is for people.
import {download} from '../shared/dom.js';
import {path} from './tree.js';

const format = 'fathom-chats';
const version = 1;

export function toJson(chats, preferences) {
  return JSON.stringify({format, version, exported: new Date().toISOString(), preferences, chats}, null, 1);
}

/** As code, whatever is in it. */
function fenced(text) {
  const longest = Math.max(2, ...(text.match(/`+/g) ?? []).map((run) => run.length));
  const fence = '`'.repeat(longest + 1);
  return `${fence}\n${text}\n${fence}`;
}

export function toMarkdown(chat) {
  const parts = [`# ${chat.title || 'Chat'}`];
  if (chat.system) parts.push(`## System\n\n${chat.system}`);
  for (const node of path(chat)) {
    if (node.role === 'tool') {
      for (const {name, content} of node.results) parts.push(`## Result of ${name}`, fenced(content));
      continue;
    }
    parts.push(`## ${node.role === 'user' ? 'User' : 'Assistant'}`);
    for (const {name, text} of node.files ?? []) parts.push(`<details><summary>${name.replace(/[<&]/g, '')}</summary>\n\n${fenced(text)}\n\n</details>`);
    if (node.reasoning) parts.push(`<details><summary>Thought</summary>\n\n${node.reasoning}\n\n</details>`);
    parts.push(node.content);
    for (const {function: call} of node.tool_calls ?? []) parts.push(`Calls \`${call.name}\`:\n\n${fenced(call.arguments)}`);
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
  checkTexts(node, ['id', 'parent', 'role', 'content', 'reasoning', 'state'], where);
  if (!['user', 'assistant', 'tool'].includes(node.role)) {
    throw new Error(`${where}.role: expected user, assistant or tool, found ${node.role}`);
  }
  if (node.role === 'tool') checkItems(node.results ?? null, ['tool_call_id', 'name', 'content'], `${where}.results`);
  checkItems(node.files, ['name', 'text'], `${where}.files`);
  checkCalls(node.tool_calls, `${where}.tool_calls`);
}

function isObject(value) {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function checkTexts(object, fields, where) {
  for (const field of fields) {
    if (typeof object?.[field] !== 'string') throw new Error(`${where}.${field}: expected a string`);
  }
}

/** Where there is one: an array of objects with these texts. */
function checkItems(items, fields, where) {
  if (items === undefined) return;
  if (!Array.isArray(items)) throw new Error(`${where}: expected an array`);
  items.forEach((item, at) => checkTexts(item, fields, `${where}[${at}]`));
}

function checkCalls(calls, where) {
  checkItems(calls, ['id'], where);
  (calls ?? []).forEach((call, at) => checkTexts(call.function, ['name', 'arguments'], `${where}[${at}].function`));
}

function checkChat(chat, where) {
  checkTexts(chat, ['id', 'title', 'system'], where);
  for (const field of ['settings', 'chosen']) {
    if (!isObject(chat[field])) throw new Error(`${where}.${field}: expected an object`);
  }
  for (const field of ['created', 'updated']) {
    if (typeof chat[field] !== 'number') throw new Error(`${where}.${field}: expected a number`);
  }
  checkItems(chat.files, ['name', 'text'], `${where}.files`);
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
  const presets = file.preferences?.presets;
  if (presets !== undefined) {
    if (!isObject(presets)) throw new Error('preferences.presets: expected an object');
    for (const [name, preset] of Object.entries(presets)) {
      if (typeof preset?.system !== 'string' || !isObject(preset.settings)) {
        throw new Error(`preferences.presets.${name}: expected {system, settings}`);
      }
    }
  }
  return {chats: file.chats, preferences: isObject(file.preferences) ? file.preferences : {}};
}
