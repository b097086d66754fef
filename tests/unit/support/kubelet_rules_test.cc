// The rules that the simulator and every story played with it rest on.
#include "tests/support/kubelet_rules.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace oneagent {
namespace {

TEST(KubeletBackoffTest, DoublesFromHalfASecondToTwoMinutesAndTwoSeconds) {
  absl::Time now = absl::UnixEpoch();
  KubeletBackoff backoff;
  EXPECT_TRUE(backoff.MayTry(now));
  std::vector<double> waits;
  for (int failure = 0; failure < 11; ++failure) {
    backoff.Fail(now);
    waits.push_back(absl::ToDoubleSeconds(backoff.next_try() - now));
    now = backoff.next_try();
  }
  EXPECT_THAT(waits,
              testing::ElementsAre(0.5, 1, 2, 4, 8, 16, 32, 64, 122, 122, 122));
  EXPECT_FALSE(backoff.MayTry(now));
  EXPECT_TRUE(backoff.MayTry(now + absl::Nanoseconds(1)));
}

TEST(JudgePublishTest, FiveCodesAreUncertainAndTheRestFinal) {
  const struct {
    absl::StatusCode code;
    CallVerdict want;
  } kCases[] = {
      {absl::StatusCode::kOk, CallVerdict::kDone},
      {absl::StatusCode::kCancelled, CallVerdict::kUncertain},
      {absl::StatusCode::kUnknown, CallVerdict::kFinal},
      {absl::StatusCode::kInvalidArgument, CallVerdict::kFinal},
      {absl::StatusCode::kDeadlineExceeded, CallVerdict::kUncertain},
      {absl::StatusCode::kNotFound, CallVerdict::kFinal},
      {absl::StatusCode::kAlreadyExists, CallVerdict::kFinal},
      {absl::StatusCode::kPermissionDenied, CallVerdict::kFinal},
      {absl::StatusCode::kResourceExhausted, CallVerdict::kUncertain},
      {absl::StatusCode::kFailedPrecondition, CallVerdict::kFinal},
      {absl::StatusCode::kAborted, CallVerdict::kUncertain},
      {absl::StatusCode::kOutOfRange, CallVerdict::kFinal},
      {absl::StatusCode::kUnimplemented, CallVerdict::kFinal},
      {absl::StatusCode::kInternal, CallVerdict::kFinal},
      {absl::StatusCode::kUnavailable, CallVerdict::kUncertain},
      {absl::StatusCode::kDataLoss, CallVerdict::kFinal},
      {absl::StatusCode::kUnauthenticated, CallVerdict::kFinal},
  };
  for (const auto& test : kCases) {
    EXPECT_EQ(JudgePublish(absl::Status(test.code, "")), test.want)
        << absl::StatusCodeToString(test.code);
  }
}

}  // namespace
}  // namespace oneagent
