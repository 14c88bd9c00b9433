// The server: requests of this page's own origin.
import {headersOf, problemOf} from '../shared/server.js';
import {apiKey} from './store.js';

const headers = () => headersOf(apiKey.get());

let context;
/** Tokens of the model's context; undefined before the server has told. */
export const contextLength = () => context;

/** {state: ok | away | loading | draining | stalled | key, capabilities} */
export async function serverState() {
  let health;
  try {
    health = await (await fetch('health')).json();
  } catch {
    return {state: 'away'};
  }
  if (health.status !== 'ok') return {state: health.status};
  try {
    const response = await fetch('v1/capabilities', {headers: headers()});
    if (response.status === 401 || response.status === 403) return {state: 'key'};
    const capabilities = await response.json();
    context = capabilities.context_length;
    return {state: 'ok', capabilities};
  } catch {
    return {state: 'away'};
  }
}

/** The JSON of each event of a stream; returns whether [DONE] came, without which it was cut off. */
async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const {value, done} = await reader.read();
    if (done) return false;
    const lines = (rest + value).split('\n');
    rest = lines.pop();
    for (const line of lines) {
      if (!line.startsWith('data: ')) continue;
      if (line === 'data: [DONE]') return true;
      yield JSON.parse(line.slice(6));
    }
  }
}

/**
 * A chat answer. `take` gets every chunk as it comes. Throws what is wrong, in the server's words;
 * AbortError where `signal` ended it.
 */
export async function streamChat(fields, signal, take) {
  const response = await fetch('v1/chat/completions', {
    method: 'POST',
    headers: {'Content-Type': 'application/json', ...headers()},
    body: JSON.stringify({...fields, stream: true, return_progress: true,
      stream_options: {include_usage: true, continuous_usage_stats: true}}),
    signal,
  });
  if (!response.ok) throw new Error(await problemOf(response));
  const stream = events(response.body);
  for (;;) {
    const {value, done} = await stream.next();
    if (done) return value;
    if (value.error) throw new Error(value.error.message);
    take(value);
  }
}
