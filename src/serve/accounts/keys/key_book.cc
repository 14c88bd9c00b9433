#include "serve/accounts/keys/key_book.h"

#include <utility>

namespace fathom::serve {

KeyBook::Keys KeyBook::by_id(std::vector<Key> list) {
  Keys keys;
  for (Key& key : list) {
    if (key.revoked_s != 0) continue;
    const std::string id = key.id;
    keys.emplace(id, std::make_shared<const Key>(std::move(key)));
  }
  return keys;
}

void KeyBook::note_gone(const Keys& before, const Keys& after) {
  for (const auto& [id, key] : before) {
    if (!after.contains(id)) gone_.push_back(id);
  }
}

void KeyBook::set_static(std::vector<Key> keys) {
  Keys fresh = by_id(std::move(keys));
  const Lock lock(mutex_);
  note_gone(static_, fresh);
  static_ = std::move(fresh);
}

void KeyBook::set_created(std::vector<Key> keys) {
  std::vector<std::string> revoked;
  for (const Key& key : keys) {
    if (key.revoked_s != 0) revoked.push_back(key.id);
  }
  Keys fresh = by_id(std::move(keys));
  const Lock lock(mutex_);
  for (std::string& id : revoked) {
    // Also of those that were revoked while no server ran: their pages may be on disk.
    if (revoked_.insert(id).second && !created_.contains(id)) gone_.push_back(std::move(id));
  }
  note_gone(created_, fresh);
  created_ = std::move(fresh);
}

void KeyBook::append(const Keys& keys, std::vector<Key>& list) {
  for (const auto& [id, key] : keys) list.push_back(*key);
}

std::shared_ptr<const Key> KeyBook::find_id(const std::string& id) const {
  const Lock lock(mutex_);
  for (const Keys* keys : {&static_, &created_}) {
    const auto found = keys->find(id);
    if (found != keys->end()) return found->second;
  }
  return nullptr;
}

std::shared_ptr<const Key> KeyBook::find_secret(std::string_view secret) const {
  const KeyDigest digest = digest_of(secret);
  auto key = find_id(key_id(digest));  // the id is a part of the digest: the rest is compared here
  return key != nullptr && is_same(key->digest, digest) ? key : nullptr;
}

std::vector<Key> KeyBook::all() const {
  const Lock lock(mutex_);
  std::vector<Key> list;
  append(static_, list);
  append(created_, list);
  return list;
}

std::vector<std::string> KeyBook::take_gone() {
  const Lock lock(mutex_);
  return std::exchange(gone_, {});
}

std::vector<Key> KeyBook::static_keys() const {
  const Lock lock(mutex_);
  std::vector<Key> list;
  append(static_, list);
  return list;
}

}  // namespace fathom::serve
