#include "data/cache/content_hashes.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <span>
#include <string_view>

#include "base/error.h"
#include "base/parallel.h"
#include "io/files/atomic_file.h"
#include "io/mapped_file.h"
#include "io/text/byte_reader.h"

namespace fathom::data {
namespace {

constexpr std::string_view kFirstWord = "fathom-hashes-2";
/// File systems keep times in steps of up to two seconds.
constexpr i64 kTimeStepNs = 2'000'000'000;

i64 now_ns() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::nanoseconds>(now).count();
}

std::optional<io::Hash128> hash_file(const SourceFile& file) {
  auto bytes = io::ByteReader::open(file.path, Compression::kNone);
  if (!bytes) return std::nullopt;
  io::Hasher hasher;
  std::vector<u8> buffer(size_t{1} << 20);
  while (true) {
    const auto count = (*bytes)->read(buffer);
    if (!count) return std::nullopt;
    if (*count == 0) return hasher.digest();
    hasher.update(std::span(buffer).first(*count));
  }
}

/// Cuts words off a line; a number that is none spoils it.
class LineParser {
 public:
  explicit LineParser(std::string_view line) : rest_(line) {}

  std::string_view word() {
    const size_t end = std::min(rest_.find(' '), rest_.size());
    const std::string_view text = rest_.substr(0, end);
    rest_.remove_prefix(std::min(end + 1, rest_.size()));
    return text;
  }
  template <typename T>
  T number(std::string_view text, int base) {
    T value = 0;
    const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value, base);
    good_ = good_ && code == std::errc() && end == text.data() + text.size();
    return value;
  }
  i64 integer() { return number<i64>(word(), 10); }
  io::Hash128 hash() {
    const std::string_view digits = word();
    if (digits.size() != 32) {
      good_ = false;
      return {};
    }
    const u64 high = number<u64>(digits.substr(0, 16), 16);
    return {high, number<u64>(digits.substr(16), 16)};
  }
  std::string_view rest() const { return rest_; }
  bool good() const { return good_; }

 private:
  std::string_view rest_;
  bool good_ = true;
};

std::string_view take_line(std::string_view& text) {
  const size_t end = std::min(text.find('\n'), text.size());
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return line;
}

}  // namespace

HashNote HashNote::load(const std::filesystem::path& path) {
  const auto file = io::MappedFile::open(path);
  if (!file) return {};
  const auto bytes = file->bytes();
  std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  LineParser head(take_line(text));
  if (head.word() != kFirstWord) return {};
  HashNote note;
  note.key_ = head.hash();
  note.written_ns_ = head.integer();
  if (!head.good()) return {};
  while (!text.empty()) {
    LineParser line(take_line(text));
    Entry entry;
    entry.hash = line.hash();
    entry.size_bytes = line.integer();
    entry.modified_ns = line.integer();
    entry.changed_ns = line.integer();
    entry.inode = line.integer();
    if (!line.good()) return {};
    note.entries_.emplace(line.rest(), entry);
  }
  return note;
}

void HashNote::save(const std::filesystem::path& path, const std::vector<SourceFile>& files,
                    const std::vector<std::optional<io::Hash128>>& hashes, const io::Hash128& key) {
  std::string text = fmt::format("{} {} {}\n", kFirstWord, to_string(key), now_ns());
  for (size_t i = 0; i < files.size(); ++i) {
    const std::string& name = files[i].path.native();
    if (!hashes[i] || name.find('\n') != std::string::npos) continue;
    text += fmt::format("{} {} {} {} {} {}\n", to_string(*hashes[i]), files[i].size_bytes,
                        files[i].modified_ns, files[i].changed_ns, files[i].inode, name);
  }
  try {
    io::write_file_atomically(path, text);
  } catch (const Error&) {
    return;  // a disk too full for the note is not too full to train
  }
}

std::optional<io::Hash128> HashNote::find_old(const SourceFile& file) const {
  const auto found = entries_.find(file.path.native());
  if (found == entries_.end()) return std::nullopt;
  return found->second.hash;
}

std::optional<io::Hash128> HashNote::find(const SourceFile& file) const {
  const auto found = entries_.find(file.path.native());
  if (found == entries_.end()) return std::nullopt;
  const Entry& entry = found->second;
  const bool same = entry.size_bytes == file.size_bytes && entry.modified_ns == file.modified_ns &&
                    entry.changed_ns == file.changed_ns && entry.inode == file.inode;
  if (!same) return std::nullopt;
  if (std::max(entry.modified_ns, entry.changed_ns) > written_ns_ - kTimeStepNs)
    return std::nullopt;
  return entry.hash;
}

std::vector<std::optional<io::Hash128>> hash_files(const std::vector<SourceFile>& files,
                                                   const HashNote& note) {
  std::vector<std::optional<io::Hash128>> hashes(files.size());
  parallel_for(std::ssize(files), 1, [&](i64 begin, i64 end) {
    for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) {
      hashes[i] = note.find(files[i]);
      if (!hashes[i]) hashes[i] = hash_file(files[i]);
    }
  });
  return hashes;
}

}  // namespace fathom::data
