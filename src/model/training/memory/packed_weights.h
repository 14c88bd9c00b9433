#pragma once
// Every weight matrix in the form that a step multiplies: packed once an optimizer step, as
// [out, in] for fprop and transposed for dgrad, in the rounding of the recipe.
#include <string_view>
#include <unordered_map>
#include <vector>

#include "checkpoint/parameter_layout.h"
#include "model/training/precision.h"
#include "ops/gemm/gemm.h"
#include "tensor/buffer.h"

namespace fathom::model::training {

/// One weight as its products see it. Lives in PackedWeights; addresses do not change.
struct PackedLinear {
  i64 out = 0;
  i64 in = 0;
  ops::PackedMatrix fprop;  // [out, in]
  ops::PackedMatrix dgrad;  // [in, out]
  LinearRounding rounding;
};

class PackedWeights {
 public:
  /// Of every matrix of the layout but an embedding that is no head here: it is looked up, not
  /// multiplied. `tied_head`: it is, of a stage of this rank. `weights`: an array of layout.size()
  /// that stays where it is.
  PackedWeights(bool tied_head, const checkpoint::ParameterLayout& layout,
                const Precision& precision, const float* weights);

  /// Packs the weights as they are now. Allocates if ctx has another instruction set than before.
  void pack(Ctx& ctx);
  /// Storage for ctx's instruction set; nothing is packed.
  void lay_out(const Ctx& ctx);
  /// True after pack() with a ctx of this instruction set.
  bool packed_for(const Ctx& ctx) const { return packed_isa_ == &ctx.isa(); }
  /// Throws InternalError for a name without a packed form.
  const PackedLinear* find(std::string_view name) const;
  /// The embedding where it is a head here, else nullptr.
  const PackedLinear* tied_head() const;

  i64 size_bytes() const { return storage_.size_bytes(); }
  /// size_bytes() of such a model, without making it.
  static i64 bytes_of(const Ctx& ctx, bool tied_head, const checkpoint::ParameterLayout& layout,
                      const Precision& precision);

 private:
  /// Weights of one rounding are packed in one parallel region; entry i has the sources 2i (fprop)
  /// and 2i + 1 (dgrad).
  struct Group {
    ops::GemmRounding rounding;
    std::vector<PackedLinear*> linears;
    std::vector<ops::PackSource> sources;
    std::vector<u8*> storage;
    std::vector<ops::PackedMatrix> packed;
  };

  std::unordered_map<std::string, PackedLinear> by_name_;  // its nodes do not move
  std::vector<Group> groups_;
  Buffer storage_;
  const void* isa_ = nullptr;         // whose packed form storage_ has room for
  const void* packed_isa_ = nullptr;  // whose packed form it holds
};

}  // namespace fathom::model::training
