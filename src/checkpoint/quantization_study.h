#pragma once
// What quantisation schemes do to the weights of a checkpoint, tensor by tensor: the numbers behind
// `fathom inspect --quantization`. Reads chunk by chunk, so a model larger than memory is measured.
#include <array>
#include <filesystem>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/dtype.h"
#include "config/model/parameter_list.h"
#include "ops/quantize/quantization_error.h"

namespace fathom::checkpoint {

/// A format, and which numbers share a scale: "e4m3-block-pow2".
struct QuantizationScheme {
  std::string_view name;
  ops::NumberFormat format = ops::NumberFormat::kE4m3;
  ops::GemmScaling scaling = ops::GemmScaling::kTensor;  // BF16 and static ones: without meaning
  bool power_of_2_scales = false;
  bool is_static = false;  // the range is StudyOptions', not the numbers' own
};
/// All of them: BF16, E5M6 tiles, and E4M3 and E5M2 with each scaling and each kind of scale.
std::span<const QuantizationScheme> quantization_schemes();

struct StudyOptions {
  std::vector<QuantizationScheme> schemes;
  // The range of static schemes: a number >= 1e-4, or the quantile of each tensor's own |x|, in
  // (0, 1]; at most one is > 0, and one is where a scheme is static.
  float static_amax = 0.0f;
  double static_quantile = 0.0;
  std::string name_contains;  // only tensors with this in their name
  /// Called with (numbers done, in all) after each chunk.
  std::function<void(i64, i64)> on_progress = {};
};

/// The scalings whose octaves are counted.
inline constexpr std::array kOctaveScalings = {ops::GemmScaling::kTensor, ops::GemmScaling::kRow,
                                               ops::GemmScaling::kBlock, ops::GemmScaling::kTile};
/// [scaling as above][octave]
using OctaveTable = std::array<std::array<i64, ops::kOctaves>, kOctaveScalings.size()>;

/// Sums over one tensor, or over many.
struct StudySums {
  i64 tensors = 0;
  float amax = 0.0f;
  ops::MagnitudeSums magnitudes{};
  std::vector<ops::QuantizationErrorSums> errors;  // in the order of the schemes

  void add(const StudySums& other);
};

/// Sums as rates. Of tensors without a non-zero number all are 0.
struct ErrorRates {
  double mean_abs_error = 0.0;       // of all measured numbers
  double mean_relative_error = 0.0;  // |x - q| / |x|, of the non-zero ones; so are the rates
  double rms_error = 0.0;            // ||x - q|| / ||x||
  double clamp_rate = 0.0;           // beyond the largest number
  double underflow_rate = 0.0;       // became zero
  double subnormal_rate = 0.0;       // survived below the least normal number, with fewer digits
};
ErrorRates error_rates(const StudySums& sums, size_t scheme);

struct TensorStudy {
  std::string name;
  std::string kind;  // "experts.gate_proj": the name without model, layer, module and expert
  i64 layer = -1;    // as Parameter::layer
  DType dtype = DType::kF32;
  std::array<i64, 2> shape = {};
  float static_amax = 0.0f;  // the range that its static schemes had
  StudySums sums;
};

/// All tensors of a kind.
struct KindStudy {
  std::string kind;
  /// A Linear that the FP8 recipe quantises; not so embedding, head, router and eh_proj.
  bool is_linear = false;
  StudySums sums;
  OctaveTable octaves = {};
};

struct QuantizationStudy {
  std::vector<QuantizationScheme> schemes;
  std::vector<TensorStudy> tensors;   // in the order of the forward pass
  std::vector<KindStudy> kinds;       // in the order of their first tensor
  StudySums linear;                   // all tensors of the kinds that FP8 training quantises
  i64 num_vectors = 0;                // norms and biases: not quantised, not measured
  std::map<DType, i64> by_dtype;      // measured tensors by stored type
  std::vector<std::string> problems;  // tensors with numbers that were not measured
};

/// "model.layers.3.mlp.experts.17.up_proj.weight" -> "experts.up_proj".
std::string tensor_kind(std::string_view tensor_name);

/// Measures the matrices of the model in `directory` that it stores (MTP's copies of embedding and
/// head left out). FP8 matrices are dequantised first. Throws Error with all problems of config and
/// checkpoint; Error{kInvalidInput} if no tensor's name contains `name_contains`.
QuantizationStudy study_quantization(Ctx& ctx, const std::filesystem::path& directory,
                                     const StudyOptions& options);

}  // namespace fathom::checkpoint
