#include "csi/grpc_status.h"

#include <grpcpp/support/status.h>

#include <string>

#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"

namespace oneagent {
namespace {

TEST(GrpcStatusTest, EveryCodeKeepsItsNumberThereAndBack) {
  for (int code = 1; code <= 16; ++code) {
    const absl::Status status(static_cast<absl::StatusCode>(code), "cause");
    const grpc::Status grpc_status = ToGrpcStatus(status);
    EXPECT_EQ(static_cast<int>(grpc_status.error_code()), code);
    EXPECT_EQ(grpc_status.error_message(), "cause");
    EXPECT_EQ(FromGrpcStatus(grpc_status), status);
  }
  EXPECT_TRUE(ToGrpcStatus(absl::OkStatus()).ok());
  EXPECT_OK(FromGrpcStatus(grpc::Status::OK));
}

TEST(GrpcStatusTest, PayloadsNeverBecomeDetails) {
  absl::Status status = absl::InternalError("cause");
  status.SetPayload("oneagent/x", absl::Cord("payload"));
  EXPECT_EQ(ToGrpcStatus(status).error_details(), "");
}

TEST(GrpcStatusTest, LongMessageIsCutBetweenCharacters) {
  const std::string euros = [] {
    std::string text = "x";
    for (int i = 0; i < 1000; ++i) text += "\xE2\x82\xAC";
    return text;
  }();
  const std::string cut =
      ToGrpcStatus(absl::UnavailableError(euros)).error_message();
  EXPECT_LE(cut.size(), 1027u);
  EXPECT_EQ(cut.substr(cut.size() - 3), "...");
  // 1 byte, whole characters of 3 bytes, 3 dots.
  EXPECT_EQ((cut.size() - 4) % 3, 0u);
}

TEST(GrpcStatusTest, UnknownNumberOfAnotherServerIsUnknown) {
  EXPECT_THAT(FromGrpcStatus(grpc::Status(grpc::StatusCode::DO_NOT_USE, "x")),
              StatusIs(absl::StatusCode::kUnknown, "x"));
}

}  // namespace
}  // namespace oneagent
