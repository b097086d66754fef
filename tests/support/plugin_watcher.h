// kubelet's plugin manager, played for tests: watches a directory for plugins'
// sockets and registers what it finds, step by step as kubelet does.
//
// - A name that begins with a dot and what is no socket are ignored; a socket
//   that appears is registered, one that goes away is deregistered; those that
//   are there at the start count as new, in sub-directories too.
// - dial, GetInfo within 1 s, check of versions and of the name, NodeGetInfo at
//   the plugin's endpoint, NotifyRegistrationStatus within 5 s.
// - What fails is tried again with a growing pause, but not once the plugin
//   was accepted: after a failure from NodeGetInfo on, only a new socket helps.
// - A socket that was made anew is deregistered first, then registered.
//
// Its destructor is kubelet's end: no plugin is told. Thread-safe.
#ifndef TESTS_SUPPORT_PLUGIN_WATCHER_H_
#define TESTS_SUPPORT_PLUGIN_WATCHER_H_

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace oneagent {

struct RegisteredDriver {
  std::string socket;    // where it registered itself
  std::string endpoint;  // where it serves CSI
  std::string node_id;
};

class PluginWatcher {
 public:
  struct Options {
    std::string directory;  // plugins_registry
    // kubelet's own: 1 s, 500 ms, 2 min 2 s. Tests are in a hurry.
    absl::Duration loop = absl::Milliseconds(10);
    absl::Duration first_backoff = absl::Milliseconds(20);
    absl::Duration longest_backoff = absl::Seconds(1);
    absl::Duration dial_timeout = absl::Seconds(10);
    // What comes after NodeGetInfo: telling the API server. Null: succeeds.
    std::function<absl::Status(const std::string& driver)> update_csi_node =
        nullptr;
  };
  explicit PluginWatcher(Options options);
  ~PluginWatcher();
  PluginWatcher(const PluginWatcher&) = delete;
  PluginWatcher& operator=(const PluginWatcher&) = delete;

  // By name: what pods can use now.
  std::map<std::string, RegisteredDriver> Drivers() const;

  // What happened so far, in its order: "registered NAME", "deregistered NAME",
  // "refused NAME: WHY", "failed SOCKET: WHY".
  std::vector<std::string> Story() const;

  // Waits until `count` lines of the story begin with `beginning`; false after
  // a minute.
  bool Await(const std::string& beginning, int count = 1) const;

 private:
  struct State;
  const std::unique_ptr<State> state_;
};

}  // namespace oneagent

#endif  // TESTS_SUPPORT_PLUGIN_WATCHER_H_
