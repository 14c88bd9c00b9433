// One decision for everyone who opens weights: whose head, how many layers, which MTP modules.
#include "checkpoint/stored_model.h"

#include <gmock/gmock.h>

#include <fstream>

#include "checkpoint/check.h"
#include "checkpoint/tensor_codec.h"
#include "checkpoint/test_support.h"
#include "config/model/model_config.h"

namespace fathom::checkpoint {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using testing::golden_directory;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using testing::TempDir;
using ::testing::ThrowsMessage;

ModelConfig golden_config(const std::string& golden) {
  return value_or_throw(load_model_config(golden_directory(golden)));
}

class StoredModelTest : public ::testing::Test {
 protected:
  io::Checkpoint stored(const std::string& golden, const LooseTensors& tensors) {
    write_model(directory_, golden, tensors);
    return value_or_throw(io::Checkpoint::open(directory_.path()));
  }
  std::vector<std::string> problems(const ModelConfig& config, const io::Checkpoint& checkpoint) {
    return check_checkpoint(config, checkpoint).problems;
  }

  TempDir directory_;
};

TEST_F(StoredModelTest, AHeadThatIsNotTheEmbeddingIsKept) {
  LooseTensors tensors = tensors_of("llama_tied");
  const ModelConfig config = golden_config("llama_tied");
  ASSERT_TRUE(config.tie_word_embeddings);
  EXPECT_TRUE(as_stored(config, stored("llama_tied", tensors)).tie_word_embeddings);
  tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"];
  CheckpointCheck check = check_checkpoint(config, stored("llama_tied", tensors));
  EXPECT_TRUE(check.config.tie_word_embeddings) << "equal: tied";
  EXPECT_THAT(check.notes, IsEmpty());
  tensors["lm_head.weight"].bytes.back() ^= 1;
  check = check_checkpoint(config, stored("llama_tied", tensors));
  EXPECT_FALSE(check.config.tie_word_embeddings);
  EXPECT_THAT(check.notes, ElementsAre(HasSubstr("the stored head is kept")));
  EXPECT_THAT(check.problems, IsEmpty());
  EXPECT_THAT(check.unused, IsEmpty()) << "the head has its place";
  EXPECT_EQ(check.parameters.back().name, "lm_head.weight");
  tensors["lm_head.weight"].shape = {1, 1};
  tensors["lm_head.weight"].bytes.resize(2);
  EXPECT_THAT(problems(config, stored("llama_tied", tensors)),
              ElementsAre(HasSubstr("`lm_head.weight` is [1, 1], expected")));
}

TEST_F(StoredModelTest, WithoutTyingThereIsNothingToDecide) {
  LooseTensors tensors = tensors_of("llama");
  tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"];
  EXPECT_FALSE(as_stored(golden_config("llama"), stored("llama", tensors)).tie_word_embeddings);
}

TEST_F(StoredModelTest, AConvertedModelSaysThatItsHeadIsItsOwn) {
  LooseTensors tensors = tensors_of("llama_tied");
  tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"];
  tensors["lm_head.weight"].bytes.back() ^= 1;
  write_model(directory_, "llama_tied", tensors);
  Ctx ctx = backend::make_context();
  convert_checkpoint(ctx, directory_.path(), directory_ / "out", {.storage = {.linear = kBf16}});
  EXPECT_FALSE(value_or_throw(load_model_config(directory_ / "out")).tie_word_embeddings);
  const auto out = value_or_throw(io::Checkpoint::open(directory_ / "out"));
  EXPECT_NE(out.find("lm_head.weight"), nullptr);
}

TEST_F(StoredModelTest, LayersAreCountedByTheNamesOfTensors) {
  const io::Checkpoint mtp = value_or_throw(io::Checkpoint::open(golden_directory("mtp")));
  EXPECT_EQ(stored_layers(mtp).main, golden_config("mtp").num_hidden_layers);
  EXPECT_EQ(stored_layers(mtp).mtp, golden_config("mtp").num_nextn_predict_layers);
  const LooseTensor one = {DType::kF32, {1}, std::vector<u8>(4)};
  const StoredLayers odd = stored_layers(stored("v3", {{"model.layers.x.a", one},
                                                       {"model.layers.7", one},
                                                       {"model.layers.", one},
                                                       {"model.layers.99999999999999999999.a", one},
                                                       {"model.layers.2.a", one},
                                                       {"model.layers.9223372036854775807.a", one},
                                                       {"other.layers.5.enorm.weight", one}}));
  EXPECT_EQ(odd.main, 3);
  EXPECT_EQ(odd.mtp, 0);
}

TEST_F(StoredModelTest, AConfigOfFewerOrMoreLayersIsToldWhichKeyToChange) {
  const io::Checkpoint mtp = value_or_throw(io::Checkpoint::open(golden_directory("mtp")));
  ModelConfig config = golden_config("mtp");
  const i64 layers = config.num_hidden_layers;
  EXPECT_THAT(problems(config, mtp), IsEmpty());
  config.num_hidden_layers = layers + 2;
  EXPECT_THAT(problems(config, mtp),
              ElementsAre(AllOf(HasSubstr("num_hidden_layers is 3 in config.json, but the weights "
                                          "hold 1 layer and 1 MTP module: set it to 1 or get"),
                                Not(HasSubstr("tensor")))));
  const io::Checkpoint v3 = value_or_throw(io::Checkpoint::open(golden_directory("v3")));
  config = golden_config("v3");
  config.num_hidden_layers -= 1;
  config.num_nextn_predict_layers = 1;
  EXPECT_THAT(problems(config, v3),
              ElementsAre(HasSubstr("or num_nextn_predict_layers to 0 for a model of the first")));
  config.num_nextn_predict_layers = 0;
  const CheckpointCheck cut = check_checkpoint(config, v3);
  EXPECT_THAT(cut.problems, IsEmpty()) << "the first layers alone are a model, as in transformers";
  EXPECT_THAT(cut.notes, ElementsAre(HasSubstr("layers are stored, num_hidden_layers takes")));
}

TEST_F(StoredModelTest, NamesOfOtherProgramsAreOneProblem) {
  const ModelConfig config = golden_config("llama");
  const LooseTensor one = {DType::kF32, {1}, std::vector<u8>(4)};
  const auto with = [&](const std::string& name) {
    LooseTensors tensors = tensors_of("llama");
    tensors[name] = one;
    EXPECT_THAT(problems(config, stored("llama", tensors)), IsEmpty()) << "nobody needs it";
    tensors.erase("model.layers.0.mlp.up_proj.weight");
    return problems(config, stored("llama", tensors));
  };
  EXPECT_THAT(with("model.layers.0.mlp.up_proj.qweight"), ElementsAre(HasSubstr("GPTQ or AWQ")));
  EXPECT_THAT(with("model.layers.0.mlp.up_proj.weight.absmax"), ElementsAre(HasSubstr("NF4")));
  EXPECT_THAT(with("base.layers.0.mlp.up_proj.lora_A.weight"), ElementsAre(HasSubstr("(LoRA)")));
  EXPECT_THAT(with("vision.embed_tokens.weight"), ElementsAre(HasSubstr("up_proj.weight` is miss")))
      << "beside the usual names";
  LooseTensors renamed;
  for (auto& [name, tensor] : tensors_of("llama")) renamed["_orig_mod." + name] = tensor;
  EXPECT_THAT(
      problems(config, stored("llama", renamed)),
      ElementsAre(HasSubstr("the embedding is called `_orig_mod.model.embed_tokens.weight`, "
                            "expected `model.embed_tokens.weight`")));
}

TEST_F(StoredModelTest, MissingMtpWeightsNameTheirKey) {
  LooseTensors tensors = tensors_of("mtp");
  const ModelConfig config = golden_config("mtp");
  tensors.erase("model.layers.1.eh_proj.weight");
  EXPECT_THAT(problems(config, stored("mtp", tensors)),
              ElementsAre(HasSubstr("without MTP module 0, num_nextn_predict_layers is 0")));
  std::erase_if(tensors, [](const auto& t) { return t.first.starts_with("model.layers.1."); });
  const io::Checkpoint without = stored("mtp", tensors);
  const CheckpointCheck check = check_checkpoint(config, without);
  EXPECT_THAT(check.problems, IsEmpty()) << "the model runs without";
  EXPECT_EQ(check.num_mtp, 0);
  EXPECT_THAT([&] { require_mtp(check, without); },
              ThrowsMessage<Error>(AllOf(HasSubstr("the weights hold no MTP modules: training"),
                                         HasSubstr("set num_nextn_predict_layers to 0"))));
  const io::Checkpoint whole = value_or_throw(io::Checkpoint::open(golden_directory("mtp")));
  EXPECT_NO_THROW(require_mtp(check_checkpoint(config, whole), whole));
}

/// A model of INT4 weights whose tensors can be changed.
class PackedModelTest : public ConvertTest {
 protected:
  void SetUp() override { convert_to(random("source", DType::kBF16), "int4", {.linear = kInt4}); }
  LooseTensors tensors() const {
    const auto checkpoint = value_or_throw(io::Checkpoint::open(root_ / "int4"));
    LooseTensors result;
    for (const io::StoredTensor* t : checkpoint.tensors()) {
      result[t->name] = {t->dtype, t->shape, {t->bytes.begin(), t->bytes.end()}};
    }
    return result;
  }
  /// Opened from a directory of its own, called `name`.
  io::Checkpoint stored(const LooseTensors& tensors, const std::string& name) {
    std::filesystem::create_directory(root_ / name);
    std::vector<io::TensorSpec> specs;
    for (const auto& [tensor, t] : tensors) specs.push_back({tensor, t.dtype, t.shape});
    io::SafetensorsWriter writer(root_ / name / "model.safetensors", specs);
    for (const auto& [tensor, t] : tensors) writer.append(tensor, t.bytes);
    writer.commit();
    return value_or_throw(io::Checkpoint::open(root_ / name));
  }
  std::vector<std::string> problems(const LooseTensors& tensors, const std::string& name) {
    return check_checkpoint(testing::ragged_v3(), stored(tensors, name)).problems;
  }
  const std::string matrix_ = "model.layers.0.self_attn.q_a_proj.weight";
};

LooseTensor integers(const std::vector<i32>& numbers) {
  LooseTensor tensor{DType::kI32, {std::ssize(numbers)}, std::vector<u8>(numbers.size() * 4)};
  std::memcpy(tensor.bytes.data(), numbers.data(), tensor.bytes.size());
  return tensor;
}

TEST_F(PackedModelTest, ZeroPointsAndOrdersThatChangeTheResultAreRefused) {
  LooseTensors changed = tensors();
  const i64 cols = testing::ragged_v3().hidden_size;
  std::vector<i32> order(static_cast<size_t>(cols));
  for (i64 c = 0; c < cols; ++c) order[static_cast<size_t>(c)] = static_cast<i32>(c / 32);
  changed[matrix_ + "_g_idx"] = integers(order);
  changed[matrix_ + "_zero_point"] = integers({static_cast<i32>(0x88888888u), 0});
  EXPECT_THAT(problems(changed, "neutral"), IsEmpty());
  changed[matrix_ + "_g_idx"] = integers(std::vector<i32>(static_cast<size_t>(cols), -1));
  EXPECT_THAT(problems(changed, "unset"), IsEmpty());
  std::swap(order.front(), order.back());
  changed[matrix_ + "_g_idx"] = integers(order);
  changed[matrix_ + "_zero_point"] = integers({static_cast<i32>(0x88888887u)});
  EXPECT_THAT(problems(changed, "refused"),
              ElementsAre(HasSubstr("weight_zero_point` holds zero points; only symmetric"),
                          HasSubstr("weight_g_idx` gives the columns an order of their own")));
}

TEST_F(PackedModelTest, ScalesInF32AreTheSameNumbers) {
  LooseTensors wide = tensors();
  for (auto& [name, tensor] : wide) {
    if (name.ends_with("_scale")) tensor = widened(tensor);
  }
  const io::Checkpoint before = value_or_throw(io::Checkpoint::open(root_ / "int4"));
  const io::Checkpoint after = stored(wide, "wide");
  const CheckpointCheck check = check_checkpoint(testing::ragged_v3(), after);
  EXPECT_THAT(check.problems, IsEmpty());
  for (const Parameter& parameter : check.parameters) {
    if (parameter.kind != ParameterKind::kMatrix) continue;
    const i64 rows = parameter.shape[0], cols = parameter.shape[1];
    std::vector<float> a(static_cast<size_t>(rows * cols)), b(a.size());
    for (i64 begin = 0; begin < rows; begin += 128) {
      const i64 count = std::min<i64>(128, rows - begin);
      const std::array<i64, 2> dims = {count, cols};
      TensorReader(ctx_, before, parameter).read_rows(begin, {a.data() + begin * cols, dims});
      TensorReader(ctx_, after, parameter).read_rows(begin, {b.data() + begin * cols, dims});
    }
    ASSERT_EQ(a, b) << parameter.name;
  }
}

}  // namespace
}  // namespace fathom::checkpoint
