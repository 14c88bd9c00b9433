#pragma once
#include <functional>
#include <string>

#include "base/error.h"
#include "config/run/data_config.h"

namespace fathom::io {
class JsonValue;
}

namespace fathom::posttrain {

/// Calls `on_line` for every line of the source's files that is not blank, in order. Throws
/// Error: a path that gives no file, a line that is no JSON, what on_line refuses: with file and
/// line before its message. `where` ("data.train.chat") names the source.
void for_each_json_line(const SourceConfig& source, const std::string& where,
                        const std::function<Result<void>(const io::JsonValue&)>& on_line);

}  // namespace fathom::posttrain
