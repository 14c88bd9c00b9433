#include "tokenizer/token_table.h"

#include <fmt/format.h>

#include <algorithm>

#include "tokenizer/byte_level.h"
#include "tokenizer/unicode/utf8.h"

namespace fathom::tokenizer {
namespace {

bool occurs_in_utf8(u32 byte) { return byte < 0xC0 || (byte >= 0xC2 && byte <= 0xF4); }

bool has_one_character(std::string_view text) {
  return !text.empty() && decode_utf8(text, 0).num_bytes == text.size();
}

}  // namespace

Result<TokenTable> TokenTable::build(const TokenizerSpec& spec, const std::string& where) {
  TokenTable table;
  if (Result<void> done = table.add_vocab(spec, where); !done) return tl::unexpected(done.error());
  if (Result<void> done = table.add_added_tokens(spec, where); !done) {
    return tl::unexpected(done.error());
  }
  if (Result<void> done = table.check_bytes(spec, where); !done)
    return tl::unexpected(done.error());
  return table;
}

std::optional<i32> TokenTable::find(std::string_view spelling) const {
  const auto known = ids_.find(spelling);
  if (known == ids_.end()) return std::nullopt;
  return known->second;
}

Result<void> TokenTable::add_vocab(const TokenizerSpec& spec, const std::string& where) {
  byte_ids_.fill(-1);
  ids_.reserve(spec.vocab.size() + spec.added_tokens.size());
  for (const std::string& spelling : spec.vocab) {
    const auto id = static_cast<i32>(spellings_.size());
    if (spelling.empty() || valid_utf8_prefix_bytes(spelling) != spelling.size()) {
      return invalid_input(
          fmt::format("{}: vocabulary: token {} is empty or not valid UTF-8", where, id));
    }
    if (!ids_.emplace(spelling, id).second) {
      return invalid_input(fmt::format("{}: vocabulary: \"{}\" has two ids, {} and {}", where,
                                       spelling, ids_.at(spelling), id));
    }
    std::optional<std::string> bytes = unspell_bytes(spelling);
    flags_.push_back(bytes ? kByteLevel : 0);
    spellings_.push_back(spelling);
    bytes_.push_back(std::move(bytes).value_or(spelling));
    if (is_byte_level(id) && bytes_.back().size() == 1) {
      byte_ids_[static_cast<u8>(bytes_.back()[0])] = id;
    }
  }
  return {};
}

Result<void> TokenTable::add_added_tokens(const TokenizerSpec& spec, const std::string& where) {
  std::unordered_map<std::string_view, i32> seen;
  for (const AddedToken& token : spec.added_tokens) {
    const std::string place = fmt::format("{}: added token \"{}\"", where, token.content);
    const bool is_text = valid_utf8_prefix_bytes(token.content) == token.content.size();
    if (token.content.empty() || token.content.size() > kMaxAddedTokenBytes || !is_text) {
      return invalid_input(fmt::format("{} (id {}): expected 1 to {} bytes of UTF-8", place,
                                       token.id, kMaxAddedTokenBytes));
    }
    if (!seen.emplace(token.content, token.id).second) {
      return invalid_input(fmt::format("{}: is listed twice", place));
    }
    // Hugging Face numbers added tokens itself; a file that disagrees would mean two things.
    const i32 expected = find(token.content).value_or(static_cast<i32>(spellings_.size()));
    if (token.id != expected) {
      return invalid_input(
          fmt::format("{}: has id {}, expected {} (its id in model.vocab, or the next free one)",
                      place, token.id, expected));
    }
    if (token.id == static_cast<i32>(spellings_.size())) {
      if (size() >= kMaxVocabSize) {
        return invalid_input(fmt::format("{}: more than {} tokens", where, kMaxVocabSize));
      }
      ids_.emplace(token.content, token.id);
      spellings_.push_back(token.content);
      bytes_.push_back(unspell_bytes(token.content).value_or(token.content));
      flags_.push_back(0);
    }
    u8& flags = flags_[index(token.id)];
    if (token.special) flags |= kSpecial;
    if (token.special || !has_one_character(token.content)) flags |= kControl;
  }
  return {};
}

Result<void> TokenTable::check_bytes(const TokenizerSpec& spec, const std::string& where) {
  if (spec.unk_id && !has(*spec.unk_id)) {
    return invalid_input(
        fmt::format("{}: unk_token has id {}, outside the vocabulary", where, *spec.unk_id));
  }
  if (std::ranges::all_of(byte_ids_, [](i32 id) { return id < 0; })) {
    return unsupported(fmt::format(
        "{}: vocabulary: no byte has a token; only byte-level vocabularies are supported", where));
  }
  for (u32 byte = 0; byte < byte_ids_.size(); ++byte) {
    if (is_control(byte_ids_[byte])) {
      return unsupported(fmt::format(
          "{}: \"{}\" is both a special token and the token of byte 0x{:02X}; plain text would "
          "turn into it",
          where, spelling(byte_ids_[byte]), byte));
    }
    missing_[byte] = byte_ids_[byte] < 0;
    is_incomplete_ = is_incomplete_ || (missing_[byte] && occurs_in_utf8(byte));
    if (missing_[byte]) byte_ids_[byte] = spec.unk_id.value_or(-1);
  }
  return {};
}

}  // namespace fathom::tokenizer
