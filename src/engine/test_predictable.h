#pragma once
// For the engine's tests: models that write ASCII and whose MTP modules are often right.
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/flat_weights.h"
#include "engine/test_engine.h"

namespace fathom::engine {

inline bool ends_with_any(std::string_view name, std::initializer_list<std::string_view> suffixes) {
  return std::ranges::any_of(suffixes, [&](std::string_view s) { return name.ends_with(s); });
}

/// A random checkpoint whose weights `edit` changed, each tensor by its name and its elements.
inline void write_edited_checkpoint(
    Ctx& ctx, const ModelConfig& config, const std::string& path,
    const std::function<void(const std::string& name, std::span<float> values)>& edit) {
  const testing::TempDir directory;
  const std::string random = (directory.path() / "random").string();
  checkpoint::write_random_checkpoint(ctx, config, random,
                                      {.dtype = DType::kF32, .weight_std = 0.2, .seed = 5});
  const checkpoint::ParameterLayout layout(config);
  std::vector<float> weights(static_cast<size_t>(layout.size()));
  checkpoint::read_model_directory(ctx, config, layout, random, weights);
  for (const checkpoint::ParameterSlot& slot : layout.slots()) {
    edit(slot.parameter.name,
         std::span(weights).subspan(static_cast<size_t>(slot.offset),
                                    static_cast<size_t>(slot.parameter.elements())));
  }
  checkpoint::write_model_directory(ctx, config, layout, weights, path, DType::kF32);
}

/// A random model whose next token is mostly a function of the last one: `context_share` scales
/// what its blocks add to the embedding, and its MTP modules see the embedding of their token
/// alone. 0: every draft is right at temperature 0; the larger, the more often one is not.
/// Without `drafts_right` they are those of random weights. Its text is printable ASCII.
inline void write_predictable_checkpoint(Ctx& ctx, const ModelConfig& config,
                                         const std::string& path, float context_share,
                                         bool drafts_right = true) {
  const auto hidden = static_cast<size_t>(config.hidden_size);
  const i32 printable = tokenizer::byte_tokenizer().tokenizer.encode("!")[0];
  const auto edit = [&](const std::string& name, std::span<float> values) {
    const auto scale = [](std::span<float> row, float by) {
      for (float& value : row) value *= by;
    };
    if (ends_with_any(name, {"o_proj.weight", "down_proj.weight"})) {
      scale(values, context_share);
    } else if (name == "model.embed_tokens.weight") {
      scale(values, 5.0f);  // as large as what enorm makes of it: a block weighs the same in both
    } else if (drafts_right && name.ends_with("eh_proj.weight")) {
      for (size_t i = 0; i < values.size(); ++i) {
        values[i] = i / (2 * hidden) == i % (2 * hidden) ? 1.0f : 0.0f;
      }
    } else if (name == "lm_head.weight") {
      for (size_t id = 0; id * hidden < values.size(); ++id) {
        const i32 character = static_cast<i32>(id) - printable;
        scale(values.subspan(id * hidden, hidden),
              character >= 0 && character <= '~' - '!' ? 3.0f : 0.02f);
      }
    }
  };
  write_edited_checkpoint(ctx, config, path, edit);
}

/// V3's shape with one MTP module that is often right.
inline TestModel& predictable_v3() {
  static TestModel model([](Ctx& ctx, const std::string& path) {
    write_predictable_checkpoint(ctx, tiny_v3(/*mtp=*/1), path, /*context_share=*/0.03f);
  });
  return model;
}

/// `text` over and over, `tokens` tokens of it.
inline std::vector<i32> repeated_prompt(std::string_view text, i64 tokens) {
  std::vector<i32> ids;
  while (std::ssize(ids) < tokens) {
    for (const i32 id : ids_of(predictable_v3(), text)) ids.push_back(id);
  }
  ids.resize(static_cast<size_t>(tokens));
  return ids;
}

}  // namespace fathom::engine
