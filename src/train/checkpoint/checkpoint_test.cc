#include "train/checkpoint/checkpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>

#include <filesystem>

#include "backend/backend.h"
#include "checkpoint/write.h"
#include "train/optimizer.h"
#include "train/test_support.h"

namespace fathom::train {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;

class CheckpointTest : public ::testing::Test {
 protected:
  CheckpointTest() {
    optimizer_config_.ema_decay = 0.5;
    optimizer_ = std::make_unique<Optimizer>(layout_, optimizer_config_);
    for (const checkpoint::ParameterSlot& slot : layout_.slots()) {
      for (i64 i = slot.offset; i < slot.offset + slot.parameter.elements(); ++i) {
        weights_[static_cast<size_t>(i)] = 1.0f / static_cast<float>(i + 3);
      }
    }
    optimizer_->start_average(weights_);
    const std::vector<float> gradients = weights_;
    optimizer_->step(ctx_, 1, 1e-3, 1.0f, weights_, gradients);
    manifest_.state.step = 3;
    manifest_.state.seconds = 1.0 / 3.0;
    manifest_.state.best = BestStep{2, 2.25};
    manifest_.run_config = "[run]\n";
    manifest_.data_fingerprint = "ab";
  }
  ModelFiles files(DType dtype = DType::kBF16) {
    return {.config = model_, .dtype = dtype, .tokenizer = run_.dir() / "tokenizer"};
  }
  fs::path write(DType dtype = DType::kBF16) {
    std::vector<StateArray> arrays = optimizer_->state();
    arrays.push_back({kMasterWeights, DType::kF32, reinterpret_cast<u8*>(weights_.data()),
                      StateArray::kHeldBlocks});
    const parallel::Shards shards(layout_);
    StateGather state(alone_, shards, arrays);
    write_checkpoint(ctx_, files(dtype), state, manifest_, path_);
    return path_;
  }
  std::string refusal() {
    const auto manifest = verify_checkpoint(path_);
    return manifest ? "" : manifest.error().message();
  }

  comm::Comm alone_ = comm::Comm::self();
  TinyRun run_;
  Ctx ctx_ = backend::make_context();
  ModelConfig model_ = value_or_throw(parse_model_config(kTinyModel));
  checkpoint::ParameterLayout layout_{model_};
  std::vector<float> weights_ = std::vector<float>(static_cast<size_t>(layout_.size()));
  OptimizerConfig optimizer_config_;
  std::unique_ptr<Optimizer> optimizer_;
  CheckpointManifest manifest_;
  fs::path path_ = run_.dir() / "step-000003";
};

TEST_F(CheckpointTest, ManifestsReadBack) {
  write();
  const CheckpointManifest read = value_or_throw(verify_checkpoint(path_));
  EXPECT_EQ(read.state.step, 3);
  EXPECT_EQ(read.state.seconds, 1.0 / 3.0);
  EXPECT_EQ(read.state.best->step, 2);
  EXPECT_EQ(read.state.best->bits_per_byte, 2.25);
  EXPECT_EQ(read.run_config, "[run]\n");
  for (const char* name : {"config.json", "model.safetensors", "optimizer.safetensors",
                           "tokenizer.json", "tokenizer_config.json", "generation_config.json"}) {
    EXPECT_TRUE(read.files.contains(name)) << name;
  }
}

TEST_F(CheckpointTest, EveryBitComesBack) {
  for (const DType dtype : {DType::kBF16, DType::kF32, DType::kF8E4M3}) {
    model_ = checkpoint::with_stored_dtype(model_, dtype, ops::ScaleFormat::kF32);
    write(dtype);
    std::vector<float> weights(weights_.size(), -1.0f);
    for (const checkpoint::ParameterSlot& slot : layout_.slots()) {
      std::fill_n(weights.begin() + slot.offset, slot.parameter.elements(), 9.0f);
    }
    Optimizer read(layout_, optimizer_config_);
    read_checkpoint(ctx_, model_, layout_, path_, read.state(), weights);
    for (const checkpoint::ParameterSlot& slot : layout_.slots()) {
      const auto begin = static_cast<size_t>(slot.offset);
      for (size_t i = begin; i < begin + static_cast<size_t>(slot.parameter.elements()); ++i) {
        ASSERT_EQ(weights[i], weights_[i]) << slot.parameter.name;
        ASSERT_EQ(read.average()[i], optimizer_->average()[i]) << slot.parameter.name;
      }
    }
    const auto expected = optimizer_->state(), found = read.state();
    for (size_t a = 0; a < 2; ++a) {
      EXPECT_TRUE(std::equal(found[a].data, found[a].data + 4 * layout_.size(), expected[a].data));
    }
  }
}

TEST_F(CheckpointTest, OfOtherMomentsOrAnotherModelIsRefused) {
  write();
  const auto read = [this](const checkpoint::ParameterLayout& layout,
                           const OptimizerConfig& config) {
    Optimizer optimizer(layout, config);
    std::vector<float> weights(static_cast<size_t>(layout.size()));
    try {
      read_checkpoint(ctx_, model_, layout, path_, optimizer.state(), weights);
    } catch (const Error& error) {
      return error.message();
    }
    return std::string();
  };
  OptimizerConfig narrow = optimizer_config_;
  narrow.bf16_moments = true;
  EXPECT_THAT(read(layout_, narrow), HasSubstr("expected BF16"));
  ModelConfig wider = model_;
  wider.intermediate_size = 64;
  EXPECT_THAT(read(checkpoint::ParameterLayout(wider), optimizer_config_),
              AllOf(HasSubstr("mlp.gate_proj.weight"), HasSubstr("[48, 32]")));
}

TEST_F(CheckpointTest, DamageIsNamed) {
  write();
  fs::resize_file(path_ / "optimizer.safetensors", 1000);
  fs::remove(path_ / "generation_config.json");
  EXPECT_THAT(refusal(), AllOf(HasSubstr("optimizer.safetensors: truncated: 1000 bytes, expected"),
                               HasSubstr("generation_config.json: No such file")));
  write();
  {
    std::fstream file(path_ / "model.safetensors", std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(-5, std::ios::end);
    file.put('!');
  }
  EXPECT_THAT(refusal(), HasSubstr("model.safetensors: its bytes have changed"));
  write();
  fs::resize_file(path_ / "trainer.json", 100);
  EXPECT_THAT(refusal(), HasSubstr("trainer.json"));
  fs::remove(path_ / "trainer.json");
  EXPECT_THAT(refusal(), HasSubstr("trainer.json"));
}

/// Files of this process end at `bytes`, as on a disk that is full.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) : handler_(::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit = {bytes, before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    ::signal(SIGXFSZ, handler_);
  }

 private:
  rlimit before_ = {};
  sighandler_t handler_;
};

TEST_F(CheckpointTest, AFullDiskLeavesTheOldOne) {
  write();
  manifest_.state.step = 4;
  for (const rlim_t bytes : {100u, 20'000u, 60'000u, 200'000u}) {
    const FileSizeLimit limit(bytes);
    EXPECT_THROW(write(), Error) << bytes;
    EXPECT_EQ(value_or_throw(verify_checkpoint(path_)).state.step, 3);
    EXPECT_FALSE(fs::exists(run_.dir() / ".step-000003.tmp")) << "nothing is left behind";
  }
  write();
  EXPECT_EQ(value_or_throw(verify_checkpoint(path_)).state.step, 4);
}

}  // namespace
}  // namespace fathom::train
