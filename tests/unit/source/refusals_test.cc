#include "cache/source/refusals.h"

#include <string>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "tests/support/fake_clock.h"
#include "tests/support/status_matchers.h"

namespace oneagent {
namespace {

const std::vector<std::string> kAccount = {"proxy", "user", "password"};

TEST(RefusalsTest, AreForgottenAfterAPauseOrWhenTheClockIsSetBack) {
  FakeClock clock;
  Refusals refusals(clock);
  EXPECT_FALSE(refusals.Find(kAccount).has_value());
  refusals.Remember(kAccount, absl::UnauthenticatedError("refused"));
  EXPECT_FALSE(refusals.Find({"proxy", "user", "passwor", "d"}).has_value());
  clock.Advance(Refusals::kPause - absl::Seconds(1));
  ASSERT_TRUE(refusals.Find(kAccount).has_value());
  EXPECT_THAT(*refusals.Find(kAccount),
              StatusIs(absl::StatusCode::kUnauthenticated, "refused"));
  clock.Advance(absl::Seconds(1));
  EXPECT_FALSE(refusals.Find(kAccount).has_value());
  refusals.Remember(kAccount, absl::UnauthenticatedError("refused"));
  clock.Advance(-absl::Seconds(1));
  EXPECT_FALSE(refusals.Find(kAccount).has_value());
}

TEST(RefusalsTest, WhoComesSecondKnowsWhatBecameOfTheFirst) {
  FakeClock clock;
  Refusals refusals(clock);
  refusals.BeginTrial(kAccount);
  bool is_known = false;
  std::thread second([&] {
    refusals.BeginTrial(kAccount);
    is_known = refusals.Find(kAccount).has_value();
    refusals.EndTrial(kAccount, /*accepted=*/false);
  });
  refusals.Remember(kAccount, absl::UnauthenticatedError("refused"));
  refusals.EndTrial(kAccount, /*accepted=*/false);
  second.join();
  EXPECT_TRUE(is_known);
}

TEST(RefusalsTest, WhatWasAcceptedIsTriedByAllAtOnce) {
  FakeClock clock;
  Refusals refusals(clock);
  refusals.BeginTrial(kAccount);
  refusals.EndTrial(kAccount, /*accepted=*/true);
  const absl::Time start = absl::Now();
  for (int i = 0; i < 20; ++i) refusals.BeginTrial(kAccount);
  // Less than one of them would have waited.
  EXPECT_LT(absl::Now() - start, absl::Seconds(3));
  for (int i = 0; i < 20; ++i) refusals.EndTrial(kAccount, /*accepted=*/true);
}

}  // namespace
}  // namespace oneagent
