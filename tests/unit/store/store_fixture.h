// A data directory with an index and a store on it, and verbs to use them.
// Reopen() is a restart of the process.
#ifndef TESTS_UNIT_STORE_STORE_FIXTURE_H_
#define TESTS_UNIT_STORE_STORE_FIXTURE_H_

#include <map>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "cache/index/index.h"
#include "cache/index/layout.h"
#include "cache/store/store.h"
#include "gtest/gtest.h"
#include "tests/support/archive_builder.h"
#include "tests/support/fake_clock.h"
#include "tests/support/leak_check.h"
#include "tests/support/temp_dir.h"

namespace oneagent {

inline constexpr char kBootId[] = "boot-1";

class StoreFixture : public testing::Test {
 protected:
  StoreFixture();

  // A new process on the same directory; Recover is not called.
  void Reopen();
  // Deletes the index, then Reopen.
  void LoseIndex();

  static AgentIdentity Identity(const std::string& version);
  static std::string IdOf(const std::string& version);
  // A small agent that says its version in agent/version.
  static ArchiveBuilder AgentArchive(const std::string& version);

  std::string StagedPath(const std::string& version) const;
  StagedArchive Stage(const std::string& version, const ArchiveBuilder& archive,
                      ArchiveFormat format = ArchiveFormat::kZip) const;
  absl::StatusOr<AgentRow> Install(const std::string& version);
  absl::StatusOr<ConfigRow> InstallConf(const std::string& content);

  // The tenant's current agent (and config) as the provisioner sets them.
  absl::Status SetCurrent(const std::string& dynakube,
                          const std::string& agent_id,
                          const std::string& config_id = "");
  absl::StatusOr<Lease> AcquireLease(const std::string& volume,
                                     const std::string& dynakube);

  // Trees, manifests and rows agree: none without the others, nothing staged
  // but downloads, every tree as its manifest says.
  void ExpectConsistent();

  LeakCheck leaks_;
  TempDir dir_;
  FakeClock clock_;
  Layout layout_;
  std::unique_ptr<Index> index_;
  std::unique_ptr<Store> store_;
};

}  // namespace oneagent

#endif  // TESTS_UNIT_STORE_STORE_FIXTURE_H_
