#include "checkpoint/quantization_study.h"

#include <gmock/gmock.h>

#include <array>
#include <bit>
#include <fstream>

#include "backend/backend.h"
#include "base/checked_math.h"
#include "checkpoint/convert/convert.h"
#include "checkpoint/random_init.h"
#include "checkpoint/tensor_codec.h"
#include "config/model/test_configs.h"
#include "testing/for_each_isa.h"
#include "testing/temp_dir.h"
#include "testing/tensor.h"

namespace fathom::checkpoint {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::ragged_v3;
using testing::ScopedThreads;
using testing::TempDir;
using testing::Tensor;
using ::testing::ThrowsMessage;

std::vector<QuantizationScheme> all_schemes() {
  const auto all = quantization_schemes();
  return {all.begin(), all.end()};
}

template <typename Sums>
std::array<u64, sizeof(Sums) / sizeof(u64)> bits(const Sums& sums) {
  return std::bit_cast<std::array<u64, sizeof(Sums) / sizeof(u64)>>(sums);
}

size_t scheme_index(std::string_view name) {
  const auto all = quantization_schemes();
  const auto found = std::ranges::find(all, name, &QuantizationScheme::name);
  EXPECT_NE(found, all.end()) << name;
  return static_cast<size_t>(found - all.begin());
}

const TensorStudy& tensor_of(const QuantizationStudy& study, const std::string& name) {
  const auto found = std::ranges::find(study.tensors, name, &TensorStudy::name);
  FATHOM_CHECK(found != study.tensors.end(), "no tensor ", name);
  return *found;
}

class QuantizationStudyTest : public ::testing::Test {
 protected:
  fs::path random(const ModelConfig& config, DType dtype) {
    fs::path directory = root_ / std::string(dtype_name(dtype));
    write_random_checkpoint(ctx_, config, directory, {.dtype = dtype, .weight_std = 0.02});
    return directory;
  }
  QuantizationStudy study(const fs::path& directory) {
    return study_quantization(ctx_, directory, {.schemes = all_schemes(), .static_amax = 0.05f});
  }

  Ctx ctx_ = backend::make_context();
  TempDir root_;
};

TEST(TensorKind, LeavesOutModelLayerModuleAndExpert) {
  EXPECT_EQ(tensor_kind("model.layers.3.mlp.experts.17.up_proj.weight"), "experts.up_proj");
  EXPECT_EQ(tensor_kind("model.layers.0.mlp.up_proj.weight"), "up_proj");
  EXPECT_EQ(tensor_kind("model.layers.61.self_attn.kv_a_proj_with_mqa.weight"),
            "kv_a_proj_with_mqa");
  EXPECT_EQ(tensor_kind("model.layers.61.shared_head.head.weight"), "shared_head.head");
  EXPECT_EQ(tensor_kind("model.embed_tokens.weight"), "embed_tokens");
  EXPECT_EQ(tensor_kind("lm_head.weight"), "lm_head");
}

// Tensors of several chunks: as if each were handed to the ops whole.
TEST_F(QuantizationStudyTest, ChunksAndThreadsDoNotChangeABit) {
  ModelConfig config = ragged_v3();
  config.vocab_size = 33000;  // 5.28 million numbers
  const fs::path directory = random(config, DType::kF32);
  const std::string name = "model.embed_tokens.weight";
  const auto checkpoint = value_or_throw(io::Checkpoint::open(directory));
  std::vector<float> scratch;
  const auto values = checkpoint.find(name)->elements_as<float>(scratch);
  const View<const float, 2> x(values.data(), {33000, 160});
  ASSERT_LT(chunk_rows(160), 33000);

  Tensor<float> tiles({33000, 2}), blocks({ceil_div(i64{33000}, kFp8Block), 2});
  ops::MagnitudeSums magnitudes{};
  ops::tile_ranges(ctx_, x, tiles.v<2>(), magnitudes);
  ops::group_ranges(tiles.cv<2>(), ops::GemmScaling::kBlock, blocks.v<2>());
  const ops::ChunkScheme scheme{
      .scaling = ops::GemmScaling::kBlock, .power_of_2_scales = true, .amax = blocks.cv<2>()};
  ops::QuantizationErrorSums want{};
  ops::quantization_errors(ctx_, x, {&scheme, 1}, {&want, 1});

  for (const int threads : {1, 3}) {
    const ScopedThreads scoped(threads);
    i64 last_done = 0;
    const QuantizationStudy got = study_quantization(ctx_, directory,
                                                     {.schemes = all_schemes(),
                                                      .static_amax = 0.05f,
                                                      .name_contains = "embed_tokens",
                                                      .on_progress = [&](i64 done, i64 total) {
                                                        EXPECT_GE(done, last_done);
                                                        EXPECT_EQ(total, 33000 * 160);
                                                        last_done = done;
                                                      }});
    EXPECT_EQ(last_done, 33000 * 160);
    const StudySums& sums = tensor_of(got, name).sums;
    EXPECT_EQ(bits(sums.magnitudes), bits(magnitudes));
    EXPECT_EQ(bits(sums.errors[scheme_index("e4m3-block-pow2")]), bits(want));
    i64 counted = 0;
    for (const i64 count : got.kinds[0].octaves[3]) counted += count;
    EXPECT_EQ(counted, magnitudes.numbers - magnitudes.zeros);
  }
}

TEST_F(QuantizationStudyTest, GathersKindsAndLeavesOutWhatIsNeverQuantised) {
  const QuantizationStudy got = study(random(ragged_v3(), DType::kBF16));
  std::vector<std::string> kinds, not_linear;
  for (const KindStudy& kind : got.kinds) {
    kinds.push_back(kind.kind);
    if (!kind.is_linear) not_linear.push_back(kind.kind);
  }
  EXPECT_THAT(not_linear, ElementsAre("embed_tokens", "gate", "lm_head", "eh_proj"));
  EXPECT_THAT(kinds, ::testing::IsSupersetOf(
                         {"q_a_proj", "experts.down_proj", "up_proj", "shared_experts.gate_proj"}));
  const auto experts = std::ranges::find(got.kinds, "experts.down_proj", &KindStudy::kind);
  EXPECT_EQ(experts->sums.tensors, 8 * 2);  // of one MoE layer and the MTP module
  EXPECT_EQ(experts->sums.magnitudes.numbers, 8 * 2 * 160 * 48);
  EXPECT_GT(got.num_vectors, 0);
  EXPECT_TRUE(got.problems.empty());

  // BF16 keeps what is stored in BF16. Mean |x - q| / |x| of numbers whose logarithms are spread
  // evenly: a quarter of a step of 2^-3 over the mean of 1 / m for m in [1, 2), 1 / (2 ln 2).
  EXPECT_EQ(error_rates(got.linear, scheme_index("bf16")).mean_abs_error, 0.0);
  for (const auto& [name, step] : {std::pair{"e4m3-tile", 0x1p-3},
                                   {"e4m3-tensor", 0x1p-3},
                                   {"e5m2-block", 0x1p-2},
                                   {"e5m6-tile", 0x1p-6}}) {
    const ErrorRates rates = error_rates(got.linear, scheme_index(name));
    const double want = 0.25 * step / (2.0 * std::log(2.0));
    EXPECT_NEAR(rates.mean_relative_error, want, 0.02 * want) << name;
    EXPECT_EQ(rates.clamp_rate, 0.0) << name;
  }
  // A range of 0.05 is 2.5 deviations: 1.2 % of normal numbers lie beyond, a little less beyond the
  // tie above it.
  const ErrorRates rates = error_rates(got.linear, scheme_index("e4m3-static"));
  EXPECT_NEAR(rates.clamp_rate, 0.0096, 0.001);
}

// As the same numbers in F32 are measured.
TEST_F(QuantizationStudyTest, PackedIntegersAreDequantisedFirst) {
  const fs::path bf16 = random(ragged_v3(), DType::kBF16);
  convert_checkpoint(
      ctx_, bf16, root_ / "mixed",
      {.storage = {.linear = {.dtype = DType::kF8E4M3},
                   .routed_experts = Storage{.dtype = DType::kI32, .bits = 4, .group_size = 32}}});
  convert_checkpoint(ctx_, root_ / "mixed", root_ / "f32",
                     {.storage = {.linear = {.dtype = DType::kF32}}});
  const QuantizationStudy got = study(root_ / "mixed"), want = study(root_ / "f32");
  EXPECT_GT(got.by_dtype.at(DType::kI32), 0);
  ASSERT_EQ(got.tensors.size(), want.tensors.size());
  for (size_t i = 0; i < got.tensors.size(); ++i) {
    EXPECT_EQ(got.tensors[i].sums.amax, want.tensors[i].sums.amax) << got.tensors[i].name;
    EXPECT_EQ(error_rates(got.tensors[i].sums, 0).rms_error,
              error_rates(want.tensors[i].sums, 0).rms_error)
        << got.tensors[i].name;
  }
}

TEST_F(QuantizationStudyTest, Fp8IsDequantisedFirst) {
  const fs::path bf16 = random(ragged_v3(), DType::kBF16);
  convert_checkpoint(ctx_, bf16, root_ / "fp8", {.storage = {.linear = {.dtype = DType::kF8E4M3}}});
  const QuantizationStudy got = study(root_ / "fp8");
  EXPECT_GT(got.by_dtype.at(DType::kF8E4M3), 0);
  // Its own grid again, but for the rounding of scale and product in f32.
  EXPECT_LT(error_rates(got.linear, scheme_index("e4m3-block")).mean_relative_error, 1e-6);
  EXPECT_GT(error_rates(got.linear, scheme_index("e4m3-tensor")).mean_relative_error, 0.01);
}

TEST_F(QuantizationStudyTest, AStaticRangeMayBeAQuantileOfEachTensor) {
  const QuantizationStudy got = study_quantization(
      ctx_, random(ragged_v3(), DType::kBF16),
      {.schemes = all_schemes(), .static_quantile = 0.9, .name_contains = "o_proj"});
  for (const TensorStudy& tensor : got.tensors) {
    EXPECT_NEAR(tensor.static_amax, 1.645 * 0.02, 0.002) << tensor.name;  // 90 % of a normal
    const double clamped = error_rates(tensor.sums, scheme_index("e5m2-static")).clamp_rate;
    EXPECT_GT(clamped, 0.05);  // beyond the range, but for what rounds down to it
    EXPECT_LT(clamped, 0.1);
  }
}

TEST_F(QuantizationStudyTest, DamagedNumbersAreCountedAndNamed) {
  const fs::path directory = random(ragged_v3(), DType::kBF16);
  const std::string name = "model.layers.1.self_attn.kv_b_proj.weight";
  i64 offset = 0;
  {
    const auto file = value_or_throw(io::SafetensorsFile::open(directory / "model.safetensors"));
    offset = file.find(name)->bytes.data() - file.map().bytes().data();
  }
  std::fstream file(directory / "model.safetensors",
                    std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(offset);
  file.write("\xc0\x7f\x80\x7f", 4);  // NaN, infinity
  file.close();
  const QuantizationStudy got = study(directory);
  ASSERT_EQ(got.problems.size(), 1u);
  EXPECT_THAT(got.problems[0], HasSubstr(name));
  EXPECT_THAT(got.problems[0], HasSubstr("2 of"));
  const ErrorRates rates = error_rates(tensor_of(got, name).sums, scheme_index("e4m3-tensor"));
  EXPECT_LT(rates.mean_relative_error, 0.03);  // a NaN would fail this
}

TEST_F(QuantizationStudyTest, WrongInputIsRefused) {
  EXPECT_THROW(study(root_ / "none"), Error);
  const fs::path directory = random(ragged_v3(), DType::kBF16);
  EXPECT_THAT(
      [&] {
        study_quantization(ctx_, directory,
                           {.schemes = all_schemes(), .static_amax = 1, .name_contains = "q_c"});
      },
      ThrowsMessage<Error>(HasSubstr("q_c")));
}

}  // namespace
}  // namespace fathom::checkpoint
