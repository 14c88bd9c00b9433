#include "checkpoint/convert/convert_tensors.h"

#include <algorithm>
#include <set>

#include "checkpoint/convert/recode.h"
#include "checkpoint/stored_names.h"
#include "checkpoint/tensor_codec.h"

namespace fathom::checkpoint {
namespace {

/// One tensor of the model on its way.
struct Item {
  Parameter parameter;
  const io::StoredTensor* tensor = nullptr;  // the packed words of integers
  const io::StoredTensor* scale = nullptr;   // of F8_E4M3 and of integers
  const io::StoredTensor* shape = nullptr;   // of integers
  Storage from = {}, to = {};
  bool as_is = false;
};

/// The same numbers, whatever the scales are called.
bool same_storage(const Storage& a, const Storage& b) {
  return a.dtype == b.dtype && a.bits == b.bits && a.group_size == b.group_size;
}

/// Finds what stands for a parameter of a checked checkpoint.
Item find_item(const io::Checkpoint& source, const Parameter& parameter) {
  Item item{.parameter = parameter, .tensor = source.find(parameter.name)};
  if (item.tensor != nullptr) {
    item.from.dtype = item.tensor->dtype;
    if (item.from.dtype == DType::kF8E4M3) item.scale = find_block_scale(source, parameter.name);
    return item;
  }
  const PackedNames names(parameter.name);
  item.tensor = source.find(names.packed);
  item.scale = source.find(names.scale);
  item.shape = source.find(names.shape);
  const PackedForm form = packed_form(*item.tensor, *item.scale, parameter.shape[1]);
  item.from = {.dtype = DType::kI32, .bits = form.bits, .group_size = form.group_size};
  return item;
}

class Converter {
 public:
  Converter(Ctx& ctx, const ConvertOptions& options, const io::Checkpoint& source,
            const CheckpointCheck& check)
      : ctx_(ctx), options_(options), source_(source) {
    for (const Parameter& parameter : check.parameters) {
      add(source, parameter);
    }
    std::set<std::string> scales;  // of the model's own matrices: written anew, or no longer true
    for (const Parameter& parameter : check.parameters) {
      const PackedNames packed(parameter.name);
      scales.insert(
          {block_scale_name(parameter.name, {}), packed.packed, packed.scale, packed.shape});
    }
    for (const std::string& name : check.unused) {
      if (scales.contains(name)) continue;
      copied_.push_back(source.find(name));
      declare_tensor_as_is(*copied_.back());
    }
  }

  void run(const std::filesystem::path& directory, ConvertReport& report) {
    io::CheckpointWriter writer(directory, specs_, options_.max_shard_bytes);
    TensorEncoder encoder(ctx_, writer, options_.scale_format);
    Recoder recoder(encoder);
    for (const Item& item : items_) {
      if (item.as_is) {
        for (const io::StoredTensor* tensor : {item.tensor, item.scale, item.shape}) {
          if (tensor != nullptr) copy_bytes(writer, *tensor, stored_name(item, *tensor));
        }
        report.tensors.push_back({.name = item.parameter.name,
                                  .role = item.parameter.role,
                                  .is_matrix = item.parameter.shape.size() == 2,
                                  .from = to_string(item.from),
                                  .to = item.to});
      } else {
        report.tensors.push_back(recode(recoder, item));
      }
    }
    for (const io::StoredTensor* tensor : copied_) copy_bytes(writer, *tensor, tensor->name);
    writer.commit();
    report.copied_tensors = static_cast<i64>(copied_.size());
    report.bytes_before = total_bytes_;
    report.bytes_after = writer.total_bytes();
    report.num_shards = writer.num_shards();
  }

 private:
  void add(const io::Checkpoint& source, const Parameter& parameter) {
    Item item = find_item(source, parameter);
    const bool fp8 = item.from.dtype == DType::kF8E4M3;
    item.to = storage_of(parameter, options_.storage);
    item.as_is = same_storage(item.from, item.to) &&
                 !(fp8 && options_.scale_format == ops::ScaleFormat::kUe8m0);
    if (item.as_is) {
      for (const io::StoredTensor* tensor : {item.tensor, item.scale, item.shape}) {
        if (tensor == nullptr) continue;  // dtype: weight_shape may be I32 or I64
        specs_.push_back({stored_name(item, *tensor), tensor->dtype, tensor->shape});
      }
    } else {
      declare_parameter(specs_, parameter, item.to);
    }
    total_bytes_ += source_bytes(item);
    items_.push_back(item);
  }

  void declare_tensor_as_is(const io::StoredTensor& tensor) {
    specs_.push_back({tensor.name, tensor.dtype, tensor.shape});
    total_bytes_ += static_cast<i64>(tensor.bytes.size());
  }

  static i64 source_bytes(const Item& item) {
    size_t bytes = item.tensor->bytes.size();
    if (item.scale != nullptr) bytes += item.scale->bytes.size();
    if (item.shape != nullptr) bytes += item.shape->bytes.size();
    return static_cast<i64>(bytes);
  }

  /// The scales of FP8 have another name in DeepSeek's form than in compressed-tensors'.
  static std::string stored_name(const Item& item, const io::StoredTensor& tensor) {
    const bool block_scale = &tensor == item.scale && item.to.dtype == DType::kF8E4M3;
    return block_scale ? block_scale_name(item.parameter.name, item.to) : tensor.name;
  }

  void copy_bytes(io::CheckpointWriter& writer, const io::StoredTensor& tensor,
                  const std::string& name) {
    constexpr size_t kChunkBytes = size_t{16} << 20;
    for (size_t begin = 0; begin < tensor.bytes.size(); begin += kChunkBytes) {
      const size_t count = std::min(kChunkBytes, tensor.bytes.size() - begin);
      writer.append(name, tensor.bytes.subspan(begin, count));
      progress(static_cast<i64>(count));
    }
  }

  TensorConversion recode(Recoder& recoder, const Item& item) {
    TensorReader reader(ctx_, source_, item.parameter);
    const i64 rows = row_shape(item.parameter.shape).rows;
    return recoder.recode(
        item.parameter, to_string(item.from), item.to,
        [&](i64 begin, View<float, 2> out) { reader.read_rows(begin, out); },
        [&](i64 count) { progress(source_bytes(item) * count / rows); });
  }

  void progress(i64 bytes) {
    done_bytes_ += bytes;
    if (options_.on_progress) options_.on_progress(done_bytes_, total_bytes_);
  }

  Ctx& ctx_;
  const ConvertOptions& options_;
  const io::Checkpoint& source_;
  std::vector<Item> items_;
  std::vector<const io::StoredTensor*> copied_;
  std::vector<io::TensorSpec> specs_;
  i64 total_bytes_ = 0;
  i64 done_bytes_ = 0;
};

}  // namespace

void convert_tensors(Ctx& ctx, const io::Checkpoint& source, const CheckpointCheck& check,
                     const std::filesystem::path& directory, const ConvertOptions& options,
                     ConvertReport& report) {
  Converter(ctx, options, source, check).run(directory, report);
}

}  // namespace fathom::checkpoint
