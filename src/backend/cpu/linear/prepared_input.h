#pragma once
// The input of products in the form that their kernels multiply. Prepared once, it serves every
// product whose weights are stored alike.
#include <span>

#include "backend/cpu/linear/panels.h"
#include "device/linear.h"

namespace fathom::backend::cpu {

/// x in the form that the kernels multiply.
struct PreparedInput {
  /// kCodes: the units of kernels/api/packed.h; kPanels: those of kernels/api/token_panels.h.
  enum class Form { kF32, kBf16, kCodes, kPanels };

  const void* data = nullptr;  // [tokens, in]
  i64 stride = 0;              // elements; bytes of kCodes
  Form form = Form::kF32;
  const float* scale = nullptr;  // [tokens, ceil(in/128)] of kFp8 activations, or of panels
  i64 scale_stride = 0;
  const float* sum = nullptr;  // of panels beside weights with minima
  i64 tokens = 0;
  i64 in = 0;
  kernels::PanelForm panel_form = kernels::PanelForm::kBf16;

  bool is_bf16() const { return form == Form::kBf16; }
  i64 element_bytes() const { return form == Form::kF32 ? 4 : form == Form::kBf16 ? 2 : 1; }
  /// Bytes of one row that mean something.
  i64 row_bytes() const { return form == Form::kCodes ? stride : in * element_bytes(); }
  /// Rows [begin, begin + count); not of panels.
  PreparedInput rows(i64 begin, i64 count) const;
};

/// out = x rounded to BF16, held as bf16 or f32.
void round_rows(Ctx& ctx, View<const float, 2> x, void* out, i64 out_stride, bool is_bf16);

/// x for products with weights stored like `w`; scratch comes from `scope`. With nothing to do the
/// result points into x.
PreparedInput prepare_input(Ctx& ctx, Workspace::Scope& scope, View<const float, 2> x,
                            const MatRef& w, device::LinearMode mode);

/// Rows of x in groups, each prepared by itself. Row r of the groups is row ids(r) of x, or row r
/// if `ids` is empty; group g has rows [begin(g), begin(g + 1)).
std::span<PreparedInput> prepare_groups(Ctx& ctx, Workspace::Scope& scope, View<const float, 2> x,
                                        View<const i32, 1> ids, View<const i32, 1> begin,
                                        const MatRef& w, device::LinearMode mode);

}  // namespace fathom::backend::cpu
