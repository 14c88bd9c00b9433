#include "checkpoint/stored_names.h"

#include "base/checked_math.h"

namespace fathom::checkpoint {

PackedForm packed_form(const io::StoredTensor& packed, const io::StoredTensor& scale, i64 cols) {
  PackedForm form;
  if (packed.shape.size() != 2 || scale.shape.size() != 2) return form;
  for (const int bits : {4, 8}) {
    if (packed.shape[1] != ceil_div(cols * bits, i64{32})) continue;
    if (form.bits != 0) return {};  // up to four columns fit one word either way
    form.bits = bits;
  }
  for (const i64 group : {i64{128}, i64{32}}) {  // up to 32 columns are one group either way
    if (scale.shape[1] == ceil_div(cols, group)) form.group_size = group;
  }
  return form;
}

std::string block_scale_name(const std::string& matrix_name, const Storage& storage) {
  return matrix_name + (storage.named_weight_scale ? "_scale" : "_scale_inv");
}

const io::StoredTensor* find_block_scale(const io::Checkpoint& checkpoint,
                                         const std::string& matrix_name) {
  const io::StoredTensor* scale = checkpoint.find(matrix_name + "_scale_inv");
  return scale != nullptr ? scale : checkpoint.find(matrix_name + "_scale");
}

}  // namespace fathom::checkpoint
