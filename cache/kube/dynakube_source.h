// Where DynaKubes come from: one port, two sides. A directory of manifests
// (manifest_dir.h) today, the Kubernetes API later; the reconcile cannot tell
// which it has.
#ifndef CACHE_KUBE_DYNAKUBE_SOURCE_H_
#define CACHE_KUBE_DYNAKUBE_SOURCE_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "proto/dynakube.pb.h"

namespace oneagent {

// Something that could not be read and was left out: one broken manifest, two
// DynaKubes of one name.
struct SourceProblem {
  std::string object;  // "<file>:<line>", or "DynaKube <ns>/<name>"
  std::string cause;
  std::string dynakube = {};  // the one that is affected, if that is known

  bool operator==(const SourceProblem&) const = default;
};

// A Secret or ConfigMap that is there but cannot be read.
struct BrokenObject {
  std::string object;  // "Secret <ns>/<name>"
  std::string cause;

  bool operator==(const BrokenObject&) const = default;
};

// Everything a reconcile needs, read at one moment.
struct ClusterState {
  std::vector<v1::DynaKube> dynakubes;  // by name; names are unique
  std::vector<v1::Secret> secrets;      // string_data folded into data
  std::vector<v1::ConfigMap> config_maps;
  std::vector<BrokenObject> broken_objects;  // in `problems`, too
  std::vector<SourceProblem> problems;
  // True when every DynaKube is known to be in the list: only then may one
  // that is missing be taken for deleted.
  bool complete = true;
};

class DynaKubeSource {
 public:
  virtual ~DynaKubeSource() = default;

  // Unavailable when nothing can be read; the caller keeps its last state.
  virtual absl::StatusOr<ClusterState> List() = 0;

  // Waits until something may have changed since the last List, or `timeout`
  // is over, or Interrupt is called; true when it changed.
  virtual bool WaitForChange(absl::Duration timeout) = 0;
  // OK, or what is not as it should be while all is read and seen all the same:
  // changes are looked for instead of told, another version is read.
  virtual absl::Status WatchHealth() { return absl::OkStatus(); }
  // Ends a WaitForChange, also the next one. Thread-safe.
  virtual void Interrupt() = 0;
};

}  // namespace oneagent

#endif  // CACHE_KUBE_DYNAKUBE_SOURCE_H_
