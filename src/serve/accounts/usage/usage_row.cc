#include "serve/accounts/usage/usage_row.h"

namespace fathom::serve {

void UsageSums::add(const UsageRow& row) {
  requests += 1;
  errors += row.status >= 400 ? 1 : 0;
  prompt_tokens += row.prompt_tokens;
  cached_tokens += row.cached_tokens;
  completion_tokens += row.completion_tokens;
  reasoning_tokens += row.reasoning_tokens;
  cost += row.cost;
}

void UsageSums::add(const UsageSums& more) {
  requests += more.requests;
  errors += more.errors;
  prompt_tokens += more.prompt_tokens;
  cached_tokens += more.cached_tokens;
  completion_tokens += more.completion_tokens;
  reasoning_tokens += more.reasoning_tokens;
  cost += more.cost;
}

}  // namespace fathom::serve
