#pragma once
#include "grammar/schema/expand.h"

namespace fathom::grammar::schema {

/// Tells, within bounds, whether anything satisfies a conjunction of schemas.
class Emptiness {
 public:
  explicit Emptiness(Compilation& compilation) : compilation_(compilation) {}

  /// Certainly nothing.
  bool is_void(const Literals& literals);
  bool is_void(const Record& record, Types type);

 private:
  bool compute(const Literals& literals);
  bool object_is_void(const Record& record);
  bool array_is_void(const Record& record);

  Compilation& compilation_;
  std::unordered_map<Literals, bool, LiteralsHash> known_;
  i64 depth_ = 0;
};

}  // namespace fathom::grammar::schema
