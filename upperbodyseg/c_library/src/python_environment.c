#if !defined(_GNU_SOURCE)
#define _GNU_SOURCE /* popen */
#endif

#include "python_environment.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "build_config.h" /* written by the build */
#include "platform.h"

#if defined(__GLIBC__)
#define getenv secure_getenv /* a program with its file's rights runs no Python that its caller names */
#endif

enum { COMMAND_SIZE = 3 * PATH_SIZE };

/* What does not fit is cut off: a path of this length is none that a system opens. */
static void copy(char *target, size_t size, const char *text) {
    size_t length = strlen(text);
    if (length >= size) {
        length = size - 1;
    }
    memcpy(target, text, length);
    target[length] = '\0';
}

/* The text after "name=" of a line, or NULL. */
static const char *value_of(const char *line, const char *name) {
    size_t length = strlen(name);
    return strncmp(line, name, length) == 0 && line[length] == '=' ? line + length + 1 : NULL;
}

/* A word of a shell's command line. False: it does not fit. */
static bool quoted(char *target, size_t size, const char *text) {
#if defined(_WIN32)
    int length = snprintf(target, size, "\"%s\"", text);
    return strchr(text, '"') == NULL && length >= 0 && (size_t)length < size;
#else
    size_t used = 0;
    const char *piece;
    char letter[2] = {0, 0};
    if (size < 3) {
        return false;
    }
    target[used++] = '\'';
    for (; *text != '\0'; text++) {
        letter[0] = *text;
        piece = *text == '\'' ? "'\\''" : letter;
        if (used + strlen(piece) + 2 > size) {
            return false;
        }
        memcpy(target + used, piece, strlen(piece));
        used += strlen(piece);
    }
    target[used++] = '\'';
    target[used] = '\0';
    return true;
#endif
}

/* Asks a Python for its environment: upperbodyseg.c_library.environment prints one "name=value" a line. */
static bool ask_python(const char *python, struct python_environment *environment, char *reason, size_t size) {
    char word[COMMAND_SIZE];
    char command[COMMAND_SIZE + 128];
    char line[PATH_SIZE + 32];
    char last[512] = "it printed nothing";
    FILE *answer = NULL;

    if (quoted(word, sizeof word, python)) {
        /* -I: PYTHONHOME, PYTHONPATH and the user's packages don't count. */
#if defined(_WIN32)
        snprintf(command, sizeof command, "\"%s -I -m upperbodyseg.c_library.environment 2>&1\"", word);
#else
        snprintf(command, sizeof command, "%s -I -m upperbodyseg.c_library.environment 2>&1", word);
#endif
        answer = popen(command, "r");
    }
    if (answer == NULL) {
        snprintf(reason, size, "UPPERBODYSEG_PYTHON can't be started: %.512s", python);
        return false;
    }
    while (fgets(line, sizeof line, answer) != NULL) {
        const char *value;
        line[strcspn(line, "\r\n")] = '\0';
        if ((value = value_of(line, "library")) != NULL) {
            copy(environment->library, sizeof environment->library, value);
        } else if ((value = value_of(line, "executable")) != NULL) {
            copy(environment->executable, sizeof environment->executable, value);
        } else if ((value = value_of(line, "home")) != NULL) {
            copy(environment->home, sizeof environment->home, value);
        } else if ((value = value_of(line, "site_packages")) != NULL) {
            copy(environment->site_packages, sizeof environment->site_packages, value);
        } else if ((value = value_of(line, "version")) != NULL) {
            copy(environment->version, sizeof environment->version, value);
        } else if (line[0] != '\0') {
            copy(last, sizeof last, line);
        }
    }
    pclose(answer); /* its status is not known where the host ignores SIGCHLD */
    if (environment->library[0] == '\0' || environment->version[0] == '\0') {
        snprintf(reason, size, "UPPERBODYSEG_PYTHON=%.300s can't be used: %.512s", python, last);
        return false;
    }
    return true;
}

bool find_python_environment(struct python_environment *environment, char *reason, size_t size) {
    const char *named = getenv("UPPERBODYSEG_PYTHON");
    char python[PATH_SIZE + 32];

    memset(environment, 0, sizeof *environment);
    if (named == NULL || named[0] == '\0') {
        copy(environment->library, sizeof environment->library, BUILD_PYTHON_LIBRARY);
        copy(environment->executable, sizeof environment->executable, BUILD_PYTHON_EXECUTABLE);
        copy(environment->home, sizeof environment->home, BUILD_PYTHON_HOME);
        copy(environment->site_packages, sizeof environment->site_packages, BUILD_PYTHON_SITE_PACKAGES);
        copy(environment->version, sizeof environment->version, BUILD_PYTHON_VERSION);
        return true;
    }
    if (strlen(named) >= PATH_SIZE) {
        snprintf(reason, size, "UPPERBODYSEG_PYTHON is longer than %d bytes", PATH_SIZE - 1);
        return false;
    }
    snprintf(python, sizeof python, "%s%s", named, platform_is_folder(named) ? EXECUTABLE_IN_ENVIRONMENT : "");
    return ask_python(python, environment, reason, size);
}
