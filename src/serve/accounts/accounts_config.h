#pragma once
#include <map>
#include <string>

#include "config/field_list.h"
#include "serve/accounts/audit/audit_level.h"
#include "serve/accounts/keys/key.h"
#include "serve/accounts/money.h"

namespace fathom::serve {

/// [accounts]
struct AccountsConfig {
  std::string database;
  double cached_weight = 0.1;
  AuditLevel audit = AuditLevel::kOff;
  std::string audit_folder;
  i64 audit_days = 30;

  void list_fields(FieldList& list);
  void check(const std::string& prefix, Problems& problems) const;
};

using KeyConfigs = std::map<std::string, KeyConfig>;

}  // namespace fathom::serve
