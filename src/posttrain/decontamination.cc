#include "posttrain/decontamination.h"

#include <fmt/format.h>

#include <vector>

namespace fathom::posttrain {

Decontamination::Decontamination(const DataConfig& data) : words_(data.apart_words) {
  if (data.apart_from.empty()) return;
  std::vector<std::string> items;
  for (const std::string& path : data.apart_from) {
    const auto read =
        eval::for_each_item_text(path, [&](std::string_view text) { items.emplace_back(text); });
    if (!read) {
      throw Error(read.error().code(), "data.apart_from: " + read.error().message());
    }
  }
  items_ = std::ssize(items);
  index_.emplace(items, eval::OverlapRule{.words = static_cast<size_t>(words_), .characters = 0});
}

bool Decontamination::has(std::string_view text) {
  const bool found = index_ && index_->meets(text);
  left_out_ += found ? 1 : 0;
  return found;
}

std::string Decontamination::statistics() const {
  if (!index_) return "";
  return fmt::format(
      "  left out: {} lines with {} words in a row of one of the {} items of data.apart_from\n",
      left_out_, words_, items_);
}

}  // namespace fathom::posttrain
