// What strangers do to the index who take no guard: its files removed one by
// one, or in the moment in which somebody opens them.
#include <unistd.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "base/failpoint.h"
#include "tests/unit/index/index_damage.h"
#include "tests/unit/index/index_fixture.h"

namespace oneagent {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class IndexRemovalTest : public DamagedIndexTest {
 protected:
  void TearDown() override {
    DisarmFailpoints();
    DamagedIndexTest::TearDown();
  }
};

// Whoever opens the file then makes another log, and neither sees what the
// other writes: leases would be taken away.
TEST_F(IndexRemovalTest, ALogRemovedUnderAProcessIsDamage) {
  for (const char* const suffix : {"-wal", "-shm"}) {
    SCOPED_TRACE(suffix);
    WriteRecords();
    ASSERT_OK(index_->PutVolume(VolumeOf("v1")));
    ASSERT_OK(index_->BeginReconcile());
    ASSERT_OK(index_->SetReconciled(kBoot));
    rebuilds_.clear();
    ASSERT_EQ(unlink(absl::StrCat(layout_.IndexFile(), suffix).c_str()), 0);
    EXPECT_THAT(index_->ReconciledBootId(), IsOkAndHolds(""));
    ASSERT_THAT(rebuilds_, SizeIs(1));
    EXPECT_THAT(rebuilds_[0].cause, HasSubstr("was removed"));
    EXPECT_THAT(index_->ListVolumes(), IsOkAndHolds(IsEmpty()));
    ExpectRowsOfRecords();
  }
}

TEST_F(IndexRemovalTest, AFileRemovedWhileItIsOpenedIsMadeAnew) {
  WriteRecords();
  index_.reset();
  int left = 3;
  ArmFailpoint("index:opened", [&] {
    if (left > 0 && unlink(layout_.IndexFile().c_str()) == 0) --left;
  });
  Reopen();
  EXPECT_EQ(left, 0);
  ExpectRowsOfRecords();
}

}  // namespace
}  // namespace oneagent
