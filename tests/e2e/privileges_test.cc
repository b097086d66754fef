// What the running programs may do, as the kernel sees it.
#include <sys/stat.h>

#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/durable_file.h"
#include "tests/e2e/node.h"
#include "tests/support/status_matchers.h"

namespace oneagent {
namespace {

std::string StatusLine(pid_t pid, const std::string& name) {
  std::ifstream in(absl::StrCat("/proc/", pid, "/status"));
  for (std::string line; std::getline(in, line);) {
    if (line.rfind(name + ":\t", 0) == 0) return line.substr(name.size() + 2);
  }
  return "";
}

class PrivilegesTest : public testing::Test {
 protected:
  void SetUp() override {
    node_.ApplyDynaKube({.version = kFirstAgentVersion});
    node_.StartMounter();
    node_.StartProvisioner();
    ASSERT_TRUE(node_.WaitForVersion(kFirstAgentVersion));
  }
  Node node_;
};

TEST_F(PrivilegesTest, TheProvisionerHoldsNoCapability) {
  const pid_t pid = node_.provisioner().pid();
  for (const char* const set : {"CapPrm", "CapEff", "CapInh", "CapBnd"}) {
    EXPECT_EQ(StatusLine(pid, set), "0000000000000000") << set;
  }
  EXPECT_EQ(StatusLine(pid, "NoNewPrivs"), "1");
}

TEST_F(PrivilegesTest, TheMounterHoldsFour) {
  const pid_t pid = node_.mounter().pid();
  // SYS_ADMIN, FOWNER, DAC_OVERRIDE, CHOWN
  for (const char* const set : {"CapPrm", "CapEff", "CapBnd"}) {
    EXPECT_EQ(StatusLine(pid, set), "000000000020000b") << set;
  }
  EXPECT_EQ(StatusLine(pid, "CapInh"), "0000000000000000");
  EXPECT_EQ(StatusLine(pid, "NoNewPrivs"), "1");
}

TEST_F(PrivilegesTest, TheMounterLinksNoNetworkAndNoArchiveCode) {
  std::ifstream maps(absl::StrCat("/proc/", node_.mounter().pid(), "/maps"));
  for (std::string line; std::getline(maps, line);) {
    EXPECT_EQ(line.find("libcurl"), std::string::npos) << line;
    EXPECT_EQ(line.find("libarchive"), std::string::npos) << line;
  }
}

TEST_F(PrivilegesTest, DataDirectoryAndSocketAreRootsOnly) {
  struct stat info;
  ASSERT_EQ(stat(node_.layout().data_dir().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0700u);
  ASSERT_EQ(stat(node_.socket().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0600u);
  ASSERT_EQ(stat(node_.layout().IndexFile().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0600u);
}

TEST_F(PrivilegesTest, NoTokenInAnyLog) {
  ASSERT_OK(node_.Publish({.pod = "a"}));
  for (const std::string& log : {node_.MounterLog(), node_.ProvisionerLog()}) {
    EXPECT_THAT(log, testing::Not(testing::HasSubstr(kTenantApiToken)));
    EXPECT_THAT(log, testing::Not(testing::HasSubstr("TENANTTOKENUNDERTEST")));
  }
  EXPECT_OK(node_.Unpublish("a"));
}

}  // namespace
}  // namespace oneagent
