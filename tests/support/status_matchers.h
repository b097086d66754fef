// IsOk(), IsOkAndHolds(m) and StatusIs(code, message matcher) for absl::Status
// and absl::StatusOr; newer Abseil has them under the same names.
#ifndef TESTS_SUPPORT_STATUS_MATCHERS_H_
#define TESTS_SUPPORT_STATUS_MATCHERS_H_

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace oneagent {

inline const absl::Status& StatusOf(const absl::Status& status) {
  return status;
}
template <typename T>
const absl::Status& StatusOf(const absl::StatusOr<T>& status) {
  return status.status();
}

MATCHER(IsOk, "is OK") {
  *result_listener << StatusOf(arg).ToString();
  return StatusOf(arg).ok();
}

MATCHER_P(StatusIs, code,
          "has code " + absl::StatusCodeToString(absl::StatusCode{code})) {
  *result_listener << StatusOf(arg).ToString();
  return StatusOf(arg).code() == code;
}

MATCHER_P2(StatusIs, code, message, "has the code and message") {
  *result_listener << StatusOf(arg).ToString();
  return StatusOf(arg).code() == code &&
         testing::ExplainMatchResult(
             message, std::string(StatusOf(arg).message()), result_listener);
}

MATCHER_P(IsOkAndHolds, matcher, "is OK and holds") {
  if (!arg.ok()) {
    *result_listener << arg.status().ToString();
    return false;
  }
  return testing::ExplainMatchResult(matcher, *arg, result_listener);
}

}  // namespace oneagent

#define ONEAGENT_TEST_CONCAT_INNER(a, b) a##b
#define ONEAGENT_TEST_CONCAT(a, b) ONEAGENT_TEST_CONCAT_INNER(a, b)
#define ASSERT_OK_AND_ASSIGN(lhs, expr)                                     \
  ASSERT_OK_AND_ASSIGN_INNER(ONEAGENT_TEST_CONCAT(test_or_, __LINE__), lhs, \
                             expr)
#define ASSERT_OK_AND_ASSIGN_INNER(tmp, lhs, expr) \
  auto tmp = (expr);                               \
  ASSERT_TRUE(tmp.ok()) << tmp.status();           \
  lhs = *std::move(tmp)
#define ASSERT_OK(expr) ASSERT_THAT((expr), ::oneagent::IsOk())
#define EXPECT_OK(expr) EXPECT_THAT((expr), ::oneagent::IsOk())

#endif  // TESTS_SUPPORT_STATUS_MATCHERS_H_
