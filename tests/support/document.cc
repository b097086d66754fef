#include "tests/support/document.h"

#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <regex>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "gtest/gtest.h"

namespace oneagent {
namespace {

std::vector<std::string> CodesIn(absl::string_view cell) {
  std::vector<std::string> codes;
  const std::vector<std::string> parts = absl::StrSplit(cell, '`');
  for (size_t i = 1; i + 1 < parts.size(); i += 2) codes.push_back(parts[i]);
  return codes;
}

// "properties" of docs/log.schema.json.
google::protobuf::Struct SchemaProperties() {
  google::protobuf::Struct schema;
  const auto status = google::protobuf::util::JsonStringToMessage(
      ReadSourceTreeFile("docs/log.schema.json"), &schema);
  EXPECT_TRUE(status.ok()) << status.ToString();
  const auto properties = schema.fields().find("properties");
  EXPECT_TRUE(properties != schema.fields().end());
  return properties == schema.fields().end()
             ? google::protobuf::Struct()
             : properties->second.struct_value();
}

// What the schema, as far as ours goes, says of one value.
bool IsInSchema(const google::protobuf::Struct& properties,
                const std::string& key, const std::string& value) {
  const auto found = properties.fields().find(key);
  if (found == properties.fields().end()) return false;
  const auto& rules = found->second.struct_value().fields();
  const auto pattern = rules.find("pattern");
  if (pattern != rules.end()) {
    return std::regex_search(value, std::regex(pattern->second.string_value()));
  }
  const auto allowed = rules.find("enum");
  if (allowed == rules.end()) return true;
  const auto& values = allowed->second.list_value().values();
  return std::any_of(values.begin(), values.end(), [&](const auto& each) {
    return each.string_value() == value;
  });
}

// "| a | b |" in cells.
std::vector<std::string> CellsOf(absl::string_view line) {
  constexpr char kBar[] = "\x01";
  const std::string whole =
      absl::StrReplaceAll(line.substr(1, line.size() - 2), {{"\\|", kBar}});
  std::vector<std::string> cells = absl::StrSplit(whole, '|');
  for (std::string& cell : cells) {
    absl::StripAsciiWhitespace(&cell);
    absl::StrReplaceAll({{kBar, "|"}}, &cell);
  }
  return cells;
}

}  // namespace

std::string ReadSourceTreeFile(const std::string& path) {
  std::ifstream in(absl::StrCat(ONEAGENT_SOURCE_DIR, "/", path));
  EXPECT_TRUE(in.good()) << path;
  return std::string((std::istreambuf_iterator<char>(in)), {});
}

std::vector<DocumentRow> TableRows(absl::string_view markdown) {
  std::vector<DocumentRow> rows;
  std::string heading;
  int number = 0;
  bool in_table = false;
  for (absl::string_view line : absl::StrSplit(markdown, '\n')) {
    ++number;
    if (absl::StartsWith(line, "#")) {
      heading = absl::StrReplaceAll(
          absl::StripAsciiWhitespace(line.substr(line.find(' '))), {{"`", ""}});
    }
    if (!absl::StartsWith(line, "|")) {
      in_table = false;
      continue;
    }
    if (!std::exchange(in_table, true)) continue;  // the head
    if (absl::StartsWith(line, "|-") || absl::StartsWith(line, "|:")) continue;
    DocumentRow row = {.heading = heading, .line = number};
    row.cells = CellsOf(line);
    for (const std::string& cell : row.cells) {
      row.codes.push_back(CodesIn(cell));
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

LogDocument ReadLogDocument() {
  LogDocument document;
  for (const DocumentRow& row :
       TableRows(ReadSourceTreeFile("docs/logging.md"))) {
    if (row.heading == "Fields") {
      document.fields[row.codes[0].at(0)] = row.cells.at(1);
    }
    if (!absl::StartsWith(row.heading, "mounter/") &&
        !absl::StartsWith(row.heading, "provisioner/")) {
      continue;
    }
    document.components.insert(row.heading);
    for (const std::string& text : row.codes[0]) {
      LogDocument::Message& message = document.messages[{row.heading, text}];
      const std::vector<std::string> levels =
          absl::StrSplit(row.cells.at(1), ", ");
      message.levels = {levels.begin(), levels.end()};
      message.fields = {row.codes.at(2).begin(), row.codes.at(2).end()};
    }
  }
  return document;
}

std::set<std::string> LogSchemaProperties() {
  std::set<std::string> names;
  const google::protobuf::Struct properties = SchemaProperties();
  for (const auto& [name, unused] : properties.fields()) {
    names.insert(name);
  }
  return names;
}

std::map<std::string, std::string> LogFieldsOf(absl::string_view line) {
  google::protobuf::Struct parsed;
  const auto status =
      google::protobuf::util::JsonStringToMessage(std::string(line), &parsed);
  EXPECT_TRUE(status.ok()) << line;
  std::map<std::string, std::string> fields;
  for (const auto& [key, value] : parsed.fields()) {
    EXPECT_TRUE(value.has_string_value()) << key << " of " << line;
    fields[key] = value.string_value();
  }
  return fields;
}

std::string CheckLogLine(absl::string_view line, const LogDocument& document) {
  std::map<std::string, std::string> fields = LogFieldsOf(line);
  static const auto* const kProperties =
      new google::protobuf::Struct(SchemaProperties());
  for (const auto& [key, value] : fields) {
    if (!IsInSchema(*kProperties, key, value)) {
      return absl::StrCat("the schema does not allow ", key, " '", value, "'");
    }
  }
  const auto known =
      document.messages.find({fields["component"], fields["message"]});
  if (known == document.messages.end()) {
    return absl::StrCat("message of ", fields["component"],
                        " is not in docs/logging.md: ", fields["message"]);
  }
  if (!known->second.levels.contains(fields["level"])) {
    return absl::StrCat("level ", fields["level"],
                        " is not in docs/logging.md");
  }
  for (const auto& [key, value] : fields) {
    const bool is_fixed = key == "time" || key == "level" ||
                          key == "component" || key == "message" ||
                          key == "dropped_lines";
    if (is_fixed || known->second.fields.contains(key)) continue;
    return absl::StrCat("field ", key, " of '", fields["message"],
                        "' is not in docs/logging.md");
  }
  return "";
}

}  // namespace oneagent
