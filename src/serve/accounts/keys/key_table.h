#pragma once
// Keys in the database.
#include <string_view>
#include <vector>

#include "serve/accounts/keys/key.h"
#include "serve/accounts/sql/sql.h"

namespace fathom::serve {

/// Those of files too, under which usage is reported; revoked ones last.
std::vector<Key> read_keys(Sql& sql);
/// Throws Error{kInvalidInput} if a key that is not revoked has its name.
void insert_key(Sql& sql, const Key& key);
/// By name, id or shown part; false: there is no such key that is not revoked. A key of a file is
/// revoked there.
bool revoke_key(Sql& sql, std::string_view which, i64 now_s);
/// What reports go by: the names of keys that stand in a file.
void note_static_keys(Sql& sql, std::span<const Key> keys);

/// Rises with every change of a key: what tells a server to read them again.
i64 keys_version(Sql& sql);

}  // namespace fathom::serve
