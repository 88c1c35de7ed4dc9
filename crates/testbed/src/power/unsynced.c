/*
 * Preloaded into a program under test: notes what each write to a file in one folder replaces, until the file is synced.
 *
 * A process that is killed keeps what it wrote, because the kernel has it. A machine that loses power does not. With these notes a test can
 * take back, after the kill, every write that was not synced, every file that was created and every file that was removed without a sync of its
 * folder. UNSYNCED_FOLDER is the folder, UNSYNCED_NOTES where the notes go, and with UNSYNCED_LIE=1 a sync does nothing: a disk that lies.
 *
 * The notes of a file stand in undo/NAME, each: offset, length, size of the file before (8 bytes each, as this machine has them), the replaced
 * bytes. created/NAME stands for a file that is new, removed/NAME is one that was removed.
 * For tests only. Files that are mapped into memory are not followed.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MOST_FILES 4096
#define NAME 256
#define PATH 4096

/* The base name of each open file of the folder; "." for the folder itself; empty for all others. */
static char names[MOST_FILES][NAME];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

#define REAL(result, name, ...) static result (*real_##name)(__VA_ARGS__); \
    static void find_##name(void) { if (!real_##name) real_##name = (result (*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name); }

REAL(int, open64, const char *, int, ...)
REAL(int, close, int)
REAL(ssize_t, write, int, const void *, size_t)
REAL(ssize_t, pwrite64, int, const void *, size_t, off64_t)
REAL(int, ftruncate64, int, off64_t)
REAL(int, fsync, int)
REAL(int, fdatasync, int)
REAL(int, rename, const char *, const char *)
REAL(int, unlink, const char *)

static int is_lying(void) {
    const char *lie = getenv("UNSYNCED_LIE");
    return lie && lie[0] == '1';
}

/* The base name of a path in the folder, "." for the folder itself, or NULL. */
static const char *inside(const char *path) {
    const char *folder = getenv("UNSYNCED_FOLDER");
    size_t length;
    if (!folder || !path) return NULL;
    length = strlen(folder);
    if (strncmp(path, folder, length) != 0) return NULL;
    if (path[length] == 0) return ".";
    if (path[length] != '/') return NULL;
    if (strchr(path + length + 1, '/') || strlen(path + length + 1) >= NAME - 16) return NULL;
    return path + length + 1;
}

/* A note's path: KIND is "undo", "created" or "removed", each a folder of its own. */
static void notes_path(char *out, const char *name, const char *kind) {
    const char *notes = getenv("UNSYNCED_NOTES");
    snprintf(out, PATH, "%s/%s/%s", notes ? notes : "/nonexistent", kind, name);
}

static int has_note(const char *name, const char *kind) {
    char path[PATH];
    notes_path(path, name, kind);
    return access(path, F_OK) == 0;
}

static void append(const char *name, uint64_t offset, uint64_t length, uint64_t size, const void *bytes) {
    char path[PATH];
    uint64_t numbers[3] = {offset, length, size};
    char *note = malloc(sizeof numbers + length);
    int file;
    if (!note) abort();
    memcpy(note, numbers, sizeof numbers);
    memcpy(note + sizeof numbers, bytes, length);
    notes_path(path, name, "undo");
    find_open64(); find_write(); find_close();
    file = real_open64(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (file < 0 || real_write(file, note, sizeof numbers + length) != (ssize_t)(sizeof numbers + length)) abort();
    real_close(file);
    free(note);
}

static void note_range(int fd, off64_t offset, uint64_t length) {
    struct stat64 status;
    uint64_t size, there;
    char *old;
    if (fstat64(fd, &status) != 0) abort();
    size = (uint64_t)status.st_size;
    there = (uint64_t)offset >= size ? 0 : (length < size - (uint64_t)offset ? length : size - (uint64_t)offset);
    old = malloc(there + 1);
    if (!old) abort();
    if (there > 0) {
        /* The file may be open for writing only. */
        char path[64];
        int again;
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        find_open64(); find_close();
        again = real_open64(path, O_RDONLY | O_CLOEXEC);
        if (again < 0 || pread64(again, old, there, offset) != (ssize_t)there) abort();
        real_close(again);
    }
    append(names[fd], (uint64_t)offset, there, size, old);
    free(old);
}

static void touch(const char *name, const char *kind) {
    char path[PATH];
    int file;
    notes_path(path, name, kind);
    find_open64(); find_close();
    file = real_open64(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0) abort();
    real_close(file);
}

static void forget(const char *name, const char *kind) {
    char path[PATH];
    notes_path(path, name, kind);
    find_unlink();
    real_unlink(path);
}

static int followed(int fd) {
    return fd >= 0 && fd < MOST_FILES && names[fd][0] != 0;
}

static int open_in(const char *path, int flags, mode_t mode) {
    const char *name = inside(path);
    struct stat64 before;
    int fd, is_new;
    find_open64();
    if (!name) return real_open64(path, flags, mode);
    pthread_mutex_lock(&lock);
    is_new = (flags & O_CREAT) && stat64(path, &before) != 0;
    if (!is_new && (flags & O_TRUNC) && stat64(path, &before) == 0 && before.st_size > 0) abort();
    fd = real_open64(path, flags, mode);
    if (fd >= 0 && fd < MOST_FILES) {
        snprintf(names[fd], NAME, "%s", name);
        if (is_new) touch(name, "created");
    }
    pthread_mutex_unlock(&lock);
    return fd;
}

#define MODE(mode, flags) mode_t mode = 0; if ((flags) & (O_CREAT | O_TMPFILE)) { va_list rest; va_start(rest, flags); mode = va_arg(rest, mode_t); va_end(rest); }

int open(const char *path, int flags, ...) { MODE(mode, flags) return open_in(path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE(mode, flags) return open_in(path, flags, mode); }

int close(int fd) {
    int closed;
    find_close();
    pthread_mutex_lock(&lock);
    if (followed(fd)) names[fd][0] = 0;
    closed = real_close(fd);
    pthread_mutex_unlock(&lock);
    return closed;
}

ssize_t write(int fd, const void *bytes, size_t length) {
    ssize_t written;
    find_write();
    if (!followed(fd)) return real_write(fd, bytes, length);
    pthread_mutex_lock(&lock);
    note_range(fd, lseek64(fd, 0, SEEK_CUR), length);
    written = real_write(fd, bytes, length);
    pthread_mutex_unlock(&lock);
    return written;
}

ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t offset) {
    ssize_t written;
    find_pwrite64();
    if (!followed(fd)) return real_pwrite64(fd, bytes, length, offset);
    pthread_mutex_lock(&lock);
    note_range(fd, offset, length);
    written = real_pwrite64(fd, bytes, length, offset);
    pthread_mutex_unlock(&lock);
    return written;
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset) { return pwrite64(fd, bytes, length, offset); }

int ftruncate64(int fd, off64_t size) {
    int done;
    find_ftruncate64();
    if (!followed(fd)) return real_ftruncate64(fd, size);
    pthread_mutex_lock(&lock);
    note_range(fd, size, UINT64_MAX);
    done = real_ftruncate64(fd, size);
    pthread_mutex_unlock(&lock);
    return done;
}

int ftruncate(int fd, off_t size) { return ftruncate64(fd, size); }

static void forget_all(const char *kind) {
    char path[PATH];
    struct dirent *entry;
    DIR *folder;
    notes_path(path, "", kind);
    folder = opendir(path);
    if (!folder) abort();
    while ((entry = readdir(folder))) {
        if (entry->d_name[0] != '.') forget(entry->d_name, kind);
    }
    closedir(folder);
}

/* A sync of the folder makes its names last: what was created stays, what was removed is gone. */
static void folder_is_synced(void) {
    forget_all("created");
    forget_all("removed");
}

/* Keeps a file that is about to lose its name. One that was created and never made to last leaves nothing. */
static void keep(const char *path, const char *name) {
    char kept[PATH];
    if (has_note(name, "created") || has_note(name, "removed")) return;
    notes_path(kept, name, "removed");
    if (link(path, kept) != 0 && errno != ENOENT) abort();
}

int unlink(const char *path) {
    const char *name = inside(path);
    int done;
    find_unlink();
    if (!name) return real_unlink(path);
    pthread_mutex_lock(&lock);
    keep(path, name);
    done = real_unlink(path);
    if (done == 0) {
        forget(name, "created");
        forget(name, "undo");
    }
    pthread_mutex_unlock(&lock);
    return done;
}

int rename(const char *from, const char *to) {
    const char *old = inside(from), *new = inside(to);
    char source[PATH], target[PATH];
    int done;
    find_rename();
    if (!old || !new) return real_rename(from, to);
    pthread_mutex_lock(&lock);
    keep(to, new);
    done = real_rename(from, to);
    if (done == 0) {
        forget(new, "undo");
        notes_path(source, old, "undo");
        notes_path(target, new, "undo");
        real_rename(source, target);
        if (has_note(old, "created")) {
            forget(old, "created");
            touch(new, "created");
        }
    }
    pthread_mutex_unlock(&lock);
    return done;
}

static int sync_with(int fd, int (*real)(int)) {
    int done;
    if (!followed(fd)) return real(fd);
    pthread_mutex_lock(&lock);
    done = 0;
    if (!is_lying()) {
        done = real(fd);
        if (done == 0) {
            if (strcmp(names[fd], ".") == 0) folder_is_synced();
            else forget(names[fd], "undo");
        }
    }
    pthread_mutex_unlock(&lock);
    return done;
}

int fsync(int fd) { find_fsync(); return sync_with(fd, real_fsync); }
int fdatasync(int fd) { find_fdatasync(); return sync_with(fd, real_fdatasync); }
