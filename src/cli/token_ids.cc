#include "cli/token_ids.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/error.h"

namespace fathom::cli {

std::vector<i32> parse_token_ids(std::string_view text) {
  std::vector<i32> ids;
  size_t pos = 0;
  while ((pos = text.find_first_not_of(" ,[]\t\r\n", pos)) != std::string_view::npos) {
    const size_t end = std::min(text.find_first_of(" ,[]\t\r\n", pos), text.size());
    i32 id = 0;
    const auto parsed = std::from_chars(text.data() + pos, text.data() + end, id);
    if (parsed.ec != std::errc() || parsed.ptr != text.data() + end) {
      throw Error(ErrorCode::kInvalidInput,
                  fmt::format("token ids: found \"{}\", expected integers below 2^31",
                              text.substr(pos, end - pos)));
    }
    ids.push_back(id);
    pos = end;
  }
  return ids;
}

}  // namespace fathom::cli
