// config.json: what is accepted is saved, loads back the same, and its arithmetic is finite and
// stays inside i64. The input is also read as a generation_config.json.
#include <cmath>

#include "base/check.h"
#include "config/model/generation_config.h"
#include "config/model/model_config.h"
#include "config/model/rope_frequencies.h"
#include "plan/model_size.h"

namespace fathom {
namespace {

void check_arithmetic(const ModelConfig& config) {
  const float scale = config.softmax_scale();
  FATHOM_CHECK(std::isfinite(scale) && scale > 0.0f, "softmax_scale ", scale);
  const float factor = rope_cos_sin_factor(config);
  FATHOM_CHECK(std::isfinite(factor) && factor > 0.0f, "rope factor ", factor);
  for (const double f : rope_frequencies(config)) {
    FATHOM_CHECK(std::isfinite(f) && f >= 0.0 && f <= 1.0, "frequency ", f);
  }
  FATHOM_CHECK(plan::cache_bytes_per_token(config, DType::kBF16) > 0, "cache bytes");
  if (config.n_routed_experts * config.num_hidden_layers > 20'000) return;  // correct, but slow
  const plan::ModelSize size = plan::model_size(config);
  FATHOM_CHECK(size.total > 0 && size.active > 0 && size.active <= size.total, "sizes ", size.total,
               " and ", size.active);
  FATHOM_CHECK(size.checkpoint_bytes >= size.total, "bytes ", size.checkpoint_bytes);
}

void check(std::string_view input) {
  const auto config = parse_model_config(input, "input");
  if (!config) {
    FATHOM_CHECK(config.error().message().starts_with("input:"), config.error().message());
    return;
  }
  FATHOM_CHECK(config->validate().has_value(), "accepted, but not valid");
  const std::string text = to_json(*config);
  const auto again = parse_model_config(text, "again");
  FATHOM_CHECK(again.has_value(), again ? "" : again.error().message(), "\n", text);
  FATHOM_CHECK(to_json(*again) == text, "not stable: ", text, to_json(*again));
  check_arithmetic(*config);
  FATHOM_CHECK(with_storage(input, DType::kF32, std::nullopt).has_value(), "with_storage");
}

}  // namespace
}  // namespace fathom

extern "C" int LLVMFuzzerTestOneInput(const fathom::u8* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  fathom::check(input);
  (void)fathom::parse_generation_config(input, "input");
  return 0;
}
