#include "io/downloaded.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "io/input_file.h"
#include "io/json.h"

namespace fathom::io {
namespace {

namespace fs = std::filesystem;
using std::string_view;

constexpr string_view kAgain = "download the file again";
/// So much of a file is looked at as text.
constexpr size_t kHeadBytes = 1024;

string_view without_spaces(string_view text) {
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);  // a byte order mark
  const size_t begin = text.find_first_not_of(" \t\r\n");
  return begin == text.npos ? string_view() : text.substr(begin);
}

/// `prefix` is in lower case.
bool begins_like(string_view text, string_view prefix) {
  return text.size() >= prefix.size() &&
         std::ranges::equal(text.substr(0, prefix.size()), prefix, [](char a, char b) {
           return (a >= 'A' && a <= 'Z' ? static_cast<char>(a - 'A' + 'a') : a) == b;
         });
}

/// The number after "size " on a line of its own: what an LFS pointer stands for.
string_view lfs_size(string_view pointer) {
  const size_t at = pointer.find("\nsize ");
  if (at == pointer.npos) return {};
  const string_view rest = pointer.substr(at + 6);
  return rest.substr(0, rest.find_first_not_of("0123456789"));
}

std::string pointer_text(string_view head, size_t bytes) {
  if (head.starts_with("version https://git-lfs.github.com/spec/") ||
      head.starts_with("version https://hawser.github.com/spec/")) {
    const string_view size = lfs_size(head);
    return fmt::format(
        "a Git LFS pointer of {} bytes, not the file{} itself: run `git lfs pull` in its folder, "
        "or {}",
        bytes, size.empty() ? "" : fmt::format(" of {} bytes", size), kAgain);
  }
  if (head.starts_with("# xet version")) {
    return fmt::format("a Xet pointer, not the file itself: run `git xet checkout`, or {}", kAgain);
  }
  if (head.starts_with("/annex/objects/") || head.find(".git/annex/objects/") < 64) {
    return fmt::format("a git-annex pointer, not the file itself: run `git annex get` on it, or {}",
                       kAgain);
  }
  return {};
}

/// What servers answer in place of a file.
std::string page_text(string_view head, size_t bytes) {
  const string_view text = without_spaces(head);
  for (const string_view begin : {"<!doctype html", "<html", "<head", "<?xml", "<error>"}) {
    if (!begins_like(text, begin)) continue;
    return fmt::format(
        "a page in {}, not the file itself: the server answered with a page (a wrong address, or a "
        "login that is needed); {}",
        begin == "<?xml" || begin == "<error>" ? "XML" : "HTML", kAgain);
  }
  constexpr size_t kMostOfAnAnswer = 4096;
  constexpr std::array<string_view, 7> kAnswers = {"{\"error\":",
                                                   "entry not found",
                                                   "repository not found",
                                                   "invalid username or password",
                                                   "access to model",
                                                   "404: not found",
                                                   "not found"};
  const bool answer =
      bytes <= kMostOfAnAnswer &&
      std::ranges::any_of(kAnswers, [text](string_view begin) { return begins_like(text, begin); });
  if (!answer) return {};
  return fmt::format("a server's answer, not the file itself (\"{}\"): {}",
                     text.substr(0, std::min<size_t>(text.find_first_of("\r\n\""), 60)), kAgain);
}

/// Programs that reserve the whole size first leave zeros where a download stopped.
bool begins_with_zeros(string_view bytes) {
  constexpr size_t kFirst = 64;
  return bytes.size() >= kFirst && bytes.substr(0, kFirst).find_first_not_of('\0') == bytes.npos;
}

/// Any file whose download huggingface_hub has begun below `directory` and not finished.
bool has_unfinished_hub_download(const fs::path& directory) {
  std::error_code error;
  const fs::path cache = directory / ".cache" / "huggingface" / "download";
  for (fs::directory_iterator at(cache, error), end; !error && at != end; at.increment(error)) {
    if (at->path().extension() == ".incomplete") return true;
  }
  return false;
}

/// Bytes that stand in place of a file that was to be downloaded are refused.
Result<void> check_downloaded(string_view bytes, const fs::path& path) {
  if (is_there(fs::path(path) += ".aria2")) {
    return invalid_input(fmt::format(
        "{}: aria2 has not finished this download ({}.aria2 is beside it): run it again",
        path.string(), path.filename().string()));
  }
  const string_view head = bytes.substr(0, kHeadBytes);
  std::string what = pointer_text(head, bytes.size());
  if (what.empty()) what = page_text(head, bytes.size());
  if (what.empty() && bytes.empty()) what = fmt::format("empty: {}", kAgain);
  if (what.empty() && begins_with_zeros(bytes)) {
    what = fmt::format(
        "full of zeros at its beginning: a download reserved its space and did not "
        "fill it; {}",
        kAgain);
  }
  if (what.empty()) return {};
  return invalid_input(fmt::format("{}: the file is {}", path.string(), what));
}

Error with_hint(Error error, const fs::path& path) {
  if (error.code() != ErrorCode::kNotFound) return error;
  return Error(error.code(), error.message() + unfinished_download(path));
}

}  // namespace

Result<MappedFile> open_downloaded(const fs::path& path) {
  auto map = MappedFile::open(path);
  if (!map) return tl::unexpected(with_hint(std::move(map.error()), path));
  const string_view bytes(reinterpret_cast<const char*>(map->bytes().data()), map->bytes().size());
  if (auto checked = check_downloaded(bytes, path); !checked) {
    return tl::unexpected(std::move(checked.error()));
  }
  return map;
}

Result<std::string> read_downloaded(const fs::path& path, i64 max_bytes) {
  auto text = read_text(path, max_bytes);
  if (!text) return tl::unexpected(with_hint(std::move(text.error()), path));
  if (auto checked = check_downloaded(*text, path); !checked) {
    return tl::unexpected(std::move(checked.error()));
  }
  return text;
}

Result<JsonValue> read_downloaded_json(const fs::path& path) {
  const JsonLimits limits;
  auto text = read_downloaded(path, limits.max_bytes);
  if (!text) return tl::unexpected(std::move(text.error()));
  return parse_json(*text, path.string(), limits);
}

std::string unfinished_download(const fs::path& file) {
  std::error_code ignored;
  if (fs::is_symlink(file, ignored)) {
    return fmt::format("; it is a link to {}, which is not there: download it again",
                       fs::read_symlink(file, ignored).string());
  }
  for (const char* ending : {".incomplete", ".part", ".partial", ".crdownload", ".download",
                             ".aria2", ".tmp", ".filepart"}) {
    const fs::path rest = fs::path(file) += ending;
    if (!is_there(rest)) continue;
    return fmt::format("; {} beside it is a download that was not finished: go on with it, or {}",
                       rest.filename().string(), kAgain);
  }
  if (has_unfinished_hub_download(file.parent_path())) {
    return "; .cache/huggingface/download holds files that were not finished: run `hf download` "
           "again";
  }
  return {};
}

}  // namespace fathom::io
