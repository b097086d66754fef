#include "csi/call_cause.h"

#include <cerrno>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/posix_status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace oneagent {
namespace {

const char kNotSetUp[] =
    "version or digest is not yet set, csi-provisioner hasn't finished setup "
    "yet for dk DynaKube: ";

// As the texts stand in logs; services_metrics_test.cc makes them happen.
TEST(CallCauseTest, FindsTheWordInOurTexts) {
  const struct {
    std::string text;
    CallCause want;
  } kCases[] = {
      {"", CallCause::kNone},
      {absl::StrCat(kNotSetUp, "no such DynaKube"), CallCause::kNoDynakube},
      {absl::StrCat(kNotSetUp, "deleted: no such DynaKube any more"),
       CallCause::kNoDynakube},
      {absl::StrCat(kNotSetUp, "waiting: "), CallCause::kNoAgent},
      {absl::StrCat(kNotSetUp, "ready: agent a1 is missing on disk"),
       CallCause::kNoAgent},
      // What the provisioner met says nothing about this call.
      {absl::StrCat(kNotSetUp,
                    "failed: write /data/staging/a1.part: No space "
                    "left on device"),
       CallCause::kNoAgent},
      {"failed to extract tenant for DynaKube dk: /data/index.db: database is "
       "locked",
       CallCause::kIndex},
      {"failed to mount osagent volume: /data/index.lock: held by another",
       CallCause::kIndex},
      {"failed to extract tenant for DynaKube dk: /data/index.db: database or "
       "disk is full",
       CallCause::kDisk},
      {"failed to mount oneagent volume: mkdir /data/volumes/v: No space left "
       "on device",
       CallCause::kDisk},
      {"failed to mount oneagent volume: open /k/x: Read-only file system",
       CallCause::kDisk},
      {"failed to mount oneagent volume: target path /k/x: no such directory",
       CallCause::kTarget},
      {"failed to mount oneagent volume: /k/x: something is mounted there that "
       "no record of this driver knows",
       CallCause::kTarget},
      {"failed to mount oneagent volume: overlay for /k/x: Invalid argument",
       CallCause::kMount},
      {"umount /k/x: Device or resource busy", CallCause::kBusy},
      {"no turn within the deadline: 20 volume operations at work, 3 waiting",
       CallCause::kQueue},
      {"caller is gone", CallCause::kAbandoned},
      {"failed to mount oneagent volume: the driver is being drained: no "
       "volume gets an agent any more",
       CallCause::kDrained},
      {"mounter is shutting down", CallCause::kShutdown},
      {"something new", CallCause::kOther},
  };
  for (const auto& test : kCases) {
    EXPECT_EQ(CauseOfText(test.text), test.want) << test.text;
  }
}

TEST(CallCauseTest, TheCodeOfARefusalDecides) {
  EXPECT_EQ(CauseOf(absl::OkStatus()), CallCause::kNone);
  EXPECT_EQ(CauseOf(absl::InvalidArgumentError("caller is gone")),
            CallCause::kInvalid);
  EXPECT_EQ(CauseOf(PosixStatus("umount /k", EBUSY)), CallCause::kBusy);
}

TEST(CallCauseTest, EveryCauseHasANameOfItsOwn) {
  const std::vector<std::string> names = CallCauseNames();
  EXPECT_EQ(names.size(), static_cast<size_t>(CallCause::kOther) + 1);
  for (size_t i = 0; i < names.size(); ++i) {
    EXPECT_EQ(names[i], Name(static_cast<CallCause>(i)));
  }
  EXPECT_THAT(names, testing::Contains("other").Times(1));
}

}  // namespace
}  // namespace oneagent
