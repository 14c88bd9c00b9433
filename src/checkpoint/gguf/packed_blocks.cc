#include "checkpoint/gguf/packed_blocks.h"

#include <cstring>

#include "base/check.h"
#include "base/checked_math.h"
#include "base/parallel.h"
#include "checkpoint/storage.h"
#include "checkpoint/stored_names.h"

namespace fathom::checkpoint {
namespace {

constexpr i64 kGroup = 32;
constexpr i64 kScaleBytes = 2;

/// Where the parts of one matrix lie in its memory.
struct PackedMemory {
  i64 words, scales, minima, shape;  // where they begin
  i64 end;

  PackedMemory(i64 rows, i64 cols, const PackedBlocks& form) {
    const i64 scale_bytes = rows * (cols / kGroup) * kScaleBytes;
    words = 0;
    scales = round_up(rows * cols * form.bits / 8, i64{64});
    minima = round_up(scales + scale_bytes, i64{64});
    shape = form.has_minima ? round_up(minima + scale_bytes, i64{64}) : minima;
    end = shape + 2 * static_cast<i64>(sizeof(i64));
  }
};

/// 32 signed bytes as codes, which count from -128.
void copy_q8_codes(const u8* in, u8* out) {
  for (i64 i = 0; i < kGroup; ++i) out[i] = in[i] ^ 0x80;
}

/// The file has codes i and i + 16 in one byte, packed integers i and i + 1.
void copy_q4_codes(const u8* in, u8* out) {
  for (i64 i = 0; i < kGroup / 4; ++i) {
    const u8 first = in[2 * i], second = in[2 * i + 1];
    out[i] = static_cast<u8>((first & 15) | second << 4);
    out[kGroup / 4 + i] = static_cast<u8>(first >> 4 | (second & 0xf0));
  }
}

}  // namespace

std::optional<PackedBlocks> packed_blocks(io::gguf::Type type) {
  switch (type) {
    case io::gguf::Type::kQ8_0:
      return PackedBlocks{.bits = 8};
    case io::gguf::Type::kQ4_0:
      return PackedBlocks{.bits = 4};
    case io::gguf::Type::kQ4_1:
      return PackedBlocks{.bits = 4, .has_minima = true};
    default:
      return std::nullopt;
  }
}

bool is_packable(const GgufParameter& p) {
  return may_be_quantised(p.parameter) && p.source.form != GgufForm::kSplitKvB &&
         packed_blocks(p.tensor->type).has_value();
}

void pack_parameter(const GgufParameter& p, std::vector<Buffer>& storage,
                    std::vector<io::StoredTensor>& tensors) {
  FATHOM_CHECK(is_packable(p), p.parameter.name, " is ", to_string(*p.tensor));
  const PackedBlocks form = *packed_blocks(p.tensor->type);
  const i64 rows = p.parameter.shape[0], cols = p.parameter.shape[1], groups = cols / kGroup;
  const PackedMemory at(rows, cols, form);
  storage.emplace_back(Device::kCpu, at.end, "weights packed from GGUF");
  u8* memory = storage.back().data();
  const i64 code_bytes = kGroup * form.bits / 8, header = kScaleBytes * (form.has_minima ? 2 : 1);
  parallel_for(rows, 16, [&](i64 begin, i64 end) {
    for (i64 row = begin; row < end; ++row) {
      const u8* block = p.tensor->bytes.data() + stored_row(p, row) * p.tensor->row_bytes();
      for (i64 g = row * groups; g < (row + 1) * groups; ++g, block += header + code_bytes) {
        std::memcpy(memory + at.scales + g * kScaleBytes, block, kScaleBytes);
        if (form.has_minima) {
          std::memcpy(memory + at.minima + g * kScaleBytes, block + kScaleBytes, kScaleBytes);
        }
        (form.bits == 8 ? copy_q8_codes : copy_q4_codes)(block + header,
                                                         memory + at.words + g * code_bytes);
      }
    }
  });
  const i64 shape[2] = {rows, cols};
  std::memcpy(memory + at.shape, shape, sizeof shape);
  const auto add = [&](std::string name, DType dtype, std::vector<i64> extents, i64 from) {
    i64 bytes = dtype_bytes(dtype);
    for (const i64 extent : extents) bytes *= extent;
    tensors.push_back({.name = std::move(name),
                       .dtype = dtype,
                       .shape = std::move(extents),
                       .bytes = {memory + from, static_cast<size_t>(bytes)},
                       .file_name = p.tensor->file_name});
  };
  const PackedNames names(p.parameter.name);
  add(names.packed, DType::kI32, {rows, cols * form.bits / 32}, at.words);
  add(names.scale, DType::kF16, {rows, groups}, at.scales);
  if (form.has_minima) add(names.minimum, DType::kF16, {rows, groups}, at.minima);
  add(names.shape, DType::kI64, {2}, at.shape);
}

}  // namespace fathom::checkpoint
