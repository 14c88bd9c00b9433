#pragma once
// Test items that stand in training text.
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/error.h"
#include "base/types.h"
#include "eval/task/items.h"

namespace fathom::eval {

/// Finds items that share 13 words in a row, or 50 characters, with a text. Both are of words in
/// small letters with one space between them, so that neither line ends nor punctuation hide
/// anything. Source: T. Brown et al. 2020 (2005.14165), appendix C, for the 13 words.
class OverlapIndex {
 public:
  static constexpr size_t kWords = 13, kCharacters = 50;

  explicit OverlapIndex(std::span<const std::string> items);
  void scan(std::string_view text);
  /// Of each item.
  const std::vector<bool>& found() const { return found_; }

 private:
  struct Places;  // of one item's windows
  std::unordered_map<u64, std::vector<u32>> words_, characters_;
  std::vector<bool> found_;
};

/// All texts in an item as its file has it.
std::string text_of_item(const Item& item);

/// Of the tasks' items, in order, whether they stand in the files below `folder`: text, or JSON
/// lines with texts in them. kNotFound: no file; other Errors name the file.
Result<std::vector<bool>> items_in_training_text(std::span<const Task> tasks,
                                                 const std::filesystem::path& folder);

}  // namespace fathom::eval
