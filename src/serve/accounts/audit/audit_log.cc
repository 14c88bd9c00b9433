#include "serve/accounts/audit/audit_log.h"

#include <sys/stat.h>

#include <filesystem>

#include "base/error.h"
#include "base/log.h"
#include "serve/accounts/limits/period.h"

namespace fathom::serve {
namespace {

constexpr size_t kMostLines = 10'000;
constexpr i64 kDayS = 86'400;
constexpr std::string_view kPrefix = "audit-", kSuffix = ".jsonl";

/// "2026-12-31" of audit-2026-12-31.jsonl; else empty.
std::string date_in(const std::string& name) {
  if (!name.starts_with(kPrefix) || !name.ends_with(kSuffix)) return {};
  const std::string date =
      name.substr(kPrefix.size(), name.size() - kPrefix.size() - kSuffix.size());
  i64 unused = 0;
  return parse_date(date, unused) ? date : std::string();
}

}  // namespace

AuditLog::AuditLog(AuditOptions options)
    : options_(std::move(options)), folder_(options_.folder), thread_([this] { run(); }) {}

AuditLog::~AuditLog() {
  {
    const Lock lock(mutex_);
    is_stopping_ = true;
  }
  news_.notify_all();
  thread_.join();
}

void AuditLog::add(const io::JsonObject& line) {
  std::string text = io::write_json(line) + "\n";
  {
    const Lock lock(mutex_);
    if (lines_.size() >= kMostLines) {
      lines_.pop_front();
      log::error("the audit log has lost a line: {} wait", kMostLines);
    }
    lines_.push_back(std::move(text));
  }
  news_.notify_all();
}

void AuditLog::run() {
  bool is_last = false;
  while (!is_last) {
    std::deque<std::string> lines;
    {
      Lock lock(mutex_);
      while (lines_.empty() && !is_stopping_) news_.wait(mutex_);
      lines.swap(lines_);
      is_last = is_stopping_;
    }
    write(lines);
  }
}

/// A line that cannot be written is said to be lost; the next one tries again.
void AuditLog::write(const std::deque<std::string>& lines) {
  try {
    const std::string today = date_of(static_cast<i64>(options_.unix_now_s()));
    if (file_ == nullptr || date_ != today) {
      file_.reset();
      const std::string name = std::string(kPrefix) + today + std::string(kSuffix);
      file_ = std::make_unique<io::AppendFile>(folder_.path() / name);
      ::chmod(file_->path().c_str(), 0600);
      date_ = today;
      remove_old(today);
    }
    std::string text;
    for (const std::string& line : lines) text += line;
    file_->append(text);
    has_failed_ = false;
  } catch (const std::exception& error) {
    file_.reset();
    if (!has_failed_)
      log::error("{} lines of the audit log are lost: {}", lines.size(), error.what());
    has_failed_ = true;
  }
}

void AuditLog::remove_old(const std::string& today) const {
  i64 today_s = 0;
  parse_date(today, today_s);
  const std::string first = date_of(today_s - options_.days * kDayS);
  for (const auto& entry : std::filesystem::directory_iterator(folder_.path())) {
    const std::string date = date_in(entry.path().filename().string());
    if (date.empty() || date > first) continue;
    std::error_code ignored;
    std::filesystem::remove(entry.path(), ignored);
  }
}

}  // namespace fathom::serve
