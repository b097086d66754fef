// Runs a fuzz target without libFuzzer, as a plain test: every file of its
// corpus, then mutations of them, the same in every run.
//
//   <target>_replay CORPUS_DIR [MUTATIONS]
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <random>
#include <sstream>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

void RunOne(const std::string& input) {
  LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(input.data()),
                         input.size());
}

std::vector<std::string> ReadCorpus(const char* directory) {
  std::vector<std::string> inputs;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    std::ifstream in(entry.path(), std::ios::binary);
    std::ostringstream content;
    content << in.rdbuf();
    inputs.push_back(content.str());
  }
  return inputs;
}

// One of: a changed byte, a removed piece, a doubled piece, a cut end, the end
// of another input.
std::string Mutated(std::string input, const std::vector<std::string>& corpus,
                    std::mt19937& random) {
  const auto below = [&random](size_t limit) {
    return limit == 0 ? 0 : static_cast<size_t>(random()) % limit;
  };
  for (size_t rounds = 1 + below(4); rounds > 0; --rounds) {
    const size_t at = below(input.size());
    const size_t length = below(1 + (input.size() - at) / 2);
    switch (below(5)) {
      case 0:
        if (!input.empty()) input[at] = static_cast<char>(below(256));
        break;
      case 1:
        input.erase(at, length);
        break;
      case 2:
        input.insert(at, input.substr(at, length));
        break;
      case 3:
        input.resize(at);
        break;
      default: {
        const std::string& other = corpus[below(corpus.size())];
        input.replace(at, std::string::npos, other.substr(below(other.size())));
      }
    }
  }
  return input;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  const std::vector<std::string> corpus = ReadCorpus(argv[1]);
  if (corpus.empty()) {
    std::cerr << argv[1] << ": no corpus\n";
    return 1;
  }
  for (const std::string& input : corpus) RunOne(input);
  const int mutations = argc > 2 ? atoi(argv[2]) : 20000;
  std::mt19937 random(20261122);
  for (int i = 0; i < mutations; ++i) {
    RunOne(Mutated(corpus[random() % corpus.size()], corpus, random));
  }
  std::cout << corpus.size() << " inputs, " << mutations << " mutations\n";
  return 0;
}
