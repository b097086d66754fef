// Thirty ways in which CSI drivers have failed on real nodes: double mounts,
// leaked mounts, pods stuck in Terminating, deleted data. For each: what is
// done about it here, and the tests that show it. A test below keeps the list
// complete and its tests in existence.
#include <filesystem>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/defined_tests.h"
#include "tests/support/temp_dir.h"

namespace oneagent {
namespace {

struct EdgeCase {
  int number;
  const char* subject;
  const char* answer;
  std::vector<std::string> tests;  // "Suite.Name"
};

const std::vector<EdgeCase>& EdgeCases() {
  static const auto& cases = *new std::vector<EdgeCase>{
      {1,
       "one volume published twice at the same time",
       "calls for one volume run one after the other; the later one waits",
       {"EdgeCaseTest.Case01_TwentyPublishesOfOneVolumeMakeOneMount",
        "ServicesTest.RetryOfAVolumeAtWorkWaitsForIt"}},
      {2,
       "refusals under load and doubling waits make mass deletion crawl",
       "calls wait for their turn within their deadline; nothing is refused "
       "that can be done in time",
       {"KubeletBurstTest.TwoHundredPodsComeAndGoAtTheFirstAttemptEach",
        "KubeletBurstTest.NobodyIsRefusedWhereFewAreServedAtOnce"}},
      {3,
       "unpublish while a publish is under way that kubelet gave up",
       "it waits for the volume's turn and takes down what the publish made; "
       "a publish whose caller is gone before its turn is not begun",
       {"KubeletDeletionTest.WhilePublishingEndsWithoutAMount",
        "KubeletDeletionTest.OfAllPodsInTheMidstOfTheirStart"}},
      {4,
       "the caller or the driver goes away half way through a publish",
       "numbered steps, the record before the mount; begun work is finished, "
       "and the next call or start finds what a death left",
       {"EdgeCaseTest.Case04_PublishUnderAKubeletThatDiesIsFoundOnDisk",
        "ServicesTest.WorkThatHasBegunIsFinishedThoughItsCallerIsGone",
        "DiedInPublish.PublishAgainComesToOneMountAndUnpublishToNothing"}},
      {5,
       "a kubelet that restarts publishes every live volume again",
       "one statx of the target answers; nothing is touched. (The mount table "
       "is not read: at thousands of mounts that alone takes 36 ms)",
       {"KubeletRestartTest.PublishesAHundredVolumesAgainAndMountsNothing",
        "KubeletRestartTest.WhilePodsAreBeingPublishedLeavesOneMountEach"}},
      {6,
       "several mounts stacked on one target",
       "unpublish unmounts until none is left, and looks again",
       {"EdgeCaseTest.Case06_StackedMountsAllGo",
        "Unmount.RemovesEveryMountThatIsStackedThere"}},
      {7,
       "a mount whose server is dead: stat says ENOTCONN, ESTALE or EIO",
       "an error that only a mount can give counts as one, and it is unmounted "
       "by name without being entered. (Told by statx, not by the mount table)",
       {"EdgeCaseTest.Case07_MountWhoseServerIsDeadGoesWithThePod",
        "MountedTarget.MayHaveLostItsServer",
        "StateFromError.TellsGoneFromBroken"}},
      {8,
       "unpublish says OK though the mount was busy",
       "EBUSY is an error; OK only when target and mount are seen to be gone",
       {"KubeletDeletionTest.PodWaitsForTheFilesThatAreStillOpen",
        "ReferenceDefectsTest.UnpublishOfABusyVolumeDeletesNothing"}},
      {9,
       "lazy unmount: said to be gone, still written to",
       "impossible: the product's umount2 never has MNT_DETACH; layers that a "
       "container may still see stay in the trash for a minute",
       {"EdgeCasesTest.Case09_NothingIsUnmountedLazily",
        "PublisherKernelTest.PrivateCopyOfTheMountReadsOnAfterUnpublish",
        "VolumeCollectorTest.TrashIsEmptiedAfterAMinute"}},
      {10,
       "a runtime that still closes files when kubelet unpublishes",
       "a few short retries inside the call, then kubelet's",
       {"Unmount.TriesAgainWhenAFileIsClosedMeanwhile",
        "KubeletDeletionTest.PodWaitsForTheFilesThatAreStillOpen"}},
      {11,
       "mounts that leak into other namespaces or appear twice",
       "one mount per volume, straight on the target; none inside the data "
       "directory; doctor finds a data directory that is visible twice",
       {"EdgeCaseTest.Case11_NothingIsMountedButTheVolumes",
        "DoctorTest.ADataDirectoryThatIsVisibleTwice",
        "ReferenceDefectsTest.UnpublishUnderAContainersPrivateCopyIsOk"}},
      {12,
       "the directory is deleted before the unmount has got everywhere",
       "umount2 returns when all peers have seen it, and the target is looked "
       "at before its directory is removed",
       {"OverlayMount.IsSeenInAPeerNamespaceAndLeavesItAgain",
        "MountedTarget.IsNotRemoved"}},
      {13,
       "publish says OK because something else is mounted at the target",
       "OK only for a mount that our record names; anything else is "
       "UNAVAILABLE, neither stacked upon nor taken away",
       {"EdgeCaseTest.Case13_ForeignMountIsNotTakenForThePodsVolume",
        "PublisherTest.MountThatNoRecordKnowsIsNeitherStackedNorTakenAway"}},
      {14,
       "a state database that is wrong under load",
       "the index is a cache: records and mount table are the truth, and a "
       "lost index is filled from them while calls go on",
       {"EdgeCaseTest.Case14_IndexLostUnderLoadLosesNoVolume",
        "RecoveryTest.IndexOverwrittenUnderRunningDaemonsIsSetAside"}},
      {15,
       "a file, a link or a full directory where the target should be",
       "UNAVAILABLE naming it; never deleted, never mounted over",
       {"EdgeCaseTest.Case15_WhatIsInTheTargetsPlaceIsKept",
        "PublisherTest.TargetThatIsAFileOrALinkOrFullIsNotTouched"}},
      {16,
       "links in the path of a target",
       "kubelet's directory is opened once, everything below is resolved "
       "without following any",
       {"ReferenceDefectsTest.ALinkAtTheTargetsPlaceIsRefused",
        "PublisherTest.LinkInKubeletsPathIsNotFollowed",
        "Resolve.FollowsALinkThatIsTheKubeletDirectoryItself"}},
      {17,
       "ids, targets and attributes that lead out of their directories",
       "an alphabet for ids, kubelet's exact form for targets, and the pod uid "
       "in the target must be the request's",
       {"ParsePublishRequestTest.RefusesIdsThatAreNoDirectoryNames",
        "TargetForm.ThatIsHostileIsRefused",
        "UnpublisherTest.TargetOutsideKubeletsDirectoryIsNotTouched"}},
      {18,
       "tokens in logs and files",
       "only named keys of a request are logged or kept; secrets are not read",
       {"EdgeCaseTest.Case18_NoTokenIsLoggedOrKept",
        "ServicesTest.LogNamesWhatOperatorsNeedAndNothingElse"}},
      {19,
       "vol_data.json is lost: kubelet never unpublishes",
       "nothing is unmounted inside a publish; the mount and its lease stay "
       "until somebody unpublishes or the machine reboots",
       {"EdgeCaseTest.Case19_VolumeThatKubeletCannotUnpublishStaysWhole",
        "KubeletRebootTest.VolumeWhoseDataThePowerCutEmptiedIsLetGo"}},
      {20,
       "a final error for a volume that is mounted: kubelet deletes under a "
       "live pod",
       "a published volume is recognised without index, tenant or provisioner; "
       "a valid publish never gets a final code",
       {"EdgeCaseTest.Case20_PublishedVolumesStayOkWhateverIsBroken",
        "PublisherTest.PublishedVolumeNeverGetsAnotherTargetOrAFinalCode"}},
      {21,
       "unpublish after a reboot: nothing is mounted",
       "not mounted is OK; the target's directory goes",
       {"KubeletRebootTest.PodsComeBackInPlaceAndOthersAreGone",
        "RecoveryTest.UnpublishAfterARebootIsOk"}},
      {22,
       "no unpublish at all",
       "the mounter collects what is unmounted and whose pod directory is gone",
       {"KubeletDeletionTest.WithoutAnyUnpublishIsCollectedByTheMounter",
        "DiedInPublish.PodThatIsGoneIsCollected"}},
      {23,
       "a driver that forgets its volumes when it restarts",
       "records and index lie in the data directory, which outlives the "
       "container; every start reconciles them with the mount table",
       {"KubeletRestartTest.TogetherWithAKilledMounterKeepsTheMounts",
        "KubeletRestartTest.OfTheMounterInABurstLosesAndLeaksNothing"}},
      {24,
       "the driver is gone before the pods are",
       "mounts work on without it, deleted pods wait and go when it is back. "
       "(To be the last pod on a node is a matter of tolerations)",
       {"KubeletRestartTest.PodsDeletedWhileTheDriverIsDownGoWhenItIsBack",
        "RecoveryTest.MounterKilledPodsGoOnAndTheVolumeIsKnownAgain"}},
      {25,
       "registration refused, its socket stale or removed: kubelet never asks "
       "again by itself",
       "dead sockets go before the start, a refusal or a removal is answered "
       "by a new socket; until then pods wait and lose nothing",
       {"MounterRegistrationTest.RefusalIsSaidAndEndsInARegistration",
        "MounterRegistrationTest.SocketThatSomebodyRemovesComesBack",
        "MounterRegistrationTest.DeadSocketIsRemovedBeforeTheMounterServes",
        "KubeletRestartTest.OfAMounterThatRegistersItselfServesWhoWaited"}},
      {26,
       "a mount table of thousands of lines",
       "one mount per volume; no call reads the table",
       {"EdgeCaseTest.Case26_NoCallReadsTheMountTable",
        "KubeletBurstTest.TwoHundredPodsComeAndGoAtTheFirstAttemptEach"}},
      {27,
       "optional fields, octal escapes, empty sources and deleted paths in the "
       "mount table",
       "a parser of its own, fuzzed",
       {"ParseMountinfo.ReadsEveryField", "ParseMountinfo.DecodesOctalEscapes",
        "ParseMountinfo.TakesAnyNumberOfOptionalFields",
        "ParseMountinfo.TakesAnEmptySource"}},
      {28,
       "a bind within one file system does not look like a mount",
       "the kernel's own mount-root attribute is asked, not device numbers",
       {"EdgeCaseTest.Case28_BindWithinOneFileSystemIsKnownForAMount"}},
      {29,
       "a stat that hangs",
       "stats touch the data directory only; the target is looked at without "
       "asking its file system",
       {"EdgeCaseTest.Case29_ServerThatNeverAnswersHangsNobody"}},
      {30,
       "a liveness probe that kills the driver while it waits for its cache",
       "Probe is ready as soon as calls are answered; what is missing is "
       "UNAVAILABLE from publish",
       {"EdgeCaseTest.Case30_ProbeIsReadyBeforeAnyAgentIsThere",
        "ServicesTest.ProbeIsAnsweredWhileEveryWorkerIsStuck"}},
  };
  return cases;
}

// Calls `look` with path and content of each .cc file below a folder.
void ForEachSource(
    const std::string& folder,
    const std::function<void(const std::string&, std::string)>& look) {
  for (const auto& entry : std::filesystem::recursive_directory_iterator(
           absl::StrCat(ONEAGENT_SOURCE_DIR, "/", folder))) {
    if (entry.path().extension() != ".cc") continue;
    look(entry.path().string(), ReadTestFile(entry.path().string()));
  }
}

TEST(EdgeCasesTest, EachOfTheThirtyHasATestThatExists) {
  const std::set<std::string> defined = DefinedTests();
  ASSERT_GT(defined.size(), 500u);
  int number = 0;
  std::set<std::string> named;
  for (const EdgeCase& edge_case : EdgeCases()) {
    EXPECT_EQ(edge_case.number, ++number);
    EXPECT_FALSE(edge_case.tests.empty()) << edge_case.subject;
    for (const std::string& test : edge_case.tests) {
      EXPECT_TRUE(defined.contains(test)) << edge_case.number << ": " << test;
      named.insert(test);
    }
  }
  EXPECT_EQ(number, 30);
  for (const std::string& test : defined) {
    if (!absl::StrContains(test, ".Case")) continue;
    EXPECT_TRUE(named.contains(test)) << test << " is not in the list";
  }
}

TEST(EdgeCasesTest, Case09_NothingIsUnmountedLazily) {
  int unmounts = 0;
  for (const char* const folder : {"base", "cache", "csi", "overlay"}) {
    ForEachSource(folder,
                  [&](const std::string& path, const std::string& text) {
                    EXPECT_FALSE(absl::StrContains(text, "MNT_DETACH")) << path;
                    EXPECT_FALSE(absl::StrContains(text, "MNT_FORCE")) << path;
                    if (absl::StrContains(text, "umount2(")) ++unmounts;
                  });
  }
  EXPECT_GT(unmounts, 0);
}

}  // namespace
}  // namespace oneagent
