#include "data/sequence_batch.h"

#include "base/check.h"

namespace fathom::data {

void SequenceBatch::resize(i64 sequences, i64 length, i64 depth) {
  FATHOM_CHECK(sequences >= 0 && length >= 1 && depth >= 0, sequences, " sequences of ", length,
               ", depth ", depth);
  num_sequences = sequences;
  seq_len = length;
  mtp_depth = depth;
  const auto tokens = static_cast<size_t>(sequences * row_tokens());
  token_ids.resize(tokens);
  document_ordinals.resize(tokens);
  target_ids.resize(static_cast<size_t>((1 + depth) * sequences * length));
  sources.resize(static_cast<size_t>(sequences));
  samples.resize(static_cast<size_t>(sequences));
}

void SequenceBatch::fill_targets(bool has_bos, bool isolate_documents) {
  const bool across = !has_bos && !isolate_documents;
  i32* target = target_ids.data();
  for (i64 depth = 0; depth <= mtp_depth; ++depth) {
    for (i64 sequence = 0; sequence < num_sequences; ++sequence) {
      const i32* id = token_ids.data() + sequence * row_tokens();
      const i32* document = document_ordinals.data() + sequence * row_tokens();
      for (i64 i = 0; i < seq_len; ++i, ++target) {
        const i64 at = i + 1 + depth;
        const bool same = document[at] == document[i];
        const bool counts = document[at] != kPadding && (same || (across && depth == 0));
        *target = counts ? id[at] : kIgnoredTarget;
      }
    }
  }
}

}  // namespace fathom::data
