#include "cache/source/process_config.h"

#include <google/protobuf/struct.pb.h>

#include <cmath>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "base/text.h"
#include "proto/json.h"

namespace oneagent {
namespace {

using google::protobuf::Struct;
using google::protobuf::Value;

constexpr size_t kMostNamed = 5;
constexpr size_t kLongestName = 80;
// Above it a double, which is what a JSON number is, skips whole numbers.
constexpr double kLargestExact = 9007199254740992.0;

const Value* FieldOf(const Struct& object, const std::string& name) {
  const auto found = object.fields().find(name);
  return found == object.fields().end() ? nullptr : &found->second;
}

std::string NumberText(double number) {
  const bool is_whole =
      std::floor(number) == number && std::fabs(number) <= kLargestExact;
  return is_whole ? absl::StrCat(static_cast<int64_t>(number))
                  : absl::StrFormat("%.15g", number);
}

// nullopt for null, an object and a list. What is missing is empty, as servers
// that leave out what is have it.
std::optional<std::string> TextOf(const Value* value) {
  if (value == nullptr) return "";
  switch (value->kind_case()) {
    case Value::kStringValue:
      return value->string_value();
    case Value::kNumberValue:
      return NumberText(value->number_value());
    case Value::kBoolValue:
      return std::string(value->bool_value() ? "true" : "false");
    case Value::kNullValue:
    case Value::kStructValue:
    case Value::kListValue:
    case Value::KIND_NOT_SET:
      return std::nullopt;
  }
  return std::nullopt;
}

std::string WithoutControl(const std::string& text) {
  std::string plain;
  for (const char c : text) {
    if (!absl::ascii_iscntrl(static_cast<unsigned char>(c))) plain.push_back(c);
  }
  return plain;
}

int64_t RevisionOf(const Struct& answer) {
  const Value* const value = FieldOf(answer, "revision");
  const bool is_number =
      value != nullptr && value->kind_case() == Value::kNumberValue;
  const double number = is_number ? value->number_value() : 0;
  // One that is rounded would hide what is newer.
  if (!(number >= 0 && number < kLargestExact)) return 0;
  return static_cast<int64_t>(number);
}

class PropertyTaker {
 public:
  void Take(const Value& item) {
    const Struct& object = item.struct_value();
    const std::optional<std::string> value = TextOf(FieldOf(object, "value"));
    ConfProperty property = {.section = PlainName(FieldOf(object, "section")),
                             .key = PlainName(FieldOf(object, "key")),
                             .value = WithoutControl(value.value_or(""))};
    const absl::Status status =
        value.has_value()
            ? CheckConfProperty(property)
            : absl::InvalidArgumentError(
                  absl::StrCat("property ", property.section, ".", property.key,
                               ": no text, number or boolean for a value"));
    if (status.ok()) {
      config_.properties.push_back(std::move(property));
    } else if (++refused_ <= kMostNamed) {
      causes_.push_back(ShownText(status.message(), kLongestName));
    }
  }

  ProcessConfig Finish(int64_t revision) && {
    config_.revision = revision;
    config_.left_out = absl::StrJoin(causes_, "; ");
    if (refused_ > kMostNamed) {
      absl::StrAppend(&config_.left_out, "; and ", refused_ - kMostNamed,
                      " more");
    }
    return std::move(config_);
  }

 private:
  static std::string PlainName(const Value* value) {
    return std::string(
        absl::StripAsciiWhitespace(WithoutControl(TextOf(value).value_or(""))));
  }

  ProcessConfig config_;
  std::vector<std::string> causes_;
  size_t refused_ = 0;
};

}  // namespace

absl::StatusOr<ProcessConfig> ParseProcessConfig(absl::string_view json) {
  Struct answer;
  const Value* properties = nullptr;
  // Protobuf's cause quotes the text, which may hold a tenant token.
  const bool is_json = ParseJson(json, &answer).ok();
  if (is_json) properties = FieldOf(answer, "properties");
  if (!is_json || (properties != nullptr &&
                   properties->kind_case() == Value::kStringValue)) {
    return absl::InvalidArgumentError("not the JSON that was expected");
  }
  if (properties == nullptr || properties->list_value().values().empty()) {
    return absl::InvalidArgumentError("empty properties");
  }
  PropertyTaker taker;
  for (const Value& item : properties->list_value().values()) taker.Take(item);
  ProcessConfig config = std::move(taker).Finish(RevisionOf(answer));
  if (!config.properties.empty()) return config;
  return absl::InvalidArgumentError(
      absl::StrCat("no usable properties: ", config.left_out));
}

bool IsEmptyProcessConfig(absl::string_view json) {
  Struct answer;
  if (!ParseJson(json, &answer).ok()) return false;
  const Value* const properties = FieldOf(answer, "properties");
  const Value* const revision = FieldOf(answer, "revision");
  const bool has_revision =
      revision != nullptr && !(revision->kind_case() == Value::kNumberValue &&
                               revision->number_value() == 0);
  return !has_revision &&
         (properties == nullptr || properties->list_value().values().empty());
}

}  // namespace oneagent
