#include "report/metrics/tensorboard.h"

#include <gmock/gmock.h>

#include <map>

#include "report/metrics/crc32c.h"
#include "report/metrics/test_run.h"
#include "testing/temp_dir.h"

namespace fathom::report {
namespace {

using ::testing::HasSubstr;
using namespace std::string_literals;

// Two frames that tensorboard 2.21's own RecordWriter and protobuf wrote:
//   Event(wall_time=1764039600.5, file_version="brain.Event:2")
//   Event(wall_time=1764039601.25, step=300, train/loss = 2.5, lr = 0.0003)
const std::string kGoldenVersion =
    "\x18\x00\x00\x00\x00\x00\x00\x00\xa3\x7f\x4b\x22\x09\x00\x00\x20\xec\x46\x49\xda\x41\x1a\x0d"
    "\x62\x72\x61\x69\x6e\x2e\x45\x76\x65\x6e\x74\x3a\x32\xe4\x7c\xd8\x7b"s;
const std::string kGoldenScalars =
    "\x2c\x00\x00\x00\x00\x00\x00\x00\xf4\xae\xcc\x45\x09\x00\x00\x50\xec\x46\x49\xda\x41\x10\xac"
    "\x02\x2a\x1e\x0a\x11\x0a\x0a\x74\x72\x61\x69\x6e\x2f\x6c\x6f\x73\x73\x15\x00\x00\x20\x40\x0a"
    "\x09\x0a\x02\x6c\x72\x15\x52\x49\x9d\x39\x96\x47\x61\x0f"s;

TEST(Crc32c, KnownValues) {  // RFC 3720 B.4, and the customary check value
  EXPECT_EQ(crc32c(""), 0u);
  EXPECT_EQ(crc32c("123456789"), 0xE3069283u);
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8A9136AAu);
  EXPECT_EQ(crc32c(std::string(32, '\xFF')), 0x62A8AB43u);
}

TEST(Tensorboard, WritesTheBytesThatTensorboardWrites) {
  EXPECT_EQ(encode_event({1764039600.5, 0, "brain.Event:2", {}}), kGoldenVersion);
  EXPECT_EQ(encode_event({1764039601.25, 300, "", {{"train/loss", 2.5F}, {"lr", 0.0003F}}}),
            kGoldenScalars);
}

TEST(Tensorboard, ReadsTheBytesThatTensorboardWrote) {
  i64 size_bytes = 0;
  const auto version = decode_event(kGoldenVersion + kGoldenScalars, size_bytes);
  ASSERT_TRUE(version.has_value());
  EXPECT_EQ(size_bytes, std::ssize(kGoldenVersion));
  EXPECT_EQ(version->file_version, "brain.Event:2");
  EXPECT_EQ(version->step, 0);
  const auto event = decode_event(kGoldenScalars, size_bytes);
  ASSERT_TRUE(event.has_value());
  EXPECT_EQ(event->wall_time, 1764039601.25);
  EXPECT_EQ(event->step, 300);
  ASSERT_EQ(event->scalars.size(), 2u);
  EXPECT_EQ(event->scalars[0].tag, "train/loss");
  EXPECT_EQ(event->scalars[0].value, 2.5F);
  EXPECT_EQ(event->scalars[1].value, 0.0003F);
}

TEST(Tensorboard, EveryFlippedBitAndEveryCutIsNoticed) {
  i64 size_bytes = 0;
  for (size_t length = 0; length < kGoldenScalars.size(); ++length) {
    EXPECT_FALSE(decode_event(kGoldenScalars.substr(0, length), size_bytes)) << length;
  }
  for (size_t bit = 0; bit < 8 * kGoldenScalars.size(); ++bit) {
    std::string bytes = kGoldenScalars;
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << bit % 8));
    EXPECT_FALSE(decode_event(bytes, size_bytes)) << bit;
  }
}

TEST(Tensorboard, AMessageOfAnotherShapeIsRefused) {
  i64 size_bytes = 0;
  for (const std::string& message : {"\x0a\x7f short"s, "\x2a\x03\x0a\x09x"s, "\xff\xff\xff"s}) {
    std::string frame(8, '\0');
    frame[0] = static_cast<char>(message.size());
    const auto put = [&frame](u32 crc) {
      for (int i = 0; i < 4; ++i) frame += static_cast<char>(crc >> (8 * i));
    };
    put(masked_crc32c(frame));
    frame += message;
    put(masked_crc32c(message));
    const auto event = decode_event(frame, size_bytes);
    ASSERT_FALSE(event.has_value());
    EXPECT_THAT(event.error().message(), HasSubstr("not an Event message"));
  }
}

std::map<std::string, float> by_tag(const std::vector<EventScalar>& scalars) {
  std::map<std::string, float> map;
  for (const EventScalar& scalar : scalars) {
    EXPECT_TRUE(map.emplace(scalar.tag, scalar.value).second) << scalar.tag << " twice";
  }
  return map;
}

TEST(Tensorboard, TagsOfAStepAndOfAValidation) {
  const StepMetrics step = test_step(4);
  const auto tags = by_tag(event_scalars(step));
  EXPECT_EQ(tags.at("train/loss"), static_cast<float>(step.loss));
  EXPECT_EQ(tags.at("train/bits_per_byte"), static_cast<float>(step.bits_per_byte));
  EXPECT_EQ(tags.at("train/skipped"), 0.0F);
  EXPECT_EQ(tags.at("mtp/loss_1"), static_cast<float>(step.mtp_loss[0]));
  EXPECT_EQ(tags.at("mtp/loss_2"), static_cast<float>(step.mtp_loss[1]));
  EXPECT_EQ(tags.at("lr"), static_cast<float>(step.lr));
  EXPECT_EQ(tags.at("grad_norm"), static_cast<float>(step.grad_norm));
  EXPECT_EQ(tags.at("speed/tokens_per_s"), static_cast<float>(step.tokens_per_s));
  EXPECT_EQ(tags.at("speed/gemm_peak_frac"), 0.5F);
  EXPECT_EQ(tags.at("balance/max_vio/model.layers.1"), static_cast<float>(step.load[0].max_vio));
  EXPECT_EQ(tags.at("balance/dead_experts/model.layers.2"), 1.0F);
  EXPECT_EQ(tags.at("balance/bias_min/model.layers.2"), static_cast<float>(step.load[1].bias_min));

  const ValidationMetrics set = test_validation(4, "code", 0.5);
  const auto set_tags = by_tag(event_scalars(set));
  EXPECT_EQ(set_tags.at("validation/code/loss"), static_cast<float>(set.loss));
  EXPECT_EQ(set_tags.at("validation/code/bits_per_byte"), static_cast<float>(set.bits_per_byte));
  EXPECT_EQ(set_tags.at("validation/code/mtp_loss_1"), static_cast<float>(set.mtp_loss[0]));
  EXPECT_EQ(set_tags.at("validation/code/mtp_acceptance_1"),
            static_cast<float>(set.mtp_acceptance[0]));
}

TEST(Tensorboard, WhatIsKeptEndsBeforeLaterStepsAndDamage) {
  const testing::TempDir folder;
  const std::string first = encode_event({1.0, 0, "brain.Event:2", {}});
  const std::string second = encode_event({2.0, 1, "", {{"a", 1.0F}}});
  const std::string third = encode_event({3.0, 2, "", {{"a", 2.0F}}});
  const auto path = folder.write("events", first + second + third);
  EXPECT_EQ(event_bytes_kept(path, 1).value(), std::ssize(first + second));
  EXPECT_EQ(event_bytes_kept(path, 2).value(), std::ssize(first + second + third));
  EXPECT_EQ(event_bytes_kept(path, 0).value(), std::ssize(first));
  folder.write("events", first + second + third.substr(0, third.size() - 1));
  EXPECT_EQ(event_bytes_kept(path, 2).value(), std::ssize(first + second));
  EXPECT_FALSE(event_bytes_kept(folder / "none", 1).has_value());
}

}  // namespace
}  // namespace fathom::report
