#include "base/posix_status.h"

#include <cerrno>

#include "absl/strings/cord.h"
#include "tests/support/status_matchers.h"

namespace oneagent {
namespace {

TEST(PosixStatusTest, NamesObjectThenCause) {
  EXPECT_EQ(PosixStatus("rename /a -> /b", ENOSPC).message(),
            "rename /a -> /b: No space left on device");
}

TEST(PosixStatusTest, MapsEachErrnoToWhatACallerCanActOn) {
  const struct {
    int error;
    absl::StatusCode want;
  } cases[] = {
      {ENOENT, absl::StatusCode::kNotFound},
      {EEXIST, absl::StatusCode::kAlreadyExists},
      {EACCES, absl::StatusCode::kPermissionDenied},
      {ENOSPC, absl::StatusCode::kResourceExhausted},
      {EBUSY, absl::StatusCode::kUnavailable},
      {ENOSYS, absl::StatusCode::kUnimplemented},
      {EINVAL, absl::StatusCode::kInternal},
      {EIO, absl::StatusCode::kInternal},
  };
  for (const auto& test : cases) {
    EXPECT_THAT(PosixStatus("x", test.error), StatusIs(test.want))
        << test.error;
  }
}

TEST(AnnotateTest, PutsTheNounBeforeAndKeepsCodeAndPayload) {
  absl::Status status = absl::UnavailableError("busy");
  status.SetPayload("url", absl::Cord("kept"));
  const absl::Status annotated = Annotate(status, "volume csi-1");
  EXPECT_EQ(annotated.message(), "volume csi-1: busy");
  EXPECT_EQ(annotated.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(annotated.GetPayload("url"), absl::Cord("kept"));
  EXPECT_OK(Annotate(absl::OkStatus(), "volume csi-1"));
}

TEST(WithCodeTest, ChangesTheCodeOnly) {
  EXPECT_THAT(
      WithCode(absl::InternalError("why"), absl::StatusCode::kUnavailable),
      StatusIs(absl::StatusCode::kUnavailable, "why"));
  EXPECT_OK(WithCode(absl::OkStatus(), absl::StatusCode::kUnavailable));
}

}  // namespace
}  // namespace oneagent
