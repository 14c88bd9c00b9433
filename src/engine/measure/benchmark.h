#pragma once
// How fast a model runs on this machine, beside what the machine can do at most.
#include <array>
#include <string>
#include <vector>

#include "model/model.h"
#include "model/step_profile.h"
#include "ops/arithmetic_peaks.h"
#include "ops/quantize/quantize.h"

namespace fathom::engine {

struct BenchmarkOptions {
  std::vector<i64> prefill_tokens = {512, 2048};
  std::vector<i64> decode_contexts = {256};  // tokens in the cache before the timed steps
  std::vector<i64> batches = {4, 16};        // sequences of one decode step
  i64 batch_context = 64;                    // tokens in each of their caches
  i64 steps = 16;                            // decode steps of one timing
  i64 repeats = 3;                           // prefills of one timing
  i64 chunk_tokens = 1024;                   // of a prefill
  model::RunOptions run;
  ops::CacheDType cache_dtype = ops::CacheDType::kBf16;
};

struct MachineSpeed {
  double read_bytes_per_s = 0.0;
  ops::ArithmeticPeaks peaks;
  double bf16_gemm = 0.0;  // operations a second of a product from memory: what prefill may reach
};
/// Measured anew: shared machines change from one second to the next.
MachineSpeed measure_machine(Ctx& ctx);

/// One line of the table. Times are of one step or one whole prefill.
struct Timing {
  std::string what;     // "prefill" | "decode"
  i64 tokens = 0;       // computed in one pass: prompt tokens, or sequences of a batch
  i64 context = 0;      // tokens in each cache before
  double best_s = 0.0;  // of all passes
  double median_s = 0.0;
  double bytes = 0.0;       // read in one pass: weights with their scales, and the cache
  double operations = 0.0;  // useful ones of one pass, multiply-adds counted as two
  std::array<double, model::kNumStepParts> part_s{};  // of one pass on average; the rest is in none
  double mean_s = 0.0;
};

/// Everything that BenchmarkOptions asks for, in its order. `random` token ids, the same in each
/// run.
std::vector<Timing> run_benchmark(Ctx& ctx, const model::Model& model,
                                  const BenchmarkOptions& options);

/// Parameters that one token multiplies with, head and embedding excluded.
double active_parameters(const ModelConfig& config);

}  // namespace fathom::engine
