// Reading back what the CLI printed as JSON, by protobuf's Value: text that is
// no JSON fails the test.
#ifndef TESTS_UNIT_INSPECT_JSON_CHECK_H_
#define TESTS_UNIT_INSPECT_JSON_CHECK_H_

#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>

#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace oneagent {

inline google::protobuf::Value ParseAnyJson(const std::string& text) {
  google::protobuf::Value value;
  const auto status = google::protobuf::util::JsonStringToMessage(text, &value);
  EXPECT_TRUE(status.ok()) << status.ToString() << "\n" << text;
  return value;
}

// Keys of the objects in their printed order: protobuf's maps lose it.
inline std::vector<std::string> PrintedKeys(const std::string& object) {
  std::vector<std::string> keys;
  size_t at = 0;
  while ((at = object.find("\n ", at)) != std::string::npos) {
    const size_t open = object.find('"', at);
    const size_t close = object.find("\":", at);
    if (open == std::string::npos || close == std::string::npos) break;
    keys.push_back(object.substr(open + 1, close - open - 1));
    at = close;
  }
  return keys;
}

}  // namespace oneagent

#endif  // TESTS_UNIT_INSPECT_JSON_CHECK_H_
