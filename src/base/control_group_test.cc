#include "base/control_group.h"

#include <gtest/gtest.h>

#include "testing/temp_dir.h"

namespace fathom {
namespace {

namespace fs = std::filesystem;

/// A root directory with the files that the kernel would show.
class ControlGroupTest : public ::testing::Test {
 protected:
  void put(const std::string& path, const std::string& text) {
    fs::create_directories((root_.path() / path).parent_path());
    root_.write(path, text);
  }
  void mount_v2(const std::string& group = "/") {
    put("proc/self/mountinfo",
        "22 1 8:1 / / rw,relatime - ext4 /dev/vda rw\n"
        "31 22 0:28 " +
            group + " /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw\n");
  }
  void mount_v1(const std::string& group = "/") {
    put("proc/self/mountinfo",
        "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n"
        "33 31 0:30 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n"
        "32 31 0:29 " +
            group + " /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n");
  }
  std::optional<double> quota() const { return cpu_quota(root_.path()); }

  testing::TempDir root_;
};

TEST_F(ControlGroupTest, WithoutGroupsThereIsNoQuota) {
  EXPECT_FALSE(quota());
  mount_v2();
  EXPECT_FALSE(quota());
  put("proc/self/cgroup", "0::/\n");
  EXPECT_FALSE(quota());
}

TEST_F(ControlGroupTest, V2TakesTheSmallestOnTheWayUp) {
  mount_v2();
  put("proc/self/cgroup", "0::/user.slice/job\n");
  put("sys/fs/cgroup/user.slice/job/cpu.max", "max 100000\n");
  EXPECT_FALSE(quota());
  put("sys/fs/cgroup/user.slice/cpu.max", "150000 100000\n");
  EXPECT_EQ(quota(), 1.5);
  put("sys/fs/cgroup/user.slice/job/cpu.max", "20000 40000\n");
  EXPECT_EQ(quota(), 0.5);
  put("sys/fs/cgroup/user.slice/job/cpu.max", "800000 100000\n");
  EXPECT_EQ(quota(), 1.5) << "the parent's is smaller";
  put("sys/fs/cgroup/cpu.max", "100000 100000\n");
  EXPECT_EQ(quota(), 1.0) << "a container sees its own group as the root";
}

TEST_F(ControlGroupTest, V1) {
  mount_v1();
  put("proc/self/cgroup", "9:name=systemd:/x\n3:cpuset:/other\n4:cpu,cpuacct:/job\n0::/\n");
  put("sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_quota_us", "-1\n");
  put("sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_period_us", "100000\n");
  EXPECT_FALSE(quota());
  put("sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_quota_us", "50000\n");
  EXPECT_EQ(quota(), 0.5);
  put("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "10000\n");
  EXPECT_EQ(quota(), 0.5) << "a group without a period is none";
  put("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(quota(), 0.1);
}

TEST_F(ControlGroupTest, ContainersMountTheirOwnGroup) {
  mount_v1("/docker/ab12");
  put("proc/self/cgroup", "4:cpu,cpuacct:/docker/ab12/inner\n");
  put("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
  put("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "300000\n");
  EXPECT_EQ(quota(), 3.0) << "the inner group is not there";
  put("sys/fs/cgroup/cpu,cpuacct/inner/cpu.cfs_period_us", "100000\n");
  put("sys/fs/cgroup/cpu,cpuacct/inner/cpu.cfs_quota_us", "200000\n");
  EXPECT_EQ(quota(), 2.0);
  put("proc/self/cgroup", "4:cpu,cpuacct:/docker/ab12345\n");
  EXPECT_EQ(quota(), 3.0) << "another group with a longer name";
  put("proc/self/cgroup", "4:cpu,cpuacct:/../../host\n");
  EXPECT_EQ(quota(), 3.0) << "a group outside of the mounted one";
}

TEST_F(ControlGroupTest, NamesWithSpaces) {
  put("proc/self/mountinfo", "31 22 0:28 / /sys/fs/my\\040groups rw - cgroup2 none rw\n");
  put("proc/self/cgroup", "0::/a b\n");
  put("sys/fs/my groups/a b/cpu.max", "250000 100000\n");
  EXPECT_EQ(quota(), 2.5);
}

TEST_F(ControlGroupTest, DamagedFilesAreNoLimit) {
  mount_v2();
  put("proc/self/cgroup", "0::/job\nnonsense\n");
  for (const char* text : {"", "max", "50000", "0 100000", "-1 100000", "50000 0", "x y"}) {
    put("sys/fs/cgroup/job/cpu.max", text);
    EXPECT_FALSE(quota()) << text;
  }
}

TEST_F(ControlGroupTest, GroupsAreListedFromTheInnermost) {
  mount_v2();
  put("proc/self/cgroup", "0::/a/b\n");
  fs::create_directories(root_.path() / "sys/fs/cgroup/a/b");
  const auto groups = control_groups("memory", root_.path());
  ASSERT_EQ(groups.size(), 3u);
  EXPECT_EQ(groups[0].path, root_.path() / "sys/fs/cgroup/a/b");
  EXPECT_EQ(groups[1].path, root_.path() / "sys/fs/cgroup/a");
  EXPECT_EQ(groups[2].path, root_.path() / "sys/fs/cgroup");
  EXPECT_TRUE(groups[0].v2);
}

TEST(ThreadsWithinQuota, IsTheQuotaRoundedUp) {
  EXPECT_EQ(threads_within_quota(8, std::nullopt), 8);
  EXPECT_EQ(threads_within_quota(8, 0.1), 1);
  EXPECT_EQ(threads_within_quota(8, 1.0), 1);
  EXPECT_EQ(threads_within_quota(8, 1.01), 2);
  EXPECT_EQ(threads_within_quota(8, 7.5), 8);
  EXPECT_EQ(threads_within_quota(8, 64.0), 8);
  EXPECT_EQ(threads_within_quota(8, 1e30), 8);
}

}  // namespace
}  // namespace fathom
