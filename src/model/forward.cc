// Steps of the main model.
#include "model/block.h"
#include "model/logit_rows.h"
#include "model/model.h"
#include "model/part_timer.h"
#include "model/step_checks.h"
#include "model/weights/weights.h"
#include "ops/elementwise/elementwise.h"
#include "ops/norm/rmsnorm.h"
#include "ops/rows.h"

namespace fathom::model {
namespace {

void check_steps(const ModelConfig& config, std::span<const SequenceStep> steps) {
  FATHOM_CHECK(!steps.empty(), "a step without sequences");
  for (size_t i = 0; i < steps.size(); ++i) {
    const SequenceStep& step = steps[i];
    FATHOM_CHECK(step.cache != nullptr && !step.token_ids.empty(), "sequence ", i,
                 " of a step needs a cache and at least one token");
    for (size_t j = 0; j < i; ++j) {
      FATHOM_CHECK(steps[j].cache != step.cache, "sequences ", j, " and ", i, " share a cache");
    }
    const KvCache::Impl& cache = step.cache->impl();
    check_cache(config, cache);
    check_room(cache, cache.length_tokens, std::ssize(step.token_ids));
    check_token_ids(config, step.token_ids);
  }
}

i64 tokens_of(const SequenceStep& step) { return std::ssize(step.token_ids); }

i64 new_tokens(std::span<const SequenceStep> steps) {
  i64 tokens = 0;
  for (const SequenceStep& step : steps) tokens += std::ssize(step.token_ids);
  return tokens;
}

/// What decides how a sequence's rows are computed: two of one kind may share a pass.
struct StepKind {
  bool prefill_rows;    // in the layers
  bool prefill_logits;  // in the head

  explicit StepKind(const SequenceStep& step)
      : prefill_rows(step.form == StepForm::kAuto ? std::ssize(step.token_ids) >= kPrefillTokens
                                                  : step.form == StepForm::kPrefill),
        prefill_logits(step.logits == LogitRows::kAll && prefill_rows) {}
  bool operator==(const StepKind&) const = default;
};

MlaForm mla_form(const ModelConfig& config, const SequenceStep& step, i64 held_tokens,
                 MlaForm asked) {
  if (asked != MlaForm::kAuto) return asked;
  const i64 tokens = std::ssize(step.token_ids);
  switch (step.form) {
    case StepForm::kAuto:
      return cheaper_mla_form(config, tokens, held_tokens + tokens);
    case StepForm::kPrefill:
      return MlaForm::kExpanded;
    case StepForm::kDecode:
      break;
  }
  return MlaForm::kAbsorbed;
}

View<const i32, 1> pack_token_ids(std::span<const SequenceStep> steps, Workspace::Scope& scratch) {
  const auto ids = scratch.alloc<i32>(new_tokens(steps));
  i64 row = 0;
  for (const SequenceStep& step : steps) {
    for (const i32 id : step.token_ids) ids(row++) = id;
  }
  return ids;
}

/// Where the sequences' rows and positions lie in the arrays [tokens, ...] of a step.
struct PackedRows {
  View<i64, 1> positions;            // [tokens]
  View<BatchSequence, 1> sequences;  // [sequences]
};

PackedRows pack_rows(const ModelConfig& config, std::span<const SequenceStep> steps,
                     const RunOptions& options, Workspace::Scope& scratch) {
  const PackedRows packed{.positions = scratch.alloc<i64>(new_tokens(steps)),
                          .sequences = scratch.alloc<BatchSequence>(steps.size())};
  i64 row = 0;
  for (size_t i = 0; i < steps.size(); ++i) {
    const KvCache::Impl& cache = steps[i].cache->impl();
    const i64 count = std::ssize(steps[i].token_ids), held = cache.length_tokens;
    packed.sequences(i) = {.row_begin = row,
                           .tokens = count,
                           .position_begin = held,
                           .mla_form = mla_form(config, steps[i], held, options.mla_form),
                           .cache = &cache};
    for (i64 t = 0; t < count; ++t, ++row) packed.positions(row) = held + t;
  }
  return packed;
}

void check_alike(std::span<const SequenceStep> steps) {
  for (const SequenceStep& step : steps) {
    FATHOM_CHECK(StepKind(step).prefill_rows == StepKind(steps.front()).prefill_rows,
                 "a pass over sequences of two forms");
  }
}

/// Final norm and head of sequences of one kind.
void head_forward(Ctx& ctx, const Weights& w, std::span<const SequenceStep> steps,
                  const RunOptions& options, View<const float, 2> x, View<float, 2> logits,
                  View<float, 2> hidden) {
  const PartTimer timer(options.profile, StepPart::kHead);
  const i64 rows = logits.dim(0);
  Workspace::Scope scratch(ctx.workspace());
  if (!hidden.empty()) ops::rmsnorm_forward(ctx, x, w.norm, w.config.rms_norm_eps, hidden);
  if (rows == 0) return;
  const auto last = scratch.alloc<float>(rows, x.dim(1));
  ops::gather_rows(ctx, x, wanted_row_ids(steps, rows, scratch, tokens_of), last);
  ops::rmsnorm_forward(ctx, last, w.norm, w.config.rms_norm_eps, last);
  ops::linear_forward(ctx, last, w.lm_head, logits,
                      {options.activations, StepKind(steps.front()).prefill_logits});
}

/// fn(sequences of one kind that are neighbours, the first one's row of x, of logits).
template <typename Fn>
void for_alike(std::span<const SequenceStep> steps, Fn&& fn) {
  i64 row = 0, logits_row = 0;
  for (size_t begin = 0, end = 0; begin < steps.size(); begin = end) {
    while (end < steps.size() && StepKind(steps[end]) == StepKind(steps[begin])) ++end;
    const auto alike = steps.subspan(begin, end - begin);
    fn(alike, row, logits_row);
    row += new_tokens(alike);
    logits_row += Model::logits_rows(alike);
  }
}

/// Logits that nobody asked for have no memory to be sliced.
View<float, 2> rows_of(View<float, 2> matrix, i64 begin, i64 count) {
  return matrix.empty() || count == 0 ? View<float, 2>() : matrix.slice(0, begin, count);
}

}  // namespace

i64 Model::logits_rows(std::span<const SequenceStep> steps) {
  i64 rows = 0;
  for (const SequenceStep& step : steps) rows += wanted_rows(step.logits, tokens_of(step));
  return rows;
}

void Model::embed(Ctx& ctx, std::span<const SequenceStep> steps, View<float, 2> x) const {
  const Weights& w = *weights_;
  check_steps(w.config, steps);
  Workspace::Scope scratch(ctx.workspace());
  ops::embedding_forward(ctx, w.embed_tokens, pack_token_ids(steps, scratch), x);
}

void Model::run_layers(Ctx& ctx, std::span<const SequenceStep> steps, const RunOptions& options,
                       i64 begin, i64 end, View<float, 2> x) const {
  const Weights& w = *weights_;
  FATHOM_CHECK(0 <= begin && begin <= end && end <= std::ssize(w.layers), "layers ", begin, " to ",
               end, " of ", w.layers.size());
  check_alike(steps);
  Workspace::Scope scratch(ctx.workspace());
  const PackedRows packed = pack_rows(w.config, steps, options, scratch);
  const StepContext step{.ctx = ctx,
                         .config = w.config,
                         .rope = w.rope,
                         .options = options,
                         .positions = packed.positions,
                         .sequences = {packed.sequences.data(), steps.size()},
                         .prefill = StepKind(steps.front()).prefill_rows};
  for (i64 layer = begin; layer < end; ++layer) {
    block_forward(step, w.layers[static_cast<size_t>(layer)], layer, x);
  }
}

void Model::finish(Ctx& ctx, std::span<const SequenceStep> steps, const RunOptions& options,
                   View<const float, 2> x, View<float, 2> logits, View<float, 2> hidden) const {
  const Weights& w = *weights_;
  const i64 rows = logits_rows(steps), width = w.config.hidden_size;
  FATHOM_CHECK(logits.dim(0) == rows && (rows == 0 || logits.dim(1) == w.config.vocab_size),
               "logits ", logits, ", expected [", rows, ", ", w.config.vocab_size, "]");
  FATHOM_CHECK(hidden.empty() || (hidden.dim(0) == x.dim(0) && hidden.dim(1) == width), "hidden ",
               hidden, ", expected [", x.dim(0), ", ", width, "]");
  for_alike(steps, [&](std::span<const SequenceStep> alike, i64 row, i64 logits_row) {
    const i64 count = new_tokens(alike);
    head_forward(ctx, w, alike, options, x.slice(0, row, count),
                 rows_of(logits, logits_row, logits_rows(alike)), rows_of(hidden, row, count));
  });
  // Only now do the new rows count: a throw before leaves every cache as it was.
  for (const SequenceStep& sequence : steps) {
    sequence.cache->impl().length_tokens += std::ssize(sequence.token_ids);
  }
}

void Model::forward(Ctx& ctx, std::span<const SequenceStep> steps, const RunOptions& options,
                    View<float, 2> logits, View<float, 2> hidden) const {
  Workspace::Scope scratch(ctx.workspace());
  const auto x = scratch.alloc<float>(new_tokens(steps), config().hidden_size);
  embed(ctx, steps, x);
  for_alike(steps, [&](std::span<const SequenceStep> alike, i64 row, i64) {
    run_layers(ctx, alike, options, 0, std::ssize(weights_->layers),
               x.slice(0, row, new_tokens(alike)));
  });
  finish(ctx, steps, options, x, logits, hidden);
}

}  // namespace fathom::model
