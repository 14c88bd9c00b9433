#pragma once
// What is asked of the database beside the work: reports, and keys that are made and revoked. For
// commands and for the admin's endpoints; every call is a connection of its own.
#include <memory>
#include <string>
#include <vector>

#include "serve/accounts/keys/key.h"
#include "serve/accounts/sql/sql.h"
#include "serve/accounts/usage/usage_table.h"

namespace fathom::serve {

struct NewKey {
  Key key;
  std::string secret;  // shown once, kept nowhere
};

class Books {
 public:
  explicit Books(std::string database) : database_(std::move(database)) {}

  std::vector<UsageLine> usage(const UsageQuery& query) const;
  std::vector<Key> keys() const;
  /// Throws Error{kInvalidInput} for settings that mean nothing, and for a name that is taken.
  NewKey add_key(const std::string& name, KeyConfig config) const;
  bool revoke_key(const std::string& which) const;
  /// By name or id, the newest that has not been revoked first; throws Error{kNotFound}.
  std::string key_id_of(const std::string& which) const;

 private:
  /// Who only asks makes no database. Throws Error{kNotFound} where there is none.
  std::unique_ptr<Sql> open_existing() const;
  std::unique_ptr<Sql> open() const;

  std::string database_;
};

/// A new secret in `config`, and the key of it. Throws Error{kInvalidInput} for settings that mean
/// nothing.
NewKey make_key(const std::string& name, KeyConfig& config);

}  // namespace fathom::serve
