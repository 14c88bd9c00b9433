#include "tokenizer/unicode/normalize.h"

#include <algorithm>
#include <iterator>
#include <vector>

#include "base/types.h"
#include "tokenizer/unicode/utf8.h"

namespace fathom::tokenizer {
namespace {

#include "tokenizer/unicode/normalization_table.inc"

// Hangul syllables are made by arithmetic: leading consonant, vowel, trailing consonant or none.
constexpr char32_t kFirstSyllable = 0xAC00, kFirstLeading = 0x1100, kFirstVowel = 0x1161;
constexpr char32_t kNoTrailing = 0x11A7;  // the one before the first
constexpr char32_t kNumLeading = 19, kNumVowels = 21, kNumTrailing = 28;
constexpr char32_t kNumSyllables = kNumLeading * kNumVowels * kNumTrailing;

bool is_syllable(char32_t c) { return c >= kFirstSyllable && c < kFirstSyllable + kNumSyllables; }
bool is_vowel(char32_t c) { return c >= kFirstVowel && c < kFirstVowel + kNumVowels; }
bool is_trailing(char32_t c) { return c > kNoTrailing && c < kNoTrailing + kNumTrailing; }

const char32_t* find_decomposition(char32_t c) {
  const auto* const row =
      std::lower_bound(std::begin(kDecompositions), std::end(kDecompositions), c,
                       [](const auto& r, char32_t value) { return r[0] < value; });
  return row != std::end(kDecompositions) && (*row)[0] == c ? *row + 1 : nullptr;
}

/// 0: they do not compose.
char32_t compose(char32_t a, char32_t b) {
  if (a >= kFirstLeading && a < kFirstLeading + kNumLeading && is_vowel(b)) {
    return kFirstSyllable + ((a - kFirstLeading) * kNumVowels + (b - kFirstVowel)) * kNumTrailing;
  }
  if (is_syllable(a) && (a - kFirstSyllable) % kNumTrailing == 0 && is_trailing(b)) {
    return a + (b - kNoTrailing);
  }
  const auto* const row = std::lower_bound(
      std::begin(kCompositions), std::end(kCompositions), b,
      [a](const auto& r, char32_t value) { return r[0] != a ? r[0] < a : r[1] < value; });
  return row != std::end(kCompositions) && (*row)[0] == a && (*row)[1] == b ? (*row)[2] : 0;
}

void append_decomposed(char32_t c, std::u32string& out) {
  if (is_syllable(c)) {
    const char32_t index = c - kFirstSyllable;
    out.push_back(kFirstLeading + index / (kNumVowels * kNumTrailing));
    out.push_back(kFirstVowel + index / kNumTrailing % kNumVowels);
    if (index % kNumTrailing != 0) out.push_back(kNoTrailing + index % kNumTrailing);
  } else if (const char32_t* parts = find_decomposition(c)) {
    for (size_t i = 0; i < 4 && parts[i] != 0; ++i) out += parts[i];
  } else {
    out += c;
  }
}

/// What has to be known of every character of a text, as one look into a flat array.
class Properties {
 public:
  static const Properties& instance() {
    static const Properties properties;
    return properties;
  }

  u8 combining_class(char32_t c) const { return c < kEnd ? class_[c] : 0; }

  /// Does the form leave `c` alone, whatever stands before it?
  bool is_boundary(char32_t c, NormalizationForm form) const {
    if (c < 0xC0) return true;
    if (form == NormalizationForm::kNfd && is_syllable(c)) return false;
    if (c >= kEnd) return true;
    const u8 changes = form == NormalizationForm::kNfc ? kChangesInNfc : kChangesInNfd;
    return class_[c] == 0 && (flags_[c] & changes) == 0;
  }

 private:
  enum : u8 { kChangesInNfc = 1, kChangesInNfd = 2 };
  static constexpr char32_t kEnd = 0x30000;  // beyond it nothing changes

  Properties() : class_(kEnd), flags_(kEnd) {
    for (const u32 entry : kCombiningClasses) class_[entry >> 8] = static_cast<u8>(entry);
    for (const auto& row : kDecompositions) {
      flags_[row[0]] = kChangesInNfd;
      // What does not come back when its two parts compose: singletons, exclusions, and what begins
      // with a mark.
      const bool comes_back =
          std::any_of(std::begin(kCompositions), std::end(kCompositions),
                      [&](const auto& composition) { return composition[2] == row[0]; });
      if (!comes_back) flags_[row[0]] |= kChangesInNfc;
    }
    for (const auto& row : kCompositions) flags_[row[1]] |= kChangesInNfc;
    for (char32_t c = kFirstVowel; c < kNoTrailing + kNumTrailing; ++c) {
      if (is_vowel(c) || is_trailing(c)) flags_[c] |= kChangesInNfc;
    }
  }

  std::vector<u8> class_, flags_;
};

/// Stable: marks of one class keep their order.
void order_marks(std::u32string& text, const Properties& properties) {
  const auto is_mark = [&](char32_t c) { return properties.combining_class(c) != 0; };
  for (auto begin = text.begin(); begin != text.end();) {
    begin = std::find_if(begin, text.end(), is_mark);
    const auto end = std::find_if_not(begin, text.end(), is_mark);
    std::stable_sort(begin, end, [&](char32_t a, char32_t b) {
      return properties.combining_class(a) < properties.combining_class(b);
    });
    begin = end;
  }
}

/// A character joins the last starter unless one of its own class or above, or another starter,
/// stands between them.
void compose_all(std::u32string& text, const Properties& properties) {
  size_t size = 0, starter = text.size();  // text.size(): there is none yet
  u8 last_class = 0;
  for (const char32_t c : text) {
    const u8 own_class = properties.combining_class(c);
    const bool is_free = starter < size && (size == starter + 1 || last_class < own_class);
    const char32_t joined = is_free ? compose(text[starter], c) : 0;
    if (joined != 0) {
      text[starter] = joined;
      continue;
    }
    if (own_class == 0) starter = size;
    last_class = own_class;
    text[size++] = c;
  }
  text.resize(size);
}

}  // namespace

std::string_view normalize(std::string_view text, NormalizationForm form, std::string& storage) {
  const Properties& properties = Properties::instance();
  const auto is_boundary_at = [&](size_t pos) {
    return static_cast<u8>(text[pos]) < 0x80 ||
           properties.is_boundary(decode_utf8(text, pos).value, form);
  };
  storage.clear();
  std::u32string segment;
  size_t done = 0;        // what is before it is in storage
  size_t last_begin = 0;  // the last boundary: what follows may join the character there
  for (size_t pos = 0; pos < text.size();) {
    if (is_boundary_at(pos)) {
      last_begin = pos;
      pos += decode_utf8(text, pos).num_bytes;
      continue;
    }
    while (pos < text.size() && !is_boundary_at(pos)) pos += decode_utf8(text, pos).num_bytes;
    segment.clear();
    for (size_t at = last_begin; at < pos;) {
      const CodePoint character = decode_utf8(text, at);
      append_decomposed(character.value, segment);
      at += character.num_bytes;
    }
    order_marks(segment, properties);
    if (form == NormalizationForm::kNfc) compose_all(segment, properties);
    storage.append(text, done, last_begin - done);
    for (const char32_t c : segment) append_utf8(c, storage);
    done = last_begin = pos;
  }
  if (done == 0) return text;
  return storage.append(text, done);
}

}  // namespace fathom::tokenizer
