// What an answer took, in one line.
import {texts} from './texts.js';

const number = (value, digits = 1) => value.toFixed(value >= 100 ? 0 : digits);

/** Tokens a second: in the server's words, or as they came here. */
function speedOf({timings, usage, first_ms: first, last_ms: last}) {
  if (timings?.predicted_per_second > 0) return timings.predicted_per_second;
  return last > first ? 1000 * ((usage?.completion_tokens ?? 0) - 1) / (last - first) : 0;
}

/** "23.4 tokens/s · first token 0.21 s · 120 tokens · 64 of 80 prompt tokens cached · ..." */
export function speedLine(node) {
  const {timings, usage} = node;
  const parts = [];
  const speed = speedOf(node);
  if (speed > 0) parts.push(texts.speed(number(speed)));
  if (node.first_ms !== undefined) parts.push(texts.firstToken(number(node.first_ms / 1000, 2)));
  if (usage) {
    parts.push(texts.tokens(usage.completion_tokens));
    const cached = usage.prompt_tokens_details?.cached_tokens ?? 0;
    parts.push(texts.cached(cached, usage.prompt_tokens));
  }
  if (timings?.draft_n > 0) parts.push(texts.drafts(Math.round(100 * timings.draft_n_accepted / timings.draft_n)));
  if (usage && node.context) {
    parts.push(texts.context(usage.prompt_tokens + usage.completion_tokens, node.context));
  }
  return parts.join(' · ');
}
