#include "posttrain/sft/sample_set.h"

#include <algorithm>

#include "base/check.h"

namespace fathom::posttrain {

SampleSet::Sample SampleSet::operator[](i64 sample) const {
  const auto first = static_cast<size_t>(begin(sample));
  const auto count = static_cast<size_t>(length(sample));
  return {.ids = std::span(ids_).subspan(first, count),
          .supervised = std::span(supervised_).subspan(first, count),
          .source = sources_[static_cast<size_t>(sample)]};
}

i64 SampleSet::num_targets(i64 sample) const {
  return std::ranges::count((*this)[sample].supervised.subspan(1), u8{1});
}

i64 SampleSet::longest() const {
  i64 longest = 0;
  for (i64 sample = 0; sample < size(); ++sample) longest = std::max(longest, length(sample));
  return longest;
}

void SampleSet::add_to(io::Hasher& hasher) const {
  for (i64 i = 0; i < size(); ++i) {
    const Sample sample = (*this)[i];
    hasher.add(std::ssize(sample.ids));
    hasher.update({reinterpret_cast<const u8*>(sample.ids.data()), sample.ids.size_bytes()});
    hasher.update(sample.supervised);
  }
}

void SampleSet::add(std::span<const i32> ids, std::span<const u8> supervised, i32 source) {
  FATHOM_CHECK(ids.size() == supervised.size() && !ids.empty(), ids.size(), " tokens, ",
               supervised.size(), " marks");
  ids_.insert(ids_.end(), ids.begin(), ids.end());
  supervised_.insert(supervised_.end(), supervised.begin(), supervised.end());
  ends_.push_back(static_cast<i64>(ids_.size()));
  sources_.push_back(source);
}

}  // namespace fathom::posttrain
