#pragma once
// Test items that stand in training text.
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/error.h"
#include "base/function_ref.h"
#include "base/types.h"
#include "eval/task/items.h"

namespace fathom::eval {

/// How long a stretch counts that a text and an item have in common: so many words in a row, or
/// characters; 0: these are not looked at. By default as T. Brown et al. 2020 (2005.14165),
/// appendix C, for the words.
struct OverlapRule {
  size_t words = 13, characters = 50;
};

/// Finds items that share a stretch with a text. Both are of words in small letters with one space
/// between them, so that neither line ends nor punctuation hide anything.
class OverlapIndex {
 public:
  explicit OverlapIndex(std::span<const std::string> items, OverlapRule rule = {});
  void scan(std::string_view text);
  /// Whether the text shares a stretch with any item.
  bool meets(std::string_view text) const;
  /// Of each item.
  const std::vector<bool>& found() const { return found_; }

 private:
  struct Places;  // of one item's windows
  OverlapRule rule_;
  std::unordered_map<u64, std::vector<u32>> words_, characters_;
  std::vector<bool> found_;
};

/// All texts in a value, a line each.
std::string texts_in(const io::JsonValue& value);
/// All texts in an item as its file has it.
std::string text_of_item(const Item& item);

/// texts_in() of every item of a file, or of the files below a folder. kNotFound: no file; other
/// Errors name the file.
Result<void> for_each_item_text(const std::filesystem::path& path,
                                FunctionRef<void(std::string_view)> on_text);

/// Of the tasks' items, in order, whether they stand in the files below `folder`: text, or JSON
/// lines with texts in them. kNotFound: no file; other Errors name the file.
Result<std::vector<bool>> items_in_training_text(std::span<const Task> tasks,
                                                 const std::filesystem::path& folder);

}  // namespace fathom::eval
