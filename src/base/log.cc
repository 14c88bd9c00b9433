#include "base/log.h"

#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <memory>

#include "base/log_format.h"
#include "base/text.h"

namespace fathom::log {
namespace {

constexpr const char* kTextPattern = "%^%L%$ %v";

spdlog::level::level_enum to_spdlog(Level level) {
  switch (level) {
    case Level::kDebug:
      return spdlog::level::debug;
    case Level::kInfo:
      return spdlog::level::info;
    case Level::kWarn:
      return spdlog::level::warn;
    case Level::kError:
      return spdlog::level::err;
    case Level::kOff:
      break;
  }
  return spdlog::level::off;
}

spdlog::logger& logger() {
  static const std::shared_ptr<spdlog::logger> instance = [] {
    auto created = std::make_shared<spdlog::logger>(
        "fathom", std::make_shared<spdlog::sinks::stderr_color_sink_mt>());
    created->set_pattern(kTextPattern);
    return created;
  }();
  return *instance;
}

std::atomic<Formatter> g_formatter{nullptr};

}  // namespace

void set_level(Level level) { logger().set_level(to_spdlog(level)); }
bool enabled(Level level) { return logger().should_log(to_spdlog(level)); }
void write(Level level, std::string_view message) {
  if (const Formatter format = g_formatter.load()) {
    if (enabled(level)) write_line(level, format(level, message));
    return;
  }
  logger().log(to_spdlog(level), printable(message));
}

void set_formatter(Formatter formatter) {
  logger().set_pattern(formatter == nullptr ? kTextPattern : "%v");
  g_formatter.store(formatter);
}
void write_line(Level level, std::string_view line) { logger().log(to_spdlog(level), line); }

}  // namespace fathom::log
