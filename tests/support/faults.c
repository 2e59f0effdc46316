/* Strikes the Nth call by which a program changes a file or sends something, counted over all of its threads (strace
 * counts each thread by itself, so that the busiest one hides the others). Preloaded; told what to do by environment:
 *
 *   FAULT        kill: end the process before the call; tear: after half of it (writes to files only)
 *                eio, enospc: fail the call;  slow: delay it;  count: none of it
 *   FAULT_AT     N, from 1.   FAULT_CALLS   names, separated by commas; without it all of those below
 *   FAULT_STAYS  1: this call and every later one.   FAULT_DELAY   microseconds of slow
 *   FAULT_LOG    file that gets a line for the first call struck, or at the end the number of calls
 *
 * Calls on pipes, terminals and devices do not count: they change nothing that outlives the process.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static enum { NONE, KILL, TEAR, FAIL, SLOW } what;
static int error_number, stays;
static long at, delay;
static const char *calls, *log_path;
static atomic_long seen;
static atomic_int told;

static void note(const char *call, long number) {
    char line[128];
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    int length = snprintf(line, sizeof line, "%lld %s %ld\n", now.tv_sec * 1000LL + now.tv_nsec / 1000000, call, number);
    long file = log_path ? syscall(SYS_openat, AT_FDCWD, log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644) : -1;
    if (file >= 0) {
        syscall(SYS_write, file, line, length);
        syscall(SYS_close, file);
    }
}

__attribute__((constructor)) static void read_orders(void) {
    const char *fault = getenv("FAULT"), *number = getenv("FAULT_AT"), *micros = getenv("FAULT_DELAY");
    calls = getenv("FAULT_CALLS");
    log_path = getenv("FAULT_LOG");
    stays = getenv("FAULT_STAYS") != NULL;
    at = number ? atol(number) : 0;
    delay = micros ? atol(micros) : 0;
    if (!fault) return;
    if (!strcmp(fault, "kill")) what = KILL;
    if (!strcmp(fault, "tear")) what = TEAR;
    if (!strcmp(fault, "slow")) what = SLOW;
    if (!strcmp(fault, "eio")) what = FAIL, error_number = EIO;
    if (!strcmp(fault, "enospc")) what = FAIL, error_number = ENOSPC;
    unsetenv("LD_PRELOAD");
}

__attribute__((destructor)) static void tell_count(void) {
    if (what == NONE) note("calls", atomic_load(&seen));
}

static int listed(const char *call) {
    if (!calls) return 1;
    size_t length = strlen(call);
    for (const char *name = calls; name; name = strchr(name, ',') ? strchr(name, ',') + 1 : NULL)
        if (!strncmp(name, call, length) && (name[length] == ',' || !name[length])) return 1;
    return 0;
}

static void die(void) {
    syscall(SYS_kill, syscall(SYS_getpid), SIGKILL);
    for (;;) pause();
}

/* Whether this call is to fail or, for TEAR, to be torn. */
static int struck(const char *call) {
    if (!listed(call)) return 0;
    long number = atomic_fetch_add(&seen, 1) + 1;
    if (what == NONE || number < at || (number > at && !stays)) return 0;
    if (!atomic_exchange(&told, 1)) note(call, number);
    if (what == KILL) die();
    if (what == SLOW) usleep(delay);
    if (what == FAIL) errno = error_number;
    return what == FAIL || what == TEAR;
}

static int outlives(int file) {
    struct stat stat;
    int saved = errno;
    int known = syscall(SYS_newfstatat, file, "", &stat, 0x1000 /* AT_EMPTY_PATH */) == 0;
    errno = saved;
    return known && (S_ISREG(stat.st_mode) || S_ISDIR(stat.st_mode) || S_ISSOCK(stat.st_mode));
}

#define REAL(type, name, ...) \
    static type (*real)(__VA_ARGS__); \
    if (!real) real = (type(*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

#define TEARABLE(size, half) \
    if (outlives(file) && struck(__func__)) { \
        if (what != TEAR) return -1; \
        if (size > 1) half; \
        die(); \
    }

#define ALL_OR_NOTHING(counts, failed) \
    if ((counts) && struck(__func__)) { \
        if (what == TEAR) die(); \
        return failed; \
    }

ssize_t write(int file, const void *bytes, size_t size) {
    REAL(ssize_t, "write", int, const void *, size_t);
    TEARABLE(size, real(file, bytes, size / 2));
    return real(file, bytes, size);
}

ssize_t pwrite64(int file, const void *bytes, size_t size, off64_t place) {
    REAL(ssize_t, "pwrite64", int, const void *, size_t, off64_t);
    TEARABLE(size, real(file, bytes, size / 2, place));
    return real(file, bytes, size, place);
}

ssize_t pwrite(int file, const void *bytes, size_t size, off_t place) {
    REAL(ssize_t, "pwrite", int, const void *, size_t, off_t);
    TEARABLE(size, real(file, bytes, size / 2, place));
    return real(file, bytes, size, place);
}

ssize_t writev(int file, const struct iovec *parts, int count) {
    REAL(ssize_t, "writev", int, const struct iovec *, int);
    TEARABLE(count, real(file, parts, count - 1));
    return real(file, parts, count);
}

ssize_t send(int file, const void *bytes, size_t size, int flags) {
    REAL(ssize_t, "send", int, const void *, size_t, int);
    TEARABLE(size, real(file, bytes, size / 2, flags));
    return real(file, bytes, size, flags);
}

int connect(int file, const struct sockaddr *address, socklen_t size) {
    REAL(int, "connect", int, const struct sockaddr *, socklen_t);
    ALL_OR_NOTHING(1, -1);
    return real(file, address, size);
}

int fsync(int file) {
    REAL(int, "fsync", int);
    ALL_OR_NOTHING(1, -1);
    return real(file);
}

int fdatasync(int file) {
    REAL(int, "fdatasync", int);
    ALL_OR_NOTHING(1, -1);
    return real(file);
}

int ftruncate64(int file, off64_t size) {
    REAL(int, "ftruncate64", int, off64_t);
    ALL_OR_NOTHING(1, -1);
    return real(file, size);
}

int ftruncate(int file, off_t size) {
    REAL(int, "ftruncate", int, off_t);
    ALL_OR_NOTHING(1, -1);
    return real(file, size);
}

int rename(const char *from, const char *to) {
    REAL(int, "rename", const char *, const char *);
    ALL_OR_NOTHING(1, -1);
    return real(from, to);
}

int unlink(const char *path) {
    REAL(int, "unlink", const char *);
    ALL_OR_NOTHING(1, -1);
    return real(path);
}
