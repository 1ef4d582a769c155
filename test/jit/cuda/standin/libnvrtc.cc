/*
 * A stand-in for NVRTC: g++ compiles a kernel's text with emulate.h ahead of it, and the "cubin" is the shared library
 * that comes out. Equal texts are compiled once: the results lie in a folder under the temporary one. With
 * DITLAB_EMULATE_CHECK=1 the kernels check each access to memory.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <mutex>
#include <regex>
#include <set>
#include <string>
#include <vector>

#define API extern "C" __attribute__((visibility("default")))
enum { SUCCESS = 0, INVALID_INPUT = 3, INVALID_PROGRAM = 4, INVALID_OPTION = 5, COMPILATION = 6, INTERNAL = 11 };
static const int ARCHS[] = {75, 80, 86, 87, 88, 89, 90, 100, 103, 110, 120, 121};

struct Program {
  std::string source, name, log, code;
  bool compiled = false;
};
static std::mutex mutex;
static std::set<Program *> programs;
static bool known(Program *program) {
  std::lock_guard lock(mutex);
  return programs.count(program);
}

static std::string folder() {
  Dl_info info;
  if (!dladdr((void *)folder, &info)) return ".";
  const std::string path = info.dli_fname;
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash);
}
static std::string cacheFolder() {
  const char *temporary = getenv("TMPDIR");
  const std::string path = std::string(temporary && *temporary ? temporary : "/tmp") + "/ditlab-standin-kernels-" + std::to_string(getuid());
  mkdir(path.c_str(), 0700);
  return path;
}
static std::string hashOf(const std::string &text) {
  unsigned long long a = 14695981039346656037ull, b = 0x9e3779b97f4a7c15ull;
  for (unsigned char c : text) {
    a = (a ^ c) * 1099511628211ull;
    b = (b ^ c) * 0xff51afd7ed558ccdull;
    b ^= b >> 29;
  }
  char hex[40];
  snprintf(hex, sizeof hex, "%016llx%016llx", a, b);
  return hex;
}
static std::string contents(const std::string &path) {
  std::ifstream file(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

/** Runs a program; what it writes goes to a file. */
static int runProgram(std::vector<std::string> words, const std::string &output) {
  std::vector<char *> list;
  for (auto &word : words) list.push_back(word.data());
  list.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 1, output.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  posix_spawn_file_actions_adddup2(&actions, 1, 2);
  pid_t child;
  const int failed = posix_spawnp(&child, list[0], &actions, nullptr, list.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failed) return -1;
  int status;
  while (waitpid(child, &status, 0) < 0)
    if (errno != EINTR) return -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static std::string withoutComments(const std::string &text) {
  std::string out;
  for (size_t i = 0; i < text.size();) {
    const bool line = !text.compare(i, 2, "//"), block = !text.compare(i, 2, "/*");
    if (!line && !block) {
      out += text[i++];
      continue;
    }
    const size_t end = text.find(line ? "\n" : "*/", i + 2);
    i = end == std::string::npos ? text.size() : line ? end : end + 2;
    out += ' ';
  }
  return out;
}
/** A line for each kernel of C linkage, by which the driver finds it; its launch bounds are the compiler's to read. */
static std::string entries(const std::string &source) {
  static const std::regex kernel(R"re((extern\s+"C"\s+)?__global__\s+(?:void\s+)?(?:__launch_bounds__\s*\(([^()]*(?:\([^()]*\)[^()]*)*)\)\s*)?(?:void\s+)?(?:__launch_bounds__\s*\(([^()]*(?:\([^()]*\)[^()]*)*)\)\s*)?([A-Za-z_]\w*)\s*\()re");
  const std::string text = withoutComments(source);
  const bool block = std::regex_search(text, std::regex(R"(extern\s+"C"\s*\{)"));
  std::string out;
  for (auto at = std::sregex_iterator(text.begin(), text.end(), kernel); at != std::sregex_iterator(); ++at) {
    const std::smatch &m = *at;
    if (!m[1].matched && !block) continue;
    const std::string bounds = m[2].matched ? m[2].str() : m[3].str();
    out += "EMULATE_KERNEL(" + m[4].str() + (bounds.empty() ? "" : ", " + bounds) + ")\n";
  }
  return out;
}

struct Options {
  int arch = 75;
  bool real = true;
  std::vector<std::string> passed;
};
/** What NVRTC takes; what means nothing to g++ is only accepted. */
static bool readOptions(int count, const char *const *list, Options &out, std::string &log) {
  static const std::regex arch(R"((?:--gpu-architecture|-arch)=(sm|compute)_(\d+)[af]?)"), standard(R"((?:--std|-std)=c\+\+(?:11|14|17|20))");
  static const std::regex ignored(R"(-w|--disable-warnings|--minimal|-minimal|--?use_fast_math|--restrict|-restrict|--generate-line-info|-lineinfo|--device-debug|-G|--no-cache|-no-cache|--(?:fmad|ftz|prec-div|prec-sqrt|extra-device-vectorization|maxrregcount|ptxas-options|split-compile|diag-suppress|time|pch|dopt|default-device|device-as-default-execution-space)(?:=.*)?|-(?:fmad|ftz|prec-div|prec-sqrt|maxrregcount|default-device|diag-suppress)(?:=.*)?)");
  static const std::regex define(R"((?:--define-macro=|-D)(.+))"), include(R"((?:--include-path=|-I)(.+))");
  for (int i = 0; i < count; i++) {
    const std::string option = list[i];
    std::smatch m;
    if (std::regex_match(option, m, arch)) {
      out.real = m[1] == "sm";
      out.arch = atoi(m[2].str().c_str());
      bool found = false;
      for (int a : ARCHS) found |= a == out.arch;
      if (!found) return log = "nvrtc: error: invalid value for --gpu-architecture (-arch)\n", false;
    } else if (std::regex_match(option, m, define)) out.passed.push_back("-D" + m[1].str());
    else if (std::regex_match(option, m, include)) out.passed.push_back("-I" + m[1].str());
    else if (!std::regex_match(option, standard) && !std::regex_match(option, ignored))
      return log = "nvrtc: error: unrecognized option " + option + " found\n", false;
  }
  return true;
}

static int compile(Program &program, const Options &options) {
  const char *check = getenv("DITLAB_EMULATE_CHECK");
  const bool checked = check && *check && strcmp(check, "0");
  const std::string own = folder();
  std::vector<std::string> words = {"g++", "-std=c++17", "-O1", "-w", "-fPIC", "-pipe", "-fvisibility=hidden", "-fno-exceptions", "-fno-rtti",
                                    "-fno-strict-aliasing", "-fwrapv", "-fno-math-errno", "-fstack-clash-protection", "-fno-asynchronous-unwind-tables", "-fmax-errors=20",
                                    "-DEMULATE_ARCH=" + std::to_string(options.arch), "-include", own + "/emulate.h"};
  // A vector must stay one access, so that its alignment is looked at.
  static const char *const CHECKED[] = {"-DEMULATE_CHECK", "-fsanitize=thread", "--param", "tsan-instrument-func-entry-exit=0", "-fno-tree-sra"};
  if (checked) words.insert(words.end(), std::begin(CHECKED), std::end(CHECKED));
  words.insert(words.end(), options.passed.begin(), options.passed.end());
  // Without a linkage outside, functions of all kinds can have their shared memory in the one section.
  const std::string text = "namespace {\n#line 1 \"" + program.name + "\"\n" + program.source + "\n}\n#line 1 \"entries\"\n" + entries(program.source);
  std::string key;
  for (auto &word : words) key += word + '\0';
  const std::string kept = cacheFolder() + "/" + hashOf(key + text);
  program.code = contents(kept + ".so");
  if (!program.code.empty()) return SUCCESS;

  static std::atomic<int> number;
  const std::string own_name = kept + "." + std::to_string(getpid()) + "." + std::to_string(number++);
  const std::string cu = own_name + ".cu", object = own_name + ".o", library = own_name + ".so", output = own_name + ".log";
  std::ofstream(cu, std::ios::binary) << text;
  for (const std::string &word : {std::string("-c"), std::string("-x"), std::string("c++"), cu, std::string("-o"), object}) words.push_back(word);
  int status = runProgram(words, output);
  // What the sanitizer calls is in emulate.h; its own library takes no part.
  if (!status) status = runProgram({"g++", "-shared", "-nostdlib", "-s", "-Wl,-Bsymbolic", object, "-o", library, "-lm", "-lc"}, output);
  program.log = contents(output);
  if (!status) {
    program.code = contents(library);
    if (rename(library.c_str(), (kept + ".so").c_str())) status = -1;
  }
  for (auto &file : {cu, object, library, output}) unlink(file.c_str());
  return status < 0 ? INTERNAL : status ? COMPILATION : SUCCESS;
}

API int nvrtcVersion(int *major, int *minor) { return *major = 13, *minor = 0, SUCCESS; }
API const char *nvrtcGetErrorString(int error) {
  static const char *names[] = {"NVRTC_SUCCESS", "NVRTC_ERROR_OUT_OF_MEMORY", "NVRTC_ERROR_PROGRAM_CREATION_FAILURE", "NVRTC_ERROR_INVALID_INPUT",
                                "NVRTC_ERROR_INVALID_PROGRAM", "NVRTC_ERROR_INVALID_OPTION", "NVRTC_ERROR_COMPILATION"};
  return error >= 0 && error < 7 ? names[error] : error == INTERNAL ? "NVRTC_ERROR_INTERNAL_ERROR" : "NVRTC_ERROR unknown";
}
API int nvrtcGetNumSupportedArchs(int *count) { return *count = sizeof ARCHS / sizeof *ARCHS, SUCCESS; }
API int nvrtcGetSupportedArchs(int *out) { return memcpy(out, ARCHS, sizeof ARCHS), SUCCESS; }
API int nvrtcCreateProgram(Program **out, const char *source, const char *name, int headers, const char *const *, const char *const *) {
  if (!out || !source || headers < 0) return INVALID_INPUT;
  auto *program = new Program{source, name ? name : "default_program", "", ""};
  std::lock_guard lock(mutex);
  programs.insert(*out = program);
  return SUCCESS;
}
API int nvrtcDestroyProgram(Program **program) {
  if (!program || !known(*program)) return INVALID_PROGRAM;
  std::lock_guard lock(mutex);
  programs.erase(*program);
  delete *program;
  *program = nullptr;
  return SUCCESS;
}
API int nvrtcCompileProgram(Program *program, int count, const char *const *list) {
  if (!known(program)) return INVALID_PROGRAM;
  Options options;
  program->log.clear();
  program->compiled = false;
  if (!readOptions(count, list, options, program->log)) return INVALID_OPTION;
  const int status = compile(*program, options);
  program->compiled = status == SUCCESS;
  if (!options.real) program->code.clear();
  return status;
}
static int give(const std::string &text, size_t extra, char *out) {
  memcpy(out, text.c_str(), text.size() + extra);
  return SUCCESS;
}
API int nvrtcGetProgramLogSize(Program *p, size_t *size) { return known(p) ? (*size = p->log.size() + 1, SUCCESS) : INVALID_PROGRAM; }
API int nvrtcGetProgramLog(Program *p, char *out) { return known(p) ? give(p->log, 1, out) : INVALID_PROGRAM; }
API int nvrtcGetCUBINSize(Program *p, size_t *size) { return known(p) && p->compiled ? (*size = p->code.size(), SUCCESS) : INVALID_PROGRAM; }
API int nvrtcGetCUBIN(Program *p, char *out) { return known(p) && p->compiled ? give(p->code, 0, out) : INVALID_PROGRAM; }
/* There is no PTX of a stand-in; its text says so. */
static const std::string PTX = "// no PTX: compiled for the CPU\n";
API int nvrtcGetPTXSize(Program *p, size_t *size) { return known(p) && p->compiled ? (*size = PTX.size() + 1, SUCCESS) : INVALID_PROGRAM; }
API int nvrtcGetPTX(Program *p, char *out) { return known(p) && p->compiled ? give(PTX, 1, out) : INVALID_PROGRAM; }
