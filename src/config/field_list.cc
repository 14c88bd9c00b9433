#include "config/field_list.h"

namespace fathom {

void FieldList::append(std::string_view name, FieldValue value, std::string_view doc, Range range) {
  fields_.push_back({name, std::move(value), doc, range});
}

const Field* FieldList::find(std::string_view name) const {
  for (const Field& field : fields_) {
    if (field.name == name) return &field;
  }
  return nullptr;
}

}  // namespace fathom
