#include "ops/gemm/gemm.h"

#include "device/run.h"
#include "ops/checks.h"

namespace fathom::ops {
namespace {

constexpr i64 kAlignment = 64;

std::string shape_of(const PackedMatrix& p) {
  return "[" + std::to_string(p.rows) + ", " + std::to_string(p.k) + "]";
}

void check_job(const GemmJob& job, const GemmAccumulator& accumulator) {
  const PackedMatrix &a = job.a, &b = job.b;
  FATHOM_CHECK(a.k == b.k && a.k_padded == b.k_padded && a.is_bf16 == b.is_bf16 &&
                   (a.scale == nullptr) == (b.scale == nullptr),
               "gemm: a ", shape_of(a), " and b ", shape_of(b),
               " must share K and have been rounded alike");
  FATHOM_CHECK(!b.in_rows, "gemm: b ", shape_of(b), " was packed to be an a");
  FATHOM_CHECK(job.c.dim(0) == a.rows && job.c.dim(1) == b.rows, "gemm: c ", job.c, " vs a ",
               shape_of(a), " and b ", shape_of(b));
  FATHOM_CHECK(last_axis_contiguous(job.c), "gemm: rows of c ", job.c, " must be contiguous");
  FATHOM_CHECK(accumulator.promotion_interval >= 2 && accumulator.promotion_interval % 2 == 0 &&
                   accumulator.mantissa_bits >= 1 && accumulator.mantissa_bits <= 23,
               "gemm: promotion interval ", accumulator.promotion_interval, ", mantissa bits ",
               accumulator.mantissa_bits);
}

void check_source(const PackSource& s, const u8* storage) {
  const bool plain = s.x.format == SavedFormat::kF32 || s.x.format == SavedFormat::kBf16;
  FATHOM_CHECK(s.row_stride == 0 || (plain && s.row_stride >= s.x.cols), "pack: row stride ",
               s.row_stride, " of ", s.x);
  for (const i32 id : s.row_ids) {
    FATHOM_CHECK(id >= 0 && id < s.x.rows, "pack: row ", id, " of ", s.x);
  }
  FATHOM_CHECK(storage != nullptr && reinterpret_cast<uintptr_t>(storage) % kAlignment == 0,
               "pack: storage of [", s.packed_rows(), ", ", s.packed_k(),
               "] must be 64-byte aligned");
}

}  // namespace

i64 packed_k_multiple(const Ctx& ctx, const GemmRounding& rounding) {
  return ask(ctx, device::PackedLayoutOf{.rows = 0, .k = 0, .rounding = rounding}).k_multiple;
}

i64 packed_bytes(const Ctx& ctx, i64 rows, i64 k, const GemmRounding& rounding) {
  return ask(ctx, device::PackedLayoutOf{.rows = rows, .k = k, .rounding = rounding}).bytes;
}

i64 pack_scratch_bytes(const Ctx& ctx) { return ask(ctx, device::PackScratchBytes{}); }

void pack_all(Ctx& ctx, std::span<const PackSource> sources, const GemmRounding& rounding,
              std::span<u8* const> storage, std::span<PackedMatrix> packed) {
  FATHOM_CHECK(sources.size() == storage.size() && sources.size() == packed.size(),
               "pack_all: ", sources.size(), " sources, ", storage.size(), " storages, ",
               packed.size(), " results");
  for (size_t i = 0; i < sources.size(); ++i) check_source(sources[i], storage[i]);
  run(ctx,
      device::Pack{.sources = sources, .rounding = rounding, .storage = storage, .packed = packed});
}

PackedMatrix pack(Ctx& ctx, const PackSource& source, const GemmRounding& rounding, u8* storage) {
  PackedMatrix packed;
  pack_all(ctx, {&source, 1}, rounding, {&storage, 1}, {&packed, 1});
  return packed;
}

PackedMatrix pack(Ctx& ctx, Workspace::Scope& scope, const PackSource& source,
                  const GemmRounding& rounding) {
  const i64 bytes = packed_bytes(ctx, source.packed_rows(), source.packed_k(), rounding);
  return pack(ctx, source, rounding, scope.alloc<u8>(bytes).data());
}

void gemm(Ctx& ctx, std::span<const GemmJob> jobs, const GemmAccumulator& accumulator) {
  for (const GemmJob& job : jobs) check_job(job, accumulator);
  run(ctx, device::Gemm{.jobs = jobs, .accumulator = accumulator});
}

}  // namespace fathom::ops
