// Every combination of what can be known of a volume, and what is true then.
#include "csi/volume_verdict.h"

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace oneagent {
namespace {

constexpr char kNow[] = "this boot";
constexpr char kBefore[] = "an earlier boot";
constexpr char kTarget[] = "/pods/uid/mount";

// One account of the volume, or none.
struct Account {
  std::optional<VolumeState> state;
  bool is_of_this_boot = true;

  // What counts: an account of an earlier boot says nothing about a mount.
  std::optional<VolumeState> Now() const {
    return is_of_this_boot ? state : std::nullopt;
  }
  bool IsEarlier() const { return state.has_value() && !is_of_this_boot; }
};

struct Combination {
  Account row;
  Account record;
  std::optional<VolumeState> memory;
  TargetView target;
};

VolumeRow RowOf(VolumeState state, bool is_of_this_boot) {
  const bool is_leased =
      state == VolumeState::kMounting || state == VolumeState::kMounted;
  return {.id = "v",
          .target = kTarget,
          .state = state,
          .agent_id = is_leased ? "a1" : "",
          .boot_id = is_of_this_boot ? kNow : kBefore,
          .reason = state == VolumeState::kEmpty ? "why" : ""};
}

std::optional<VolumeRow> RowOf(const Account& account) {
  if (!account.state) return std::nullopt;
  return RowOf(*account.state, account.is_of_this_boot);
}

Evidence EvidenceOf(const Combination& it) {
  Evidence evidence{.memory = it.memory
                                  ? std::make_optional(RowOf(*it.memory, true))
                                  : std::nullopt,
                    .row = RowOf(it.row),
                    .record = RowOf(it.record),
                    .target = it.target,
                    .shown = std::nullopt};
  if (it.target == TargetView::kAgent) {
    evidence.shown = RowOf(VolumeState::kMounted, true);
    evidence.shown->agent_id = "shown";
  }
  if (it.target == TargetView::kNotice) {
    evidence.shown = RowOf(VolumeState::kEmpty, true);
  }
  return evidence;
}

std::string Text(const std::optional<VolumeState>& state) {
  return state ? Name(*state) : "none";
}

std::string Text(const Combination& it) {
  return absl::StrCat("memory ", Text(it.memory), ", row ", Text(it.row.state),
                      it.row.IsEarlier() ? " (earlier)" : "", ", record ",
                      Text(it.record.state),
                      it.record.IsEarlier() ? " (earlier)" : "", ", target ",
                      static_cast<int>(it.target));
}

std::vector<Account> Accounts() {
  std::vector<Account> all = {{.state = std::nullopt}};
  for (const VolumeState state : {VolumeState::kWaiting, VolumeState::kMounting,
                                  VolumeState::kMounted, VolumeState::kEmpty}) {
    all.push_back({.state = state, .is_of_this_boot = true});
    all.push_back({.state = state, .is_of_this_boot = false});
  }
  return all;
}

std::vector<Combination> EveryCombination() {
  std::vector<Combination> all;
  for (const Account& row : Accounts()) {
    for (const Account& record : Accounts()) {
      for (const auto memory :
           {std::optional<VolumeState>(),
            std::optional<VolumeState>(VolumeState::kWaiting),
            std::optional<VolumeState>(VolumeState::kEmpty)}) {
        for (const TargetView target :
             {TargetView::kGone, TargetView::kDirectory, TargetView::kAgent,
              TargetView::kNotice, TargetView::kForeign, TargetView::kMount,
              TargetView::kUnknown}) {
          all.push_back({row, record, memory, target});
        }
      }
    }
  }
  return all;
}

// Mounted, and not known for ours.
bool IsCovered(const Combination& it) {
  return it.target == TargetView::kForeign || it.target == TargetView::kMount;
}

// A record is written `empty` before its row is: then the row is the older one.
bool SaysEmpty(const Combination& it) {
  if (it.memory) return it.memory == VolumeState::kEmpty;
  return it.row.Now() == VolumeState::kEmpty ||
         it.record.Now() == VolumeState::kEmpty;
}

bool Says(const Combination& it, VolumeState state) {
  if (SaysEmpty(it)) return state == VolumeState::kEmpty;
  if (it.memory) return it.memory == state;
  return it.row.Now() ? it.row.Now() == state : it.record.Now() == state;
}

bool SaysNothing(const Combination& it) {
  return !it.memory && !it.row.Now() && !it.record.Now();
}

bool IsLeased(const Combination& it) {
  return Says(it, VolumeState::kMounting) || Says(it, VolumeState::kMounted);
}

// The first group that a combination belongs to says what is true.
struct Group {
  const char* name;
  std::function<bool(const Combination&)> has;
  Fate want;
};

const std::vector<Group>& Groups() {
  static const auto& groups = *new std::vector<Group>{
      {"what cannot be looked at is in doubt, whatever is on record",
       [](const Combination& it) { return it.target == TargetView::kUnknown; },
       Fate::kInDoubt},
      {"our overlay in the mount table is mounted, whatever is on record",
       [](const Combination& it) { return it.target == TargetView::kAgent; },
       Fate::kMounted},
      {"our tmpfs in the mount table is empty, whatever is on record",
       [](const Combination& it) { return it.target == TargetView::kNotice; },
       Fate::kEmpty},
      {"published empty: by a tmpfs that is not recognized, a bare directory, "
       "or over what somebody mounted",
       SaysEmpty, Fate::kEmpty},
      {"a lease is kept under any mount",
       [](const Combination& it) { return IsCovered(it) && IsLeased(it); },
       Fate::kMounted},
      {"a mount that is none of ours",
       [](const Combination& it) { return it.target == TargetView::kForeign; },
       Fate::kForeign},
      {"a mount that no one has looked at",
       [](const Combination& it) { return it.target == TargetView::kMount; },
       Fate::kInDoubt},
      {"nothing on record, nothing mounted",
       [](const Combination& it) {
         return SaysNothing(it) && !it.row.state && !it.record.state;
       },
       Fate::kNothing},
      {"no mount outlives a reboot", SaysNothing, Fate::kOfEarlierBoot},
      {"failed so far",
       [](const Combination& it) { return Says(it, VolumeState::kWaiting); },
       Fate::kWaiting},
      {"its mount was begun and is not there",
       [](const Combination& it) { return Says(it, VolumeState::kMounting); },
       Fate::kUnfinished},
      {"somebody else unmounted it",
       [](const Combination& it) { return Says(it, VolumeState::kMounted); },
       Fate::kLost},
  };
  return groups;
}

const Group* GroupOf(const Combination& it) {
  for (const Group& group : Groups()) {
    if (group.has(it)) return &group;
  }
  return nullptr;
}

// What no sequence of this program leaves behind. They are judged all the same,
// because disks and people make what no program does.
bool IsImpossible(const Combination& it) {
  // A record is made `mounted` by the reconciler alone, never beside memory.
  if (it.memory && it.record.state == VolumeState::kMounted) return true;
  // Memory is this process's, the reconciler has dealt with an earlier boot.
  return it.memory && (it.row.IsEarlier() || it.record.IsEarlier());
}

TEST(VolumeVerdict, OfEveryCombination) {
  std::vector<int> members(Groups().size());
  int impossible = 0;
  for (const Combination& it : EveryCombination()) {
    SCOPED_TRACE(Text(it));
    const Group* const group = GroupOf(it);
    ASSERT_NE(group, nullptr);
    ++members[static_cast<size_t>(group - Groups().data())];
    impossible += IsImpossible(it) ? 1 : 0;
    const Verdict verdict = Judge(EvidenceOf(it), kNow);
    EXPECT_EQ(verdict.fate, group->want) << group->name;
  }
  EXPECT_THAT(members, testing::Each(testing::Gt(0)));
  EXPECT_GT(impossible, 0);
}

// Whatever else is believed: what a verdict calls mounted has the lease that
// the kernel shows, and what it does not call mounted or lost has none.
TEST(VolumeVerdict, LeasesWhatIsMountedAndNothingElse) {
  for (const Combination& it : EveryCombination()) {
    SCOPED_TRACE(Text(it));
    const Verdict verdict = Judge(EvidenceOf(it), kNow);
    const VolumeRow& volume = verdict.volume;
    switch (verdict.fate) {
      case Fate::kMounted:
        EXPECT_EQ(volume.state, VolumeState::kMounted);
        EXPECT_EQ(volume.agent_id,
                  it.target == TargetView::kAgent ? "shown" : "a1");
        EXPECT_EQ(volume.attempts, 0);
        break;
      case Fate::kEmpty:
        EXPECT_EQ(volume.state, VolumeState::kEmpty);
        EXPECT_EQ(volume.agent_id, "");
        EXPECT_NE(volume.reason, "");
        break;
      case Fate::kUnfinished:
        EXPECT_EQ(volume.state, VolumeState::kWaiting);
        EXPECT_EQ(volume.agent_id, "");
        EXPECT_EQ(volume.cause, Cause::kInterrupted);
        break;
      case Fate::kLost:
        EXPECT_EQ(volume.agent_id, "a1");
        break;
      case Fate::kWaiting:
        EXPECT_EQ(volume.agent_id, "");
        break;
      case Fate::kNothing:
      case Fate::kOfEarlierBoot:
      case Fate::kForeign:
      case Fate::kInDoubt:
        break;
    }
  }
}

TEST(VolumeVerdict, RecordOfAnotherTargetIsNotNewerThanTheRow) {
  Evidence evidence{.row = RowOf(VolumeState::kMounting, true),
                    .record = RowOf(VolumeState::kEmpty, true),
                    .target = TargetView::kDirectory};
  evidence.record->target = "/pods/uid/elsewhere";
  EXPECT_EQ(Judge(evidence, kNow).fate, Fate::kUnfinished);
}

TEST(VolumeVerdict, OfAnEarlierBootTellsWhatMayBeInTheTarget) {
  const Evidence evidence{.row = RowOf(VolumeState::kMounting, false),
                          .record = RowOf(VolumeState::kEmpty, false),
                          .target = TargetView::kDirectory};
  EXPECT_EQ(Judge(evidence, kNow).volume.state, VolumeState::kEmpty);
}

}  // namespace
}  // namespace oneagent
