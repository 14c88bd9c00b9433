#pragma once
// What came of requests, told once to everybody who keeps it.
#include <string>

#include "base/mutex.h"
#include "serve/accounts/accounts.h"
#include "serve/accounts/audit/audit_log.h"
#include "serve/metrics/metrics.h"

namespace fathom::serve {

class Ledger {
 public:
  /// `audit` may be null.
  Ledger(Accounts& accounts, Metrics& metrics, bool log_as_json, AuditLog* audit = nullptr)
      : accounts_(accounts), metrics_(metrics), log_as_json_(log_as_json), audit_(audit) {}

  void began() { metrics_.began(); }
  /// Whether records are to hold what was said.
  bool wants_words() const { return audit_ != nullptr && audit_->wants_words(); }
  /// A queued request has ended. Any thread.
  void finish(const UsageRecord& record);
  /// A request was answered with an error before it was queued.
  void refused(const std::string& request_id, const std::string& endpoint, int status,
               const std::string& code);

 private:
  Accounts& accounts_;
  Metrics& metrics_;
  bool log_as_json_;
  AuditLog* audit_;
};

/// The record of one queued request: told to the ledger when this is destroyed. Until somebody says
/// otherwise its client went away.
class Ticket {
 public:
  Ticket(Ledger& ledger, UsageRecord record) : ledger_(ledger), record_(std::move(record)) {
    record_.status = 499;
    ledger_.began();
  }
  ~Ticket() { ledger_.finish(record_); }
  Ticket(const Ticket&) = delete;
  Ticket& operator=(const Ticket&) = delete;

  UsageRecord& record() { return record_; }

 private:
  Ledger& ledger_;
  UsageRecord record_;
};

}  // namespace fathom::serve
