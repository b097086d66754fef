// What may stand in the index's place that is no index, and cannot be set
// aside.
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "base/privilege.h"
#include "tests/unit/index/child.h"
#include "tests/unit/index/index_damage.h"
#include "tests/unit/index/index_fixture.h"

namespace oneagent {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

class IndexPlaceTest : public DamagedIndexTest {};

// Of the file itself and of those that SQLite opens beside it; a FIFO would
// keep whoever opens it for reading.
TEST_F(IndexPlaceTest, WhatIsNoFileIsNamedAndHoldsUpNobody) {
  PutReadyTenant();
  index_.reset();
  const std::string saved = dir_.Path("saved");
  std::filesystem::rename(layout_.IndexFile(), saved);
  for (const std::string suffix : {"", "-wal", "-shm", "-journal"}) {
    if (!suffix.empty()) {
      std::filesystem::copy_file(saved, layout_.IndexFile(),
                                 std::filesystem::copy_options::skip_existing);
    }
    const std::string path = layout_.IndexFile() + suffix;
    const auto expect_named = [&](const std::string& kind) {
      EXPECT_THAT(OpenAnother(), StatusIs(absl::StatusCode::kUnavailable,
                                          HasSubstr(path + ": is a " + kind)));
      EXPECT_THAT(OpenReadOnly(), StatusIs(absl::StatusCode::kUnavailable,
                                           HasSubstr(path + ": is a " + kind)));
      std::filesystem::remove(path);
    };
    std::filesystem::create_directory(path);
    expect_named("directory");
    std::filesystem::create_symlink(saved, path);
    expect_named("symbolic link");
    ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
    expect_named("FIFO");
  }
  EXPECT_THAT(rebuilds_, IsEmpty());
  EXPECT_OK(OpenAnother());
}

// Uid 0 without capabilities, as the provisioner is.
TEST_F(IndexPlaceTest, UnreadableFileIsSaidToBe) {
  index_.reset();
  ASSERT_EQ(chmod(layout_.IndexFile().c_str(), 0), 0);
  EXPECT_EQ(InChild([&] {
              if (!DropPrivilegesExcept({}).ok()) return 2;
              const absl::Status opened = OpenAnother().status();
              return absl::IsUnavailable(opened) &&
                             opened.message() ==
                                 layout_.IndexFile() + ": Permission denied"
                         ? 0
                         : 1;
            }),
            0);
  EXPECT_OK(OpenAnother());  // with CAP_DAC_OVERRIDE, as the mounter
}

}  // namespace
}  // namespace oneagent
