#include "io/text/file_kind.h"

#include <fmt/format.h>

#include <algorithm>

#include "io/text/json_line.h"

namespace fathom::io {
namespace {

using namespace std::string_view_literals;  // NOLINT: the bytes hold NUL

constexpr std::string_view kToLines = "write its rows as JSON lines";
constexpr std::string_view kUnpack = "unpack it first";
constexpr std::string_view kRepack = "decompress it, or pack it as .gz or .zst";
constexpr std::string_view kExtract = "extract its text first";
constexpr std::string_view kNoText = "it holds no text";
constexpr std::string_view kToUtf8 = "convert it, as iconv -t UTF-8 does";

struct Signature {
  size_t offset;
  std::string_view bytes;
  FileKind kind;
};

/// Longer signatures stand before those they begin with.
constexpr Signature kSignatures[] = {
    {0, "\x1f\x8b"sv, {"gzip", "", Compression::kGzip}},
    {0, "\x28\xb5\x2f\xfd"sv, {"zstd", "", Compression::kZstd}},
    {0, "\x1f\x9d"sv, {"compress (.Z)", kRepack}},
    {0, "BZh"sv, {"bzip2", kRepack}},  // and "1AY&SY", see is_signed
    {0, "\xfd\x37zXZ\0"sv, {"xz", kRepack}},
    {0, "\x5d\0\0"sv, {"lzma", kRepack}},
    {0, "\x04\x22\x4d\x18"sv, {"lz4", kRepack}},
    {0, "\xff\x06\0\0sNaPpY"sv, {"snappy", kRepack}},
    {0, "PK\x03\x04"sv, {"zip", kUnpack}},
    {0, "PK\x05\x06"sv, {"zip", kUnpack}},
    {0, "7z\xbc\xaf\x27\x1c"sv, {"7z", kUnpack}},
    {0, "Rar!\x1a\x07"sv, {"rar", kUnpack}},
    {257, "ustar\0"sv, {"tar", kUnpack}},
    {257, "ustar  \0"sv, {"tar", kUnpack}},
    {0, "!<arch>\n"sv, {"ar", kUnpack}},
    {0, "PAR1"sv, {"Parquet", kToLines}},
    {0, "ARROW1\0\0"sv, {"Arrow", kToLines}},
    {0, "\xff\xff\xff\xff"sv, {"an Arrow stream", kToLines}},
    {0, "Obj\x01"sv, {"Avro", kToLines}},
    {0, "SQLite format 3\0"sv, {"SQLite", kToLines}},
    {0, "\x89HDF\r\n\x1a\n"sv, {"HDF5", kToLines}},
    {0, "\x93NUMPY"sv, {"NumPy", kToLines}},
    {0, "GGUF\x01\0\0\0"sv, {"GGUF", kNoText}},
    {0, "GGUF\x02\0\0\0"sv, {"GGUF", kNoText}},
    {0, "GGUF\x03\0\0\0"sv, {"GGUF", kNoText}},
    {0, "GGUF\0\0\0\x03"sv, {"GGUF", kNoText}},
    {0, "\x80\x02"sv, {"pickle", kToLines}},
    {0, "\x80\x03"sv, {"pickle", kToLines}},
    {0, "\x80\x04"sv, {"pickle", kToLines}},
    {0, "\x80\x05"sv, {"pickle", kToLines}},
    {0, "%PDF-"sv, {"PDF", kExtract}},
    {0, "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"sv, {"an Office document", kExtract}},
    {0, "{\\rtf1"sv, {"RTF", kExtract}},
    {0, "%!PS-Adobe"sv, {"PostScript", kExtract}},
    {0, "AT&TFORM"sv, {"DjVu", kExtract}},
    {0, "\x89PNG\r\n\x1a\n"sv, {"PNG", kNoText}},
    {0, "\xff\xd8\xff"sv, {"JPEG", kNoText}},
    {0, "GIF87a"sv, {"GIF", kNoText}},
    {0, "GIF89a"sv, {"GIF", kNoText}},
    {0, "II*\0"sv, {"TIFF", kNoText}},
    {0, "MM\0*"sv, {"TIFF", kNoText}},
    {0, "OggS\0"sv, {"Ogg", kNoText}},
    {0, "fLaC\0"sv, {"FLAC", kNoText}},
    {0,
     "\x7f"
     "ELF"sv,
     {"ELF", kNoText}},
    {0, "\xca\xfe\xba\xbe"sv, {"a Java class or Mach-O", kNoText}},
    {0, "\xcf\xfa\xed\xfe"sv, {"Mach-O", kNoText}},
    {0, "\0asm"sv, {"WebAssembly", kNoText}},
    {0, "\xff\xfe\0\0"sv, {"UTF-32", kToUtf8}},
    {0, "\0\0\xfe\xff"sv, {"UTF-32", kToUtf8}},
    {0, "\xff\xfe"sv, {"UTF-16", kToUtf8}},
    {0, "\xfe\xff"sv, {"UTF-16", kToUtf8}},
};

constexpr FileKind kSafetensors = {"safetensors", kNoText};
constexpr FileKind kSkippableZstd = {"zstd", "", Compression::kZstd};
constexpr FileKind kUnmarkedUtf16 = {"UTF-16 without a byte order mark", kToUtf8};
constexpr FileKind kBinary = {"binary data", kNoText};

bool is_signed(std::string_view head, const Signature& signature) {
  if (head.size() <= signature.offset) return false;
  if (!head.substr(signature.offset).starts_with(signature.bytes)) return false;
  return signature.kind.name != "bzip2" || head.substr(4).starts_with("1AY&SY");
}

/// A length of eight bytes, and the header's first member.
bool is_safetensors(std::string_view head) {
  return head.size() > 10 && head.substr(5, 3) == "\0\0\0"sv && head.substr(8, 2) == "{\"";
}

/// A frame with anything in it, which zstd passes over: what pzstd begins with.
bool is_skippable_zstd(std::string_view head) {
  return head.size() >= 4 && (static_cast<u8>(head[0]) & 0xF0) == 0x50 &&
         head.substr(1, 3) == "\x2a\x4d\x18";
}

/// Latin letters, digits and spaces of UTF-16 have a zero beside them, always on the same side.
bool is_unmarked_utf16(std::string_view head) {
  if (head.size() < 4) return false;
  i64 zeros[2] = {0, 0};
  for (size_t i = 0; i < head.size(); ++i) zeros[i % 2] += head[i] == '\0';
  const i64 pairs = std::ssize(head) / 2;
  return (zeros[0] == 0 && 3 * zeros[1] > pairs) || (zeros[1] == 0 && 3 * zeros[0] > pairs);
}

/// More than one byte in twenty, and a few: of random bytes it is one in ten, of text hardly any.
bool is_binary(std::string_view head) {
  const auto is_control = [](char c) {
    const u8 byte = static_cast<u8>(c);
    return byte < 0x20 && !(byte >= '\b' && byte <= '\r') && byte != 0x1b;
  };
  const auto controls = std::ranges::count_if(head, is_control);
  return controls > 3 && 20 * controls > std::ssize(head);
}

std::string_view skip_space(std::string_view text) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  const size_t begin = text.find_first_not_of(" \t\r\n");
  return begin == std::string_view::npos ? std::string_view() : text.substr(begin);
}

/// Commas or tabs: as many in the first line as in the second, and some.
bool is_table(std::string_view text, char separator) {
  const size_t first_end = text.find('\n');
  if (first_end == std::string_view::npos) return false;
  const std::string_view rest = text.substr(first_end + 1);
  const auto count = [separator](std::string_view line) {
    return std::ranges::count(line, separator);
  };
  const auto first = count(text.substr(0, first_end));
  return first > 0 && first == count(rest.substr(0, rest.find('\n')));
}

}  // namespace

const FileKind* kind_of(std::string_view head) {
  for (const Signature& signature : kSignatures) {
    if (is_signed(head, signature)) return &signature.kind;
  }
  if (is_safetensors(head)) return &kSafetensors;
  if (is_skippable_zstd(head)) return &kSkippableZstd;
  if (is_unmarked_utf16(head)) return &kUnmarkedUtf16;
  return is_binary(head) ? &kBinary : nullptr;
}

std::string not_json_lines(std::string_view head) {
  const std::string_view text = skip_space(head);
  if (text.starts_with('[')) {
    return "one JSON array, expected an object a line; jq -c '.[]' OLD > NEW.jsonl makes lines of "
           "it";
  }
  // A first line of nothing but the bracket.
  const std::string_view after = text.substr(text.starts_with('{') ? 1 : text.size());
  const size_t next = after.find_first_not_of(" \t\r");
  if (next != std::string_view::npos && after[next] == '\n') {
    return "JSON objects over several lines, expected an object a line; jq -c . OLD > NEW.jsonl "
           "makes "
           "lines of them";
  }
  return {};
}

std::string json_in_text(std::string_view name, std::string_view head,
                         std::string_view text_field) {
  const std::string not_lines = not_json_lines(head);
  if (name.ends_with(".json") && not_lines.starts_with("one JSON array")) return "is " + not_lines;
  const std::string_view text = skip_space(head);
  const size_t first_end = text.find('\n');
  if (!text_of_json_line(text.substr(0, first_end), text_field)) return {};
  const std::string_view rest = skip_space(text.substr(std::min(first_end, text.size())));
  const size_t second_end = rest.find('\n');
  // A second line that the head cuts short says nothing.
  const bool is_whole = second_end != std::string_view::npos || head.size() < kHeadBytes;
  if (!rest.empty() && is_whole && !text_of_json_line(rest.substr(0, second_end), text_field))
    return {};
  return fmt::format("holds JSON lines with a member `{}`", text_field);
}

std::string_view looks_like(std::string_view head) {
  const std::string_view text = skip_space(head);
  if (text.starts_with('{')) return "JSON lines of another form";
  if (text.starts_with('<')) return "XML or HTML";
  if (is_table(text, '\t')) return "a table (TSV)";
  if (is_table(text, ',')) return "a table (CSV)";
  return "plain text";
}

}  // namespace fathom::io
