#if !defined(_GNU_SOURCE)
#define _GNU_SOURCE /* dl_iterate_phdr */
#endif

#include "platform.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#if defined(_WIN32)

void *platform_open(const char *path, char *reason, size_t size) {
    HMODULE library = NULL;
    wchar_t *wide = NULL;
    int length = MultiByteToWideChar(CP_UTF8, 0, path, -1, NULL, 0);
    if (length > 0 && (wide = malloc((size_t)length * sizeof *wide)) != NULL) {
        MultiByteToWideChar(CP_UTF8, 0, path, -1, wide, length);
        library = LoadLibraryExW(wide, NULL, LOAD_WITH_ALTERED_SEARCH_PATH);
        free(wide);
    }
    if (library == NULL) {
        snprintf(reason, size, "Windows error %lu", (unsigned long)GetLastError());
    }
    return (void *)library;
}

platform_function platform_symbol(void *library, const char *name) {
    return (platform_function)GetProcAddress((HMODULE)library, name);
}

void *platform_loaded_python(void) {
    char name[32];
    for (int minor = 0; minor < 100; minor++) {
        snprintf(name, sizeof name, "python3%d.dll", minor);
        HMODULE library = GetModuleHandleA(name);
        if (library != NULL) {
            return (void *)library;
        }
    }
    return NULL;
}

long platform_process(void) { return (long)GetCurrentProcessId(); }

bool platform_is_folder(const char *path) {
    DWORD attributes = GetFileAttributesA(path);
    return attributes != INVALID_FILE_ATTRIBUTES && (attributes & FILE_ATTRIBUTE_DIRECTORY);
}

static void(__cdecl *kept_interrupt)(int);

void platform_keep_interrupt(void) {
    kept_interrupt = signal(SIGINT, SIG_IGN);
    signal(SIGINT, kept_interrupt);
}

void platform_restore_interrupt(void) { signal(SIGINT, kept_interrupt); }

#else

#include <dlfcn.h>
#include <unistd.h>
#if defined(__linux__)
#include <link.h>
#elif defined(__APPLE__)
#include <mach-o/dyld.h>
#endif

void *platform_open(const char *path, char *reason, size_t size) {
    /* Global, because extension modules take Python's symbols from the process and not from a library. */
    void *library = dlopen(path, RTLD_NOW | RTLD_GLOBAL);
    if (library == NULL) {
        const char *error = dlerror();
        snprintf(reason, size, "%s", error == NULL ? "unknown error" : error);
    }
    return library;
}

platform_function platform_symbol(void *library, const char *name) {
    /* ISO C has no conversion from an object pointer to a function pointer; POSIX gives both one form. */
    void *symbol = dlsym(library, name);
    platform_function function = NULL;
    memcpy(&function, &symbol, sizeof function);
    return function;
}

/* Whether a loaded library's path is that of a full libpython ("libpython3.so" only forwards to one). */
static bool is_python(const char *path) {
    const char *name = path == NULL ? NULL : strrchr(path, '/');
    if (name == NULL) {
        return false;
    }
#if defined(__APPLE__)
    if (strcmp(name, "/Python") == 0 && strstr(path, "Python.framework/") != NULL) {
        return true;
    }
#endif
    return strncmp(name, "/libpython3.", 12) == 0 && name[12] >= '0' && name[12] <= '9';
}

#if defined(__linux__)
static int find_python(struct dl_phdr_info *info, size_t size, void *found) {
    (void)size;
    if (is_python(info->dlpi_name)) {
        *(char **)found = strdup(info->dlpi_name);
        return 1;
    }
    return 0;
}
#endif

void *platform_loaded_python(void) {
    void *process = dlopen(NULL, RTLD_NOW);
    if (process != NULL && dlsym(process, "Py_IsInitialized") != NULL) {
        return process;
    }
    /* A host may have loaded it for itself alone (RTLD_LOCAL): found by its path, then made global. */
    void *library = NULL;
    char *path = NULL;
#if defined(__linux__)
    dl_iterate_phdr(find_python, &path);
#elif defined(__APPLE__)
    for (uint32_t i = 0; path == NULL && i < _dyld_image_count(); i++) {
        const char *name = _dyld_get_image_name(i);
        path = is_python(name) ? strdup(name) : NULL;
    }
#else
    (void)is_python;
#endif
    if (path != NULL) {
        library = dlopen(path, RTLD_NOW | RTLD_GLOBAL);
        free(path);
    }
    return library;
}

long platform_process(void) { return (long)getpid(); }

bool platform_is_folder(const char *path) {
    struct stat found;
    return stat(path, &found) == 0 && S_ISDIR(found.st_mode);
}

static struct sigaction kept_interrupt;

void platform_keep_interrupt(void) { sigaction(SIGINT, NULL, &kept_interrupt); }

void platform_restore_interrupt(void) { sigaction(SIGINT, &kept_interrupt, NULL); }

#endif
