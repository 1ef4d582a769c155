/* The driver API: modules, kernels and their launches. */
#include <dlfcn.h>
#include <elf.h>
#include <unistd.h>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include "context.h"
#include "report.h"

LoadedModule::~LoadedModule() {
  if (library) dlclose(library);
}

/** An image is a shared library for this machine; its last part is the table of its sections. */
static size_t imageBytes(const void *image) {
  Elf64_Ehdr head;
  memcpy(&head, image, sizeof head);
  if (memcmp(head.e_ident, ELFMAG, SELFMAG) || head.e_ident[EI_CLASS] != ELFCLASS64 || head.e_machine != EM_X86_64) return 0;
  return head.e_shoff + (size_t)head.e_shnum * head.e_shentsize;
}
int loadModule(const void *image, std::shared_ptr<LoadedModule> &out) {
  const size_t bytes = imageBytes(image);
  if (!bytes) return INVALID_IMAGE;
  // A name of its own: the loader takes what was loaded under a name before for the same.
  std::string path = "/tmp/ditlab-module-XXXXXX";
  const int file = mkstemp(path.data());
  if (file < 0) return OUT_OF_MEMORY;
  auto module = std::make_shared<LoadedModule>();
  const bool written = write(file, image, bytes) == (ssize_t)bytes;
  close(file);
  void *library = written ? dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL) : nullptr;
  unlink(path.c_str());
  if (!library) {
    const char *why = dlerror();
    report::fault(std::string("a module that cannot be loaded: ") + (why ? why : "it cannot be written"));
    return INVALID_IMAGE;
  }
  module->library = library;
  auto attach = (void (*)(const emulate::Machine *, emulate::Module *))dlsym(library, "emulate_attach");
  if (!attach) return INVALID_IMAGE;
  attach(&running::machine, &module->info);
  if (module->info.version != emulate::VERSION) return INVALID_IMAGE;
  // Machine code runs on its own generation of devices, from its own number on.
  const int arch = wanted("DITLAB_STANDIN_ARCH", DEVICE_ARCH);
  if (module->info.arch / 10 != arch / 10 || module->info.arch > arch) return NO_BINARY;
  out = module;
  return OK;
}
int findFunction(const std::shared_ptr<LoadedModule> &module, const char *name, std::shared_ptr<Function> &out) {
  auto describe = (void (*)(emulate::Kernel *))dlsym(module->library, (std::string(name) + "__kernel").c_str());
  if (!describe) return NOT_FOUND;
  out = std::make_shared<Function>();
  out->name = name;
  out->module = module;
  describe(&out->kernel);
  return OK;
}
int runWatched(const Launch &launch) {
  if (!kernelsBeforeLoss) {
    report::fault("the device is lost at " + launch.name + ", as DITLAB_STANDIN_FAIL asks for");
    return lossError;
  }
  if (kernelsBeforeLoss > 0) kernelsBeforeLoss--;
  report::ranKernel(launch.name);
  return runKernel(launch);
}

API cuModuleLoadData(void **handle, const void *image) {
  if (int error = ready()) return error;
  if (!handle || !image) return INVALID_VALUE;
  std::shared_ptr<LoadedModule> module;
  if (int error = loadModule(image, module)) return error;
  *handle = modules.add(module);
  return OK;
}
API cuModuleUnload(void *handle) {
  if (int error = ready()) return error;
  return modules.remove(handle) ? OK : INVALID_HANDLE;
}
API cuModuleGetFunction(void **handle, void *moduleHandle, const char *name) {
  if (int error = ready()) return error;
  auto module = modules.get(moduleHandle);
  if (!module) return INVALID_HANDLE;
  if (!handle || !name) return INVALID_VALUE;
  std::shared_ptr<Function> function;
  if (int error = findFunction(module, name, function)) return error;
  *handle = functions.add(function);
  return OK;
}
/** A function is gone with its module. */
static std::shared_ptr<Function> functionOf(void *handle) {
  auto function = functions.get(handle);
  return function && modules.get(function->module.get()) ? function : nullptr;
}
static int staticShared(const Function &function) { return function.module->info.sharedEnd - function.module->info.shared; }
API cuFuncSetAttribute(void *handle, int attribute, int value) {
  if (int error = ready()) return error;
  auto function = functionOf(handle);
  if (!function) return INVALID_HANDLE;
  if (attribute == 9) return value < -1 || value > 100 ? INVALID_VALUE : OK;
  if (attribute != 8 || value < 0 || value > MOST_SHARED - staticShared(*function)) return INVALID_VALUE;
  function->mostShared = value;
  return OK;
}
API cuFuncGetAttribute(int *value, int attribute, void *handle) {
  if (int error = ready()) return error;
  auto function = functionOf(handle);
  if (!function) return INVALID_HANDLE;
  switch (attribute) {
    case 0: *value = function->kernel.mostThreads; return OK;
    case 1: *value = staticShared(*function); return OK;
    case 4: *value = 64; return OK;
    case 5:
    case 6: *value = DEVICE_ARCH; return OK;
    case 8: *value = function->mostShared; return OK;
    case 9: *value = -1; return OK;
    default: *value = 0; return attribute < 0 || attribute > 16 ? INVALID_VALUE : OK;
  }
}

API cuLaunchKernel(void *handle, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz, unsigned shared, void *streamHandle, void **parameters, void **extra) {
  if (int error = ready()) return error;
  auto function = functionOf(handle);
  auto stream = streamOf(streamHandle);
  if (!function || !stream) return INVALID_HANDLE;
  if (!gx || !gy || !gz || gx > 0x7fffffff || gy > 65535 || gz > 65535) return INVALID_VALUE;
  if (!bx || !by || !bz || bx > 1024 || by > 1024 || bz > 64 || bx * by * bz > 1024) return INVALID_VALUE;
  if (bx * by * bz > function->kernel.mostThreads || (int)shared > function->mostShared || shared > MOST_SHARED) return INVALID_VALUE;
  if (extra || (function->kernel.count && !parameters)) return INVALID_VALUE;
  auto launch = std::make_shared<Launch>();
  *launch = {function->name, function->kernel, function->module->info, {gx, gy, gz}, {bx, by, bz}, shared, {}};
  Work work;
  for (unsigned i = 0; i < function->kernel.count; i++) {
    const unsigned bytes = function->kernel.sizes[i];
    const char *from = (const char *)parameters[i];
    if (!from) return INVALID_VALUE;
    launch->parameters.emplace_back(from, from + bytes);
    // A parameter may hold pointers anywhere a pointer can lie.
    for (unsigned at = 0; at + 8 <= bytes; at += 8) {
      uint64_t word;
      memcpy(&word, from + at, 8);
      work.names.push_back(word);
    }
  }
  work.kernel = true;
  work.run = [launch, module = function->module] { return runWatched(*launch); };
  const int status = queue::submit(stream, std::move(work));
  if (!status && !queue::capturing(stream)) report::count(report::LAUNCHES);
  return status;
}
