// What an API server says and is asked, as text, for the two halves of
// FakeKubeApi. Aborts the test on an object that is not JSON. Pure.
#ifndef TESTS_SUPPORT_FAKE_KUBE_TEXT_H_
#define TESTS_SUPPORT_FAKE_KUBE_TEXT_H_

#include <httplib.h>

#include <cstdint>
#include <string>

namespace oneagent {

inline constexpr char kGroupPath[] = "/apis/dynatrace.com";

struct NamedObject {
  std::string name;
  std::string json;  // on one line, as an API server sends it
};

// `json` with another metadata.resourceVersion, and its name.
NamedObject WithVersion(const std::string& json, int64_t version);

// A line of a watch.
std::string EventLine(const std::string& type, const std::string& object);

// A Status, as the body of a refusal.
std::string StatusBody(int code, const std::string& reason,
                       const std::string& message);

// Objects of a custom resource are the same in each version.
std::string WithoutVersion(const std::string& path);

// The name in fieldSelector=metadata.name=NAME; empty: none.
std::string WantedName(const httplib::Request& request);

// 0: not there, or no number.
int64_t IntParam(const httplib::Request& request, const char* name);

}  // namespace oneagent

#endif  // TESTS_SUPPORT_FAKE_KUBE_TEXT_H_
