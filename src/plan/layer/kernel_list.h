#pragma once
// Internal to layer/: collects kernels with their times.
#include "plan/layer/layer_kernels.h"

namespace fathom::plan {

class KernelList {
 public:
  KernelList(const Cluster& cluster, Precision precision, i64 sms)
      : cluster_(cluster),
        precision_(cluster.has_fp8() ? precision : Precision::kBf16),
        sms_(sms) {}

  bool fp8() const { return precision_ == Precision::kFp8; }
  const Cluster& cluster() const { return cluster_; }

  void gemm(std::string name, LayerPart part, const GemmShape& shape, KernelClass kind);
  /// In BF16 whatever the list's precision is.
  void gemm_bf16(std::string name, LayerPart part, const GemmShape& shape, KernelClass kind);
  void attention(LayerPart part, const AttentionShape& shape);
  /// `count` numbers of `bytes_each` read and written.
  void memory(std::string name, LayerPart part, KernelClass kind, double count, double bytes_each);
  /// Casts exist in FP8 alone.
  void cast(std::string name, LayerPart part, double count);
  void transpose(std::string name, LayerPart part, double count, double bytes_each);
  void fixed(std::string name, LayerPart part, KernelClass kind, Seconds time);

  std::vector<Kernel> take() { return std::move(kernels_); }

 private:
  void add_gemm(std::string name, LayerPart part, const GemmShape& shape, KernelClass kind,
                Precision precision);

  const Cluster& cluster_;
  Precision precision_;
  i64 sms_;
  std::vector<Kernel> kernels_;
};

}  // namespace fathom::plan
