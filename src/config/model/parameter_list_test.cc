#include "config/model/parameter_list.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "config/model/test_configs.h"
#include "io/safetensors.h"

namespace fathom {
namespace {

std::map<std::string, Parameter> parameters_of(const ModelConfig& config) {
  std::map<std::string, Parameter> list;
  for_each_parameter(config, [&](const Parameter& parameter) {
    EXPECT_TRUE(list.emplace(parameter.name, parameter).second) << parameter.name << " twice";
  });
  return list;
}

ModelConfig config_at(const std::string& path) {
  return value_or_throw(load_model_config(std::string(FATHOM_SOURCE_DIR) + path));
}

// Names and shapes of reference deepseek-v3.md §1.10 and §3.4.
TEST(ParameterList, V3HasThePublishedNamesAndShapes) {
  const auto list = parameters_of(config_at("/configs/models/deepseek-v3.json"));
  using Shape = std::vector<i64>;
  const std::map<std::string, Shape> published = {
      {"model.embed_tokens.weight", {129280, 7168}},
      {"model.layers.0.input_layernorm.weight", {7168}},
      {"model.layers.0.self_attn.q_a_proj.weight", {1536, 7168}},
      {"model.layers.0.self_attn.q_a_layernorm.weight", {1536}},
      {"model.layers.0.self_attn.q_b_proj.weight", {24576, 1536}},
      {"model.layers.0.self_attn.kv_a_proj_with_mqa.weight", {576, 7168}},
      {"model.layers.0.self_attn.kv_a_layernorm.weight", {512}},
      {"model.layers.0.self_attn.kv_b_proj.weight", {32768, 512}},
      {"model.layers.0.self_attn.o_proj.weight", {7168, 16384}},
      {"model.layers.0.post_attention_layernorm.weight", {7168}},
      {"model.layers.2.mlp.gate_proj.weight", {18432, 7168}},
      {"model.layers.2.mlp.down_proj.weight", {7168, 18432}},
      {"model.layers.3.mlp.gate.weight", {256, 7168}},
      {"model.layers.3.mlp.gate.e_score_correction_bias", {256}},
      {"model.layers.3.mlp.shared_experts.up_proj.weight", {2048, 7168}},
      {"model.layers.60.mlp.experts.255.down_proj.weight", {7168, 2048}},
      {"model.norm.weight", {7168}},
      {"lm_head.weight", {129280, 7168}},
      {"model.layers.61.embed_tokens.weight", {129280, 7168}},
      {"model.layers.61.enorm.weight", {7168}},
      {"model.layers.61.hnorm.weight", {7168}},
      {"model.layers.61.eh_proj.weight", {7168, 14336}},
      {"model.layers.61.mlp.gate.e_score_correction_bias", {256}},
      {"model.layers.61.mlp.experts.0.gate_proj.weight", {2048, 7168}},
      {"model.layers.61.shared_head.norm.weight", {7168}},
      {"model.layers.61.shared_head.head.weight", {129280, 7168}},
  };
  for (const auto& [name, shape] : published) {
    ASSERT_TRUE(list.contains(name)) << name;
    EXPECT_EQ(list.at(name).shape, shape) << name;
  }
  EXPECT_FALSE(list.contains("model.layers.3.mlp.gate_proj.weight"));
  EXPECT_EQ(list.at("model.layers.61.eh_proj.weight").part, ModelPart::kMtp);
  EXPECT_TRUE(list.at("model.layers.61.embed_tokens.weight").shared_copy);
  EXPECT_EQ(list.at("model.layers.3.mlp.experts.7.up_proj.weight").expert, 7);
  EXPECT_EQ(list.at("model.layers.3.mlp.experts.7.up_proj.weight").layer, 3);
  EXPECT_EQ(list.at("model.layers.3.mlp.gate.e_score_correction_bias").kind,
            ParameterKind::kRouterBias);
  EXPECT_EQ(scale_shape(list.at("model.layers.0.self_attn.kv_a_proj_with_mqa.weight").shape),
            (std::array<i64, 2>{5, 56}))
      << "ragged: 576 rows are five blocks";
}

// The list and the checkpoints that transformers itself writes must agree, tensor for tensor.
TEST(ParameterList, MatchesCheckpointsThatTransformersWrote) {
  int tensors = 0;
  for (const std::string& name : testing::golden_cases()) {
    const std::string directory = "/tests/golden/" + name;
    const ModelConfig config = config_at(directory);
    const auto checkpoint =
        value_or_throw(io::Checkpoint::open(std::string(FATHOM_SOURCE_DIR) + directory));
    const auto list = parameters_of(config);
    std::set<std::string> unseen;
    for (const auto& [parameter_name, parameter] : list) {
      if (!parameter.shared_copy) unseen.insert(parameter_name);
    }
    for (const io::StoredTensor* tensor : checkpoint.tensors()) {
      std::string tensor_name = tensor->name;
      const bool is_scale = tensor_name.ends_with("_scale_inv");
      if (is_scale) tensor_name.resize(tensor_name.size() - std::string("_scale_inv").size());
      ASSERT_TRUE(list.contains(tensor_name)) << name << ": " << tensor->name;
      const Parameter& parameter = list.at(tensor_name);
      if (is_scale) {
        EXPECT_EQ(parameter.kind, ParameterKind::kMatrix) << name << ": " << tensor->name;
        const auto shape = scale_shape(parameter.shape);
        EXPECT_EQ(tensor->shape, std::vector<i64>(shape.begin(), shape.end())) << tensor->name;
        continue;
      }
      EXPECT_EQ(tensor->shape, parameter.shape) << name << ": " << tensor->name;
      unseen.erase(tensor_name);
      ++tensors;
    }
    EXPECT_TRUE(unseen.empty()) << name << " lacks " << *unseen.begin();
  }
  EXPECT_GT(tensors, 300);
}

}  // namespace
}  // namespace fathom
