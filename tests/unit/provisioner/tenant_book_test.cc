// Record and row of a DynaKube while several write them, or one is lost.
#include "cache/provisioner/tenant_book.h"

#include <sys/stat.h>

#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/durable_file.h"
#include "base/failpoint.h"
#include "cache/store/tree_lock.h"
#include "tests/support/status_matchers.h"
#include "tests/unit/provisioner/node_fixture.h"

namespace oneagent {
namespace {

using testing::HasSubstr;

class TenantBookTest : public NodeFixture {
 protected:
  void TearDown() override { DisarmFailpoints(); }
};

TEST_F(TenantBookTest, ARestoreNeverPutsAnOldRecordOverANewerRow) {
  PutDynaKube("prod");
  Settle();
  TenantRow newer = Row("prod");
  newer.reason = "newer";
  TenantRow behind = newer;
  behind.reason = "a row that is behind its record";
  ASSERT_OK(node_->index->PutTenant(behind));
  std::thread writer;
  ArmFailpoint("book:restore", [&] {
    // The old record was read; whoever writes now has to wait.
    EXPECT_THAT(LockTrees(layout_.TenantsDir(), absl::ZeroDuration()),
                StatusIs(absl::StatusCode::kUnavailable));
    writer = std::thread([&] { EXPECT_OK(node_->book.Write(newer)); });
  });
  EXPECT_OK(node_->book.Restore());
  writer.join();
  EXPECT_EQ(Row("prod").reason, "newer");
  ExpectConsistent();
}

TEST_F(TenantBookTest, ARecordThatCannotBeReadIsNotWrittenOver) {
  PutDynaKube("prod");
  Settle();
  const TenantRow before = Row("prod");
  const std::string record = layout_.TenantRecord("prod");
  node_.reset();
  for (const char* suffix : {"", "-wal", "-shm"}) {
    ASSERT_OK(RemoveFileIfPresent(absl::StrCat(layout_.IndexFile(), suffix)));
  }
  ASSERT_EQ(chmod(record.c_str(), 0), 0);
  Reopen();
  observer_.Reports();
  server_.AddFault("/", Fault::Status(503, "", /*times=*/-1));
  Settle();
  const std::vector<ReconcileReport> reports = observer_.Reports();
  ASSERT_EQ(reports.size(), 1u);
  EXPECT_EQ(reports[0].row.state, TenantState::kFailed);
  EXPECT_THAT(reports[0].row.reason, HasSubstr(record));
  ASSERT_EQ(chmod(record.c_str(), 0600), 0);
  Reopen();
  EXPECT_EQ(Row("prod"), before);
}

}  // namespace
}  // namespace oneagent
