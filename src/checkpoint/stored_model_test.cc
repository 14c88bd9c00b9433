// One decision for everyone who opens weights: whose head, how many layers, which MTP modules.
#include "checkpoint/stored_model.h"

#include <gmock/gmock.h>

#include <fstream>

#include "checkpoint/check.h"
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

}  // namespace
}  // namespace fathom::checkpoint
