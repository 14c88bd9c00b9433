#pragma once
// Money as whole numbers of 10^-9 of whatever unit the prices are in; nothing is lost in sums.
#include <map>
#include <string>
#include <string_view>

#include "base/types.h"
#include "config/field_list.h"

namespace fathom::serve {

using Nano = i64;
inline constexpr Nano kNanosPerUnit = 1'000'000'000;

/// 0.27 -> 270'000'000. To the nearest.
Nano to_nano(double amount);
/// "0.000012345": all nine digits but zeros at the end, at least two.
std::string money_text(Nano amount);

/// Prices of a million tokens.
struct Prices {
  Nano input = 0, cached = 0, output = 0;
  bool operator==(const Prices&) const = default;
};

/// input and cached of prompt tokens that were computed and found in the cache; to the nearest.
Nano cost_of(const Prices& prices, i64 prompt_tokens, i64 cached_tokens, i64 completion_tokens);

/// [prices.NAME]: whose tokens cost what. Where several tables fit, one that names the key stands
/// above one that names the model, and that above one for all; of equals, the first name.
struct PriceConfig {
  std::string model = "*";  // may end in *
  std::string key;          // name of a key; empty: all
  double input = 0, cached = 0, output = 0;

  void list_fields(FieldList& list);
};
using PriceTables = std::map<std::string, PriceConfig>;

Prices prices_for(const PriceTables& tables, std::string_view model, std::string_view key_name);

/// Whether `name` is `pattern`, or begins with it where that ends in *.
bool matches(std::string_view pattern, std::string_view name);

}  // namespace fathom::serve
