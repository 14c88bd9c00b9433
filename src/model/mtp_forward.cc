// Steps of the multi-token-prediction modules.
#include <fmt/format.h>

#include "model/logit_rows.h"
#include "model/model.h"
#include "model/mtp.h"
#include "model/step_checks.h"
#include "model/weights/weights.h"
#include "ops/rows.h"

namespace fathom::model {
namespace {

/// One sequence's shapes and rows, and that the checkpoint has such a module.
void check_mtp_step(const Weights& w, const MtpStep& step, i64 depth) {
  if (step.depth > std::ssize(w.mtp)) {
    throw Error(ErrorCode::kUnsupported,
                fmt::format("{}: an MTP module of depth {} was asked for, this checkpoint has {}",
                            w.directory, step.depth, w.mtp.size()));
  }
  const KvCache::Impl& rows = step.cache->impl();
  const i64 tokens = std::ssize(step.next_tokens);
  check_cache(w.config, rows);
  FATHOM_CHECK(tokens > 0, "an MTP step of no tokens");
  FATHOM_CHECK(step.depth == depth && depth >= 1 && depth <= std::ssize(rows.mtp_length_tokens),
               "depth ", step.depth, " of a cache with rows for ", rows.mtp_length_tokens.size());
  const i64 held = rows.mtp_length_tokens[static_cast<size_t>(depth - 1)];
  FATHOM_CHECK(step.positions_begin >= 0 && step.positions_begin <= held, "MTP row ",
               step.positions_begin, " after ", held);
  check_room(rows, step.positions_begin, tokens);
  check_token_ids(w.config, step.next_tokens);
}

i64 next_tokens_of(const MtpStep& step) { return std::ssize(step.next_tokens); }

MlaForm mla_form(const ModelConfig& config, const MtpStep& step, MlaForm asked) {
  if (asked != MlaForm::kAuto) return asked;
  const i64 tokens = std::ssize(step.next_tokens);
  if (step.form == StepForm::kAuto) {
    return cheaper_mla_form(config, tokens, step.positions_begin + tokens);
  }
  return step.form == StepForm::kPrefill ? MlaForm::kExpanded : MlaForm::kAbsorbed;
}

/// The sequences' rows one after the other.
struct PackedMtp {
  View<i32, 1> next_tokens;          // [tokens]
  View<i64, 1> positions;            // [tokens]
  View<BatchSequence, 1> sequences;  // [sequences]
};

PackedMtp pack(const ModelConfig& config, std::span<const MtpStep> steps, i64 tokens,
               const RunOptions& options, Workspace::Scope& scratch) {
  const PackedMtp packed{.next_tokens = scratch.alloc<i32>(tokens),
                         .positions = scratch.alloc<i64>(tokens),
                         .sequences = scratch.alloc<BatchSequence>(steps.size())};
  i64 row = 0;
  for (size_t i = 0; i < steps.size(); ++i) {
    const MtpStep& step = steps[i];
    const i64 count = std::ssize(step.next_tokens);
    packed.sequences(i) = {.row_begin = row,
                           .tokens = count,
                           .position_begin = step.positions_begin,
                           .mla_form = mla_form(config, step, options.mla_form),
                           .cache = &step.cache->impl()};
    for (i64 t = 0; t < count; ++t, ++row) {
      packed.next_tokens(row) = step.next_tokens[static_cast<size_t>(t)];
      packed.positions(row) = step.positions_begin + t;
    }
  }
  return packed;
}

}  // namespace

void Model::mtp_forward(Ctx& ctx, std::span<const MtpStep> steps, const RunOptions& options,
                        View<const float, 2> hidden, View<float, 2> logits,
                        View<float, 2> out) const {
  const Weights& w = *weights_;
  FATHOM_CHECK(!steps.empty(), "an MTP step without sequences");
  i64 tokens = 0, rows = 0;
  for (const MtpStep& step : steps) {
    check_mtp_step(w, step, steps.front().depth);
    FATHOM_CHECK(step.form == steps.front().form, "an MTP step over sequences of two forms");
    tokens += std::ssize(step.next_tokens);
    rows += wanted_rows(step.logits, next_tokens_of(step));
  }
  FATHOM_CHECK(logits.empty() || (logits.dim(0) == rows && logits.dim(1) == w.config.vocab_size),
               "logits ", logits, ", expected [", rows, ", ", w.config.vocab_size, "]");
  const i64 width = w.config.hidden_size;
  FATHOM_CHECK(hidden.dim(0) == tokens && hidden.dim(1) == width, "hidden ", hidden, " for ",
               tokens, " tokens");
  FATHOM_CHECK(out.empty() || (out.dims() == hidden.dims() && out.data() != hidden.data()), "out ",
               out, " for ", tokens, " tokens");

  Workspace::Scope scratch(ctx.workspace());
  const PackedMtp packed = pack(w.config, steps, tokens, options, scratch);
  const StepContext step{.ctx = ctx,
                         .config = w.config,
                         .rope = w.rope,
                         .options = options,
                         .positions = packed.positions,
                         .sequences = {packed.sequences.data(), steps.size()},
                         .prefill = steps.front().form == StepForm::kPrefill};
  const MtpWeights& module = w.mtp[static_cast<size_t>(steps.front().depth - 1)];
  const auto states = out.empty() ? scratch.alloc<float>(tokens, width) : out;
  const i64 layer = std::ssize(w.layers) + steps.front().depth - 1;
  mtp_block_forward(step, module, layer, hidden, packed.next_tokens, states);
  if (!logits.empty() && rows > 0) {
    const auto wanted = scratch.alloc<float>(rows, width);
    ops::gather_rows(ctx, states, wanted_row_ids(steps, rows, scratch, next_tokens_of), wanted);
    ops::linear_forward(ctx, wanted, module.shared_head_head, logits, options.activations);
  }
  for (const MtpStep& sequence : steps) {
    sequence.cache->impl().set_mtp_length(sequence.depth, sequence.positions_begin,
                                          std::ssize(sequence.next_tokens));
  }
}

}  // namespace fathom::model
