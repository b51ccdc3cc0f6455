/* LIBRARY PYTHON MODE: opens the library for itself alone, as C# and Java do.
   MODE: none; or Python is started first by this host: local or global; or unstarted, only loaded. */
#define _POSIX_C_SOURCE 200809L
#include <dlfcn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *(*last_error)(const void *);

#define CHECK(condition)                                                                      \
    do {                                                                                      \
        if (!(condition)) {                                                                   \
            fprintf(stderr, "%s:%d: not so: %s; last error: %s\n", __FILE__, __LINE__,        \
                    #condition, last_error == NULL ? dlerror() : last_error(NULL));           \
            exit(1);                                                                          \
        }                                                                                     \
    } while (0)

static void find(void *library, const char *name, void *function) {
    void *symbol = dlsym(library, name);
    CHECK(symbol != NULL);
    memcpy(function, &symbol, sizeof symbol);
}

int main(int count, char **arguments) {
    void *(*create)(const char *);
    bool (*initialize)(void *);
    void (*destroy)(void *);
    void *python = NULL;
    CHECK(count == 4);
    const char *mode = arguments[3];
    bool started = strcmp(mode, "local") == 0 || strcmp(mode, "global") == 0;

    if (strcmp(mode, "none") != 0) {
        python = dlopen(arguments[2], RTLD_NOW | (strcmp(mode, "local") == 0 ? RTLD_LOCAL : RTLD_GLOBAL));
        CHECK(python != NULL);
    }
    void (*py_initialize)(int);
    int (*py_finalize)(void);
    void *(*save)(void);
    void (*restore)(void *);
    void *state = NULL;
    if (started) {
        find(python, "Py_InitializeEx", &py_initialize);
        find(python, "Py_FinalizeEx", &py_finalize);
        find(python, "PyEval_SaveThread", &save);
        find(python, "PyEval_RestoreThread", &restore);
        py_initialize(0);
    }

    void *library = dlopen(arguments[1], RTLD_NOW | RTLD_LOCAL);
    CHECK(library != NULL);
    find(library, "dpxl_coreai_upperbodyseg_naver_last_error", &last_error);
    find(library, "dpxl_coreai_upperbodyseg_naver_create_with_options", &create);
    find(library, "dpxl_coreai_upperbodyseg_naver_initialize", &initialize);
    find(library, "dpxl_coreai_upperbodyseg_naver_destroy", &destroy);

    void *first = create("model=fast"); /* with Python's lock, where this host has started it */
    CHECK(first != NULL);
    if (started) {
        state = save();
    }
    CHECK(initialize(first)); /* and without it */
    destroy(first);
    void *second = create("model=fast");
    CHECK(second != NULL);
    dlclose(library);
    library = dlopen(arguments[1], RTLD_NOW | RTLD_LOCAL);
    CHECK(library != NULL && initialize(second));
    if (started) {
        restore(state);
        py_finalize();
        CHECK(!initialize(second) && strstr(last_error(second), "ended") != NULL);
        CHECK(create("model=fast") == NULL);
        destroy(second);
    }
    return 0;
}
