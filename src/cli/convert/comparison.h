#pragma once
// Internal to cli/convert: a model before its conversion and after.
#include <string>

#include "base/types.h"
#include "config/model/model_config.h"
#include "device/ctx.h"

namespace fathom::cli {

/// Logits of a few tokens before and after.
struct LogitCheck {
  bool finite = true;           // all logits, before and after
  double max_difference = 0.0;  // relative to the largest logit
  i64 same_top1 = 0;
  i64 tokens = 0;
};

/// Of 16 tokens spread over the vocabulary, in F32. Loads both models, one after the other.
LogitCheck compare_logits(Ctx& ctx, const std::string& from, const std::string& to,
                          const ModelConfig& config);

/// Bits per byte of a text, each model run as `fathom score` would run it.
struct TextLoss {
  double before = 0.0;
  double after = 0.0;
};

/// The text of the file `path`, for a model that must have a tokenizer. Throws if there is none, or
/// Error{kInvalidInput} if the file is empty.
std::string comparison_text(const std::string& model, const std::string& path);
TextLoss text_loss(Ctx& ctx, const std::string& from, const std::string& to,
                   const std::string& text);

}  // namespace fathom::cli
