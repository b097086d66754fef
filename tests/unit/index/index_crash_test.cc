// Dies at every numbered step of "rebuild" (rebuild.cc) and looks what the
// next process makes of it.
#include <unistd.h>

#include <string>

#include "base/failpoint.h"
#include "tests/support/failpoints.h"
#include "tests/unit/index/child.h"
#include "tests/unit/index/index_damage.h"

namespace oneagent {
namespace {

using testing::Each;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr int kDied = 42;

class IndexCrashTest : public DamagedIndexTest,
                       public testing::WithParamInterface<std::string> {
 protected:
  // A child that opens the index and dies at `step`, the nth time it is there.
  void DieAt(const std::string& step, int nth) {
    EXPECT_EQ(InChild([&] {
                int left = nth;
                ArmFailpoint(step, [&left] {
                  if (--left == 0) _exit(kDied);
                });
                return OpenAnother().ok() ? 0 : 1;
              }),
              kDied);
  }
};

TEST_P(IndexCrashTest, NextProcessRebuildsAWholeIndex) {
  WriteRecords();
  for (const bool damaged : {false, true}) {
    SCOPED_TRACE(damaged ? "damaged" : "missing");
    // Rows, and a log of them that must not come back.
    ASSERT_OK(index_->PutVolume(VolumeOf("before")));
    index_.reset();
    EXPECT_EQ(InChild([&] {
                auto index = OpenAnother();
                if (!index.ok()) return 1;
                if (!(*index)->PutVolume(VolumeOf("ghost")).ok()) return 2;
                _exit(0);
              }),
              0);
    damaged ? Garbage(layout_.IndexFile()) : RemoveIndex();

    DieAt(GetParam(), 1);
    Reopen();

    ExpectRowsOfRecords();
    EXPECT_THAT(index_->ListVolumes(), IsOkAndHolds(IsEmpty()));
    EXPECT_THAT(index_->ReconciledBootId(), IsOkAndHolds(""));
    EXPECT_THAT(Names(), Each(Not(HasSubstr(".new"))));
  }
}

INSTANTIATE_TEST_SUITE_P(EveryStep, IndexCrashTest,
                         testing::ValuesIn(FailpointsOf("rebuild")));

TEST_F(IndexCrashTest, DyingBetweenDatabaseAndLogLosesNeither) {
  WriteRecords();
  for (const int nth : {1, 2, 3}) {
    SCOPED_TRACE(nth);
    index_.reset();
    dir_.WriteFile("index.db", "garbage");
    dir_.WriteFile("index.db-wal", "log");
    DieAt("rebuild:1", nth);
    Reopen();
    ExpectRowsOfRecords();
  }
}

}  // namespace
}  // namespace oneagent
