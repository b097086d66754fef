// Every way in which a tree can differ from its manifest is named.
#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "base/durable_file.h"
#include "base/trash.h"
#include "cache/store/store.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"
#include "tests/unit/store/bare_process.h"
#include "tests/unit/store/store_fixture.h"

namespace oneagent {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const testing::Environment* const kBare = BareProcess::Install();

class VerifyTest : public StoreFixture {
 protected:
  VerifyTest() {
    EXPECT_OK(Install("1.2.3.4-5"));
    tree_ = layout_.AgentTree(IdOf("1.2.3.4-5")) + "/";
  }
  auto Verify() { return VerifyAgent(layout_, IdOf("1.2.3.4-5")); }
  void Rewrite(const std::string& path, const std::string& content) {
    ASSERT_OK(
        WriteFileAtomically(tree_ + path, content, 0644, Durability::kNoSync));
  }

  std::string tree_;
};

TEST_F(VerifyTest, UntouchedTreeIsFine) {
  EXPECT_THAT(Verify(), IsOkAndHolds(IsEmpty()));
}

TEST_F(VerifyTest, NamesChangedContent) {
  Rewrite("agent/version", "1.2.3.4-6");
  EXPECT_THAT(Verify(),
              IsOkAndHolds(ElementsAre("agent/version: content changed")));
}

TEST_F(VerifyTest, NamesChangedSize) {
  Rewrite("agent/version", "");
  EXPECT_THAT(Verify(),
              IsOkAndHolds(ElementsAre("agent/version: has 0 bytes, had 9")));
}

TEST_F(VerifyTest, NamesWhatIsMissing) {
  ASSERT_OK(DeleteTree(tree_ + "agent/lib64"));
  EXPECT_THAT(Verify(), IsOkAndHolds(ElementsAre(
                            "agent/lib64: missing",
                            "agent/lib64/liboneagentproc.so: missing")));
}

TEST_F(VerifyTest, NamesWhatWasAdded) {
  ASSERT_EQ(mkdir((tree_ + "aaa").c_str(), 0755), 0);
  ASSERT_EQ(mkfifo((tree_ + "zzz\n").c_str(), 0644), 0);
  EXPECT_THAT(Verify(),
              IsOkAndHolds(ElementsAre("aaa: not in the manifest",
                                       "zzz\\n: not in the manifest")));
}

TEST_F(VerifyTest, NamesChangedModes) {
  ASSERT_EQ(chmod((tree_ + "agent/lib64/liboneagentproc.so").c_str(), 04755),
            0);
  ASSERT_EQ(chmod((tree_ + "log").c_str(), 0755), 0);
  EXPECT_THAT(Verify(),
              IsOkAndHolds(ElementsAre(
                  "agent/lib64/liboneagentproc.so: mode is 4755, was 0755",
                  "log: mode is 0755, was 1777")));
}

TEST_F(VerifyTest, NamesChangedLinksAndTypes) {
  ASSERT_EQ(unlink((tree_ + "agent/link").c_str()), 0);
  ASSERT_EQ(symlink("/etc/passwd", (tree_ + "agent/link").c_str()), 0);
  ASSERT_EQ(unlink((tree_ + "agent/version").c_str()), 0);
  ASSERT_EQ(symlink("link", (tree_ + "agent/version").c_str()), 0);
  EXPECT_THAT(Verify(), IsOkAndHolds(ElementsAre(
                            "agent/link: link points to /etc/passwd, pointed "
                            "to lib64/liboneagentproc.so",
                            "agent/version: is a symbolic link, was a file")));
}

TEST_F(VerifyTest, DirectoryThatCannotBeReadIsAnError) {
  ASSERT_EQ(chmod((tree_ + "agent/lib64").c_str(), 0), 0);
  EXPECT_THAT(Verify(), StatusIs(absl::StatusCode::kPermissionDenied,
                                 HasSubstr("agent/lib64")));
  ASSERT_EQ(chmod((tree_ + "agent/lib64").c_str(), 0755), 0);
}

TEST_F(VerifyTest, WhatIsNotInstalledIsAnError) {
  EXPECT_THAT(VerifyAgent(layout_, "0123456789abcdef"),
              StatusIs(absl::StatusCode::kNotFound));
  ASSERT_OK(WriteFileAtomically(layout_.AgentManifest(IdOf("1.2.3.4-5")), "{",
                                0600, Durability::kNoSync));
  EXPECT_THAT(Verify(),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(".json")));
}

TEST_F(VerifyTest, ConfigurationLayersLikewise) {
  ASSERT_OK_AND_ASSIGN(const ConfigRow row, InstallConf("a"));
  EXPECT_THAT(VerifyConfig(layout_, row.id), IsOkAndHolds(IsEmpty()));
  ASSERT_OK(WriteFileAtomically(
      absl::StrCat(layout_.ConfigTree(row.id), "/", kProcessConfPath), "b",
      0666, Durability::kNoSync));
  EXPECT_THAT(VerifyConfig(layout_, row.id),
              IsOkAndHolds(ElementsAre(
                  absl::StrCat(kProcessConfPath, ": content changed"))));
}

}  // namespace
}  // namespace oneagent
