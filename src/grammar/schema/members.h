#pragma once
// The members and the items that a record speaks of.
#include "grammar/schema/compilation.h"
#include "grammar/schema/record.h"

namespace fathom::grammar::schema {

/// All names that it says anything about, in the order in which they come first.
std::vector<std::string> names_of(const Compilation& compilation, const Record& record);
/// What the value of that member has to satisfy; nothing if there can be none.
std::optional<Literals> member_literals(Compilation& compilation, const Record& record,
                                        const std::string& name);
/// Under `strict`: does no schema say which other members there may be, so that there are none?
bool is_closed(const Compilation& compilation, const Record& record);
bool is_required(const Record& record, std::string_view name);

/// What item number `index` has to satisfy.
Literals item_literals(const Compilation& compilation, const Record& record, u32 index);
/// How many items have places of their own; those after them are all alike.
u32 num_prefix_items(const Compilation& compilation, const Record& record);

/// Does a schema here say outright that nothing is valid?
bool is_refused_outright(const Compilation& compilation, const Literals& literals);

}  // namespace fathom::grammar::schema
