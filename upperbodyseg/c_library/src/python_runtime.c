/*
 * Python's own functions are found by name in libpython: there is no Python.h here, and nothing to link with.
 * So one binary serves every Python. All of them belong to the stable ABI, but for those that start Python:
 *
 * - 3.14 and later: PyInitConfig, made to be used without Python.h (PEP 741).
 * - 3.10 to 3.13: PyConfig (PEP 587). These versions are closed, so the two structures named below, and the
 *   room that a PyConfig takes, don't change any more.
 */
#include "python_runtime.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "build_config.h" /* written by the build */
#include "platform.h"
#include "python_environment.h"

typedef struct object object; /* PyObject */

/* PyStatus of 3.10 to 3.13. */
struct status {
    int type; /* 0: no error */
    const char *function;
    const char *message;
    int exit_code;
};

/* PyPreConfig of 3.10 to 3.13. */
struct pre_config {
    int config_init, parse_argv, isolated, use_environment, configure_locale, coerce_c_locale, coerce_c_locale_warn;
#if defined(_WIN32)
    int legacy_windows_fs_encoding;
#endif
    int utf8_mode, dev_mode, allocator;
};

/* A PyConfig takes about 500 bytes. */
union config {
    char room[8192];
    void *alignment;
    long long alignment_of_numbers;
};

/* clang-format off */
#define PYTHON_FUNCTIONS(X) \
    X(int, Py_IsInitialized, (void)) \
    X(const char *, Py_GetVersion, (void)) \
    X(void *, PyEval_SaveThread, (void)) \
    X(int, PyGILState_Ensure, (void)) \
    X(void, PyGILState_Release, (int)) \
    X(object *, PyImport_ImportModule, (const char *)) \
    X(object *, PyObject_GetAttrString, (object *, const char *)) \
    X(object *, PyObject_CallMethod, (object *, const char *, const char *, ...)) \
    X(object *, PyObject_CallObject, (object *, object *)) \
    X(object *, PyObject_Str, (object *)) \
    X(object *, Py_VaBuildValue, (const char *, va_list)) \
    X(const char *, PyUnicode_AsUTF8AndSize, (object *, intptr_t *)) \
    X(void, PyErr_Fetch, (object **, object **, object **)) \
    X(void, PyErr_Clear, (void)) \
    X(void, Py_DecRef, (object *))

/* Absent from some version; what uses them asks first. */
#define STARTING_FUNCTIONS(X) \
    X(void *, PyInitConfig_Create, (void)) \
    X(int, PyInitConfig_SetInt, (void *, const char *, int64_t)) \
    X(int, PyInitConfig_SetStr, (void *, const char *, const char *)) \
    X(int, PyInitConfig_GetError, (void *, const char **)) \
    X(int, Py_InitializeFromInitConfig, (void *)) \
    X(void, PyInitConfig_Free, (void *)) \
    X(void, PyPreConfig_InitIsolatedConfig, (struct pre_config *)) \
    X(struct status, Py_PreInitialize, (const struct pre_config *)) \
    X(void, PyConfig_InitIsolatedConfig, (union config *)) \
    X(struct status, PyConfig_SetBytesArgv, (union config *, intptr_t, char *const *)) \
    X(struct status, Py_InitializeFromConfig, (const union config *)) \
    X(void, PyConfig_Clear, (union config *)) \
    X(void *, Py_DecodeLocale, (const char *, size_t *)) \
    X(void, Py_SetPythonHome, (const void *))
/* clang-format on */

#define DECLARE(result, name, arguments) static result(*name) arguments;
PYTHON_FUNCTIONS(DECLARE)
STARTING_FUNCTIONS(DECLARE)

/* Guards everything below. Never held while a thread waits for Python's own lock, so the two can't block. */
static platform_lock lock = PLATFORM_LOCK_INITIALIZER;
static enum { NOT_STARTED, RUNNING, FAILED } state = NOT_STARTED;
static char failure[512];                   /* why state is FAILED */
static long own_process;                    /* the process whose Python is ours; 0: Python is the host's */
static struct python_environment environment;
static object *bridge[BRIDGE_PROCESS + 1];  /* its functions; NULL until the first call */

/* Set by the bridge at Python's end: the host has ended it, and every object is gone. */
static volatile int python_ended;

static const char *const bridge_names[] = {"create", "destroy", "initialize", "is_initialized", "process"};

static bool find_functions(void *library, char *reason, size_t size) {
    /* A pointer to a function pointer is an object pointer: copied, because ISO C can't convert it. */
#define FIND(result, name, arguments)                                  \
    do {                                                               \
        platform_function found = platform_symbol(library, #name);     \
        memcpy(&name, &found, sizeof name);                            \
    } while (0);
#define REQUIRE(result, name, arguments)                               \
    FIND(result, name, arguments)                                      \
    if (name == NULL) {                                                \
        snprintf(reason, size, "the Python library lacks " #name);     \
        return false;                                                  \
    }
    PYTHON_FUNCTIONS(REQUIRE)
    STARTING_FUNCTIONS(FIND)
    return true;
}

static bool is_environments_version(void) {
    const char *version = Py_GetVersion();
    size_t length = strlen(environment.version);
    return strncmp(version, environment.version, length) == 0 && (version[length] < '0' || version[length] > '9');
}

/* 3.14 and later. */
static bool start_by_init_config(char *reason, size_t size) {
    const char *message = NULL;
    void *config = PyInitConfig_Create(); /* isolated: no variables, no user's packages, no signal handlers */
    bool started = config != NULL && PyInitConfig_SetInt(config, "utf8_mode", 1) == 0 &&
                   PyInitConfig_SetStr(config, "program_name", environment.executable) == 0 &&
                   PyInitConfig_SetStr(config, "executable", environment.executable) == 0 &&
                   Py_InitializeFromInitConfig(config) == 0;
    if (!started) {
        if (config != NULL) {
            PyInitConfig_GetError(config, &message);
        }
        snprintf(reason, size, "Python can't start: %s", message == NULL ? "unknown error" : message);
    }
    PyInitConfig_Free(config);
    return started;
}

/* 3.10 to 3.13. */
static bool start_by_config(char *reason, size_t size) {
    char *arguments[] = {environment.executable};
    struct pre_config pre;
    union config config;
    memset(&pre, 0, sizeof pre);
    memset(&config, 0, sizeof config);

    PyPreConfig_InitIsolatedConfig(&pre);
    pre.utf8_mode = 1; /* paths are UTF-8, whatever the host's locale, which stays as it is */
    struct status status = Py_PreInitialize(&pre);
    if (status.type == 0) {
#if defined(_WIN32)
        /* There Python looks for itself beside the host's executable. */
        Py_SetPythonHome(Py_DecodeLocale(environment.home, NULL));
#endif
        PyConfig_InitIsolatedConfig(&config); /* no variables, no user's packages, no signal handlers */
        /* The environment's python as argv[0]: Python finds its own files and the environment's from there. */
        status = PyConfig_SetBytesArgv(&config, 1, arguments);
        if (status.type == 0) {
            status = Py_InitializeFromConfig(&config);
        }
        PyConfig_Clear(&config);
    }
    if (status.type != 0) {
        snprintf(reason, size, "Python can't start: %s", status.message == NULL ? "unknown error" : status.message);
    }
    return status.type == 0;
}

/* What Python would do to its process, though it is a guest here. */
static void prepare_own_python(void) {
    /* Warnings would be printed on the program's standard error. */
    object *warnings = PyImport_ImportModule("warnings");
    Py_DecRef(warnings == NULL ? NULL : PyObject_CallMethod(warnings, "simplefilter", "s", "ignore"));
    Py_DecRef(warnings);
    /* Python 3.10 takes over Ctrl-C when this module is first loaded, whatever its configuration says. */
    platform_keep_interrupt();
    Py_DecRef(PyImport_ImportModule("signal"));
    platform_restore_interrupt();
    PyErr_Clear();
}

/* Under the lock. */
static bool start_python(char *reason, size_t size) {
    char error[512] = "";
    void *library;

    if (!find_python_environment(&environment, reason, size)) {
        return false; /* another try may follow */
    }
    library = platform_loaded_python();
    if (library == NULL) {
        library = platform_open(environment.library, error, sizeof error);
        if (library == NULL) {
            snprintf(reason, size, "the Python library can't be loaded: %.400s; build the library anew with "
                     "upperbodyseg c-library build, or set UPPERBODYSEG_PYTHON", error);
            return false;
        }
    }
    if (!find_functions(library, reason, size)) {
        return false;
    }
    if (Py_IsInitialized()) {
        state = RUNNING; /* the host's */
        return true;
    }
    if (!is_environments_version()) {
        snprintf(reason, size, "this process has loaded Python %.8s, but the environment's is %s: set "
                 "UPPERBODYSEG_PYTHON to an environment of that version", Py_GetVersion(), environment.version);
        return false;
    }
    if (PyInitConfig_Create == NULL && PyConfig_InitIsolatedConfig == NULL) {
        snprintf(reason, size, "Python %.8s is too old: 3.10 or later is needed", Py_GetVersion());
        return false;
    }
    if (!(PyInitConfig_Create != NULL ? start_by_init_config : start_by_config)(failure, sizeof failure)) {
        state = FAILED; /* Python can't be started twice */
        snprintf(reason, size, "%s", failure);
        return false;
    }
    own_process = platform_process();
    prepare_own_python();
    PyEval_SaveThread(); /* any thread may call from now on */
    state = RUNNING;
    return true;
}

static bool python_runs(char *reason, size_t size) {
    bool runs = false;
    platform_lock_acquire(&lock);
    if (state == FAILED) {
        snprintf(reason, size, "%s", failure);
    } else if (state == NOT_STARTED) {
        runs = start_python(reason, size);
    } else if (own_process != 0 && own_process != platform_process()) {
        snprintf(reason, size, "this process was forked from one that used the library: start it anew with exec, "
                 "or fork before the first call");
    } else if (python_ended || !Py_IsInitialized()) {
        snprintf(reason, size, "the host has ended its Python");
    } else {
        runs = true;
    }
    platform_lock_release(&lock);
    return runs;
}

/* Python's current error as text, without its end if need be; the error is cleared. */
static void take_error(const char *what, char *reason, size_t size) {
    object *kind = NULL, *value = NULL, *traceback = NULL;
    PyErr_Fetch(&kind, &value, &traceback);
    object *text = value == NULL ? NULL : PyObject_Str(value);
    const char *message = text == NULL ? NULL : PyUnicode_AsUTF8AndSize(text, NULL);
    snprintf(reason, size, "%s: %s", what, message == NULL ? "unknown error" : message);
    PyErr_Clear();
    Py_DecRef(text); /* NULL is allowed */
    Py_DecRef(kind);
    Py_DecRef(value);
    Py_DecRef(traceback);
}

/* The bridge module. A host's own Python may not have it yet: then the environment's packages are added. */
static object *import_bridge(char *reason, size_t size) {
    const char *name = "upperbodyseg.c_library.bridge";
    object *module = PyImport_ImportModule(name);
    if (module != NULL) {
        return module;
    }
    take_error("upperbodyseg can't be imported", reason, size);
    if (!is_environments_version()) {
        snprintf(reason, size, "this process runs Python %.8s, which has no upperbodyseg, and the environment's Python "
                 "is %s: install upperbodyseg for the process's Python", Py_GetVersion(), environment.version);
        return NULL;
    }
    object *site = PyImport_ImportModule("site");
    object *done = site == NULL ? NULL : PyObject_CallMethod(site, "addsitedir", "s", environment.site_packages);
    PyErr_Clear();
    Py_DecRef(done);
    Py_DecRef(site);
    module = PyImport_ImportModule(name);
    if (module == NULL) {
        take_error("upperbodyseg can't be imported", reason, size);
    }
    return module;
}

/* With Python's lock. Two threads may do this at once: both find the same functions. */
static bool connect_bridge(char *reason, size_t size) {
    object *functions[BRIDGE_PROCESS + 1] = {NULL};
    bool connected = true;
    object *module = import_bridge(reason, size);
    if (module == NULL) {
        return false;
    }
    object *done = PyObject_CallMethod(module, "connect", "iK", BUILD_INTERFACE,
                                       (unsigned long long)(uintptr_t)&python_ended);
    connected = done != NULL;
    for (int i = 0; connected && i <= BRIDGE_PROCESS; i++) {
        functions[i] = PyObject_GetAttrString(module, bridge_names[i]); /* kept for good */
        connected = functions[i] != NULL;
    }
    if (connected) {
        platform_lock_acquire(&lock);
        memcpy(bridge, functions, sizeof bridge);
        platform_lock_release(&lock);
    } else {
        take_error("upperbodyseg can't be used", reason, size);
    }
    Py_DecRef(done);
    Py_DecRef(module);
    return connected;
}

static object *connected_function(enum bridge_function function) {
    platform_lock_acquire(&lock);
    object *found = bridge[function];
    platform_lock_release(&lock);
    return found;
}

bool call_bridge(char *reason, size_t size, enum bridge_function function, const char *format, ...) {
    bool done = false;
    if (!python_runs(reason, size)) {
        return false;
    }
    int thread = PyGILState_Ensure();
    if (connected_function(function) != NULL || connect_bridge(reason, size)) {
        va_list values;
        va_start(values, format);
        object *arguments = Py_VaBuildValue(format, values);
        va_end(values);
        object *result = arguments == NULL ? NULL : PyObject_CallObject(connected_function(function), arguments);
        /* Every function of the bridge returns why it failed: "" when it did not. */
        const char *message = result == NULL ? NULL : PyUnicode_AsUTF8AndSize(result, NULL);
        if (message == NULL) {
            take_error("unexpected error", reason, size);
        } else {
            snprintf(reason, size, "%s", message);
            done = message[0] == '\0';
        }
        Py_DecRef(result);
        Py_DecRef(arguments);
    }
    PyGILState_Release(thread);
    return done;
}
