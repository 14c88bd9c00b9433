#include <algorithm>

#include "backend/cpu/table.h"
#include "backend/cpu/threads.h"

namespace fathom::backend::cpu {
namespace {

void gather_rows(Ctx&, const device::GatherRows& op) {
  const i64 cols = op.x.dim(1);
  for_rows(op.out.dim(0), cols / 4, [&](i64 begin, i64 end) {
    for (i64 r = begin; r < end; ++r) std::copy_n(op.x.row(op.ids(r)), cols, op.out.row(r));
  });
}

void copy_ids(Ctx&, const device::CopyIds& op) {
  for (i64 r = 0; r < op.x.dim(0); ++r) std::copy_n(op.x.row(r), op.x.dim(1), op.out.row(r));
}

}  // namespace

void set_rows(device::OpTable& table) {
  table.set(gather_rows);
  table.set(copy_ids);
}

}  // namespace fathom::backend::cpu
