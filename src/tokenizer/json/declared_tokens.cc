#include "tokenizer/json/declared_tokens.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "io/json.h"

namespace fathom::tokenizer {
namespace {

class TokenAdder {
 public:
  TokenAdder(const TokenizerConfig& config, const std::string& where, TokenizerSpec& spec)
      : config_(config), where_(where), spec_(spec) {
    for (const AddedToken& token : config.named_tokens) named_.insert(token.content);
    for (size_t i = 0; i < spec.added_tokens.size(); ++i) index_[spec.added_tokens[i].content] = i;
    next_id_ = static_cast<i32>(spec.vocab.size());
    for (const AddedToken& token : spec.added_tokens) next_id_ = std::max(next_id_, token.id + 1);
  }

  Result<void> add_all() {
    // Without a decoder of its own transformers takes tokenizer.json's tokens for it.
    if (!config_.has_added_tokens_decoder) {
      for (AddedToken& token : spec_.added_tokens) {
        token.special = token.special || named_.contains(token.content);
      }
    }
    for (AddedToken token : config_.added_tokens_decoder) {
      token.special = token.special || named_.contains(token.content);
      if (auto done = add_with_id(token); !done) return done;
    }
    for (const std::vector<AddedToken>* tokens : {&config_.named_tokens, &config_.extra_tokens}) {
      for (const AddedToken& token : *tokens) {
        if (!token.content.empty() && !index_.contains(token.content)) append(token);
      }
    }
    std::ranges::sort(spec_.added_tokens, {}, &AddedToken::id);
    return {};
  }

 private:
  Result<void> add_with_id(const AddedToken& token) {
    if (token.content.empty()) return {};
    const auto known = index_.find(token.content);
    const i32 expected =
        known != index_.end() ? spec_.added_tokens[known->second].id : id_for(token.content);
    if (token.id != expected) {
      return invalid_input(
          fmt::format("{}: added_tokens_decoder: \"{}\" has id {}, expected {} ({})", where_,
                      token.content, token.id, expected,
                      expected == next_id_ ? "the next free one" : "its id in tokenizer.json"));
    }
    if (known == index_.end()) {
      append(token);
    } else {
      overlay(spec_.added_tokens[known->second], token);
    }
    return {};
  }

  /// The flags of a token that both files have: the config's, but a special token stays special.
  static void overlay(AddedToken& known, const AddedToken& token) {
    const bool special = known.special || token.special;
    known = token;
    known.special = special;
  }

  void append(AddedToken token) {
    token.id = id_for(token.content);
    next_id_ = std::max(next_id_, token.id + 1);
    index_[token.content] = spec_.added_tokens.size();
    spec_.added_tokens.push_back(std::move(token));
  }

  i32 id_for(std::string_view content) {
    if (vocab_ids_.empty()) {
      for (size_t id = 0; id < spec_.vocab.size(); ++id) {
        vocab_ids_.emplace(spec_.vocab[id], static_cast<i32>(id));
      }
    }
    const auto known = vocab_ids_.find(content);
    return known != vocab_ids_.end() ? known->second : next_id_;
  }

  const TokenizerConfig& config_;
  const std::string& where_;
  TokenizerSpec& spec_;
  std::unordered_set<std::string_view> named_;           // views of config_
  std::unordered_map<std::string, size_t> index_;        // content -> place in spec_.added_tokens
  std::unordered_map<std::string_view, i32> vocab_ids_;  // filled when first asked
  i32 next_id_ = 0;
};

bool adds_prefix_space(const io::JsonValue& pre_tokenizer) {
  if (const io::JsonValue* members = pre_tokenizer.find("pretokenizers")) {
    return std::ranges::any_of(members->as_array(), adds_prefix_space);
  }
  const io::JsonValue* const flag = pre_tokenizer.find("add_prefix_space");
  return flag != nullptr && flag->is_bool() && flag->as_bool();
}

/// Classes whose constructor lays the flag over tokenizer.json's; all others pass over it.
bool obeys_prefix_space(std::string_view tokenizer_class) {
  return tokenizer_class.starts_with("GPT2Tokenizer") ||
         tokenizer_class.starts_with("Qwen2Tokenizer");
}

Result<void> check_flags(const TokenizerConfig& config, const std::string& where,
                         const TokenizerSpec& spec) {
  if (config.split_special_tokens == true) {
    return unsupported(where +
                       ": split_special_tokens: true is not supported; special tokens in a text "
                       "would be cut like other words");
  }
  if (config.add_prefix_space == true && obeys_prefix_space(config.tokenizer_class) &&
      !adds_prefix_space(spec.pre_tokenizer.json())) {
    return unsupported(fmt::format(
        "{}: add_prefix_space is true, but not in tokenizer.json, which is not supported for "
        "tokenizer_class \"{}\"",
        where, config.tokenizer_class));
  }
  return {};
}

}  // namespace

Result<void> add_declared_tokens(const TokenizerConfig& config, const std::string& where,
                                 TokenizerSpec& spec) {
  if (auto good = check_flags(config, where, spec); !good) return good;
  return TokenAdder(config, where, spec).add_all();
}

}  // namespace fathom::tokenizer
