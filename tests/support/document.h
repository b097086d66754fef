// Reads the tables of the documents in docs/, for tests that compare them with
// what the programs do.
#ifndef TESTS_SUPPORT_DOCUMENT_H_
#define TESTS_SUPPORT_DOCUMENT_H_

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"

namespace oneagent {

// One row of a table: what stands in `code` of each cell, and each cell.
struct DocumentRow {
  std::string heading;  // the nearest one above, without its # and quotes
  int line = 0;
  std::vector<std::vector<std::string>> codes = {};
  std::vector<std::string> cells = {};
};

// A file below the source root; fails the test when it cannot be read.
std::string ReadSourceTreeFile(const std::string& path);

// The rows of all tables but their head lines. Within code, "\|" is "|".
std::vector<DocumentRow> TableRows(absl::string_view markdown);

// docs/logging.md.
struct LogDocument {
  struct Message {
    std::set<std::string> levels;
    std::set<std::string> fields;
  };
  std::map<std::string, std::string> fields;  // key, meaning
  // By component ("mounter/node") and text.
  std::map<std::pair<std::string, std::string>, Message> messages;
  std::set<std::string> components;
};
LogDocument ReadLogDocument();

// The names in "properties" of docs/log.schema.json.
std::set<std::string> LogSchemaProperties();

// What is wrong with one JSON line of a log, by the document; empty: nothing.
std::string CheckLogLine(absl::string_view line, const LogDocument& document);

// The keys and values of a JSON line.
std::map<std::string, std::string> LogFieldsOf(absl::string_view line);

}  // namespace oneagent

#endif  // TESTS_SUPPORT_DOCUMENT_H_
