// The node that the run is played on: the shipped programs, a tenant API on
// loopback, a directory of DynaKubes, kubelet's directory, and a small disk of
// the data directory's own, in a private mount namespace. Does what it is told
// and judges nothing. One thread's, but for the constant paths.
#ifndef TESTS_SOAK_GROUND_H_
#define TESTS_SOAK_GROUND_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "tests/soak/plan.h"
#include "tests/support/daemon.h"
#include "tests/support/temp_dir.h"
#include "tests/support/tenant_api.h"

namespace oneagent {

class Ground {
 public:
  struct Options {
    std::string bin_dir;
    // Empty: the daemons' clock cannot be shifted.
    std::string clock_shim;
    // Where logs go, and what a violation leaves to look at.
    std::string keep_dir;
  };
  // Aborts with a line when something cannot be set up.
  explicit Ground(const Options& options);
  ~Ground();
  Ground(const Ground&) = delete;
  Ground& operator=(const Ground&) = delete;

  std::string socket() const { return dir_.Path("csi.sock"); }
  std::string kubelet_dir() const { return dir_.Path("kubelet"); }
  std::string data_dir() const { return dir_.Path("disk/data"); }
  TenantApiServer& tenant() { return tenant_; }

  // The mounter answers when this returns; false when it does not in time.
  bool StartMounter();
  void StartProvisioner();
  // Null before the first start.
  Daemon* mounter() { return mounter_.get(); }
  Daemon* provisioner() { return provisioner_.get(); }

  void ApplyDynaKube(const std::string& name, const std::string& version);
  void DeleteDynaKube(const std::string& name);

  void DeleteIndex();
  void DamageIndex(Damage damage, uint64_t number);
  // What was set aside before is of no interest any more.
  void ForgetDamagedIndexes();
  void FillDisk();
  void FreeDisk();
  bool can_shift_clock() const { return clock_ != nullptr; }
  void ShiftClock(absl::Duration by);
  void SetClockRight();

  // oneagent-csi --data-dir … `words`, by the daemons' clock.
  ProgramResult Cli(const std::vector<std::string>& words) const;
  // The objects that `oneagent-csi -o json VERB` prints, each field as text.
  // Empty also when it fails.
  std::vector<std::map<std::string, std::string>> CliRows(
      const std::string& verb,
      const std::vector<std::string>& words = {}) const;
  std::vector<std::string> ListDataDir(absl::string_view name) const;

  // Copies the data directory to where the logs are.
  void KeepDataDir() const;

 private:
  std::vector<std::string> ClockVariables() const;
  bool Resize(const std::string& size);
  std::unique_ptr<Daemon> Start(const std::string& program,
                                const std::vector<std::string>& flags);

  const Options options_;
  TempDir dir_;
  TenantApiServer tenant_;
  int64_t* clock_ = nullptr;  // mapped; nanoseconds added to the time
  int starts_ = 0;
  std::unique_ptr<Daemon> mounter_;
  std::unique_ptr<Daemon> provisioner_;
};

}  // namespace oneagent

#endif  // TESTS_SOAK_GROUND_H_
