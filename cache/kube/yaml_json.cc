#include "cache/kube/yaml_json.h"

#include <yaml.h>

#include <cstdlib>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"
#include "base/status_macros.h"
#include "cache/kube/yaml_scalar.h"

namespace oneagent {
namespace {

// A part of a file that is parsed by itself.
struct Chunk {
  int first_line = 1;
  absl::string_view text;
};

bool IsJson(absl::string_view chunk) {
  chunk = absl::StripLeadingAsciiWhitespace(chunk);
  return absl::StartsWith(chunk, "{") || absl::StartsWith(chunk, "[");
}

bool IsMarker(absl::string_view line, absl::string_view marker) {
  if (!absl::StartsWith(line, marker)) return false;
  return line.size() == marker.size() ||
         absl::ascii_isspace(static_cast<unsigned char>(line[marker.size()]));
}

// "---" and "..." at the start of a line are never content, not even within
// a block scalar or quotes (YAML 1.2, 9.1.2): so a file can be cut there, and
// what is broken before such a line stays before it.
std::vector<Chunk> Cut(absl::string_view text) {
  std::vector<Chunk> chunks;
  size_t start = 0;
  int start_line = 1;
  int line = 1;
  for (size_t at = 0; at < text.size(); ++line) {
    const size_t newline = text.find('\n', at);
    const size_t next =
        newline == absl::string_view::npos ? text.size() : newline + 1;
    const absl::string_view content = text.substr(at, next - at);
    if (IsMarker(content, "---") && at > start) {
      chunks.push_back({start_line, text.substr(start, at - start)});
      start = at;
      start_line = line;
    } else if (IsMarker(content, "...")) {
      chunks.push_back({start_line, text.substr(start, next - start)});
      start = next;
      start_line = line + 1;
    }
    at = next;
  }
  chunks.push_back({start_line, text.substr(start)});
  return chunks;
}

// Nothing but blank lines, comments and directives: "%YAML 1.2" stands before
// the "---" of the document that it belongs to.
bool HasContent(absl::string_view chunk) {
  while (!chunk.empty()) {
    const size_t newline = chunk.find('\n');
    const absl::string_view line = chunk.substr(0, newline);
    chunk.remove_prefix(newline == absl::string_view::npos ? chunk.size()
                                                           : newline + 1);
    const absl::string_view word = absl::StripLeadingAsciiWhitespace(line);
    if (!word.empty() && word[0] != '#' && line[0] != '%') return true;
  }
  return false;
}

int HexDigits(absl::string_view text, size_t at) {
  uint32_t value = 0;
  if (at + 4 > text.size() ||
      !absl::SimpleHexAtoi(text.substr(at, 4), &value)) {
    return -1;
  }
  return static_cast<int>(value);
}

// JSON writes characters beyond the BMP as two escapes ("\ud83d\ude00"),
// which YAML refuses; "\U0001f600" is the same in YAML's words.
std::string JoinSurrogates(absl::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\' || i + 1 == text.size()) {
      out += text[i];
      continue;
    }
    const int high = text[i + 1] == 'u' ? HexDigits(text, i + 2) : -1;
    if (high >= 0xd800 && high < 0xdc00 &&
        absl::StartsWith(text.substr(i + 6), "\\u")) {
      const int low = HexDigits(text, i + 8);
      if (low >= 0xdc00 && low < 0xe000) {
        absl::StrAppendFormat(
            &out, "\\U%08x",
            0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00));
        i += 11;
        continue;
      }
    }
    out += text[i];
    out += text[++i];  // an escaped backslash starts no escape
  }
  return out;
}

absl::string_view Text(const yaml_char_t* text) {
  return text == nullptr ? "" : reinterpret_cast<const char*>(text);
}

std::string ScalarJson(const yaml_event_t& event) {
  const auto& scalar = event.data.scalar;
  const absl::string_view value(reinterpret_cast<const char*>(scalar.value),
                                scalar.length);
  absl::string_view tag = Text(scalar.tag);
  const bool resolves =
      absl::ConsumePrefix(&tag, "tag:yaml.org,2002:")
          ? tag == "int" || tag == "float" || tag == "bool" || tag == "null"
          : tag.empty() && scalar.plain_implicit != 0;
  return resolves ? PlainScalarJson(value) : JsonString(value);
}

class Event {
 public:
  Event() = default;
  ~Event() { yaml_event_delete(&event_); }
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  yaml_event_t* get() { return &event_; }
  const yaml_event_t& operator*() const { return event_; }
  int line() const { return static_cast<int>(event_.start_mark.line); }

 private:
  yaml_event_t event_ = {};
};

// Reads one chunk event by event and writes JSON as it goes.
class ChunkReader {
 public:
  ChunkReader(const Chunk& chunk, const YamlLimits& limits)
      : chunk_(chunk), limits_(limits) {
    if (yaml_parser_initialize(&parser_) == 0) abort();  // out of memory
    yaml_parser_set_encoding(&parser_, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(
        &parser_, reinterpret_cast<const unsigned char*>(chunk.text.data()),
        chunk.text.size());
  }
  ~ChunkReader() { yaml_parser_delete(&parser_); }
  ChunkReader(const ChunkReader&) = delete;
  ChunkReader& operator=(const ChunkReader&) = delete;

  void Read(std::vector<YamlDocument>* documents) {
    for (;;) {
      start_line_ = -1;
      const absl::StatusOr<bool> found = ReadDocument();
      if (!found.ok()) {
        documents->push_back({error_line_, found.status()});
        return;
      }
      if (!*found) return;
      if (json_ == "null") continue;
      documents->push_back({start_line_, std::move(json_), std::move(items_)});
    }
  }

 private:
  absl::Status Broken(int line, absl::string_view cause) {
    error_line_ = chunk_.first_line + line;
    return absl::InvalidArgumentError(cause);
  }

  absl::Status Next(Event* event) {
    if (yaml_parser_parse(&parser_, event->get()) != 0) {
      return absl::OkStatus();
    }
    int line = static_cast<int>(parser_.problem_mark.line);
    if (parser_.error == YAML_READER_ERROR) {
      line = 0;
      for (const char c : chunk_.text.substr(0, parser_.problem_offset)) {
        if (c == '\n') ++line;
      }
    }
    // libyaml's problems are fixed texts without anything of the document.
    return Broken(line,
                  parser_.problem == nullptr ? "not YAML" : parser_.problem);
  }

  // False at the end of the chunk.
  absl::StatusOr<bool> ReadDocument() {
    json_.clear();
    items_.clear();
    anchors_.clear();
    for (;;) {
      Event event;
      RETURN_IF_ERROR(Next(&event));
      if ((*event).type == YAML_STREAM_END_EVENT) return false;
      if ((*event).type == YAML_DOCUMENT_END_EVENT) return true;
      if ((*event).type == YAML_STREAM_START_EVENT ||
          (*event).type == YAML_DOCUMENT_START_EVENT) {
        continue;
      }
      start_line_ = chunk_.first_line + event.line();
      RETURN_IF_ERROR(WriteNode(event, 1, /*are_items=*/false));
    }
  }

  absl::Status WriteNode(const Event& event, int depth, bool are_items) {
    if (depth > limits_.depth) {
      return Broken(event.line(),
                    absl::StrCat("nested deeper than ", limits_.depth));
    }
    if (++nodes_ > limits_.nodes) {
      return Broken(event.line(),
                    absl::StrCat("more than ", limits_.nodes, " nodes"));
    }
    const size_t start = json_.size();
    absl::string_view anchor;
    // Filled events are sent by libyaml in this order only; no default, so
    // that the compiler names a missing one.
    switch ((*event).type) {
      case YAML_ALIAS_EVENT:
        // Its items would go unseen.
        if (are_items) return Broken(event.line(), "items as an alias");
        return WriteAlias(event);
      case YAML_SCALAR_EVENT:
        anchor = Text((*event).data.scalar.anchor);
        json_ += ScalarJson(*event);
        break;
      case YAML_SEQUENCE_START_EVENT:
        anchor = Text((*event).data.sequence_start.anchor);
        RETURN_IF_ERROR(WriteSequence(depth, are_items));
        break;
      case YAML_MAPPING_START_EVENT:
        anchor = Text((*event).data.mapping_start.anchor);
        RETURN_IF_ERROR(WriteMapping(depth));
        break;
      case YAML_NO_EVENT:
      case YAML_STREAM_START_EVENT:
      case YAML_STREAM_END_EVENT:
      case YAML_DOCUMENT_START_EVENT:
      case YAML_DOCUMENT_END_EVENT:
      case YAML_SEQUENCE_END_EVENT:
      case YAML_MAPPING_END_EVENT:
        return Broken(event.line(), "not YAML");
    }
    if (!anchor.empty()) {
      anchors_[std::string(anchor)] = {start, json_.size() - start};
    }
    return CheckSize(event);
  }

  // What an anchor stands for is text that was written before; an alias
  // within its own anchor finds none yet.
  absl::Status WriteAlias(const Event& event) {
    const auto anchor =
        anchors_.find(std::string(Text((*event).data.alias.anchor)));
    if (anchor == anchors_.end()) return Broken(event.line(), "unknown alias");
    const auto [start, size] = anchor->second;
    if (static_cast<int64_t>(json_.size() + size) <= limits_.max_json) {
      json_.append(std::string(json_, start, size));
      return absl::OkStatus();
    }
    return TooLarge(event);
  }

  absl::Status CheckSize(const Event& event) {
    if (static_cast<int64_t>(json_.size()) <= limits_.max_json) {
      return absl::OkStatus();
    }
    return TooLarge(event);
  }

  absl::Status TooLarge(const Event& event) {
    return Broken(event.line(), absl::StrCat("larger than ", limits_.max_json,
                                             " bytes when written as JSON"));
  }

  absl::Status WriteSequence(int depth, bool are_items) {
    json_ += '[';
    for (bool first = true;; first = false) {
      Event event;
      RETURN_IF_ERROR(Next(&event));
      if ((*event).type == YAML_SEQUENCE_END_EVENT) break;
      if (!first) json_ += ',';
      const size_t start = json_.size();
      RETURN_IF_ERROR(WriteNode(event, depth + 1, /*are_items=*/false));
      if (are_items) {
        items_.push_back(
            {chunk_.first_line + event.line(), json_.substr(start)});
      }
    }
    json_ += ']';
    return absl::OkStatus();
  }

  absl::Status WriteMapping(int depth) {
    json_ += '{';
    std::set<std::string> keys;
    for (bool first = true;; first = false) {
      Event key;
      RETURN_IF_ERROR(Next(&key));
      if ((*key).type == YAML_MAPPING_END_EVENT) break;
      if ((*key).type != YAML_SCALAR_EVENT) {
        return Broken(key.line(), "a key that is not a scalar");
      }
      if (!first) json_ += ',';
      const std::string name = JsonString(absl::string_view(
          reinterpret_cast<const char*>((*key).data.scalar.value),
          (*key).data.scalar.length));
      if (!keys.insert(name).second) {
        return Broken(key.line(), "a key that was there before");
      }
      absl::StrAppend(&json_, name, ":");
      Event value;
      RETURN_IF_ERROR(Next(&value));
      RETURN_IF_ERROR(
          WriteNode(value, depth + 1, depth == 1 && name == "\"items\""));
    }
    json_ += '}';
    return absl::OkStatus();
  }

  struct Span {
    size_t start = 0;
    size_t size = 0;
  };

  const Chunk& chunk_;
  const YamlLimits& limits_;
  yaml_parser_t parser_ = {};
  std::string json_;
  std::vector<YamlItem> items_;
  std::map<std::string, Span> anchors_;
  int64_t nodes_ = 0;
  int start_line_ = 0;
  int error_line_ = 0;
};

}  // namespace

std::vector<YamlDocument> ReadYamlDocuments(absl::string_view text,
                                            const YamlLimits& limits) {
  std::vector<YamlDocument> documents;
  // Editors of other systems write a byte order mark.
  absl::ConsumePrefix(&text, "\xef\xbb\xbf");
  for (Chunk chunk : Cut(text)) {
    if (!HasContent(chunk.text)) continue;
    std::string joined;
    if (IsJson(chunk.text)) {
      joined = JoinSurrogates(chunk.text);
      chunk.text = joined;
    }
    ChunkReader(chunk, limits).Read(&documents);
  }
  return documents;
}

}  // namespace oneagent
