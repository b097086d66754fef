// What the provisioner says of volumes that wait for an agent, and how often
// it says that it cannot look.
#include <cstdio>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "tests/support/status_matchers.h"
#include "tests/unit/provisioner/node_fixture.h"

namespace oneagent {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class WaitingVolumesTest : public NodeFixture {
 protected:
  // As the mounter writes it, in a process of its own.
  void Fail(const std::string& volume) {
    ASSERT_OK_AND_ASSIGN(const auto mounter,
                         Index::Open({.data_dir = layout_.data_dir(),
                                      .read_only = false,
                                      .on_rebuilt = nullptr}));
    VolumeRow row;
    row.id = volume;
    row.dynakube = "prod";
    row.boot_id = kNodeBootId;
    row.reason = "no agent";
    ASSERT_OK(mounter->RecordFailure(row, clock_.Now()));
  }
  // A second later.
  std::vector<std::string> EventsOfALook() {
    observer_.Events();
    clock_.Advance(absl::Seconds(1));
    node_->scheduler.ListOnce(clock_.Now());
    return observer_.Events();
  }
};

TEST_F(WaitingVolumesTest, AreSaidOnceAndOnceMoreWhenTheirAgentIsThere) {
  Fail("v");
  EXPECT_THAT(EventsOfALook(), Contains("waits v for nobody"));
  EXPECT_THAT(EventsOfALook(), IsEmpty());
  Fail("v");  // kubelet's next attempt
  EXPECT_THAT(EventsOfALook(), IsEmpty());
  PutDynaKube("prod", absl::StrCat("version: ", kOne));
  Settle();
  EXPECT_THAT(EventsOfALook(), Contains(absl::StrCat("can go v: ", kOne)));
  EXPECT_THAT(EventsOfALook(), IsEmpty());
}

TEST_F(WaitingVolumesTest, OnesThatFailOpenAtOnceDoNotWait) {
  Fail("v");
  node_->scheduler.ListOnce(clock_.Now());
  EXPECT_THAT(observer_.Events(), Not(Contains(HasSubstr("waits"))));
  // Nobody writes to the index, and still it is looked at again.
  EXPECT_THAT(EventsOfALook(), Contains("waits v for nobody"));
}

TEST_F(WaitingVolumesTest, OfAReadyDynaKubeWaitForSomethingElse) {
  PutDynaKube("prod", absl::StrCat("version: ", kOne));
  Settle();
  Fail("v");
  EXPECT_THAT(EventsOfALook(), Contains("waits v for prod"));
  EXPECT_THAT(EventsOfALook(), Not(Contains(HasSubstr("can go"))));
}

TEST_F(WaitingVolumesTest, WhatCannotBeComparedIsSaidOnce) {
  PutDynaKube("prod", absl::StrCat("version: ", kOne));
  Settle();
  const std::string moved = dir_.Path("moved");
  ASSERT_EQ(rename(layout_.ConfigsDir().c_str(), moved.c_str()), 0);
  Fail("v");  // another process wrote: the index is looked at
  EXPECT_THAT(EventsOfALook(), Contains(HasSubstr("error chore")));
  EXPECT_THAT(EventsOfALook(), IsEmpty());
  EXPECT_THAT(EventsOfALook(), IsEmpty());
  ASSERT_EQ(rename(moved.c_str(), layout_.ConfigsDir().c_str()), 0);
}

}  // namespace
}  // namespace oneagent
