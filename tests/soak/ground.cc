#include "tests/soak/ground.h"

#include <fcntl.h>
#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <filesystem>
#include <iostream>
#include <system_error>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "base/durable_file.h"
#include "base/unique_fd.h"
#include "tests/soak/sample_agent.h"
#include "tests/soak/target_view.h"
#include "tests/support/csi_client.h"
#include "tests/support/private_mounts.h"

namespace oneagent {
namespace {

// A few agents, and the uppers of all pods of two minutes: those that are gone
// stay in the trash for one.
constexpr char kDiskSize[] = "768m";
constexpr absl::Duration kLongestStart = absl::Seconds(30);
// Logs of this many starts are kept.
constexpr int kKeptLogs = 8;

[[noreturn]] void Die(const std::string& what) {
  perror(what.c_str());
  abort();
}

void MountDisk(TempDir& dir) {
  EnterPrivateMountNamespace();
  const std::string disk = dir.MakeDir("disk");
  const std::string options = absl::StrCat("mode=700,size=", kDiskSize);
  if (mount("soak", disk.c_str(), "tmpfs", 0, options.c_str()) != 0) Die(disk);
  dir.MakeDir("disk/data");
}

int64_t* MapClock(const std::string& path) {
  const UniqueFd fd(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!fd.ok() || ftruncate(fd.get(), sizeof(int64_t)) != 0) Die(path);
  void* const mapped = mmap(nullptr, sizeof(int64_t), PROT_READ | PROT_WRITE,
                            MAP_SHARED, fd.get(), 0);
  if (mapped == MAP_FAILED) Die(path);
  return static_cast<int64_t*>(mapped);
}

}  // namespace

Ground::Ground(const Options& options) : options_(options) {
  MountDisk(dir_);
  dir_.MakeDir("kubelet/pods");
  dir_.MakeDir("dynakubes");
  std::filesystem::create_directories(options_.keep_dir);
  if (!options_.clock_shim.empty()) clock_ = MapClock(dir_.Path("clock"));
  tenant_.Update([](ServedTenant& state) {
    for (int i = 0; i < kVersions; ++i) {
      state.agents[VersionOf(i)].bytes = SampleAgentZip(VersionOf(i));
    }
  });
}

Ground::~Ground() {
  provisioner_.reset();
  mounter_.reset();
  for (int left = 1000; left > 0; --left) {
    const std::vector<std::string> mounts = MountsBelow(kubelet_dir());
    if (mounts.empty()) break;
    const std::vector<std::string> words = absl::StrSplit(mounts.back(), ' ');
    umount2(words[4].c_str(), MNT_DETACH);
  }
  umount2(dir_.Path("disk").c_str(), MNT_DETACH);
}

std::vector<std::string> Ground::ClockVariables() const {
  if (clock_ == nullptr) return {};
  return {absl::StrCat("LD_PRELOAD=", options_.clock_shim),
          absl::StrCat("SOAK_CLOCK=", dir_.Path("clock"))};
}

std::unique_ptr<Daemon> Ground::Start(const std::string& program,
                                      const std::vector<std::string>& flags) {
  const auto log_of = [&](int start) {
    return absl::StrCat(options_.keep_dir, "/", start, "-", program, ".log");
  };
  ++starts_;
  unlink(log_of(starts_ - kKeptLogs).c_str());
  std::vector<std::string> argv = {absl::StrCat(options_.bin_dir, "/", program),
                                   absl::StrCat("--data-dir=", data_dir())};
  argv.insert(argv.end(), flags.begin(), flags.end());
  // Made before the fork: the child of a process with threads must not
  // allocate.
  const std::vector<std::string> variables = ClockVariables();
  return std::make_unique<Daemon>(argv, log_of(starts_), [&variables] {
    for (const std::string& variable : variables) {
      putenv(const_cast<char*>(variable.c_str()));
    }
  });
}

bool Ground::StartMounter() {
  mounter_.reset();
  mounter_ =
      Start("oneagent-csi-mounter",
            {absl::StrCat("--endpoint=unix://", socket()),
             absl::StrCat("--kubelet-dir=", kubelet_dir()), "--node-id=soak"});
  TestCsiClient client(socket(), TestCsiClient::Connections::kOnePerCall);
  const absl::Time deadline = absl::Now() + kLongestStart;
  while (!client.Probe().ok()) {
    if (absl::Now() > deadline || !mounter_->IsRunning()) return false;
    absl::SleepFor(absl::Milliseconds(2));
  }
  return true;
}

void Ground::StartProvisioner() {
  provisioner_.reset();
  provisioner_ = Start("oneagent-csi-provisioner",
                       {absl::StrCat("--dynakube-dir=", dir_.Path("dynakubes")),
                        "--grace-period=0s", "--keep-versions=0"});
}

void Ground::ApplyDynaKube(const std::string& name,
                           const std::string& version) {
  const std::string manifests = absl::StrCat(
      "apiVersion: dynatrace.com/v1beta6\nkind: DynaKube\nmetadata: {name: ",
      name, ", namespace: dynatrace}\nspec:\n  apiUrl: ", tenant_.api_url(),
      "\n  oneAgent:\n    applicationMonitoring: {version: ", version,
      "}\n---\napiVersion: v1\nkind: Secret\nmetadata: {name: ", name,
      ", namespace: dynatrace}\nstringData: {apiToken: ", kTenantApiToken,
      "}\n");
  const std::string path = dir_.Path(absl::StrCat("dynakubes/", name, ".yaml"));
  if (!WriteFileAtomically(path, manifests, 0600, Durability::kNoSync).ok()) {
    Die(path);
  }
}

void Ground::DeleteDynaKube(const std::string& name) {
  unlink(dir_.Path(absl::StrCat("dynakubes/", name, ".yaml")).c_str());
}

void Ground::DeleteIndex() {
  for (const char* const suffix : {"", "-wal", "-shm"}) {
    unlink(absl::StrCat(data_dir(), "/index.db", suffix).c_str());
  }
}

void Ground::DamageIndex(Damage damage, uint64_t number) {
  constexpr off_t kPage = 4096;
  const std::string path = absl::StrCat(data_dir(), "/index.db");
  const UniqueFd fd(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  struct stat info;
  if (!fd.ok() || fstat(fd.get(), &info) != 0) return;
  const std::string garbage(kPage, static_cast<char>(0xff));
  const off_t pages = info.st_size / kPage;
  ssize_t written = 0;
  switch (damage) {
    case Damage::kHeader:
      written = pwrite(fd.get(), garbage.data(), 100, 0);
      break;
    case Damage::kPage:
      if (pages == 0) break;
      written = pwrite(
          fd.get(), garbage.data(), kPage,
          kPage * static_cast<off_t>(number % static_cast<uint64_t>(pages)));
      break;
    case Damage::kCut:
      written = ftruncate(fd.get(), info.st_size / 2);
      break;
    case Damage::kText:
      written = ftruncate(fd.get(), 0);
      written += pwrite(fd.get(), "no database\n", 12, 0);
      break;
    case Damage::kNothing:
      written = ftruncate(fd.get(), 0);
      break;
  }
  // On a full disk nothing may have been written: then nothing is damaged.
  (void)written;
}

void Ground::ForgetDamagedIndexes() {
  for (const std::string& name : ListDataDir("")) {
    if (absl::StartsWith(name, "index.db.damaged-")) {
      unlink(absl::StrCat(data_dir(), "/", name).c_str());
    }
  }
}

// Leaves the file system no byte beyond those that it holds.
void Ground::FillDisk() {
  struct statvfs info;
  const std::string disk = dir_.Path("disk");
  if (statvfs(disk.c_str(), &info) != 0) Die(disk);
  const uint64_t used = (info.f_blocks - info.f_bfree) * info.f_frsize;
  // It may have grown since it was asked.
  (void)Resize(absl::StrCat(used));
}

void Ground::FreeDisk() {
  if (!Resize(kDiskSize)) Die("free disk");
}

bool Ground::Resize(const std::string& size) {
  return mount("soak", dir_.Path("disk").c_str(), "tmpfs", MS_REMOUNT,
               absl::StrCat("size=", size).c_str()) == 0;
}

void Ground::ShiftClock(absl::Duration by) {
  __atomic_add_fetch(clock_, absl::ToInt64Nanoseconds(by), __ATOMIC_SEQ_CST);
}

void Ground::SetClockRight() { __atomic_store_n(clock_, 0, __ATOMIC_SEQ_CST); }

ProgramResult Ground::Cli(const std::vector<std::string>& words) const {
  std::vector<std::string> argv = {
      absl::StrCat(options_.bin_dir, "/oneagent-csi"),
      absl::StrCat("--data-dir=", data_dir())};
  argv.insert(argv.end(), words.begin(), words.end());
  return RunProgram(argv, ClockVariables());
}

std::vector<std::map<std::string, std::string>> Ground::CliRows(
    const std::string& verb, const std::vector<std::string>& words) const {
  std::vector<std::string> all = {"-o", "json", verb};
  all.insert(all.end(), words.begin(), words.end());
  google::protobuf::ListValue list;
  if (!google::protobuf::util::JsonStringToMessage(Cli(all).out, &list).ok()) {
    return {};
  }
  std::vector<std::map<std::string, std::string>> rows;
  for (const google::protobuf::Value& value : list.values()) {
    std::map<std::string, std::string>& row = rows.emplace_back();
    for (const auto& [name, field] : value.struct_value().fields()) {
      row[name] = field.string_value();
    }
  }
  return rows;
}

std::vector<std::string> Ground::ListDataDir(absl::string_view name) const {
  return ListDirectory(absl::StrCat(data_dir(), "/", name))
      .value_or(std::vector<std::string>());
}

void Ground::KeepDataDir() const {
  using std::filesystem::copy_options;
  std::error_code error;
  std::filesystem::copy(data_dir(), absl::StrCat(options_.keep_dir, "/data"),
                        copy_options::recursive | copy_options::copy_symlinks,
                        error);
  if (error) std::cerr << "soak: keep data: " << error.message() << "\n";
}

}  // namespace oneagent
