/* Which Python the library runs in: fixed when it is built, overridden by UPPERBODYSEG_PYTHON. */
#ifndef UPPERBODYSEG_PYTHON_ENVIRONMENT_H
#define UPPERBODYSEG_PYTHON_ENVIRONMENT_H

#include <stdbool.h>
#include <stddef.h>

enum { PATH_SIZE = 4096 };

struct python_environment {
    char library[PATH_SIZE];       /* libpython */
    char executable[PATH_SIZE];    /* the environment's python */
    char home[PATH_SIZE];          /* sys.base_prefix */
    char site_packages[PATH_SIZE]; /* where upperbodyseg is installed */
    char version[16];              /* such as "3.11" */
};

/* False: reason says why the environment can't be used. */
bool find_python_environment(struct python_environment *environment, char *reason, size_t size);

#endif
