// MTP modules behind one another: PyTorch's losses at every depth, rows that are forgotten, files
// that hold only some of the modules.
#include "model/mtp.h"

#include <gmock/gmock.h>

#include "checkpoint/test_support.h"
#include "model/test_support.h"
#include "testing/for_each_isa.h"
#include "testing/temp_dir.h"

namespace fathom::model {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

constexpr i64 kDepths = 2;

/// The golden training model with two modules, and its first batch.
class MtpDepths : public ::testing::Test {
 protected:
  MtpDepths()
      : file_(value_or_throw(
            io::SafetensorsFile::open(golden_directory("training_v3") / "golden.safetensors"))),
        shape_(file_.find("targets")->shape) {}

  const Model& model() const { return golden_.model(); }
  i64 sequences() const { return shape_[2]; }
  i64 seq_len() const { return shape_[3]; }
  /// [seq_len + 1 + kDepths]
  std::span<const i32> tokens(i64 sequence) const {
    const i64 width = seq_len() + 1 + kDepths;
    return std::span(tokens_).subspan(static_cast<size_t>(sequence * width),
                                      static_cast<size_t>(width));
  }
  /// [seq_len]  of the head at `depth`; -1: none
  std::span<const i32> targets(i64 depth, i64 sequence) const {
    return std::span(targets_).subspan(
        static_cast<size_t>((depth * sequences() + sequence) * seq_len()),
        static_cast<size_t>(seq_len()));
  }

  /// A cache with the main model's rows of a sequence, and its hidden states.
  KvCache run_main(Ctx& ctx, i64 sequence, Tensor<float>& hidden) const {
    KvCache cache(model().config(), ops::CacheDType::kF32, seq_len(), kDepths);
    Tensor<float> logits = new_logits(model(), seq_len());
    hidden = Tensor<float>({seq_len(), model().config().hidden_size});
    const SequenceStep step{.token_ids = tokens(sequence).first(static_cast<size_t>(seq_len())),
                            .cache = &cache,
                            .logits = LogitRows::kAll};
    model().forward(ctx, {&step, 1}, kExact, logits.v<2>(), hidden.v<2>());
    return cache;
  }

  /// Rows [begin, begin + count) of a module over `hidden`, whose place its own states take.
  void run_rows(Ctx& ctx, KvCache& cache, i64 depth, i64 sequence, i64 begin, i64 count,
                Tensor<float>& hidden, View<float, 2> logits) const {
    Tensor<float> out({count, model().config().hidden_size});
    const auto rows = hidden.v<2>().slice(0, begin, count);
    const MtpStep step{.next_tokens = tokens(sequence).subspan(static_cast<size_t>(begin + depth),
                                                               static_cast<size_t>(count)),
                       .positions_begin = begin,
                       .cache = &cache,
                       .depth = depth};
    model().mtp_forward(ctx, {&step, 1}, kExact, rows, logits, out.v<2>());
    std::copy_n(out.data(), out.size(), rows.data());
  }

  Golden golden_{"training_v3"};
  io::SafetensorsFile file_;
  std::vector<i64> shape_;  // [batches, heads, sequences, seq_len]
  std::vector<i32> tokens_ = golden_.ids("tokens"), targets_ = golden_.ids("targets");
};

double nll(const Tensor<float>& logits, std::span<const i32> targets) {
  double sum = 0.0;
  for (i64 t = 0; t < logits.dim(0); ++t) {
    const i32 target = targets[static_cast<size_t>(t)];
    if (target < 0) continue;
    double exponentials = 0.0;
    for (i64 i = 0; i < logits.dim(1); ++i) {
      exponentials += std::exp(static_cast<double>(logits[t * logits.dim(1) + i]));
    }
    sum += std::log(exponentials) - static_cast<double>(logits[t * logits.dim(1) + target]);
  }
  return sum;
}

TEST_F(MtpDepths, LossesArePyTorchsWhateverTheChunks) {
  std::vector<double> scratch;
  const auto want = file_.find("nll")->elements_as<double>(scratch);
  ASSERT_EQ(model().num_mtp(), kDepths);
  testing::for_each_isa([&](Ctx& ctx) {
    for (const i64 chunk : {seq_len(), i64{7}, i64{1}}) {
      double got[kDepths] = {};
      for (i64 s = 0; s < sequences(); ++s) {
        Tensor<float> hidden;
        KvCache cache = run_main(ctx, s, hidden);
        // Chunk by chunk through both modules, as drafting does: neither reads the other's rows.
        Tensor<float> logits[kDepths] = {new_logits(model(), seq_len()),
                                         new_logits(model(), seq_len())};
        for (i64 begin = 0; begin < seq_len(); begin += chunk) {
          const i64 count = std::min(chunk, seq_len() - begin);
          for (i64 depth = 1; depth <= kDepths; ++depth) {
            run_rows(ctx, cache, depth, s, begin, count, hidden,
                     logits[depth - 1].v<2>().slice(0, begin, count));
          }
        }
        for (i64 depth = 1; depth <= kDepths; ++depth) {
          got[depth - 1] += nll(logits[depth - 1], targets(depth, s));
        }
      }
      for (size_t k = 0; k < kDepths; ++k) {
        EXPECT_NEAR(got[k] / want[k + 1], 1.0, 1e-5)
            << "depth " << k + 1 << ", chunks of " << chunk;
      }
    }
  });
}

TEST_F(MtpDepths, RowsThatAteForgottenOnesAreForgotten) {
  Ctx ctx = backend::make_context();
  Tensor<float> hidden;
  KvCache cache = run_main(ctx, 0, hidden);
  const auto begin_at = [&](i64 depth, i64 begin) {
    Tensor<float> states = hidden;
    run_rows(ctx, cache, depth, 0, begin, 1, states, {});
  };
  const auto fill = [&](i64 depth, i64 count) {
    Tensor<float> states = hidden;
    run_rows(ctx, cache, depth, 0, 0, count, states, {});
  };
  fill(1, 12);
  fill(2, 12);
  begin_at(1, 8);
  EXPECT_THROW(begin_at(2, 9), InternalError) << "row 8 of depth 1 was made anew";
  begin_at(2, 8);

  fill(1, 12);
  fill(2, 12);
  cache.truncate(10);
  EXPECT_THROW(begin_at(1, 10), InternalError) << "row 9 had seen token 10";
  EXPECT_THROW(begin_at(2, 9), InternalError) << "row 8 had seen token 10";
  begin_at(2, 8);
  begin_at(1, 9);
}

TEST_F(MtpDepths, OneThatIsNotThereIsNamed) {
  Ctx ctx = backend::make_context();
  Tensor<float> hidden;
  KvCache cache = run_main(ctx, 0, hidden);
  EXPECT_THAT([&] { run_rows(ctx, cache, 3, 0, 0, 1, hidden, {}); },
              ThrowsMessage<Error>(
                  HasSubstr("an MTP module of depth 3 was asked for, this checkpoint has 2")));
}

TEST_F(MtpDepths, AFileMayHoldTheFirstModulesAlone) {
  Ctx ctx = backend::make_context();
  auto tensors = checkpoint::tensors_of("training_v3");
  const std::string second =
      fmt::format("model.layers.{}.", model().config().num_hidden_layers + 1);
  std::erase_if(tensors, [&](const auto& item) { return item.first.starts_with(second); });
  const testing::TempDir directory;
  checkpoint::write_model(directory, "training_v3", tensors);
  EXPECT_EQ(Model::load(ctx, directory.path().string())->num_mtp(), 1);
}

}  // namespace
}  // namespace fathom::model
