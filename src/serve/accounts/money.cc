#include "serve/accounts/money.h"

#include <fmt/format.h>

#include <cmath>

namespace fathom::serve {
namespace {

constexpr i64 kTokensOfPrice = 1'000'000;
constexpr Range kPriceRange = {.min = 0, .max = 1e6};

}  // namespace

Nano to_nano(double amount) { return std::llround(amount * static_cast<double>(kNanosPerUnit)); }

std::string money_text(Nano amount) {
  const bool is_negative = amount < 0;
  const u64 size = is_negative ? 0 - static_cast<u64>(amount) : static_cast<u64>(amount);
  std::string text =
      fmt::format("{}{}.{:09}", is_negative ? "-" : "", size / kNanosPerUnit, size % kNanosPerUnit);
  const size_t shortest = text.find('.') + 3;
  while (text.size() > shortest && text.ends_with('0')) text.pop_back();
  return text;
}

Nano cost_of(const Prices& prices, i64 prompt_tokens, i64 cached_tokens, i64 completion_tokens) {
  const auto part = [](i64 tokens, Nano price) { return static_cast<__int128>(tokens) * price; };
  const __int128 sum = part(prompt_tokens - cached_tokens, prices.input) +
                       part(cached_tokens, prices.cached) + part(completion_tokens, prices.output);
  return static_cast<Nano>((sum + kTokensOfPrice / 2) / kTokensOfPrice);
}

void PriceConfig::list_fields(FieldList& list) {
  list.add("model", model, "the model, or what its name begins with and a *");
  list.add("key", key, "name of the key that pays it; empty: every key");
  list.add("input", input, "of a million prompt tokens that were computed", kPriceRange);
  list.add("cached", cached, "of a million prompt tokens found in the cache", kPriceRange);
  list.add("output", output, "of a million generated tokens, thinking included", kPriceRange);
}

bool matches(std::string_view pattern, std::string_view name) {
  if (!pattern.ends_with('*')) return pattern == name;
  pattern.remove_suffix(1);
  return name.starts_with(pattern);
}

Prices prices_for(const PriceTables& tables, std::string_view model, std::string_view key_name) {
  const PriceConfig* best = nullptr;
  int best_rank = -1;
  for (const auto& [name, table] : tables) {
    const bool is_for_key = !table.key.empty();
    if (!matches(table.model, model) || (is_for_key && table.key != key_name)) continue;
    const int rank = (is_for_key ? 2 : 0) + (table.model == "*" ? 0 : 1);
    if (rank <= best_rank) continue;
    best_rank = rank;
    best = &table;
  }
  if (best == nullptr) return {};
  return {.input = to_nano(best->input),
          .cached = to_nano(best->cached),
          .output = to_nano(best->output)};
}

}  // namespace fathom::serve
