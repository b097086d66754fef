// A node in a temporary directory: data directory, kubelet directory, real
// index, and a publisher over a mounter that is fake (with Kernel::kNo) or the
// kernel's. Restart and Reboot are ordinary steps of a test.
#ifndef TESTS_UNIT_CSI_VOLUME_WORLD_H_
#define TESTS_UNIT_CSI_VOLUME_WORLD_H_

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "base/unique_fd.h"
#include "cache/index/index.h"
#include "cache/index/layout.h"
#include "csi/mounted_volumes.h"
#include "csi/publisher.h"
#include "csi/unpublisher.h"
#include "csi/volume_book.h"
#include "csi/volume_collector.h"
#include "csi/volume_context.h"
#include "csi/volume_reconciler.h"
#include "csi/volume_request.h"
#include "overlay/mounter.h"
#include "overlay/target_resolver.h"
#include "tests/support/fake_clock.h"
#include "tests/support/fake_mounter.h"
#include "tests/support/temp_dir.h"

namespace oneagent {

inline constexpr char kAgent1[] = "a1a1a1a1a1a1a1a1";
inline constexpr char kAgent2[] = "b2b2b2b2b2b2b2b2";
inline constexpr char kConfig1[] = "c1c1c1c1c1c1c1c1";

class VolumeWorld {
 public:
  enum class Kernel {
    kNo,
    kYes,
    kYesInMemory,  // on a tmpfs: where many worlds would wait for many syncs
  };
  explicit VolumeWorld(Kernel kernel = Kernel::kNo);
  ~VolumeWorld();

  // ---- Steps of a node's life
  void Restart();  // the mounter's process dies and starts
  void Stop();     // closes everything, so that a forked child may Restart
  void Reboot();   // all mounts are gone, another boot id; restarts
  // Another publisher with these options (node-wide attempts).
  void SetMaxAttempts(int32_t attempts);
  void DeleteIndex();  // index.db* removed; restarts
  void BreakIndex();   // its calls answer Unavailable
  void HealIndex();
  ReconcileResult Reconcile();  // must succeed
  VolumeCollection Collect();   // must succeed
  void AgeTrash();              // as if another boot had moved it there

  // ---- The provisioner's part
  void InstallAgent(const std::string& id, const std::string& version);
  void InstallConfig(const std::string& id, absl::string_view conf);
  void SetTenant(const std::string& dynakube, const std::string& agent_id,
                 const std::string& config_id = "",
                 const std::string& tenant_uuid = "uuid-1");
  void DeleteTenantAt(const std::string& dynakube, absl::Time at);

  // ---- kubelet's part
  std::string PodUid(int pod) const;
  std::string Target(int pod) const;
  std::string VolumeId(int pod) const;  // as kubelet computes it
  // The request of a pod; its directory is made unless it was before.
  PublishRequest Request(int pod);
  void RemovePodDirectory(int pod);

  // ---- What can be seen
  std::optional<VolumeRow> Row(const std::string& id);
  std::string StateOf(const std::string& id);  // "none" without a row
  bool IsMounted(int pod);
  bool Exists(const std::string& path) const;
  // "mount", "upper", … in volumes/<id>, sorted; nothing when it is gone.
  std::vector<std::string> VolumeFiles(const std::string& id) const;
  std::vector<std::string> Trash() const;
  int64_t LeasesOf(const std::string& agent_id);
  Mounter& mounter() { return *mounter_; }

 private:
  const Kernel kernel_;

 public:
  TempDir dir;
  const Layout layout;
  const std::string kubelet;
  FakeClock clock;
  FakeMounter fake;
  std::string boot_id = "boot-1";
  std::unique_ptr<Index> index;
  std::unique_ptr<TargetResolver> targets;
  std::unique_ptr<VolumeBook> book;
  std::unique_ptr<MountedVolumes> mounted_volumes;
  std::unique_ptr<VolumeContext> context;
  std::unique_ptr<Publisher> publisher;
  std::unique_ptr<Unpublisher> unpublisher;
  int reconcile_requests = 0;
  // A mount table in the place of the mounter's (or the kernel's) own.
  std::optional<absl::StatusOr<std::vector<MountEntry>>> mounts;

 private:
  // The directory, with a tmpfs of its own mounted on it if there is to be one.
  static std::string Prepared(const TempDir& dir, Kernel kernel);
  void Start();
  absl::StatusOr<std::vector<MountEntry>> ReadTable() const;

  int32_t max_attempts_ = 0;
  UniqueFd index_lock_;  // held while the index is broken
  std::unique_ptr<Mounter> kernel_mounter_;
  Mounter* mounter_ = nullptr;
};

}  // namespace oneagent

#endif  // TESTS_UNIT_CSI_VOLUME_WORLD_H_
