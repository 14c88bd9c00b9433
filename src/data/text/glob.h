#pragma once
// Shell patterns over the file system.
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace fathom::data {

/// Does it hold any of * ? [ ?
bool is_glob(std::string_view path);

/// One path component against a pattern of *, ?, [abc], [a-z], [!a-z]; case matters. A leading dot
/// is matched only by a dot. An unclosed [ stands for itself. Time O(pattern * name).
bool matches_component(std::string_view pattern, std::string_view name);

/// All regular files (links followed) that match, sorted bytewise; "**" as a component stands for
/// any number of folders, hidden ones and links to folders left out. Folders that may not be read
/// are passed over, their paths added to `unreadable`.
std::vector<std::filesystem::path> expand_glob(const std::string& pattern,
                                               std::vector<std::string>& unreadable);

/// All regular files below `folder`, sorted bytewise: what "folder/**" gives.
std::vector<std::filesystem::path> files_below(const std::filesystem::path& folder,
                                               std::vector<std::string>& unreadable);

}  // namespace fathom::data
