#include "tests/support/plugin_watcher.h"

#include <grpcpp/grpcpp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/durable_file.h"
#include "base/mutex.h"
#include "base/posix_status.h"
#include "base/status_macros.h"
#include "base/unique_fd.h"
#include "csi/grpc_status.h"
#include "proto/pluginregistration.grpc.pb.h"
#include "tests/support/csi_client.h"

namespace oneagent {
namespace {

using ::pluginregistration::PluginInfo;

constexpr char kPluginType[] = "CSIPlugin";
constexpr absl::Duration kGetInfoTimeout = absl::Seconds(1);
constexpr absl::Duration kNotifyTimeout = absl::Seconds(5);
constexpr absl::Duration kPatience = absl::Minutes(1);
constexpr uint32_t kEvents = IN_CREATE | IN_MOVED_TO | IN_DELETE;

// A connection to one plugin.
class Plugin {
 public:
  Plugin(const std::string& socket, absl::Duration dial_timeout)
      : dial_timeout_(dial_timeout) {
    grpc::ChannelArguments arguments;
    // What Go's client makes of the path when nobody says otherwise.
    arguments.SetString(GRPC_ARG_DEFAULT_AUTHORITY, socket);
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 20);
    arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 100);
    channel_ = grpc::CreateCustomChannel(absl::StrCat("unix:", socket),
                                         grpc::InsecureChannelCredentials(),
                                         arguments);
    stub_ = ::pluginregistration::Registration::NewStub(channel_);
  }

  absl::StatusOr<PluginInfo> GetInfo() {
    RETURN_IF_ERROR(Dial());
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + kGetInfoTimeout));
    PluginInfo info;
    RETURN_IF_ERROR(FromGrpcStatus(
        stub_->GetInfo(&context, ::pluginregistration::InfoRequest(), &info)));
    return info;
  }
  absl::Status Notify(const absl::Status& registered) {
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + kNotifyTimeout));
    ::pluginregistration::RegistrationStatus status;
    status.set_plugin_registered(registered.ok());
    status.set_error(std::string(registered.message()));
    ::pluginregistration::RegistrationStatusResponse response;
    return FromGrpcStatus(
        stub_->NotifyRegistrationStatus(&context, status, &response));
  }

 private:
  absl::Status Dial() {
    if (channel_->WaitForConnected(
            absl::ToChronoTime(absl::Now() + dial_timeout_))) {
      return absl::OkStatus();
    }
    return absl::UnavailableError("failed to dial socket");
  }

  const absl::Duration dial_timeout_;
  std::shared_ptr<grpc::Channel> channel_;  // shared with gRPC
  std::unique_ptr<::pluginregistration::Registration::Stub> stub_;
};

bool IsVersionOne(absl::string_view version) {
  return absl::StartsWith(version, "1.") || absl::StartsWith(version, "v1.");
}

}  // namespace

struct PluginWatcher::State {
  explicit State(Options wanted) : options(std::move(wanted)) {}

  struct Actual {
    int generation = 0;
    std::string name;
  };
  struct Backoff {
    absl::Time until;
    absl::Duration pause;
  };

  void WatchDirectory(const std::string& path);
  void Appeared(const std::string& path);
  void ReadEvents();
  void Handle(const inotify_event& event);
  void Reconcile();
  void Loop();

  void Deregister(const Actual& plugin);
  // What kubelet counts as failed, and tries again if it may.
  absl::Status Register(const std::string& socket, int generation);
  absl::Status Validate(const PluginInfo& info) const;
  absl::Status RegisterCsiDriver(const std::string& socket,
                                 const PluginInfo& info);
  absl::Status Refuse(Plugin& plugin, const std::string& name,
                      const absl::Status& why);
  void Tell(std::string line);

  const Options options;
  UniqueFd inotify{inotify_init1(IN_CLOEXEC | IN_NONBLOCK)};
  UniqueFd stop{eventfd(0, EFD_CLOEXEC)};
  // Of the loop's thread.
  std::map<int, std::string> watched;  // descriptor to directory
  int generations = 0;
  std::map<std::string, int> desired;  // socket to generation
  std::map<std::string, Actual> actual;
  std::map<std::string, Backoff> backoffs;

  mutable Mutex mu;
  mutable CondVar changed;
  std::map<std::string, RegisteredDriver> drivers ABSL_GUARDED_BY(mu);
  std::vector<std::string> story ABSL_GUARDED_BY(mu);

  std::thread thread;
};

void PluginWatcher::State::Tell(std::string line) {
  MutexLock lock(mu);
  story.push_back(std::move(line));
  changed.NotifyAll();
}

void PluginWatcher::State::WatchDirectory(const std::string& path) {
  const int watch = inotify_add_watch(inotify.get(), path.c_str(), kEvents);
  if (watch < 0) {
    std::perror(path.c_str());
    std::abort();
  }
  watched[watch] = path;
  const absl::StatusOr<std::vector<std::string>> names = ListDirectory(path);
  if (!names.ok()) return;  // gone again
  for (const std::string& name : *names) {
    if (name[0] != '.') Appeared(absl::StrCat(path, "/", name));
  }
}

void PluginWatcher::State::Appeared(const std::string& path) {
  struct stat info;
  if (stat(path.c_str(), &info) != 0) return;
  if (S_ISDIR(info.st_mode)) WatchDirectory(path);
  if (S_ISSOCK(info.st_mode)) desired[path] = ++generations;
}

void PluginWatcher::State::Handle(const inotify_event& event) {
  const auto directory = watched.find(event.wd);
  if (directory == watched.end() || event.len == 0) return;
  const std::string path = absl::StrCat(directory->second, "/", event.name);
  if ((event.mask & IN_DELETE) != 0) {
    desired.erase(path);
  } else if (event.name[0] != '.') {
    Appeared(path);
  }
}

void PluginWatcher::State::ReadEvents() {
  alignas(inotify_event) std::array<char, 16384> buffer;
  for (;;) {
    const ssize_t size = read(inotify.get(), buffer.data(), buffer.size());
    if (size <= 0) return;
    for (size_t at = 0; at < static_cast<size_t>(size);) {
      const auto* const event =
          reinterpret_cast<const inotify_event*>(buffer.data() + at);
      Handle(*event);
      at += sizeof(inotify_event) + event->len;
    }
  }
}

void PluginWatcher::State::Loop() {
  WatchDirectory(options.directory);
  for (;;) {
    pollfd fds[] = {{.fd = stop.get(), .events = POLLIN, .revents = 0},
                    {.fd = inotify.get(), .events = POLLIN, .revents = 0}};
    poll(fds, 2, static_cast<int>(absl::ToInt64Milliseconds(options.loop)));
    if (fds[0].revents != 0) return;
    ReadEvents();
    Reconcile();
  }
}

void PluginWatcher::State::Reconcile() {
  for (auto it = actual.begin(); it != actual.end();) {
    const auto wanted = desired.find(it->first);
    if (wanted != desired.end() && wanted->second == it->second.generation) {
      ++it;
      continue;
    }
    Deregister(it->second);
    backoffs.erase(it->first);
    it = actual.erase(it);
  }
  for (const auto& [socket, generation] : desired) {
    if (actual.contains(socket)) continue;
    const auto backoff = backoffs.find(socket);
    if (backoff != backoffs.end() && absl::Now() < backoff->second.until) {
      continue;
    }
    const absl::Status status = Register(socket, generation);
    if (status.ok()) {
      backoffs.erase(socket);
      continue;
    }
    Backoff& next = backoffs[socket];
    next.pause = std::clamp(next.pause * 2, options.first_backoff,
                            options.longest_backoff);
    next.until = absl::Now() + next.pause;
  }
}

void PluginWatcher::State::Deregister(const Actual& plugin) {
  {
    MutexLock lock(mu);
    drivers.erase(plugin.name);
  }
  Tell(absl::StrCat("deregistered ", plugin.name));
}

absl::Status PluginWatcher::State::Refuse(Plugin& plugin,
                                          const std::string& name,
                                          const absl::Status& why) {
  Tell(absl::StrCat("refused ", name, ": ", why.message()));
  RETURN_IF_ERROR(plugin.Notify(why));
  return why;
}

absl::Status PluginWatcher::State::Register(const std::string& socket,
                                            int generation) {
  Plugin plugin(socket, options.dial_timeout);
  absl::StatusOr<PluginInfo> info = plugin.GetInfo();
  if (!info.ok()) {
    Tell(absl::StrCat("failed ", socket, ": ", info.status().message()));
    return info.status();
  }
  if (info->type() != kPluginType) {
    return Refuse(plugin, info->name(),
                  absl::NotFoundError(absl::StrCat(
                      "no handler registered for plugin type: ", info->type(),
                      " at socket ", socket)));
  }
  if (info->endpoint().empty()) info->set_endpoint(socket);
  const absl::Status valid = Validate(*info);
  if (!valid.ok()) return Refuse(plugin, info->name(), valid);
  // From here on it is not tried again.
  actual[socket] = {.generation = generation, .name = info->name()};
  const absl::Status registered = RegisterCsiDriver(socket, *info);
  if (!registered.ok()) return Refuse(plugin, info->name(), registered);
  RETURN_IF_ERROR(plugin.Notify(absl::OkStatus()));
  Tell(absl::StrCat("registered ", info->name()));
  return absl::OkStatus();
}

absl::Status PluginWatcher::State::Validate(const PluginInfo& info) const {
  if (!std::any_of(info.supported_versions().begin(),
                   info.supported_versions().end(), IsVersionOne)) {
    return absl::InvalidArgumentError("no supported version 1.x");
  }
  MutexLock lock(mu);
  if (!drivers.contains(info.name())) return absl::OkStatus();
  return absl::AlreadyExistsError(
      absl::StrCat("another driver with the same name is already registered: ",
                   info.name()));
}

absl::Status PluginWatcher::State::RegisterCsiDriver(const std::string& socket,
                                                     const PluginInfo& info) {
  TestCsiClient csi(info.endpoint(), TestCsiClient::Connections::kOnePerCall);
  const absl::StatusOr<std::string> node_id = csi.GetNodeId();
  if (!node_id.ok()) {
    // As Go prints it.
    return absl::UnknownError(absl::StrCat(
        "rpc error: code = ", absl::StatusCodeToString(node_id.status().code()),
        " desc = ", node_id.status().message()));
  }
  if (node_id->empty()) return absl::InternalError("empty node id");
  if (options.update_csi_node) {
    RETURN_IF_ERROR(options.update_csi_node(info.name()));
  }
  MutexLock lock(mu);
  drivers[info.name()] = {
      .socket = socket, .endpoint = info.endpoint(), .node_id = *node_id};
  return absl::OkStatus();
}

PluginWatcher::PluginWatcher(Options options)
    : state_(std::make_unique<State>(std::move(options))) {
  state_->thread = std::thread([this] { state_->Loop(); });
}

PluginWatcher::~PluginWatcher() {
  eventfd_write(state_->stop.get(), 1);
  state_->thread.join();
}

std::map<std::string, RegisteredDriver> PluginWatcher::Drivers() const {
  MutexLock lock(state_->mu);
  return state_->drivers;
}

std::vector<std::string> PluginWatcher::Story() const {
  MutexLock lock(state_->mu);
  return state_->story;
}

bool PluginWatcher::Await(const std::string& beginning, int count) const {
  const absl::Time until = absl::Now() + kPatience;
  MutexLock lock(state_->mu);
  for (;;) {
    const auto found = std::count_if(state_->story.begin(), state_->story.end(),
                                     [&](const std::string& line) {
                                       return absl::StartsWith(line, beginning);
                                     });
    if (found >= count) return true;
    const absl::Duration left = until - absl::Now();
    if (left <= absl::ZeroDuration()) return false;
    state_->changed.WaitFor(state_->mu, left);
  }
}

}  // namespace oneagent
