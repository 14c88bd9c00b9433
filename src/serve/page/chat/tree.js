// A chat is a tree of messages: editing and regenerating add branches and destroy nothing.
//   chat  {id, title, created, updated, system, settings, draft, files, nodes: [node], chosen: {parent id: id}}
//   node  {id, parent, role, content, reasoning, state, files?, tool_calls?, results?, ...}; parent of the first ones:
//         "root"; role: user, assistant, or tool with the `results` [{tool_call_id, name, content}] of an answer's calls
//   files [{name, text}]: of a question, or of the one that is being written
// state: done | streaming | stopped | interrupted | failed. Nothing here knows the page.
import {withFiles} from './file_text.js';

let counter = 0;
export function newId() {
  counter += 1;
  return `${Date.now().toString(36)}-${Math.random().toString(36).slice(2, 10)}-${counter}`;
}

export function newChat() {
  const now = Date.now();
  return {id: newId(), title: '', created: now, updated: now, system: '', settings: {}, draft: '',
    files: [], nodes: [], chosen: {}};
}

export function addNode(chat, parent, role, fields = {}) {
  const node = {id: newId(), parent, role, content: '', reasoning: '', state: 'done',
    created: Date.now(), ...fields};
  chat.nodes.push(node);
  chat.chosen[parent] = node.id;
  return node;
}

export function children(chat, parent) {
  return chat.nodes.filter((node) => node.parent === parent);
}

/** The messages that are shown, from the first to the last. */
export function path(chat) {
  const nodes = [];
  for (let parent = 'root'; ;) {
    const all = children(chat, parent);
    if (all.length === 0) return nodes;
    const node = all.find((child) => child.id === chat.chosen[parent]) ?? all[all.length - 1];
    nodes.push(node);
    parent = node.id;
  }
}

export function siblings(chat, node) {
  return children(chat, node.parent);
}

/** Shows the branch that is `step` further than this one's. */
export function chooseSibling(chat, node, step) {
  const all = siblings(chat, node);
  const at = all.indexOf(node) + step;
  if (at >= 0 && at < all.length) chat.chosen[node.parent] = all[at].id;
}

/** Calls that came to their end. One that was cut is no call to anybody. */
export function wholeCalls(node) {
  return (node.tool_calls ?? []).filter(({function: {arguments: text}}) => {
    try {
      const value = JSON.parse(text);
      return typeof value === 'object' && value !== null && !Array.isArray(value);
    } catch {
      return false;
    }
  });
}

function messagesOf(node) {
  if (node.role === 'tool') return node.results.map((result) => ({role: 'tool', ...result}));
  const message = {role: node.role, content: withFiles(node.content, node.files)};
  if (node.role === 'user') return [message];
  const calls = wholeCalls(node);
  if (calls.length > 0) message.tool_calls = calls;
  if (node.reasoning) message.reasoning_content = node.reasoning;
  return [message];
}

/** What is sent: everything up to `node`, which is the answer to be continued or the last question. */
export function messagesTo(chat, node, continues) {
  const messages = [];
  const byId = new Map(chat.nodes.map((n) => [n.id, n]));
  for (let n = node; n; n = byId.get(n.parent)) {
    messages.unshift(...messagesOf(n));
  }
  if (continues) messages.at(-1).prefix = true;
  if (chat.system) messages.unshift({role: 'system', content: chat.system});
  return messages;
}

export function titleOf(text) {
  const line = text.trim().split('\n')[0];
  return line.length > 60 ? `${line.slice(0, 59)}…` : line;
}
