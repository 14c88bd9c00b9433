#pragma once
// The kernels of one transformer layer's forward and backward pass on one GPU, each with its time:
// the list that every training time is a sum of.
#include <array>
#include <string>
#include <vector>

#include "config/model/model_config.h"
#include "plan/machine/kernel_time.h"

namespace fathom::plan {

/// The parts a micro-batch's pass is cut into, as DualPipe issues them; an exchange lies between
/// attention and FFN.
enum class LayerPart {
  kAttentionForward,
  kFfnForward,
  kAttentionBackward,  // of the inputs
  kFfnBackward,
  kAttentionWeights,  // of the weights
  kFfnWeights
};
inline constexpr size_t kNumLayerParts = 6;
std::string_view to_string(LayerPart part);  // "attention, forward"

enum class KernelClass {
  kGemm,
  kGroupedGemm,
  kWeightGradient,
  kAttention,
  kAttentionBackward,
  kCast,
  kTranspose,
  kSwiglu,
  kPermute,
  kNorm,
  kRope,
  kAdd,
  kAttentionEdges,
  kRouter,
  kCollective
};
inline constexpr size_t kNumKernelClasses = 15;
std::string_view to_string(KernelClass kind);  // "grouped GEMM"

struct Kernel {
  std::string name;  // "q_b", "q_b dgrad"
  LayerPart part = LayerPart::kAttentionForward;
  KernelClass kind = KernelClass::kGemm;
  Seconds time;
  Bytes bytes;      // of a memory-bound kernel
  GemmShape shape;  // of a product
  i64 waves = 0;
};

/// What a layer runs with.
struct LayerSetting {
  bool moe = false;
  i64 tokens = 4096;  // of a micro-batch on one GPU, or on the tensor_ranks that share it
  i64 seq_len = 4096;
  i64 expert_ranks = 1;
  i64 tensor_ranks = 1;
  Precision precision = Precision::kFp8;
  i64 sms = 0;                 // that compute
  bool recompute = true;       // norms, MLA up-projections and SwiGLU, as V3 §3.2.3
  bool recompute_all = false;  // the whole forward pass again
  double expert_load = 1.0;    // rows of its experts over the mean of the GPUs
  bool training = true;        // false: the forward pass alone, nothing kept for a backward one
};

std::vector<Kernel> layer_kernels(const Cluster& cluster, const ModelConfig& config,
                                  const LayerSetting& setting);

/// The embedding's, the head's and the loss's kernels: products with the vocabulary in BF16.
std::vector<Kernel> head_kernels(const Cluster& cluster, const ModelConfig& config,
                                 const LayerSetting& setting);

Seconds part_time(const std::vector<Kernel>& kernels, LayerPart part);
Seconds class_time(const std::vector<Kernel>& kernels, KernelClass kind);
Seconds total_time(const std::vector<Kernel>& kernels);

}  // namespace fathom::plan
