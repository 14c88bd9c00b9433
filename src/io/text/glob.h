#pragma once
// Shell patterns over the file system.
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace fathom::io {

/// Does it hold any of * ? [ ?
bool is_glob(std::string_view path);

/// One path component against a pattern of *, ?, [abc], [a-z], [!a-z]; case matters. A leading dot
/// is matched only by a dot. An unclosed [ stands for itself. Time O(pattern * name).
bool matches_component(std::string_view pattern, std::string_view name);

/// What a search met and did not take.
struct PassedOver {
  std::string path;
  std::string reason;  // "a link to a folder, not followed"
};
struct SearchNotes {
  std::vector<PassedOver> passed_over;
  std::vector<std::string> unreadable;  // folders
};

/// All regular files (links followed) that match, sorted bytewise; "**" as a component stands for
/// any number of folders, hidden ones and links to folders left out. What is left out on the way is
/// added to `notes`: with "**" hidden names, links to folders and to nothing, pipes and devices; of
/// another last component what matches and is no file.
std::vector<std::filesystem::path> expand_glob(const std::string& pattern, SearchNotes& notes);

/// All regular files below `folder`, sorted bytewise: what "folder/**" gives.
std::vector<std::filesystem::path> files_below(const std::filesystem::path& folder,
                                               SearchNotes& notes);

}  // namespace fathom::io
