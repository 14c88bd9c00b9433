// Answers while they come. They belong to their chat, not to what is on the screen: another chat may be
// looked at meanwhile. What has come is saved every second.
import {contextLength, streamChat} from './api.js';
import {addCalls} from './calls.js';
import {saveChat} from './store.js';
import {addNode, messagesTo} from './tree.js';
import {texts} from './texts.js';

const saveEveryMs = 1000;
const running = new Map();  // chat id -> {controller, node}

export const runningNode = (chat) => running.get(chat.id)?.node;
export const stopAnswer = (chat) => running.get(chat.id)?.controller.abort();
export const anyRunning = () => running.size > 0;

/** Saves what has come of every answer: the page is about to go. */
export function saveRunning() {
  for (const {chat} of running.values()) saveChat(chat);
}

function takeChunk(node, chunk, begun) {
  if (chunk.usage) node.usage = chunk.usage;
  if (chunk.timings) node.timings = chunk.timings;
  if (chunk.model) node.model = chunk.model;
  if (chunk.prompt_progress) node.progress = chunk.prompt_progress;
  for (const {delta, finish_reason: reason} of chunk.choices ?? []) {
    const thought = delta.reasoning_content ?? delta.reasoning ?? '';
    const said = delta.content ?? '';
    const now = performance.now();
    if (thought || said || delta.tool_calls) {
      node.first_ms ??= now - begun;
      node.last_ms = now - begun;
    }
    if (thought) node.thought_ms = now - begun - (node.first_ms ?? 0) + (node.thought_before_ms ?? 0);
    node.reasoning += thought;
    node.content += said;
    if (delta.tool_calls) addCalls(node, delta.tool_calls);
    if (reason) node.finish = reason;
  }
}

function settingsOf(chat, unfinished) {
  const {thinking, ...sampling} = chat.settings;
  // An answer without a thought is gone on with behind it. The effort is a hint, which R1 may pass over.
  if (unfinished && !unfinished.reasoning) return {...sampling, reasoning_effort: 'none'};
  if (unfinished) return sampling;  // its thought says that it thinks, whatever was chosen since
  return thinking ? {...sampling, thinking: {type: thinking}} : sampling;
}

/**
 * Answers the message `question`, as a new branch, or goes on with the answer `unfinished`.
 * `show(chat, node, what)` hears of "begin", "delta" and "end".
 */
export async function answer(chat, {question, unfinished}, show) {
  if (running.has(chat.id)) return;
  const node = unfinished ?? addNode(chat, question.id, 'assistant');
  const messages = messagesTo(chat, unfinished ?? question, Boolean(unfinished));
  const controller = new AbortController();
  for (const name of ['error', 'finish', 'usage', 'timings', 'first_ms', 'last_ms']) delete node[name];
  node.context = contextLength();
  node.state = 'streaming';
  if (node.thought_ms !== undefined) node.thought_before_ms = node.thought_ms;
  running.set(chat.id, {controller, node, chat});
  const timer = setInterval(() => saveChat(chat), saveEveryMs);
  const begun = performance.now();
  chat.updated = Date.now();
  saveChat(chat);
  show(chat, node, 'begin');
  try {
    const ended = await streamChat({messages, ...settingsOf(chat, unfinished)}, controller.signal, (chunk) => {
      takeChunk(node, chunk, begun);
      show(chat, node, 'delta');
    });
    if (!ended) throw new Error(texts.lost);
    node.state = 'done';
  } catch (fault) {
    const isStop = fault.name === 'AbortError';
    node.state = isStop ? 'stopped' : 'failed';
    if (!isStop) node.error = fault instanceof TypeError ? texts.lost : fault.message;
  }
  clearInterval(timer);
  delete node.progress;
  running.delete(chat.id);
  chat.updated = Date.now();
  await saveChat(chat);
  show(chat, node, 'end');
}

/** Answers that were coming when their page went away. */
export function markInterrupted(chat) {
  const cut = chat.nodes.filter((node) => node.state === 'streaming' && runningNode(chat) !== node);
  for (const node of cut) node.state = 'interrupted';
  return cut.length > 0;
}
