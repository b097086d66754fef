// Injects the faults of a plan into the node, and keeps weather and versions up
// to date with them. One thread's, the one that made the node: its daemons die
// with it.
#ifndef TESTS_SOAK_FAULTS_H_
#define TESTS_SOAK_FAULTS_H_

#include <string>

#include "absl/strings/string_view.h"
#include "tests/soak/ground.h"
#include "tests/soak/journal.h"
#include "tests/soak/plan.h"
#include "tests/soak/version_book.h"
#include "tests/soak/weather.h"

namespace oneagent {

class Faults {
 public:
  // All borrowed.
  Faults(Ground& ground, Journal& journal, WeatherStation& weather,
         VersionBook& versions)
      : ground_(ground),
        journal_(journal),
        weather_(weather),
        versions_(versions) {}
  // The first start of everything, each DynaKube at version 0.
  void Begin();
  void Inject(const FaultPlan& plan);
  // A daemon that ended by itself; one that may have found no room on the disk
  // for its start is started again, as Kubernetes would.
  void Supervise();

  // Ends every fault and wants a version of each DynaKube that is new.
  void ClearUp();
  void StartBothAnew();
  // Notes which DynaKubes have what is wanted; true when all have.
  bool SettleWhatIsReady();
  // SIGTERM to both; what they exit with must be 0.
  void Finish();

 private:
  void Violate(absl::string_view what) { journal_.Violate(what, {}); }
  void KillMounter(bool gently);
  void ReviveMounter();
  void KillProvisioner();
  void ReviveProvisioner();
  void SwitchVersion(const std::string& dynakube, uint64_t number,
                     size_t most_recent);
  void DeleteDynaKube(const std::string& dynakube);
  void TroubleApi(ApiTrouble trouble);
  void DeleteIndexWhileProvisionerStarts();
  void JumpClock(absl::Duration by);
  void SetClockRight();
  void NoteClockJump();
  void Collect();

  Ground& ground_;
  Journal& journal_;
  WeatherStation& weather_;
  VersionBook& versions_;
  // The disk was full since the provisioner was started.
  bool provisioner_saw_full_disk_ = false;
};

}  // namespace oneagent

#endif  // TESTS_SOAK_FAULTS_H_
