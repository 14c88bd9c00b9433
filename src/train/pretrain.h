#pragma once
// The stage that everything begins with: text, end to end.
#include <vector>

#include "data/cache/prepare.h"
#include "train/stage.h"

namespace fathom::train {

class Pretrain : public Stage {
 public:
  /// `mtp_depth` of the model.
  Pretrain(const DataConfig& config, i64 mtp_depth, data::PreparedData data);

  void read(data::SampleRange range, data::SequenceBatch& batch) override {
    loader_.read(range, batch);
  }
  std::string_view source_name(i32 source) const override {
    return data_.train.at(static_cast<size_t>(source)).name;
  }
  std::span<const ValidationText> validation() const override { return validation_; }
  io::Hash128 fingerprint() const override { return loader_.fingerprint(); }
  std::string statistics() const override { return data::format_statistics(data_.statistics()); }

 private:
  data::PreparedData data_;
  data::DataLoader loader_;
  std::vector<data::ValidationSet> sets_;
  std::vector<ValidationText> validation_;  // of sets_
};

}  // namespace fathom::train
