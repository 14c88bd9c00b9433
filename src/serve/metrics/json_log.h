#pragma once
// The log as JSON, one object a line, for programs that collect it:
//   {"time":"2026-12-31T23:59:59.123Z","level":"info","message":"listening on http://..."}
#include "base/log.h"
#include "io/json.h"

namespace fathom::serve {

/// From now on.
void log_as_json();
/// A line with these members in the place of a message.
void log_members(log::Level level, const io::JsonObject& members);

}  // namespace fathom::serve
