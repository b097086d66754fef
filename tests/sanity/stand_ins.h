// What csi-sanity wants beside a node plugin, which the mounter is not and
// does not become: a controller that makes volumes, and a plugin that says it
// has one. Both are gRPC servers on unix sockets of their own; they serve when
// their constructor returns (aborting when they cannot) and until their
// destructor.
#ifndef TESTS_SANITY_STAND_INS_H_
#define TESTS_SANITY_STAND_INS_H_

#include <functional>
#include <map>
#include <memory>
#include <string>

namespace oneagent {

// CSI Identity and Controller. A created volume is an inline volume as kubelet
// describes it: its id, and as volume_context the attributes with those of the
// pod. Nothing is kept of it.
class ControllerStandIn {
 public:
  ControllerStandIn(const std::string& socket_path,
                    std::map<std::string, std::string> attributes);
  ~ControllerStandIn();
  ControllerStandIn(const ControllerStandIn&) = delete;
  ControllerStandIn& operator=(const ControllerStandIn&) = delete;

 private:
  struct State;
  const std::unique_ptr<State> state_;
};

// CSI Identity and Node, each call forwarded to the mounter and its answer
// given back as it came, but for two things that csi-sanity cannot be told.
class NodeProxy {
 public:
  struct Options {
    std::string mounter_socket;
    // NodePublishVolume goes on with `readonly` set.
    bool read_only = false;
    // Called with the target after each NodePublishVolume that was OK, before
    // the caller has the answer; on a thread of gRPC's.
    std::function<void(const std::string&)> published;
  };

  // GetPluginCapabilities is answered with CONTROLLER_SERVICE added.
  NodeProxy(const std::string& socket_path, Options options);
  ~NodeProxy();
  NodeProxy(const NodeProxy&) = delete;
  NodeProxy& operator=(const NodeProxy&) = delete;

 private:
  struct State;
  const std::unique_ptr<State> state_;
};

}  // namespace oneagent

#endif  // TESTS_SANITY_STAND_INS_H_
