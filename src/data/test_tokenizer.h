#pragma once
// For this module's tests: a byte-level tokenizer with a few merges and V3's special tokens.
#include <array>
#include <string>
#include <utility>
#include <vector>

#include "data/text/fim.h"
#include "tokenizer/byte_level.h"
#include "tokenizer/tokenizer.h"

namespace fathom::data {

/// Ids 0..255 are the bytes; then the merges; then the special tokens.
inline tokenizer::Tokenizer make_test_tokenizer(
    const std::vector<std::pair<std::string, std::string>>& extra_merges = {}) {
  tokenizer::TokenizerSpec spec;
  for (int byte = 0; byte < 256; ++byte) {
    spec.vocab.push_back(tokenizer::spell_bytes(std::string(1, static_cast<char>(byte))));
  }
  const auto id_of = [&spec](const std::string& bytes) {
    const std::string spelling = tokenizer::spell_bytes(bytes);
    i32 id = 0;
    while (spec.vocab.at(static_cast<size_t>(id)) != spelling) ++id;
    return id;
  };
  std::vector<std::pair<std::string, std::string>> merges = {
      {"\n", "\n"}, {".", "\n"}, {")", "."},   {").", "\n"}, {".", "\n\n"},
      {" ", "t"},   {"h", "e"},  {" t", "he"}, {"a", "n"},   {";", "\n"}};
  merges.insert(merges.end(), extra_merges.begin(), extra_merges.end());
  for (const auto& [left, right] : merges) {
    spec.merges.push_back({id_of(left), id_of(right)});
    spec.vocab.push_back(tokenizer::spell_bytes(left + right));
  }
  const std::array<std::string, 6> specials = {"<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>",
                                               std::string(kFimBegin),    std::string(kFimHole),
                                               std::string(kFimEnd),      "<｜User｜>"};
  for (const std::string& special : specials) {
    const auto id = static_cast<i32>(spec.vocab.size());
    spec.vocab.push_back(special);
    spec.added_tokens.push_back(
        {.id = id, .content = special, .normalized = false, .special = true});
  }
  return value_or_throw(tokenizer::Tokenizer::from_spec(std::move(spec), "test tokenizer"));
}

}  // namespace fathom::data
