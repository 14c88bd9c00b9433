#pragma once
// A text model's two edges: from a prompt to ids, and which ids end an answer.
#include <string>
#include <string_view>
#include <vector>

#include "config/model/model_config.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/tokenizer_config.h"

namespace fathom::engine {

/// A tokenizer with what frames a text, read from a model directory or a GGUF file.
struct TextCodec {
  tokenizer::Tokenizer tokenizer;
  tokenizer::TokenizerConfig config;
  std::vector<i32>
      prefix_ids;  // BOS, by tokenizer_config.json's add_bos_token, else by tokenizer.json
};

/// Reads a directory's tokenizer.json and, if there, tokenizer_config.json; or a GGUF file's
/// metadata.
Result<TextCodec> load_text_codec(const std::string& model_path);

/// prefix_ids + the ids of `text`; the prefix is not doubled if the text itself begins with it.
std::vector<i32> encode_prompt(const TextCodec& codec, std::string_view text,
                               tokenizer::TextKind kind);

/// Ids that end an answer: of config.json, `generation_eos` (generation_config.json) and
/// tokenizer_config.json's eos_token, or those that a GGUF file names; sorted, each once.
std::vector<i32> stop_token_ids(const TextCodec& codec, const ModelConfig& config,
                                const std::vector<i64>& generation_eos);

}  // namespace fathom::engine
