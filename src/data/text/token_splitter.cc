#include "data/text/token_splitter.h"

#include <string_view>
#include <unordered_map>

#include "base/rng.h"
#include "data/text/streams.h"
#include "data/text/white_space.h"
#include "tokenizer/unicode/utf8.h"

namespace fathom::data {
namespace {

using IdOfBytes = std::unordered_map<std::string_view, i32>;

/// Length of the part before the line breaks at the end; 0 if there is no such part, no line break,
/// or nothing but white space before them.
size_t head_bytes(std::string_view bytes) {
  size_t head = bytes.size();
  while (head > 0 && (bytes[head - 1] == '\n' || bytes[head - 1] == '\r')) --head;
  if (head == bytes.size() || head == 0 || is_space(bytes[head - 1])) return 0;
  return head;
}

/// Appends the tokens of `bytes` as a prompt that ends there would have them; for part of a UTF-8
/// character the longest tokens from the left. False if a byte has no token (text cannot hold it
/// then).
bool append_tokens(std::string_view bytes, const tokenizer::Tokenizer& tokenizer,
                   const IdOfBytes& ids, std::vector<i32>& out) {
  if (tokenizer::valid_utf8_prefix_bytes(bytes) == bytes.size()) {
    tokenizer.encode_to(bytes, {.text = tokenizer::TextKind::kPlain}, out);
    return true;
  }
  while (!bytes.empty()) {
    size_t length = bytes.size();
    auto found = ids.find(bytes);
    while (found == ids.end() && --length > 0) found = ids.find(bytes.substr(0, length));
    if (found == ids.end()) return false;
    out.push_back(found->second);
    bytes.remove_prefix(length);
  }
  return true;
}

}  // namespace

TokenSplitter::TokenSplitter(const tokenizer::Tokenizer& tokenizer) {
  const auto vocab_size = static_cast<i32>(tokenizer.vocab_size());
  IdOfBytes ids;
  for (i32 id = 0; id < vocab_size; ++id) {
    if (!tokenizer.is_control(id)) ids.emplace(tokenizer.token_bytes(id), id);
  }
  begins_.push_back(0);
  for (i32 id = 0; id < vocab_size; ++id) {
    const std::string_view bytes = tokenizer.token_bytes(id);
    const size_t head = tokenizer.is_control(id) ? 0 : head_bytes(bytes);
    if (head > 0) {
      std::vector<i32> parts;
      if (append_tokens(bytes.substr(0, head), tokenizer, ids, parts) &&
          append_tokens(bytes.substr(head), tokenizer, ids, parts)) {
        parts_.insert(parts_.end(), parts.begin(), parts.end());
        ++num_splittable_;
      }
    }
    begins_.push_back(static_cast<u32>(parts_.size()));
  }
}

std::span<const i32> TokenSplitter::parts(i32 id) const {
  if (id < 0 || static_cast<size_t>(id) + 1 >= begins_.size()) return {};
  const u32 begin = begins_[static_cast<size_t>(id)], end = begins_[static_cast<size_t>(id) + 1];
  return std::span(parts_).subspan(begin, end - begin);
}

i64 TokenSplitter::apply(std::vector<i32>& ids, double rate, u64 seed, u64 document) const {
  const Philox random(seed, kSplitStream + (document << 8));
  std::vector<i32> result;
  i64 num_split = 0;
  for (size_t i = 0; i < ids.size(); ++i) {
    const auto pieces = parts(ids[i]);
    const bool is_split = !pieces.empty() && random.uniform(i) < rate;
    if (is_split && num_split++ == 0) result.assign(ids.begin(), ids.begin() + static_cast<i64>(i));
    if (is_split) {
      result.insert(result.end(), pieces.begin(), pieces.end());
    } else if (num_split > 0) {
      result.push_back(ids[i]);
    }
  }
  if (num_split > 0) ids.swap(result);
  return num_split;
}

}  // namespace fathom::data
