// The provisioner's circumstances for tests: uid 0 without one capability, in
// a private mount namespace where /mnt is a tmpfs of 256 KiB to run full.
//
//   const auto* const kBare = BareProcess::Install();   // once per binary
//
// Install registers a global test environment: everything in the binary then
// runs without capabilities.
#ifndef TESTS_UNIT_STORE_BARE_PROCESS_H_
#define TESTS_UNIT_STORE_BARE_PROCESS_H_

#include "gtest/gtest.h"

namespace oneagent {

inline constexpr char kTinyDisk[] = "/mnt";

class BareProcess : public testing::Environment {
 public:
  static testing::Environment* Install();
  void SetUp() override;
};

}  // namespace oneagent

#endif  // TESTS_UNIT_STORE_BARE_PROCESS_H_
