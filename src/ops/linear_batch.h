#pragma once
// The parts of linear_forward, for ops that run several products at once (ffn, experts): an input
// is prepared once, and all products share one parallel region. Internal to ops/.
#include <span>

#include "kernels/api/linear.h"
#include "kernels/api/token_panels.h"
#include "ops/ctx.h"
#include "ops/linear.h"

namespace fathom::ops {

/// x in the form that the kernels multiply.
struct PreparedInput {
  /// kCodes: the units of kernels/api/packed.h; kPanels: those of kernels/api/token_panels.h.
  enum class Form { kF32, kBf16, kCodes, kPanels };

  const void* data = nullptr;  // [tokens, in]
  i64 stride = 0;              // elements; bytes of kCodes
  Form form = Form::kF32;
  const float* scale = nullptr;  // [tokens, ceil(in/128)] of kFp8 activations, or of panels
  i64 scale_stride = 0;
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

/// Elements from one row of a prepared input to the next.
i64 prepared_stride(i64 in, bool is_bf16);

/// out = x rounded to BF16, held as bf16 or f32.
void round_rows(Ctx& ctx, View<const float, 2> x, void* out, i64 out_stride, bool is_bf16);

/// Rounds or quantises x as `activations` says for weights stored like `w`; scratch comes from
/// `scope`. With nothing to do the result points into x.
PreparedInput prepare_input(Ctx& ctx, Workspace::Scope& scope, View<const float, 2> x,
                            const MatRef& w, LinearMode mode);

/// Rows of x in groups, each in the form that products with weights like `w` want. Row r of the
/// groups is row ids(r) of x, or row r if `ids` is empty; group g has rows [begin(g), begin(g +
/// 1)).
std::span<PreparedInput> prepare_groups(Ctx& ctx, Workspace::Scope& scope, View<const float, 2> x,
                                        View<const i32, 1> ids, View<const i64, 1> begin,
                                        const MatRef& w, LinearMode mode);

/// Are there panels for such weights, and are they wanted?
bool wants_panels(const Ctx& ctx, const MatRef& w, const LinearMode& mode);

/// Room for panels of `in` columns beside weights like `w`: their form, places and scales.
kernels::PackPanelsArgs alloc_panels(Ctx& ctx, Workspace::Scope& scope, i64 panels, i64 in,
                                     const MatRef& w, LinearMode mode);

/// silu(gate x) * up x [x.tokens, gate.rows] as products with weights like `down` want it.
PreparedInput gated_input(Ctx& ctx, Workspace::Scope& scope, const PreparedInput& x,
                          const MatRef& gate, const MatRef& up, const MatRef& down,
                          LinearMode mode);

/// One product y = x w^T.
struct LinearJob {
  PreparedInput x;
  MatRef w;
  View<float, 2> y;
};

/// The arguments of a job whose input is panels.
kernels::PanelLinearArgs panel_args(const LinearJob& job);

/// Runs all jobs; no y may overlap another job's x, w or y. Checks shapes.
void run_linear_jobs(Ctx& ctx, std::span<const LinearJob> jobs);

}  // namespace fathom::ops
