// csi-sanity against the shipped mounter: every spec of Identity and Node that
// applies to a node plugin, with real overlays of a real cached agent. Only
// the specs of the Controller service, which the mounter does not have, are
// left out; those that need a created volume get it from a stand-in.
#include <sys/statvfs.h>

#include <filesystem>
#include <iostream>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/durable_file.h"
#include "base/mutex.h"
#include "cache/index/index.h"
#include "overlay/mounter.h"
#include "tests/e2e/node.h"
#include "tests/sanity/csi_sanity.h"
#include "tests/sanity/stand_ins.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace oneagent {
namespace {

using testing::Each;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAreArray;

struct Specs {
  const char* subject;
  std::vector<const char*> names;
};

std::vector<std::string> NamesOf(const std::vector<Specs>& specs) {
  std::vector<std::string> names;
  for (const Specs& group : specs) {
    for (const char* const name : group.names) {
      names.push_back(absl::StrCat(group.subject, " ", name));
    }
  }
  return names;
}

// The numbers written down: 13 specs need no controller, 4 more need volumes.
// A run that executes others, or fewer, has failed.
std::vector<std::string> SpecsWithoutController() {
  return NamesOf({
      {"Identity Service GetPluginCapabilities",
       {"should return appropriate capabilities"}},
      {"Identity Service GetPluginInfo",
       {"should return appropriate information"}},
      {"Identity Service Probe", {"should return appropriate information"}},
      {"Node Service NodeGetCapabilities",
       {"should return appropriate capabilities"}},
      {"Node Service NodeGetInfo", {"should return appropriate values"}},
      {"Node Service NodePublishVolume",
       {"should fail when no volume id is provided",
        "should fail when no target path is provided",
        "should fail when no volume capability is provided"}},
      {"Node Service NodeUnpublishVolume",
       {"should fail when no volume id is provided",
        "should fail when no target path is provided"}},
      {"Node Service NodeGetVolumeStats",
       {"should fail when no volume id is provided",
        "should fail when no volume path is provided",
        "should fail when volume is not found"}},
  });
}

constexpr char kRemoveTarget[] = "should remove target path";
constexpr char kMissingOnPath[] =
    "should fail when volume does not exist on the specified path";

std::vector<std::string> AllSpecs() {
  std::vector<std::string> specs = SpecsWithoutController();
  for (std::string& name : NamesOf({
           {"Node Service NodeUnpublishVolume", {kRemoveTarget}},
           {"Node Service NodeGetVolumeStats", {kMissingOnPath}},
           {"Node Service", {"should work", "should be idempotent"}},
       })) {
    specs.push_back(std::move(name));
  }
  return specs;
}

// One publish of each of those four specs, but ten of the idempotent one.
constexpr int kPublishes = 13;

constexpr char kAgentLibrary[] = "agent/lib64/liboneagentproc.so";

// In the names of all specs of the services that a node plugin does not have.
constexpr char kOtherServices[] = "Controller Server";

class CsiSanityTest : public testing::Test {
 protected:
  ~CsiSanityTest() override {
    if (HasFailure()) std::cerr << "--- csi-sanity\n" << output_;
  }

  void FillCache() {
    node_.ApplyDynaKube({.version = kFirstAgentVersion});
    ASSERT_EQ(node_.ProvisionOnce(), 0) << node_.ProvisionerLog();
  }

  void StartMounter() { node_.StartMounter({"--target-check=any"}); }

  // All specs, of volumes with these attributes; `looks` is how each volume
  // was seen when it had been published.
  void ConformsWith(const std::string& run, bool read_only,
                    const std::map<std::string, std::string>& attributes,
                    const std::string& looks) {
    const ControllerStandIn controller(dir_.Path("controller.sock"),
                                       attributes);
    const NodeProxy proxy(dir_.Path("proxy.sock"),
                          {.mounter_socket = node_.socket(),
                           .read_only = read_only,
                           .published = [this](const std::string& target) {
                             MutexLock lock(mu_);
                             seen_.push_back(LookOf(target));
                           }});
    Run(run,
        {.node_socket = dir_.Path("proxy.sock"),
         .controller_socket = dir_.Path("controller.sock"),
         .skip = kOtherServices},
        AllSpecs());
    MutexLock lock(mu_);
    EXPECT_THAT(seen_,
                testing::AllOf(testing::SizeIs(kPublishes), Each(looks)));
  }

  void Run(const std::string& name, SanityRun run,
           const std::vector<std::string>& specs) {
    run.mount_dir = node_.kubelet_dir() + "/sanity";
    run.staging_dir = dir_.Path("staging");
    run.report_path = absl::StrCat(ONEAGENT_SANITY_REPORTS, "/", name, ".xml");
    std::filesystem::create_directories(ONEAGENT_SANITY_REPORTS);
    const absl::StatusOr<SanityReport> report =
        RunCsiSanity(ONEAGENT_CSI_SANITY, run);
    ASSERT_OK(report);
    output_ = report->output;
    EXPECT_EQ(report->exit_code, 0);
    EXPECT_THAT(report->failed, IsEmpty());
    EXPECT_THAT(report->passed, UnorderedElementsAreArray(specs));
    std::cout << "csi-sanity, " << name << ": " << report->passed.size()
              << " of " << specs.size() << " specs passed; " << run.report_path
              << "\n";
    ExpectNothingLeft(run.mount_dir);
  }

  void ExpectNothingLeft(const std::string& mount_dir) {
    EXPECT_EQ(node_.MountCount(), 0);
    // The tool cannot remove it while a target is in it.
    EXPECT_THAT(PathExists(mount_dir), IsOkAndHolds(false));
    auto index =
        Index::Open({.data_dir = node_.layout().data_dir(), .read_only = true});
    ASSERT_OK(index);
    EXPECT_THAT((*index)->ListVolumes(), IsOkAndHolds(IsEmpty()));
    EXPECT_THAT(ListDirectory(node_.layout().VolumesDir()),
                IsOkAndHolds(IsEmpty()));
    const ProgramResult doctor =
        node_.Cli({"doctor", "--min-free=0",
                   absl::StrCat("--endpoint=", node_.socket())});
    EXPECT_EQ(doctor.exit_code, 0) << doctor.out << doctor.err;
  }

  // Kind of each mount, whether it can be written to, and what is in it.
  std::string LookOf(const std::string& target) const {
    std::vector<std::string> looks;
    for (const MountEntry& entry : node_.Mounts()) {
      if (entry.mount_point != target) continue;
      // A bind shows its disk's file system.
      const bool is_host = absl::EndsWith(entry.root, "/host/demo");
      looks.push_back(is_host ? "host storage" : entry.fs_type);
    }
    struct statvfs info = {};
    if (statvfs(target.c_str(), &info) == 0) {
      looks.push_back((info.f_flag & ST_RDONLY) != 0 ? "ro" : "rw");
    }
    for (const char* const file : {kAgentLibrary, kEmptyMarker}) {
      const absl::StatusOr<bool> exists =
          PathExists(absl::StrCat(target, "/", file));
      if (exists.ok() && *exists) looks.push_back(file);
    }
    return absl::StrJoin(looks, " ");
  }

  Node node_;
  TempDir dir_;
  std::string output_;
  Mutex mu_;
  std::vector<std::string> seen_ ABSL_GUARDED_BY(mu_);
};

TEST_F(CsiSanityTest, AppVolumes) {
  FillCache();
  StartMounter();
  ConformsWith("app", /*read_only=*/false,
               {{"mode", "app"}, {"dynakube", "demo"}},
               absl::StrCat("overlay rw ", kAgentLibrary));
}

TEST_F(CsiSanityTest, ReadOnlyAppVolumes) {
  FillCache();
  StartMounter();
  ConformsWith("app-read-only", /*read_only=*/true,
               {{"mode", "app"}, {"dynakube", "demo"}},
               absl::StrCat("overlay ro ", kAgentLibrary));
}

TEST_F(CsiSanityTest, HostVolumes) {
  FillCache();
  StartMounter();
  ConformsWith("host", /*read_only=*/false,
               {{"mode", "host"}, {"dynakube", "demo"}}, "host storage rw");
}

TEST_F(CsiSanityTest, ReadOnlyHostVolumes) {
  FillCache();
  StartMounter();
  ConformsWith("host-read-only", /*read_only=*/true,
               {{"mode", "host"}, {"dynakube", "demo"}}, "host storage ro");
}

// Nothing is cached: what fails open conforms, too.
TEST_F(CsiSanityTest, VolumesThatFailOpen) {
  StartMounter();
  ConformsWith("empty-cache", /*read_only=*/false,
               {{"mode", "app"}, {"dynakube", "demo"}, {"retryTimeout", "0s"}},
               absl::StrCat("tmpfs rw ", kAgentLibrary, " ", kEmptyMarker));
}

TEST_F(CsiSanityTest, TheMountersOwnSocketWithoutStandIns) {
  FillCache();
  StartMounter();
  Run("direct",
      {.node_socket = node_.socket(),
       .skip = absl::StrCat(kOtherServices, "|", kMissingOnPath, "|",
                            kRemoveTarget)},
      SpecsWithoutController());
}

TEST(SanityReportTest, TellsExecutedSpecsFromSkippedOnes) {
  const absl::StatusOr<SanityReport> report = ParseSanityReport(R"(
    <testsuites tests="5"><testsuite tests="5">
      <testcase name="[It] one" status="passed"/>
      <testcase name="[It] two" status="skipped"><skipped/></testcase>
      <testcase name="[It] three" status="failed"><failure/></testcase>
      <testcase name="[It] four" status="panicked"><error/></testcase>
      <testcase name="[It] five" status="timedout"/>
    </testsuite></testsuites>)");
  ASSERT_OK(report);
  EXPECT_THAT(report->passed, ElementsAre("one"));
  EXPECT_THAT(report->skipped, ElementsAre("two"));
  EXPECT_THAT(report->failed, ElementsAre("three", "four", "five"));
}

TEST(SanityReportTest, RefusesWhatIsNoReport) {
  for (const char* const text : {"", "<testsuites", "<html></html>"}) {
    EXPECT_THAT(ParseSanityReport(text),
                StatusIs(absl::StatusCode::kInvalidArgument))
        << text;
  }
}

TEST(SanityReportTest, MissingToolIsAnErrorThatSaysWhatToDo) {
  EXPECT_THAT(RunCsiSanity("/nowhere/csi-sanity", {}),
              StatusIs(absl::StatusCode::kNotFound,
                       testing::HasSubstr("./dev sanity")));
}

}  // namespace
}  // namespace oneagent
