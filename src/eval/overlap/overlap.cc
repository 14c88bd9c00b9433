#include "eval/overlap/overlap.h"

#include <fmt/format.h>

#include "eval/text/python_text.h"
#include "io/text/glob.h"
#include "tokenizer/unicode/unicode.h"
#include "tokenizer/unicode/utf8.h"

namespace fathom::eval {
namespace {

constexpr u64 kBase = 0x9E3779B97F4A7C15;  // odd, so that no power of it is zero

u64 hash_of(std::string_view word) {
  u64 hash = 0xCBF29CE484222325;  // FNV-1a
  for (const char c : word) hash = (hash ^ static_cast<u8>(c)) * 0x100000001B3;
  return hash;
}

u64 power(u64 base, size_t exponent) {
  u64 result = 1;
  for (size_t i = 0; i < exponent; ++i) result *= base;
  return result;
}

/// Letters and digits in small letters, one space between words.
std::string normalised(std::string_view text) {
  std::string out;
  const std::string small = lower(text);
  for (size_t at = 0; at < small.size();) {
    const auto point = tokenizer::decode_utf8(small, at);
    if (tokenizer::is_word_character(point.value)) {
      out += small.substr(at, point.num_bytes);
    } else if (!out.empty() && out.back() != ' ') {
      out += ' ';
    }
    at += point.num_bytes;
  }
  if (out.ends_with(' ')) out.pop_back();
  return out;
}

/// The hash of each `length` values in a row, by rolling.
void for_each_window(std::span<const u64> values, size_t length, FunctionRef<void(u64)> on_window) {
  if (length == 0 || values.size() < length) return;
  const u64 oldest = power(kBase, length - 1);
  u64 hash = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    if (i >= length) hash -= values[i - length] * oldest;
    hash = hash * kBase + values[i];
    if (i + 1 >= length) on_window(hash);
  }
}

/// Words and characters of a text as numbers.
struct Numbers {
  explicit Numbers(std::string_view text) {
    const std::string plain = normalised(text);
    for (const char c : plain) characters.push_back(hash_of({&c, 1}));
    size_t begin = 0;
    while (begin < plain.size()) {
      const size_t end = std::min(plain.find(' ', begin), plain.size());
      words.push_back(hash_of(std::string_view(plain).substr(begin, end - begin)));
      begin = end + 1;
    }
  }
  std::vector<u64> words, characters;
};

void add_texts(const io::JsonValue& value, std::string& out) {
  if (value.is_string()) {
    out += value.as_string() + "\n";
  } else if (value.is_array()) {
    for (const io::JsonValue& each : value.as_array()) add_texts(each, out);
  } else if (value.is_object()) {
    for (const auto& [key, each] : value.as_object()) add_texts(each, out);
  }
}

}  // namespace

OverlapIndex::OverlapIndex(std::span<const std::string> items, OverlapRule rule)
    : rule_(rule), found_(items.size()) {
  for (u32 i = 0; i < items.size(); ++i) {
    const Numbers numbers(items[i]);
    const auto note = [i](auto& index) {
      return [i, &index](u64 hash) {
        std::vector<u32>& places = index[hash];
        if (places.empty() || places.back() != i) places.push_back(i);
      };
    };
    for_each_window(numbers.words, rule_.words, note(words_));
    for_each_window(numbers.characters, rule_.characters, note(characters_));
  }
}

void OverlapIndex::scan(std::string_view text) {
  const Numbers numbers(text);
  const auto mark = [this](const auto& index) {
    return [this, &index](u64 hash) {
      const auto place = index.find(hash);
      if (place == index.end()) return;
      for (const u32 item : place->second) found_[item] = true;
    };
  };
  for_each_window(numbers.words, rule_.words, mark(words_));
  for_each_window(numbers.characters, rule_.characters, mark(characters_));
}

bool OverlapIndex::meets(std::string_view text) const {
  const Numbers numbers(text);
  bool found = false;
  const auto look = [&found](const auto& index) {
    return [&found, &index](u64 hash) { found = found || index.contains(hash); };
  };
  for_each_window(numbers.words, rule_.words, look(words_));
  for_each_window(numbers.characters, rule_.characters, look(characters_));
  return found;
}

std::string texts_in(const io::JsonValue& value) {
  std::string text;
  add_texts(value, text);
  return text;
}

std::string text_of_item(const Item& item) { return texts_in(item.document.stored); }

Result<void> for_each_item_text(const std::filesystem::path& path,
                                FunctionRef<void(std::string_view)> on_text) {
  io::SearchNotes notes;
  std::vector<std::filesystem::path> files;
  if (std::filesystem::is_directory(path)) {
    files = io::files_below(path, notes);
  } else if (std::filesystem::exists(path)) {
    files.push_back(path);
  }
  if (files.empty()) {
    return fail(ErrorCode::kNotFound, fmt::format("{}: no file below it", path.string()));
  }
  for (const std::filesystem::path& file : files) {
    const auto documents = read_documents(file.parent_path(), {file.filename().string()}, {});
    if (!documents) return tl::unexpected(documents.error());
    for (const Document& each : *documents) on_text(texts_in(each.stored));
  }
  return {};
}

Result<std::vector<bool>> items_in_training_text(std::span<const Task> tasks,
                                                 const std::filesystem::path& folder) {
  std::vector<std::string> items;
  for (const Task& task : tasks) {
    for (const Item& item : task.items) items.push_back(text_of_item(item));
  }
  OverlapIndex index(items);
  const auto read = for_each_item_text(folder, [&](std::string_view text) { index.scan(text); });
  if (!read) return tl::unexpected(read.error());
  return index.found();
}

}  // namespace fathom::eval
