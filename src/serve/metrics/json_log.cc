#include "serve/metrics/json_log.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <chrono>

#include "base/log_format.h"
#include "base/text.h"

namespace fathom::serve {
namespace {

const char* level_name(log::Level level) {
  switch (level) {
    case log::Level::kDebug:
      return "debug";
    case log::Level::kInfo:
      return "info";
    case log::Level::kWarn:
      return "warning";
    case log::Level::kError:
    case log::Level::kOff:
      break;
  }
  return "error";
}

io::JsonObject heading(log::Level level) {
  const auto now = std::chrono::system_clock::now();
  const auto second = std::chrono::floor<std::chrono::seconds>(now);
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(now - second).count();
  io::JsonObject line;
  line.set("time", fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z",
                               fmt::gmtime(std::chrono::system_clock::to_time_t(second)), ms));
  line.set("level", level_name(level));
  return line;
}

std::string json_line(log::Level level, std::string_view message) {
  io::JsonObject line = heading(level);
  line.set("message", printable(message));
  return io::write_json(line);
}

}  // namespace

void log_as_json() { log::set_formatter(json_line); }

void log_members(log::Level level, const io::JsonObject& members) {
  io::JsonObject line = heading(level);
  for (const auto& [name, value] : members) line.set(name, value);
  log::write_line(level, io::write_json(line));
}

}  // namespace fathom::serve
