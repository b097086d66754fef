#include "csi/host_storage.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/leak_check.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace oneagent {

static bool operator==(const HostStorage& a, const HostStorage& b) {
  return a.name == b.name && a.dynakube == b.dynakube &&
         a.tenant_uuid == b.tenant_uuid;
}

namespace {

using ::testing::ElementsAre;

TEST(ChooseHostStorageTest, ChoosesByNameAndTenant) {
  const struct {
    const char* name;
    std::vector<HostStorage> there;
    const char* tenant_uuid;
    HostStorage want;
  } kCases[] = {
      {"nothing there, tenant not known", {}, "", {"dk", "dk", ""}},
      {"nothing there", {}, "t1", {"dk", "dk", "t1"}},
      {"same tenant", {{"dk", "dk", "t1"}}, "t1", {"dk", "dk", "t1"}},
      {"tenant not known now", {{"dk", "dk", "t1"}}, "", {"dk", "dk", "t1"}},
      {"tenant was not known", {{"dk", "dk", ""}}, "t1", {"dk", "dk", "t1"}},
      {"another tenant", {{"dk", "dk", "t1"}}, "t2", {"dk.1", "dk", "t2"}},
      {"a third tenant",
       {{"dk", "dk", "t1"}, {"dk.10", "dk", "t3"}, {"dk.9", "dk", "t2"}},
       "t4",
       {"dk.11", "dk", "t4"}},
      {"back to the first",
       {{"dk", "dk", "t1"}, {"dk.1", "dk", "t2"}},
       "t1",
       {"dk", "dk", "t1"}},
      {"not known: the newest",
       {{"dk", "dk", "t1"}, {"dk.1", "dk", "t2"}},
       "",
       {"dk.1", "dk", "t2"}},
      {"others are none of ours",
       {{"dk2", "dk2", ""}, {"dk-1", "dk-1", ""}, {"dk.x", "dk", ""}},
       "t1",
       {"dk", "dk", "t1"}},
  };
  for (const auto& test : kCases) {
    EXPECT_EQ(ChooseHostStorage(test.there, "dk", test.tenant_uuid), test.want)
        << test.name;
  }
}

TEST(HostStorageTest, StorageWithoutRecordIsAnybodysNext) {
  LeakCheck leaks;
  TempDir dir;
  const Layout layout(dir.MakeDir("data"));
  ASSERT_OK(layout.Prepare(Owner::kMounter));
  dir.WriteFile("data/host/dk/agent.id", "1");
  dir.WriteFile("data/host/.dk.json.tmp-1-1", "");
  EXPECT_OK(MakeHostStorage(layout, {"other.2", "other", "t9"}));
  EXPECT_THAT(ListHostStorages(layout),
              IsOkAndHolds(ElementsAre(HostStorage{"dk", "dk", ""},
                                       HostStorage{"other.2", "other", "t9"})));
  EXPECT_OK(TrashHostStorage(layout, "other.2"));
  EXPECT_OK(TrashHostStorage(layout, "other.2"));
  EXPECT_THAT(ListHostStorages(layout),
              IsOkAndHolds(ElementsAre(HostStorage{"dk", "dk", ""})));
}

}  // namespace
}  // namespace oneagent
