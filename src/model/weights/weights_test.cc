// Loading: what fits is mapped, whatever its dtype and alignment.
#include "model/weights/weights.h"

#include <gmock/gmock.h>

#include <cstring>
#include <map>

#include "backend/backend.h"
#include "checkpoint/random_init.h"
#include "checkpoint/test_support.h"
#include "model/attention/rope.h"
#include "model/test_support.h"
#include "model/tolerances.h"
#include "model/weights/random_weights.h"
#include "testing/temp_dir.h"

namespace fathom::model {
namespace {

using checkpoint::LooseTensor;
using checkpoint::LooseTensors;
using checkpoint::tensors_of;
using checkpoint::widened;
using checkpoint::write_model;
using testing::golden_directory;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::TempDir;
using ::testing::ThrowsMessage;

class WeightsTest : public ::testing::Test {
 protected:
  Ctx ctx_ = backend::make_context();
  TempDir directory_;
};

TEST_F(WeightsTest, ACheckpointWithProblemsIsRefused) {
  LooseTensors tensors = tensors_of("v3");
  tensors.erase("model.layers.0.self_attn.o_proj.weight");
  write_model(directory_, "v3", tensors);
  EXPECT_THAT([&] { (void)Model::load(ctx_, directory_.path().string()); },
              ThrowsMessage<Error>(HasSubstr("o_proj.weight` is missing")));
}

TEST_F(WeightsTest, F32AndF16AndUnalignedTensorsMeanTheSame) {
  const Golden golden("v3");
  const auto ids = golden.ids("input_ids");
  const Tensor<float> want = run(ctx_, golden.model(), ids);
  LooseTensors tensors = tensors_of("v3");
  for (auto& [name, tensor] : tensors) {
    if (tensor.dtype == DType::kBF16) tensor = widened(tensor);
  }
  // Multiples of 1/64 below 32 are the same number in F16 and F32.
  LooseTensor& half = tensors["model.layers.0.mlp.up_proj.weight"];
  half.dtype = DType::kF16;
  half.bytes.resize(half.bytes.size() / 2);
  for (size_t i = 0; i < half.bytes.size() / 2; ++i) {
    const u16 bits = static_cast<u16>(0x3000 + i % 0x100);
    std::memcpy(&half.bytes[2 * i], &bits, 2);
  }
  write_model(directory_, "v3", tensors);
  const auto from_f16 = Model::load(ctx_, directory_.path().string());
  const Tensor<float> with_f16 = run(ctx_, *from_f16, ids);

  LooseTensor single{DType::kF32, half.shape, std::vector<u8>(half.bytes.size() * 2)};
  for (size_t i = 0; i < half.bytes.size() / 2; ++i) {
    u16 bits = 0;
    std::memcpy(&bits, &half.bytes[2 * i], 2);
    const float value = f16_to_f32(bits);
    std::memcpy(&single.bytes[4 * i], &value, 4);
  }
  tensors["model.layers.0.mlp.up_proj.weight"] = single;
  // A tensor of one byte before the others leaves every later one unaligned in the file.
  tensors["a"] = {DType::kU8, {1}, {0}};
  const TempDir unaligned;
  std::string header = "{", data;
  for (const auto& [name, t] : tensors) {
    std::string shape;
    for (const i64 d : t.shape) shape += (shape.empty() ? "" : ",") + std::to_string(d);
    header += (header.size() > 1 ? "," : "") +
              fmt::format(R"("{}":{{"dtype":"{}","shape":[{}],"data_offsets":[{},{}]}})", name,
                          dtype_name(t.dtype), shape, data.size(), data.size() + t.bytes.size());
    data.append(reinterpret_cast<const char*>(t.bytes.data()), t.bytes.size());
  }
  header += "}";
  const u64 header_bytes = header.size();
  std::string file(8, '\0');
  std::memcpy(file.data(), &header_bytes, 8);
  unaligned.write("model.safetensors", file + header + data);
  std::filesystem::copy_file(golden_directory("v3") / "config.json", unaligned / "config.json");
  const auto from_unaligned = Model::load(ctx_, unaligned.path().string());
  testing::expect_bitwise_equal(run(ctx_, *from_unaligned, ids), with_f16);

  tensors = tensors_of("v3");
  for (auto& [name, tensor] : tensors) {
    if (tensor.dtype == DType::kBF16) tensor = widened(tensor);
  }
  const TempDir wide;
  write_model(wide, "v3", tensors);
  EXPECT_LE(relative_error(run(ctx_, *Model::load(ctx_, wide.path().string()), ids), want), 1e-5);
}

TEST_F(WeightsTest, BlockScalesInBf16MeanTheSame) {
  LooseTensors tensors = tensors_of("fp8");
  std::map<std::string, LooseTensor> narrow;
  for (auto& [name, scale] : tensors) {
    if (!name.ends_with("_scale_inv")) continue;
    LooseTensor& bf16 = narrow[name] = {DType::kBF16, scale.shape, {}};
    for (size_t i = 0; i < scale.bytes.size(); i += 4) {
      scale.bytes[i] = scale.bytes[i + 1] = 0;  // now BF16 holds it
      bf16.bytes.insert(bf16.bytes.end(), {scale.bytes[i + 2], scale.bytes[i + 3]});
    }
  }
  const auto ids = Golden("fp8").ids("input_ids");
  write_model(directory_, "fp8", tensors);
  const Tensor<float> want = run(ctx_, *Model::load(ctx_, directory_.path().string()), ids);
  for (const auto& [name, scale] : narrow) tensors[name] = scale;
  const TempDir other;
  write_model(other, "fp8", tensors);
  const Tensor<float> found = run(ctx_, *Model::load(ctx_, other.path().string()), ids);
  EXPECT_EQ(std::memcmp(want.data(), found.data(), static_cast<size_t>(want.size()) * 4), 0);
}

TEST_F(WeightsTest, MtpMayBeAbsentOrShareItsEmbedding) {
  const Golden golden("mtp");
  const auto ids = golden.ids("input_ids");
  LooseTensors tensors = tensors_of("mtp");
  tensors.erase("model.layers.1.embed_tokens.weight");
  tensors.erase("model.layers.1.shared_head.head.weight");
  write_model(directory_, "mtp", tensors);
  const auto shared = Model::load(ctx_, directory_.path().string());
  ASSERT_EQ(shared->num_mtp(), 1);
  const auto hidden = testing::normal<float>({3, golden.model().config().hidden_size});
  const auto logits_of = [&](const Model& model) {
    KvCache cache(model.config(), ops::CacheDType::kF32, 8, 1);
    Tensor<float> logits = new_logits(model, 3);
    const MtpStep step{.next_tokens = std::span(ids).first(3), .cache = &cache};
    model.mtp_forward(ctx_, {&step, 1}, kExact, hidden.cv<2>(), logits.v<2>());
    return logits;
  };
  testing::expect_bitwise_equal(logits_of(*shared), logits_of(golden.model()));

  std::erase_if(tensors,
                [](const auto& item) { return item.first.starts_with("model.layers.1."); });
  const TempDir without;
  write_model(without, "mtp", tensors);
  EXPECT_EQ(Model::load(ctx_, without.path().string())->num_mtp(), 0);

  const TempDir half;
  tensors["model.layers.1.enorm.weight"] = {DType::kF32, {16}, std::vector<u8>(64)};
  write_model(half, "mtp", tensors);
  EXPECT_THAT([&] { (void)Model::load(ctx_, half.path().string()); },
              ThrowsMessage<Error>(AllOf(HasSubstr("`model.layers.1.hnorm.weight` is missing"),
                                         Not(HasSubstr("enorm")), Not(HasSubstr("embed_tokens")))));
}

TEST(Weights, Fp8StaysAsStored) {
  Ctx ctx = backend::make_context();
  const Golden golden("fp8");
  const auto checkpoint = value_or_throw(io::Checkpoint::open(golden_directory("fp8")));
  i64 stored = 0;
  for (const io::StoredTensor* t : checkpoint.tensors())
    stored += static_cast<i64>(t->bytes.size());
  EXPECT_EQ(golden.model().weight_bytes(), stored);
  const auto weights = load_weights(ctx, golden_directory("fp8").string());
  const auto& mla = std::get<MlaWeights>(weights->layers[0].self_attn);
  EXPECT_EQ(mla.o_proj.dtype, DType::kF8E4M3);
  i64 owned = 0;
  for (const Buffer& buffer : weights->owned) owned += buffer.size_bytes();
  EXPECT_LT(owned, 4096);  // norms and the bias alone
}

// However they are made: norms begin at 1, biases at 0.
TEST_F(WeightsTest, RandomVectorsAreThoseOfANeutralLayer) {
  const ModelConfig config = value_or_throw(load_model_config(golden_directory("qwen3_tied")));
  const auto expect_neutral = [](const Weights& weights) {
    const GqaWeights& w = std::get<GqaWeights>(weights.layers[0].self_attn);
    for (const auto& bias : {w.q_proj_bias, w.k_proj_bias, w.v_proj_bias, w.o_proj_bias}) {
      ASSERT_FALSE(bias.empty());
      for (i64 i = 0; i < bias.dim(0); ++i) EXPECT_EQ(bias(i), 0.0f);
    }
    for (const auto& norm : {w.q_norm, w.k_norm}) {
      for (i64 i = 0; i < norm.dim(0); ++i) EXPECT_EQ(norm(i), 1.0f);
    }
  };
  expect_neutral(*make_random_weights(ctx_, config, {}));
  checkpoint::write_random_checkpoint(ctx_, config, directory_ / "init", {});
  expect_neutral(*load_weights(ctx_, directory_ / "init"));
}

TEST(Rope, PairingAndYarnFollowTheConfig) {
  const auto table = [](const std::string& golden) {
    return make_rope_table(value_or_throw(load_model_config(golden_directory(golden))));
  };
  EXPECT_EQ(table("v3").pairing, ops::RopePairing::kInterleaved);
  EXPECT_EQ(table("llama").pairing, ops::RopePairing::kHalves);
  EXPECT_EQ(table("v3").cos_sin_factor, 1.0f);
  EXPECT_EQ(table("v3").frequency.size(), 8u);
  // mscale 1.0 over mscale_all_dim 0.707, factor 40: 1.36889 / 1.26080.
  EXPECT_NEAR(table("v2").cos_sin_factor, 1.3688879454 / 1.2608037774, 1e-6);
}

}  // namespace
}  // namespace fathom::model
