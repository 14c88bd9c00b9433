#pragma once
// What must hold before a speed means anything.
#include "model/attention/kv_cache.h"
#include "model/model.h"

namespace fathom::engine {

/// Found on a prompt just long enough to be prefilled. As timed, activations are rounded, and a
/// last bit may round the other way or send a token to another expert: so that comparison takes the
/// lower quartile of the tokens, and two instruction sets may differ by twice what rounding changes
/// on one of them, once for each (codes of bytes are coarser than BF16).
struct Verification {
  double exact_error = 0.0;      // scalar kernels against the timed context's, f32 throughout
  double timed_error = 0.0;      // as timed, against another instruction set's kernels
  double rounding_error = 0.0;   // as timed against f32 throughout, on that other instruction set
  bool threads_agree = false;    // bitwise: one thread against all
  bool chunking_agrees = false;  // bitwise: the prompt at once against token by token
  bool ok() const;
};

/// What is timed, and two more contexts on the CPU to hold it against.
struct VerifiedContexts {
  Ctx& timed;
  Ctx& scalar;
  Ctx& other_isa;  // kernels that share nothing with the timed ones but their definition
};

/// `timed` and `cache_dtype`: as the model is timed.
Verification verify(const VerifiedContexts& contexts, const model::Model& model,
                    const model::RunOptions& timed, ops::CacheDType cache_dtype);

}  // namespace fathom::engine
