#pragma once
// Accounts by API keys: who a key belongs to, what it may do, what it has used.
#include <memory>
#include <string>

#include "serve/accounts/accounts.h"
#include "serve/accounts/accounts_config.h"
#include "serve/accounts/bookkeeper.h"
#include "serve/accounts/books.h"
#include "serve/accounts/keys/key_book.h"
#include "serve/accounts/limits/limits.h"

namespace fathom::serve {

struct KeyAccountsOptions {
  AccountsConfig accounts;
  KeyConfigs keys;  // that check() found nothing wrong with
  PriceTables prices;
  std::string model;  // that answers: rows and prices are by it, whatever clients call it
  std::function<double()> unix_now_s;  // empty: the system's
};

class KeyAccounts : public Accounts {
 public:
  /// Throws Error if the database cannot be opened.
  explicit KeyAccounts(KeyAccountsOptions options);

  ApiResult<Caller> identify(const http::Request& request) override;
  ApiResult<Admission> admit(const Caller& caller, const RequestFacts& facts) override;
  void finish(const UsageRecord& record) override;
  bool has_keys() const override { return true; }
  const Books* books() const override { return bookkeeper_ == nullptr ? nullptr : &books_; }
  std::vector<std::string> take_gone() override { return book_.take_gone(); }
  std::string metrics_text() const override;

  /// Static keys and prices of a file that was read again.
  void reload(const KeyConfigs& keys, PriceTables prices);
  /// Waits until what has ended is written; false: not within `seconds`.
  bool flush(double seconds);
  /// Of the database; all zero and up without one.
  BookkeeperHealth health() const;

 private:
  Prices prices_of(const std::string& key_name) const;
  Reservation reservation(const RequestFacts& facts, const Prices& prices) const;
  UsageRow row_of(const UsageRecord& record) const;

  const KeyAccountsOptions options_;
  const std::function<double()> unix_now_s_;
  const std::string address_salt_;  // hashes of clients' addresses are of this process alone
  const Books books_;
  KeyBook book_;
  Limits limits_;
  mutable Mutex mutex_;
  PriceTables prices_ FATHOM_GUARDED_BY(mutex_);
  std::unique_ptr<Bookkeeper> bookkeeper_;  // last: it uses the rest; null without a database
};

}  // namespace fathom::serve
