#pragma once
#include <map>
#include <string>

#include "config/field_list.h"
#include "serve/accounts/keys/key.h"
#include "serve/accounts/money.h"

namespace fathom::serve {

/// [accounts]
struct AccountsConfig {
  std::string database;
  double cached_weight = 0.1;

  void list_fields(FieldList& list);
};

using KeyConfigs = std::map<std::string, KeyConfig>;

}  // namespace fathom::serve
