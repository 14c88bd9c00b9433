#include "config/model/quantization_targets.h"

#include <gtest/gtest.h>

#include <array>

namespace fathom {
namespace {

TEST(QuantizationTargets, NamesAndTheUsualExpressions) {
  const std::string experts = "model.layers.3.mlp.experts.17.up_proj";
  EXPECT_TRUE(matches_target(experts, experts));
  EXPECT_FALSE(matches_target("model.layers.3.mlp.experts", experts));
  EXPECT_FALSE(matches_target("Linear", experts));
  EXPECT_TRUE(matches_target(R"(re:.*mlp\.experts\..*)", experts));
  EXPECT_TRUE(matches_target("re:model.layers", experts));  // the beginning is enough
  EXPECT_FALSE(matches_target("re:layers", experts));
  EXPECT_FALSE(matches_target(R"(re:.*experts\..*$x)", experts));
  EXPECT_TRUE(matches_target(R"(re:.*experts\.1*7\.(gate|up)_proj$)", experts));
  EXPECT_FALSE(matches_target(R"(re:.*experts\.1*7\.(gate|down)_proj$)", experts));
  EXPECT_FALSE(matches_target(R"(re:.*experts\.17\.up_pro$)", experts));
  EXPECT_FALSE(matches_target(R"(re:.*\.mlp\.(gate|up|gate_up|down)_proj$)", experts));
  EXPECT_TRUE(matches_target(R"(re:.*\.mlp\.(gate|up|gate_up|down)_proj$)",
                             "model.layers.0.mlp.gate_proj"));
}

TEST(QuantizationTargets, OtherExpressionsMatchNothing) {
  for (const char* target :
       {"re:[a-z]*", "re:a+", "re:(a", "re:(a*|b)", "re:a?", "re:^a", "re:a|b", "re:.*.*.*.*.*a"}) {
    EXPECT_FALSE(matches_target(target, "aaaa")) << target;
  }
}

TEST(QuantizationTargets, PartsAreToldApart) {
  const auto config = value_or_throw(
      load_model_config(std::string(FATHOM_SOURCE_DIR) + "/configs/models/nano.json"));
  constexpr std::array kParts = {ModelPart::kAttention, ModelPart::kDenseFfn,
                                 ModelPart::kRoutedExperts, ModelPart::kSharedExperts};
  for_each_parameter(config, [&](const Parameter& parameter) {
    for (const ModelPart part : kParts) {
      const bool is_linear = parameter.kind == ParameterKind::kMatrix;
      if (!is_linear && parameter.role == ModelPart::kAttention) continue;  // the latent norms
      EXPECT_EQ(matches_target(target_of(part), module_of(parameter)),
                is_linear && parameter.role == part)
          << parameter.name << " " << to_string(part);
    }
  });
}

TEST(QuantizationTargets, NamedGroupsComeBeforeLinear) {
  QuantizationConfig quantization;
  quantization.quant_method = "compressed-tensors";
  quantization.groups = {
      {.num_bits = 4},
      {.is_fp8 = true, .targets = {std::string(target_of(ModelPart::kAttention))}}};
  quantization.ignore = {"lm_head"};
  EXPECT_EQ(group_of(quantization, "model.layers.0.mlp.up_proj"), &quantization.groups[0]);
  EXPECT_EQ(group_of(quantization, "model.layers.0.self_attn.o_proj"), &quantization.groups[1]);
  EXPECT_EQ(group_of(quantization, "lm_head"), nullptr);
}

TEST(QuantizationTargets, TheReleasedFormIsAllFp8ButWhatIsNamed) {
  QuantizationConfig quantization;
  quantization.ignore = {"model.layers.1.mlp.experts"};
  EXPECT_TRUE(group_of(quantization, "model.layers.1.mlp.shared_experts.up_proj")->is_fp8);
  EXPECT_EQ(group_of(quantization, "model.layers.1.mlp.experts.3.up_proj"), nullptr);
  EXPECT_TRUE(group_of(quantization, "model.layers.11.mlp.experts.3.up_proj")->is_fp8);
}

}  // namespace
}  // namespace fathom
