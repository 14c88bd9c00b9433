// Random weights in memory. A counter-based generator far cheaper than Philox, because a bench
// waits for every one of a model's numbers and reads none of them.
#include <algorithm>
#include <array>
#include <bit>
#include <cmath>

#include "base/checked_math.h"
#include "base/parallel.h"
#include "base/rng.h"
#include "checkpoint/tensor_codec.h"
#include "checkpoint/write.h"
#include "config/model/parameter_list.h"
#include "model/weights/weights.h"
#include "tensor/bf16.h"
#include "tensor/fp8.h"

namespace fathom::model {
namespace {

constexpr double kDeviation = 0.006;  // DeepSeek-V3 §4.2
constexpr i64 kAlignment = 64;        // bytes, of each tensor

/// SplitMix64 (Steele et al. 2014): the word at `counter` of a stream.
u64 word_at(u64 stream, u64 counter) {
  u64 z = stream + (counter + 1) * 0x9E3779B97F4A7C15ull;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
  return z ^ (z >> 31);
}

/// Every eight bytes from one word of the stream, through `map`; the padding of the last word too.
template <typename Map>
void fill_words(u8* out, i64 size_bytes, u64 stream, Map map) {
  u64* words = reinterpret_cast<u64*>(out);
  parallel_for(ceil_div(size_bytes, 8), 4096, [=](i64 begin, i64 end) {
    for (i64 i = begin; i < end; ++i) words[i] = map(word_at(stream, static_cast<u64>(i)));
  });
}

/// A uniform number of deviation kDeviation from 16 random bits.
float uniform_from(u64 bits) {
  const double step = kDeviation * std::sqrt(3.0) / 32768.0;
  return static_cast<float>(step) * static_cast<float>(static_cast<i16>(bits & 0xffff));
}

void fill_bf16(u8* out, i64 size_bytes, u64 stream) {
  fill_words(out, size_bytes, stream, [](u64 word) {
    u64 result = 0;
    for (int i = 0; i < 4; ++i) result |= u64{Bf16(uniform_from(word >> 16 * i)).bits} << 16 * i;
    return result;
  });
}

void fill_f32(u8* out, i64 size_bytes, u64 stream) {
  fill_words(out, size_bytes, stream, [](u64 word) {
    return u64{std::bit_cast<u32>(uniform_from(word))} |
           u64{std::bit_cast<u32>(uniform_from(word >> 16))} << 32;
  });
}

/// The codes of numbers uniform in +-448, as quantising uniform weights in blocks gives them: few
/// lie near zero, as in a trained model. By 15 random bits of magnitude.
using E4m3Codes = std::array<u8, 1 << 15>;

E4m3Codes uniform_e4m3_codes() {
  E4m3Codes codes{};
  const float step = kE4m3Max / static_cast<float>(codes.size());
  for (size_t i = 0; i < codes.size(); ++i) codes[i] = Fp8E4M3(step * static_cast<float>(i)).bits;
  return codes;
}

void fill_e4m3(u8* out, i64 size_bytes, u64 stream) {
  static const E4m3Codes codes = uniform_e4m3_codes();
  const auto code_of = [](u64 bits) { return u64{codes[bits & 0x7fff]} | ((bits >> 8) & 0x80); };
  fill_words(out, size_bytes, stream, [=](u64 word) {
    const u64 more = word_at(word, 0);
    u64 result = 0;
    for (int i = 0; i < 4; ++i) {
      result |= code_of(word >> 16 * i) << 8 * i | code_of(more >> 16 * i) << (32 + 8 * i);
    }
    return result;
  });
}

/// The scale that gives those codes kDeviation.
float e4m3_scale() { return static_cast<float>(kDeviation * std::sqrt(3.0)) / kE4m3Max; }

void fill_constant(u8* out, i64 elements, DType dtype, float value) {
  if (dtype == DType::kF32) {
    std::fill_n(reinterpret_cast<float*>(out), elements, value);
  } else {
    std::fill_n(reinterpret_cast<u16*>(out), elements, Bf16(value).bits);
  }
}

i64 size_bytes_of(const io::TensorSpec& spec) {
  i64 bytes = dtype_bytes(spec.dtype);
  for (const i64 extent : spec.shape) bytes *= extent;
  return bytes;
}

/// The scale that gives uniform codes of so many bits kDeviation.
float group_scale(int bits) {
  return static_cast<float>(kDeviation * std::sqrt(12.0) / std::pow(2.0, bits));
}

/// A tensor, and the parameter that it stands for.
struct Piece {
  io::TensorSpec spec;
  std::vector<i64> shape;
  checkpoint::Storage storage;
};

void fill(const Piece& piece, u8* out, u64 stream) {
  const auto& [name, dtype, shape] = piece.spec;
  const i64 size_bytes = size_bytes_of(piece.spec), elements = size_bytes / dtype_bytes(dtype);
  if (dtype == DType::kI64) {  // weight_shape
    std::copy(piece.shape.begin(), piece.shape.end(), reinterpret_cast<i64*>(out));
  } else if (name.ends_with("weight_scale_inv") || name.ends_with("weight_scale")) {
    const int bits = piece.storage.bits;
    fill_constant(out, elements, dtype, bits == 0 ? e4m3_scale() : group_scale(bits));
  } else if (shape.size() == 1) {
    fill_constant(out, elements, dtype, name.ends_with("bias") ? 0.0f : 1.0f);
  } else if (dtype == DType::kI32) {
    fill_words(out, size_bytes, stream, [](u64 word) { return word; });
  } else if (dtype == DType::kF8E4M3) {
    fill_e4m3(out, size_bytes, stream);
  } else if (dtype == DType::kBF16) {
    fill_bf16(out, size_bytes, stream);
  } else {
    fill_f32(out, size_bytes, stream);
  }
}

}  // namespace

std::unique_ptr<Weights> make_random_weights(Ctx& ctx, const ModelConfig& config,
                                             const RandomWeights& options) {
  auto weights = std::make_unique<Weights>();
  weights->directory = "random weights";
  weights->config = checkpoint::with_storage(config, options.storage, ops::ScaleFormat::kF32);
  value_or_throw(weights->config.validate());
  std::vector<Piece> pieces;
  for_each_parameter(weights->config, [&](const Parameter& parameter) {
    const checkpoint::Storage storage = checkpoint::storage_of(parameter, options.storage);
    std::vector<io::TensorSpec> specs;
    checkpoint::declare_parameter(specs, parameter, storage);
    for (io::TensorSpec& spec : specs)
      pieces.push_back({std::move(spec), parameter.shape, storage});
  });

  std::vector<i64> offsets = {0};
  for (const Piece& piece : pieces) {
    offsets.push_back(offsets.back() + round_up(size_bytes_of(piece.spec), kAlignment));
  }
  Buffer storage(Device::kCpu, offsets.back(), "random weights");
  std::vector<io::StoredTensor> tensors;
  for (size_t i = 0; i < pieces.size(); ++i) {
    const io::TensorSpec& spec = pieces[i].spec;
    u8* data = storage.data() + offsets[i];
    fill(pieces[i], data, word_at(options.seed, i));
    tensors.push_back({.name = spec.name,
                       .dtype = spec.dtype,
                       .shape = spec.shape,
                       .bytes = {data, static_cast<size_t>(size_bytes_of(spec))},
                       .file_name = "memory"});
  }
  weights->checkpoint = io::Checkpoint::of_tensors(std::move(tensors));
  weights->owned.push_back(std::move(storage));
  bind_weights(ctx, *weights);
  return weights;
}

}  // namespace fathom::model
