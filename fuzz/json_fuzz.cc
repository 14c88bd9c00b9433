// JSON: what parses is written, and what is written parses to the same; small caps hold. The reader
// of data lines takes more, and where both read a line they read the same.
#include "base/check.h"
#include "io/json.h"
#include "io/text/json_line.h"

namespace fathom::io {
namespace {

/// Every member can be found by its key, at every depth.
void check_lookups(const JsonValue& value) {
  if (value.is_array()) {
    for (const JsonValue& item : value.as_array()) check_lookups(item);
  } else if (value.is_object()) {
    for (const auto& [key, member] : value.as_object()) {
      FATHOM_CHECK(value.find(key) == &member, "cannot find ", key);
      check_lookups(member);
    }
  }
}

void check_line(std::string_view input, const JsonValue& parsed) {
  if (!parsed.is_object()) return;
  for (const auto& [key, member] : parsed.as_object()) {
    const auto line = text_of_json_line(input, key);
    FATHOM_CHECK(line.has_value() == member.is_string(), line ? "" : line.error().message());
    FATHOM_CHECK(!line || (line->text == member.as_string() && line->num_defects == 0), line->text);
  }
}

void check(std::string_view input) {
  (void)text_of_json_line(input, "a");
  (void)parse_json(input, "input", {.max_bytes = 1 << 20, .max_depth = 2, .max_values = 5});
  const auto parsed = parse_json(input, "input");
  if (!parsed) {
    FATHOM_CHECK(parsed.error().message().starts_with("input:"), parsed.error().message());
    FATHOM_CHECK(parsed.error().message().size() < 2000, "a long message");
    return;
  }
  check_lookups(*parsed);
  check_line(input, *parsed);
  const std::string text = write_json(*parsed);
  for (const int indent : {0, 2}) {
    const auto again = parse_json(write_json(*parsed, indent), "again");
    FATHOM_CHECK(again.has_value(), again ? "" : again.error().message());
    FATHOM_CHECK(write_json(*again) == text, "not stable: ", text);
  }
}

}  // namespace
}  // namespace fathom::io

extern "C" int LLVMFuzzerTestOneInput(const fathom::u8* data, size_t size) {
  fathom::io::check({reinterpret_cast<const char*>(data), size});
  return 0;
}
