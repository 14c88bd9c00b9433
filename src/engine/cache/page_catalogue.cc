#include "engine/cache/page_catalogue.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <utility>
#include <vector>

#include "base/check.h"

namespace fathom::engine {

size_t PageCatalogue::HashKey::operator()(const ChainKey& key) const {
  size_t hash = 0;
  std::memcpy(&hash, key.bytes.data(), sizeof(hash));  // of a hash, every part is one
  return hash;
}

bool PageCatalogue::EarlierUse::operator()(const File* a, const File* b) const {
  if (a->last_use_ns != b->last_use_ns) return a->last_use_ns < b->last_use_ns;
  return a->key < b->key;
}

PageCatalogue::File* PageCatalogue::find(const ChainKey& key) {
  const auto found = files_.find(key);
  return found == files_.end() ? nullptr : &found->second;
}

PageCatalogue::File& PageCatalogue::add(const StoredPage& page, i64 size_bytes, i64 last_use_ns) {
  const auto [place, is_new] = files_.try_emplace(page.key, File{page, size_bytes, last_use_ns});
  FATHOM_CHECK(is_new, page_file_name(page.key), " is there already");
  File& file = place->second;
  by_text_.insert(file);
  size_bytes_ += size_bytes;
  newest_ns_ = std::max(newest_ns_, last_use_ns);
  if (is_leaf(file)) leaves_.insert(&file);
  if (++children_[page.parent] == 1) {
    if (File* parent = find(page.parent)) leaves_.erase(parent);
  }
  return file;
}

void PageCatalogue::set_exact_tokens(File& file, i64 exact_tokens) {
  by_text_.erase(file);
  file.exact_tokens = exact_tokens;
  by_text_.insert(file);
}

void PageCatalogue::erase(File& file) {
  leaves_.erase(&file);
  by_text_.erase(file);
  size_bytes_ -= file.size_bytes;
  const auto siblings = children_.find(file.parent);
  if (--siblings->second == 0) {
    children_.erase(siblings);
    if (File* parent = find(file.parent)) {
      parent->last_use_ns = std::max(parent->last_use_ns, file.last_use_ns);
      leaves_.insert(parent);
    }
  }
  files_.erase(ChainKey(file.key));
}

void PageCatalogue::use(File& file) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  // As files' times, so that the order outlives the process; never equal, never back.
  newest_ns_ = std::max(i64{std::chrono::nanoseconds(now).count()}, newest_ns_ + 1);
  const bool was_leaf = leaves_.erase(&file) == 1;
  file.last_use_ns = newest_ns_;
  if (was_leaf) leaves_.insert(&file);
}

void PageCatalogue::add_foreign(std::string name, i64 size_bytes, i64 last_use_ns) {
  if (foreign_.insert({last_use_ns, std::move(name), size_bytes}).second) size_bytes_ += size_bytes;
}

std::string PageCatalogue::take_oldest(const File* kept) {
  if (!foreign_.empty()) {
    const Foreign oldest = *foreign_.begin();
    foreign_.erase(foreign_.begin());
    size_bytes_ -= oldest.size_bytes;
    return oldest.name;
  }
  auto leaf = leaves_.begin();
  if (leaf != leaves_.end() && *leaf == kept) ++leaf;
  if (leaf == leaves_.end()) return "";
  File& oldest = **leaf;
  std::string name = page_file_name(oldest.key);
  erase(oldest);
  return name;
}

std::vector<std::string> PageCatalogue::take_all_of(const ChainKey& owner) {
  std::vector<ChainKey> keys;
  for (const auto& [key, file] : files_) {
    if (file.owner == owner) keys.push_back(key);
  }
  std::vector<std::string> names;
  for (const ChainKey& key : keys) {
    names.push_back(page_file_name(key));
    erase(*find(key));
  }
  return names;
}

}  // namespace fathom::engine
