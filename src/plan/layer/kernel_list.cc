#include "plan/layer/kernel_list.h"

namespace fathom::plan {
namespace {

double share_of(const KernelSection& kernels, KernelClass kind) {
  switch (kind) {
    case KernelClass::kCast:
      return kernels.cast;
    case KernelClass::kTranspose:
      return kernels.transpose;
    case KernelClass::kSwiglu:
      return kernels.swiglu;
    case KernelClass::kPermute:
      return kernels.permute;
    case KernelClass::kNorm:
      return kernels.norm;
    case KernelClass::kRope:
      return kernels.rope;
    case KernelClass::kAttentionEdges:
      return kernels.attention_edges;
    default:
      return kernels.add;
  }
}

double factor_of(const ScaleSection& scale, KernelClass kind) {
  if (kind == KernelClass::kCast) return scale.cast;
  if (kind == KernelClass::kTranspose) return scale.transpose;
  return scale.memory;
}

}  // namespace

void KernelList::add_gemm(std::string name, LayerPart part, const GemmShape& shape,
                          KernelClass kind, Precision precision) {
  const Product product =
      kind == KernelClass::kWeightGradient ? Product::kWeightGradient : Product::kForward;
  const GemmTime time = gemm_time(cluster_, shape, product, precision, sms_);
  kernels_.push_back({.name = std::move(name),
                      .part = part,
                      .kind = kind,
                      .time = time.total,
                      .shape = shape,
                      .waves = time.waves});
}

void KernelList::gemm(std::string name, LayerPart part, const GemmShape& shape, KernelClass kind) {
  add_gemm(std::move(name), part, shape, kind, precision_);
}

void KernelList::gemm_bf16(std::string name, LayerPart part, const GemmShape& shape,
                           KernelClass kind) {
  add_gemm(std::move(name), part, shape, kind, Precision::kBf16);
}

void KernelList::attention(LayerPart part, const AttentionShape& shape) {
  const bool forward = part == LayerPart::kAttentionForward;
  kernels_.push_back({.name = forward ? "attention core" : "attention core backward",
                      .part = part,
                      .kind = forward ? KernelClass::kAttention : KernelClass::kAttentionBackward,
                      .time = forward ? attention_forward_time(cluster_, shape, sms_)
                                      : attention_backward_time(cluster_, shape, sms_)});
}

void KernelList::memory(std::string name, LayerPart part, KernelClass kind, double count,
                        double bytes_each) {
  if (count <= 0.0) return;
  const Bytes bytes(count * bytes_each);
  kernels_.push_back({.name = std::move(name),
                      .part = part,
                      .kind = kind,
                      .time = memory_time(cluster_, bytes, share_of(cluster_.kernels, kind)) *
                              factor_of(cluster_.scale, kind),
                      .bytes = bytes});
}

void KernelList::cast(std::string name, LayerPart part, double count) {
  if (fp8()) memory(std::move(name), part, KernelClass::kCast, count, 3.0);
}

void KernelList::transpose(std::string name, LayerPart part, double count, double bytes_each) {
  if (fp8()) memory(std::move(name), part, KernelClass::kTranspose, count, bytes_each);
}

void KernelList::fixed(std::string name, LayerPart part, KernelClass kind, Seconds time) {
  kernels_.push_back({.name = std::move(name),
                      .part = part,
                      .kind = kind,
                      .time = time * factor_of(cluster_.scale, kind)});
}

}  // namespace fathom::plan
