#include "data/cache/token_dataset.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "base/checked_math.h"
#include "base/parallel.h"

namespace fathom::data {
namespace {

io::Hash128 checksum_of(std::span<const u8> bytes) {
  io::Hasher hasher;
  hasher.update(bytes);
  return hasher.digest();
}

tl::unexpected<Error> damaged(const io::MappedFile& file, std::string_view what) {
  return invalid_input(fmt::format("{}: {}", file.path().string(), what));
}

/// Widens ids; returns the largest.
template <typename T>
u32 widen(const u8* from, std::span<i32> out) {
  u32 largest = 0;
  for (size_t i = 0; i < out.size(); ++i) {
    T id = 0;
    std::memcpy(&id, from + i * sizeof(T), sizeof(T));
    largest = std::max<u32>(largest, id);
    out[i] = static_cast<i32>(id);
  }
  return largest;
}

}  // namespace

Result<TokenDataset> TokenDataset::open(const std::filesystem::path& folder, const io::Hash128& key,
                                        Verify verify) {
  auto manifest = read_manifest(folder);
  if (!manifest) return tl::unexpected(manifest.error());
  if (manifest->key != key) {
    return invalid_input(fmt::format("{}: made for other text or another tokenizer",
                                     manifest_path(folder).string()));
  }
  TokenDataset dataset;
  dataset.manifest_ = std::move(*manifest);
  if (auto done = dataset.open_index(folder); !done) return tl::unexpected(done.error());
  if (auto done = dataset.open_shards(folder); !done) return tl::unexpected(done.error());
  if (verify == Verify::kChecksums) {
    if (auto done = dataset.verify_shards(); !done) return tl::unexpected(done.error());
  }
  return dataset;
}

Result<void> TokenDataset::open_index(const std::filesystem::path& folder) {
  auto file = io::MappedFile::open(index_path(folder));
  if (!file) return tl::unexpected(file.error());
  index_ = std::move(*file);
  const auto bytes = index_.bytes();
  const auto expected = checked_mul(manifest_.statistics.documents, sizeof(u64));
  if (!expected || std::ssize(bytes) != *expected) {
    return damaged(index_, fmt::format("has {} bytes, expected 8 for each of {} documents",
                                       bytes.size(), manifest_.statistics.documents));
  }
  if (checksum_of(bytes) != manifest_.index_checksum) return damaged(index_, "wrong checksum");
  // A map begins at a page, so it is aligned.
  ends_ = {reinterpret_cast<const u64*>(bytes.data()), bytes.size() / sizeof(u64)};
  u64 previous = 0;
  for (const u64 end : ends_) {
    if (end <= previous) return damaged(index_, "documents do not follow each other");
    previous = end;
  }
  if (num_tokens() != manifest_.statistics.tokens) return damaged(index_, "wrong token count");
  return {};
}

Result<void> TokenDataset::open_shards(const std::filesystem::path& folder) {
  i64 first_token = 0;
  for (size_t i = 0; i < manifest_.shards.size(); ++i) {
    auto file = io::MappedFile::open(shard_path(folder, i));
    if (!file) return tl::unexpected(file.error());
    const i64 tokens = manifest_.shards[i].tokens;
    const auto expected = checked_mul(tokens, manifest_.token_bytes);
    if (!expected || std::ssize(file->bytes()) != *expected) {
      return damaged(*file, fmt::format("has {} bytes, expected {} for each of {} tokens",
                                        file->bytes().size(), manifest_.token_bytes, tokens));
    }
    shards_.push_back({std::move(*file), first_token});
    const auto next = checked_add(first_token, tokens);
    if (!next) return damaged(shards_.back().file, "too many tokens");
    first_token = *next;
    if (!std::ranges::binary_search(ends_, static_cast<u64>(first_token))) {
      return damaged(shards_.back().file, "ends inside a document");
    }
  }
  if (first_token != num_tokens()) return damaged(index_, "covers other tokens than the shards");
  return {};
}

Result<void> TokenDataset::verify_shards() const {
  std::vector<u8> is_good(shards_.size());
  parallel_for(std::ssize(shards_), 1, [&](i64 begin, i64 end) {
    for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) {
      const io::MappedFile& file = shards_[i].file;
      file.advise(io::AccessHint::kSequential);
      is_good[i] = checksum_of(file.bytes()) == manifest_.shards[i].checksum;
      file.advise(io::AccessHint::kNormal);
    }
  });
  const auto bad = std::ranges::find(is_good, u8{0});
  if (bad == is_good.end()) return {};
  return damaged(shards_[static_cast<size_t>(bad - is_good.begin())].file, "wrong checksum");
}

void TokenDataset::copy(i64 document, i64 begin, std::span<i32> out) const {
  FATHOM_CHECK(document >= 0 && document < num_documents() && begin >= 0 &&
                   begin + std::ssize(out) <= document_tokens(document),
               "tokens [", begin, ", ", begin + std::ssize(out), ") of document ", document);
  const i64 token = document_begin(document) + begin;
  const auto shard = std::prev(
      std::ranges::upper_bound(shards_, token, {}, [](const Shard& s) { return s.first_token; }));
  const u8* from =
      shard->file.bytes().data() + (token - shard->first_token) * manifest_.token_bytes;
  const u32 largest = manifest_.token_bytes == 2 ? widen<u16>(from, out) : widen<u32>(from, out);
  if (static_cast<i64>(largest) >= vocab_size()) {
    throw Error(ErrorCode::kIo,
                fmt::format("{}: token id {} of document {} is outside the vocabulary of {}: the "
                            "file is damaged; remove its folder to tokenise again",
                            shard->file.path().string(), largest, document, vocab_size()));
  }
}

}  // namespace fathom::data
