#pragma once
// What a key may do.
#include <string>
#include <vector>

#include "config/field_list.h"
#include "serve/accounts/keys/secret.h"
#include "serve/accounts/limits/period.h"
#include "serve/accounts/money.h"

namespace fathom::serve {

/// 0 means no limit, of every number.
struct KeySettings {
  bool is_enabled = true;
  i64 expires_s = 0;                // since 1970
  std::vector<std::string> models;  // that it may use; one may end in *; empty: all
  bool is_admin = false;
  i64 priority = 0;     // of its requests, and the most urgent one that they may ask for
  double weight = 1.0;  // share of the engine beside other keys
  i64 requests_per_minute = 0;
  i64 tokens_per_minute = 0;
  i64 max_parallel = 0;  // requests that run at once
  i64 quota_tokens = 0;  // of a period: prompts and answers together
  Nano budget = 0;       // of a period
  Period period = Period::kMonth;
  bool operator==(const KeySettings&) const = default;
};

struct Key {
  std::string id;    // "key_" and the beginning of the digest: what rows and reports go by
  std::string name;  // for people; of one key alone among those that are not revoked
  KeyDigest digest = {};
  std::string shown;  // the first characters of the secret
  KeySettings settings;
  bool is_static = false;  // of a file, not of the database
  i64 created_s = 0;
  i64 revoked_s = 0;  // 0: it is not
};

std::string key_id(const KeyDigest& digest);

/// [keys.NAME] of a file.
struct KeyConfig {
  std::string sha256;  // of the secret: 64 hexadecimal digits
  std::string shown;
  bool enabled = true;
  std::string expires;  // a date; the first day on which it is not valid any more
  std::vector<std::string> models;
  bool admin = false;
  i64 priority = 0;
  double weight = 1.0;
  i64 requests_per_minute = 0, tokens_per_minute = 0, max_parallel = 0, quota_tokens = 0;
  double budget = 0;
  Period period = Period::kMonth;

  void list_fields(FieldList& list);
  void check(const std::string& prefix, Problems& problems) const;
};

/// Of a KeyConfig that check() found nothing wrong with.
Key static_key(const std::string& name, const KeyConfig& config);
/// The table of a file for a key, comments apart as `fathom keys add --static` prints it.
std::string static_key_toml(const Key& key);

}  // namespace fathom::serve
