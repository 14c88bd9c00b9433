// Divergences and their gradients against PyTorch's autograd and TRL's GKD (tools/golden/
// make_distill_golden.py); the store's numbers.
#include "posttrain/distill/divergence.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <fstream>
#include <limits>
#include <numeric>
#include <optional>
#include <sstream>

#include "io/json.h"
#include "posttrain/distill/teacher_store.h"
#include "tensor/bf16.h"
#include "testing/golden_directory.h"
#include "testing/temp_dir.h"

namespace fathom::posttrain {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr float kNone = -std::numeric_limits<float>::infinity();

std::vector<float> floats(const io::JsonValue& line, const char* key) {
  std::vector<float> values;
  for (const io::JsonValue& value : line.find(key)->as_array()) {
    values.push_back(static_cast<float>(value.as_number()));
  }
  return values;
}

/// Teacher's bins from its log-probabilities.
struct TeacherBins {
  std::vector<i32> ids;
  std::vector<float> log_probs;
  float rest = kNone;

  TeacherBins(const std::vector<float>& all, size_t k) {
    std::vector<i32> order(all.size());
    std::iota(order.begin(), order.end(), 0);
    const auto at = [&](i32 id) { return all[static_cast<size_t>(id)]; };
    std::ranges::sort(order, [&](i32 a, i32 b) { return at(a) > at(b); });
    double sum = 0.0;
    for (size_t i = 0; i < order.size(); ++i) {
      if (i < k) {
        ids.push_back(order[i]);
        log_probs.push_back(at(order[i]));
      } else {
        sum += std::exp(static_cast<double>(at(order[i])));
      }
    }
    if (sum > 0.0) rest = static_cast<float>(std::log(sum));
  }
  TeacherToken token() const { return {.ids = ids, .log_probs = log_probs, .rest = rest}; }
};

Divergence kind_of(std::string_view name) {
  for (const auto& [kind, known] : kDivergenceNames) {
    if (known == name) return kind;
  }
  ADD_FAILURE() << name;
  return Divergence::kForward;
}

TEST(DivergenceTest, ValuesAndGradientsAreThoseOfPyTorchAndTrl) {
  const io::JsonValue golden =
      value_or_throw(io::read_json(testing::golden_directory("distill") / "golden.json"));
  const double beta = golden.find("beta")->as_number();
  size_t cases = 0;
  for (const io::JsonValue& line : golden.find("cases")->as_array()) {
    const std::string kind = line.find("kind")->as_string();
    const double temperature = line.find("temperature")->as_number();
    std::vector<float> student = floats(line, "student"), teacher = floats(line, "teacher");
    log_softmax(student, temperature, student);
    log_softmax(teacher, temperature, teacher);
    const TeacherBins bins(teacher, static_cast<size_t>(line.find("k")->as_integer()));
    std::vector<float> slopes(student.size());
    const double value = divergence(kind_of(kind), beta, bins.token(), student, slopes);
    EXPECT_NEAR(value, line.find("value")->as_number(), 1e-5) << kind << " case " << cases;
    const std::vector<float> gradient = floats(line, "gradient");
    for (size_t v = 0; v < slopes.size(); ++v) {
      EXPECT_NEAR(static_cast<double>(slopes[v]) / temperature, static_cast<double>(gradient[v]),
                  1e-5)
          << kind << " case " << cases << ", id " << v;
    }
    ++cases;
  }
  EXPECT_EQ(cases, 54u);
}

// A student that is sure where the teacher sees nothing: finite, and pushed back.
TEST(DivergenceTest, WhereTheTeacherSeesNothingTheReverseIsHeld) {
  std::vector<float> student = {9.0f, 0.0f, 0.0f};
  log_softmax(student, 1.0, student);
  const std::vector<i32> ids = {1};
  const std::vector<float> log_probs = {0.0f};
  std::vector<float> slopes(3);
  const TeacherToken teacher{.ids = ids, .log_probs = log_probs, .rest = kNone};
  const double value = divergence(Divergence::kReverse, 0.5, teacher, student, slopes);
  EXPECT_NEAR(value, 10.0, 0.1);
  EXPECT_TRUE(std::isfinite(slopes[0]));
  EXPECT_NEAR(divergence(Divergence::kForward, 0.5, teacher, student, slopes), 9.0, 0.1);
  EXPECT_LT(slopes[1], -0.9f);
}

TEST(TeacherStoreTest, HalfPrecisionRoundsToNearestEven) {
  for (u32 bits = 0; bits < 0x7c00; ++bits) {  // every finite number comes back
    const float value = f16_to_f32(static_cast<u16>(bits));
    ASSERT_EQ(f32_to_f16(value), bits);
    ASSERT_EQ(f32_to_f16(-value), bits | 0x8000);
  }
  EXPECT_EQ(f16_to_f32(f32_to_f16(1.0f + 0x1.0p-11f)), 1.0f) << "a tie goes to the even one";
  EXPECT_EQ(f16_to_f32(f32_to_f16(1.0f + 0x1.8p-10f)), 1.0f + 0x1.0p-9f);
  EXPECT_EQ(f16_to_f32(f32_to_f16(65519.0f)), 65504.0f);
  EXPECT_EQ(f32_to_f16(65520.0f), 0x7c00);
  EXPECT_EQ(f32_to_f16(kNone), 0xfc00);
  EXPECT_EQ(f32_to_f16(std::numeric_limits<float>::quiet_NaN()) & 0x7e00, 0x7e00);
}

data::FolderLock lock_of(const std::filesystem::path& store) {
  return std::move(*lock_teacher_store(store));
}

// Another run on the same store: the wait can be stopped, and ends when the other is done.
TEST(TeacherStoreTest, WaitsForAnotherRunUntilStopped) {
  const testing::TempDir dir;
  std::optional<data::FolderLock> other = lock_teacher_store(dir / "store");
  ASSERT_TRUE(other);
  i64 asked = 0;
  EXPECT_FALSE(lock_teacher_store(dir / "store", [&] { return ++asked == 3; }));
  EXPECT_EQ(asked, 3);
  EXPECT_TRUE(lock_teacher_store(dir / "store", [&] {
    other.reset();
    return false;
  }));
}

TEST(TeacherStoreTest, AFileWithoutItsRestIsRefused) {
  const testing::TempDir dir;
  const TeacherStoreKey key{.teacher = "t", .samples = "s", .tokenizer = "v", .top_k = 2};
  {
    TeacherStoreWriter writer(dir / "store", key, lock_of(dir / "store"));
    writer.add(teacher_row(std::vector<float>{-1.0f, -2.0f, -1.5f}, 2));
    writer.flush();
  }
  const auto path = dir / "store/rows-000000000000.safetensors";
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  std::stringstream all;
  all << file.rdbuf();
  file.seekp(static_cast<std::streamoff>(all.str().find("\"rest\"")));
  file << "\"best\"" << std::flush;
  try {
    TeacherStore(dir / "store", key, 1, 3);
    ADD_FAILURE() << "accepted";
  } catch (const Error& error) {
    EXPECT_THAT(error.message(), HasSubstr("rest: found nothing, expected a number of F16"));
  }
}

TEST(TeacherStoreTest, KeepsTheLikeliestAndTheMassOfTheRest) {
  const std::vector<float> log_probs = {std::log(0.1f), std::log(0.4f), std::log(0.1f),
                                        std::log(0.4f)};
  const TeacherRow row = teacher_row(log_probs, 3);
  EXPECT_THAT(row.ids, ElementsAre(1, 3, 0)) << "the lower id first";
  EXPECT_NEAR(std::exp(row.rest), 0.1, 1e-3);
  EXPECT_EQ(teacher_row(log_probs, 4).rest, kNone) << "nothing is left";
  const testing::TempDir dir;
  const TeacherStoreKey key{.teacher = "t", .samples = "s", .tokenizer = "v", .top_k = 3};
  {
    TeacherStoreWriter writer(dir / "store", key, lock_of(dir / "store"));
    writer.add(row);
    writer.flush();
    EXPECT_EQ(writer.stored(), 1);
    writer.add(row);  // is lost with the process
  }
  {
    TeacherStoreWriter writer(dir / "store", key, lock_of(dir / "store"));
    EXPECT_EQ(writer.stored(), 1) << "goes on behind what is there";
    writer.add(teacher_row(std::vector<float>{-3.0f, -2.0f, -0.2f, -9.0f}, 3));
    writer.flush();
    writer.flush();
  }
  const TeacherStore store(dir / "store", key, 2, 4);
  EXPECT_THAT(store.token(1).ids, ElementsAre(2, 1, 0));
  EXPECT_NEAR(store.token(1).log_probs[0], -0.2, 1e-4);
  EXPECT_NEAR(store.token(0).log_probs[2], std::log(0.1), 1e-3);
  const auto refusal = [&](const TeacherStoreKey& other, i64 rows) -> std::string {
    try {
      TeacherStore(dir / "store", other, rows, 4);
    } catch (const Error& error) {
      return error.message();
    }
    return "accepted";
  };
  TeacherStoreKey other = key;
  other.temperature = 2.0;
  EXPECT_THAT(refusal(other, 2), HasSubstr("temperature: found 1, expected 2"));
  other = key;
  other.tokenizer = "w";
  EXPECT_THAT(refusal(other, 2), HasSubstr("tokenizer: found v, expected w"));
  EXPECT_THAT(refusal(key, 3), HasSubstr("found 2 rows, expected 3"));
  EXPECT_THROW(TeacherStoreWriter(dir / "store", other, lock_of(dir / "store")), Error);
  std::filesystem::remove(dir / "store/rows-000000000000.safetensors");
  EXPECT_THAT(refusal(key, 2), HasSubstr("found rows-000000000001.safetensors, expected "
                                         "rows-000000000000.safetensors"));
}

TEST(TeacherMemoryTest, HoldsRowsAsTheyCame) {
  TeacherMemory memory;
  const std::vector<float> log_probs = {-2.5f, -0.4f, -1.7f};
  memory.add(teacher_row(log_probs, 2));
  memory.add(teacher_row(std::vector<float>{-0.1f, -4.0f, -3.0f}, 2));
  ASSERT_EQ(memory.rows(), 2);
  EXPECT_THAT(memory.token(0).ids, ElementsAre(1, 2));
  EXPECT_THAT(memory.token(0).log_probs, ElementsAre(-0.4f, -1.7f)) << "not rounded";
  EXPECT_FLOAT_EQ(memory.token(0).rest, -2.5f);
  EXPECT_THAT(memory.token(1).ids, ElementsAre(0, 2));
  memory.clear();
  EXPECT_EQ(memory.rows(), 0);
}

TEST(TeacherStoreTest, WhatNoTeacherWroteIsRefused) {
  const testing::TempDir dir;
  const TeacherStoreKey key{.teacher = "t", .samples = "s", .tokenizer = "v", .top_k = 2};
  const TeacherRow good = teacher_row(std::vector<float>{-1.0f, -2.0f, -1.5f, -1e6f}, 2);
  i64 stores = 0;
  const auto refusal = [&](const TeacherRow& second) -> std::string {
    const auto path = dir / fmt::format("store{}", stores++);
    {
      TeacherStoreWriter writer(path, key, lock_of(path));
      writer.add(good);
      writer.add(second);
      writer.flush();
    }
    try {
      TeacherStore(path, key, 2, 4);
    } catch (const Error& error) {
      return error.message();
    }
    return "accepted";
  };
  const auto with = [&](auto change) {
    TeacherRow row = good;
    change(row);
    return refusal(row);
  };
  EXPECT_EQ(refusal(teacher_row(std::vector<float>{-1e6f, -0.0f}, 2)), "accepted");
  EXPECT_THAT(with([](TeacherRow& row) { row.ids[1] = 4; }),
              HasSubstr("ids: row 1: found 4, expected ids from 0 to 3"));
  EXPECT_THAT(with([](TeacherRow& row) { row.ids[0] = -1; }),
              HasSubstr("ids: row 1: found -1, expected"));
  const float nan = std::numeric_limits<float>::quiet_NaN(), positive = 1.0f;
  for (const float bad : {nan, kNone, positive}) {
    EXPECT_THAT(with([&](TeacherRow& row) { row.log_probs[1] = bad; }),
                HasSubstr("log_probs: row 1: found"));
  }
  for (const float bad : {nan, positive}) {
    EXPECT_THAT(with([&](TeacherRow& row) { row.rest = bad; }), HasSubstr("rest: row 1: found"));
  }
  EXPECT_EQ(with([&](TeacherRow& row) { row.rest = kNone; }), "accepted");
}

}  // namespace
}  // namespace fathom::posttrain
