#include "tests/sanity/csi_sanity.h"

#include <pugixml.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/durable_file.h"
#include "base/status_macros.h"
#include "tests/support/daemon.h"

namespace oneagent {
namespace {

std::vector<std::string> CommandLine(const std::string& program,
                                     const SanityRun& run) {
  std::vector<std::string> argv = {
      program,
      absl::StrCat("--csi.endpoint=unix://", run.node_socket),
      absl::StrCat("--csi.mountdir=", run.mount_dir),
      absl::StrCat("--csi.stagingdir=", run.staging_dir),
      absl::StrCat("--ginkgo.skip=", run.skip),
      absl::StrCat("--ginkgo.junit-report=", run.report_path),
      "--ginkgo.timeout=1m",
      "--ginkgo.no-color"};
  if (!run.controller_socket.empty()) {
    argv.push_back(absl::StrCat("--csi.controllerendpoint=unix://",
                                run.controller_socket));
  }
  return argv;
}

}  // namespace

absl::StatusOr<SanityReport> RunCsiSanity(const std::string& program,
                                          const SanityRun& run) {
  ASSIGN_OR_RETURN(const bool is_there, PathExists(program));
  if (!is_there) {
    return absl::NotFoundError(absl::StrCat(
        program, ": not there; ./dev sanity and ./dev test install it"));
  }
  // What an earlier run reported must not speak for this one.
  RETURN_IF_ERROR(RemoveFileIfPresent(run.report_path));
  const ProgramResult result = RunProgram(CommandLine(program, run));
  const std::string output = absl::StrCat(result.out, result.err);
  const absl::StatusOr<std::string> junit = ReadWholeFile(run.report_path);
  absl::StatusOr<SanityReport> report =
      junit.ok() ? ParseSanityReport(*junit) : junit.status();
  if (!report.ok()) {
    return absl::DataLossError(absl::StrCat(
        run.report_path, ": ", report.status().message(), "\n", output));
  }
  report->exit_code = result.exit_code;
  report->output = output;
  return report;
}

absl::StatusOr<SanityReport> ParseSanityReport(absl::string_view junit) {
  pugi::xml_document document;
  const pugi::xml_parse_result parsed =
      document.load_buffer(junit.data(), junit.size());
  if (!parsed) {
    return absl::InvalidArgumentError(
        absl::StrCat("not XML: ", parsed.description()));
  }
  const pugi::xml_node suites = document.child("testsuites");
  if (!suites) return absl::InvalidArgumentError("not a JUnit report");
  SanityReport report;
  for (const pugi::xml_node suite : suites.children("testsuite")) {
    for (const pugi::xml_node spec : suite.children("testcase")) {
      const absl::string_view status = spec.attribute("status").value();
      const std::string name(
          absl::StripPrefix(spec.attribute("name").value(), "[It] "));
      if (status == "passed") {
        report.passed.push_back(name);
      } else if (status == "skipped" || status == "pending") {
        report.skipped.push_back(name);
      } else {
        report.failed.push_back(name);
      }
    }
  }
  return report;
}

}  // namespace oneagent
