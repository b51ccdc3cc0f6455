/* What differs between operating systems: shared libraries, locks, thread-local memory, processes. */
#ifndef UPPERBODYSEG_PLATFORM_H
#define UPPERBODYSEG_PLATFORM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#if defined(_WIN32)

#define WIN32_LEAN_AND_MEAN
#include <windows.h>

#if defined(_MSC_VER)
#define THREAD_LOCAL __declspec(thread)
#else
#define THREAD_LOCAL _Thread_local
#endif
#define popen _popen
#define pclose _pclose
#define PATH_SEPARATOR "\\"
#define EXECUTABLE_IN_ENVIRONMENT "\\Scripts\\python.exe"

typedef SRWLOCK platform_lock;
#define PLATFORM_LOCK_INITIALIZER SRWLOCK_INIT
#define platform_lock_acquire(lock) AcquireSRWLockExclusive(lock)
#define platform_lock_release(lock) ReleaseSRWLockExclusive(lock)

#else

#include <pthread.h>
#include <sys/types.h>

#define THREAD_LOCAL _Thread_local
#define PATH_SEPARATOR "/"
#define EXECUTABLE_IN_ENVIRONMENT "/bin/python"

typedef pthread_mutex_t platform_lock;
#define PLATFORM_LOCK_INITIALIZER PTHREAD_MUTEX_INITIALIZER
#define platform_lock_acquire(lock) pthread_mutex_lock(lock)
#define platform_lock_release(lock) pthread_mutex_unlock(lock)

#endif

typedef void (*platform_function)(void);

/* Opens a shared library so that libraries loaded later see its symbols. NULL: reason says why. */
void *platform_open(const char *path, char *reason, size_t size);

/* A function of an opened library, or NULL. */
platform_function platform_symbol(void *library, const char *name);

/* The Python library that this process has loaded, however it was loaded; NULL when there is none. */
void *platform_loaded_python(void);

/* The number of this process. */
long platform_process(void);

bool platform_is_folder(const char *path);

/* What the process does at Ctrl-C: kept, and put back. */
void platform_keep_interrupt(void);
void platform_restore_interrupt(void);

#endif
