#include "train/pretrain.h"

namespace fathom::train {
namespace {

/// `set`, which must outlive the result.
ValidationText validation_text(const data::ValidationSet& set) {
  return {.name = set.name(),
          .num_sequences = set.num_sequences(),
          .read = [&set](data::SampleRange range, data::SequenceBatch& batch) {
            set.read(range, batch);
          }};
}

}  // namespace

Pretrain::Pretrain(const DataConfig& config, i64 mtp_depth, data::PreparedData data)
    : data_(std::move(data)), loader_(data_.train, data::loader_config(config, mtp_depth)) {
  sets_.reserve(data_.validation.size());  // their places are kept
  for (const data::Source& source : data_.validation) {
    sets_.emplace_back(source, data::loader_config(config, mtp_depth));
    validation_.push_back(validation_text(sets_.back()));
  }
}

}  // namespace fathom::train
