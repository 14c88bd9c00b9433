#include "serve/generate/model_aliases.h"

#include <algorithm>

#include "serve/accounts/money.h"

namespace fathom::serve {

bool ModelAliases::has(std::string_view name) const {
  const Lock lock(mutex_);
  return std::ranges::any_of(names_, [&](const auto& alias) { return matches(alias, name); });
}

}  // namespace fathom::serve
