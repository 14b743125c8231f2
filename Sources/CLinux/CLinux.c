#define _GNU_SOURCE
#include "CLinux.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <malloc.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

const int clinux_o_direct = O_DIRECT;
const int clinux_o_tmpfile = O_TMPFILE;
const int clinux_o_path = O_PATH;

int clinux_block_device_size(int fd, uint64_t *size) { return ioctl(fd, BLKGETSIZE64, size); }
int clinux_logical_sector_size(int fd, int *size) { return ioctl(fd, BLKSSZGET, size); }
int clinux_block_device_is_read_only(int fd, int *read_only) { return ioctl(fd, BLKROGET, read_only); }
int clinux_flush_block_buffers(int fd) { return ioctl(fd, BLKFLSBUF, 0); }
int clinux_reread_partition_table(int fd) { return ioctl(fd, BLKRRPART); }

int clinux_block_discard(int fd, uint64_t offset, uint64_t length) {
  uint64_t range[2] = {offset, length};
  return ioctl(fd, BLKDISCARD, range);
}

int clinux_block_zero_out(int fd, uint64_t offset, uint64_t length) {
  uint64_t range[2] = {offset, length};
  return ioctl(fd, BLKZEROOUT, range);
}

int clinux_punch_hole(int fd, uint64_t offset, uint64_t length) {
  return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset, (off_t)length);
}

int clinux_clone_file(int from, int to) { return ioctl(to, FICLONE, from); }

int64_t clinux_seek_data(int fd, int64_t offset) { return lseek(fd, offset, SEEK_DATA); }
int64_t clinux_seek_hole(int fd, int64_t offset) { return lseek(fd, offset, SEEK_HOLE); }

int clinux_direct_io_alignment(int fd, uint32_t *memory, uint32_t *offset) {
  *memory = *offset = 0;
#ifdef STATX_DIOALIGN
  struct statx s;
  if (statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &s) != 0) return -1;
  if (s.stx_mask & STATX_DIOALIGN) {
    *memory = s.stx_dio_mem_align;
    *offset = s.stx_dio_offset_align;
  }
#endif
  return 0;
}

int clinux_set_thread_name(const char *name) { return pthread_setname_np(pthread_self(), name); }

int clinux_lock_exclusively(int fd) { return flock(fd, LOCK_EX | LOCK_NB); }

int clinux_is_range_locked(int fd, int64_t start, int64_t length) {
  struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = start, .l_len = length};
  if (fcntl(fd, F_OFD_GETLK, &lock) != 0) return -1;
  return lock.l_type != F_UNLCK;
}

int clinux_set_direct(int fd, int direct) {
  int flags = fcntl(fd, F_GETFL);
  if (flags < 0) return -1;
  return fcntl(fd, F_SETFL, direct ? flags | O_DIRECT : flags & ~O_DIRECT);
}

int clinux_share_range(int fd, int64_t start, int64_t length) {
  struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = start, .l_len = length};
  return fcntl(fd, F_OFD_SETLK, &lock);
}

int clinux_advise_sequential(int fd) { return posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL); }
int clinux_drop_cache(int fd, int64_t offset, int64_t length) {
  return posix_fadvise(fd, offset, length, POSIX_FADV_DONTNEED);
}
int clinux_start_write_back(int fd, int64_t offset, int64_t length) {
  return sync_file_range(fd, offset, length, SYNC_FILE_RANGE_WRITE);
}

uint32_t clinux_major(uint64_t device) { return major(device); }
uint32_t clinux_minor(uint64_t device) { return minor(device); }

int clinux_terminal_columns(int fd) {
  struct winsize size;
  return ioctl(fd, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

void *clinux_map_zeroed(size_t length) {
  void *start = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return start == MAP_FAILED ? NULL : start;
}
int clinux_unmap(void *start, size_t length) { return munmap(start, length); }

int clinux_pipe(int *read_end, int *write_end) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return -1;
  *read_end = ends[0];
  *write_end = ends[1];
  return 0;
}
int clinux_set_pipe_size(int fd, int size) { return fcntl(fd, F_SETPIPE_SZ, size); }
ssize_t clinux_splice_from(int file, int64_t offset, int pipe, size_t length) {
  off64_t start = offset;
  return splice(file, &start, pipe, NULL, length, SPLICE_F_NONBLOCK);
}
ssize_t clinux_splice_to(int pipe, int file, int64_t offset, size_t length) {
  off64_t start = offset;
  return splice(pipe, NULL, file, &start, length, 0);
}

void clinux_map_blocks_from(size_t size) { (void)mallopt(M_MMAP_THRESHOLD, (int)size); }

static volatile sig_atomic_t interrupts;
static volatile sig_atomic_t last_signal;
static sem_t news;

static void count_interrupt(int number) {
  int error = errno;
  last_signal = number;
  if (++interrupts >= 3) _exit(128 + number);
  sem_post(&news);
  errno = error;
}

static void prepare_news(void) { sem_init(&news, 0, 0); }

int clinux_catch_interrupts(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  if (pthread_once(&once, prepare_news) != 0) return -1;
  struct sigaction action = {.sa_handler = count_interrupt};
  sigemptyset(&action.sa_mask);
  const int signals[] = {SIGINT, SIGTERM, SIGHUP};
  sigset_t caught;
  sigemptyset(&caught);
  for (unsigned i = 0; i < sizeof signals / sizeof *signals; i++) {
    struct sigaction old;
    if (sigaction(signals[i], NULL, &old) != 0) return -1;
    if (old.sa_handler == SIG_IGN) continue;  // nohup
    if (sigaction(signals[i], &action, NULL) != 0) return -1;
    sigaddset(&caught, signals[i]);
  }
  pthread_sigmask(SIG_UNBLOCK, &caught, NULL);  // a parent may have left them blocked
  signal(SIGPIPE, SIG_IGN);
  signal(SIGXFSZ, SIG_IGN);  // a write past `ulimit -f` is to fail with EFBIG
  return 0;
}
int clinux_interrupt_count(void) { return interrupts; }
void clinux_wait_for_interrupt(void) { (void)sem_wait(&news); }
void clinux_end_wait(void) { (void)sem_post(&news); }
int clinux_interrupt_signal(void) { return last_signal; }

int clinux_open_at(int folder, const char *name, int flags, unsigned mode) {
  return openat(folder, name, flags | O_NOFOLLOW | O_CLOEXEC, mode);
}
int clinux_make_node_at(int folder, const char *name, unsigned mode, uint32_t major, uint32_t minor) {
  return mknodat(folder, name, mode, makedev(major, minor));
}
int clinux_rename_at(int folder, const char *from, const char *to) { return renameat(folder, from, folder, to); }

// The name of an open file among the process's descriptors, for calls that only take paths.
static void descriptor_path(char path[64], int fd) { snprintf(path, 64, "/proc/self/fd/%d", fd); }

int clinux_set_mode_at(int folder, const char *name, unsigned mode) {
  int fd = openat(folder, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) return -1;
  char path[64];
  descriptor_path(path, fd);
  int result = chmod(path, mode), error = errno;
  close(fd);
  errno = error;
  return result;
}

int clinux_set_attribute(int fd, const char *name, const void *value, size_t length) {
  return fsetxattr(fd, name, value, length, 0);
}

int clinux_set_attribute_at(int folder, const char *file, const char *name, const void *value, size_t length) {
  char path[64 + 256];
  if (strlen(file) > 255) {
    errno = ENAMETOOLONG;
    return -1;
  }
  snprintf(path, sizeof path, "/proc/self/fd/%d/%s", folder, file);
  return lsetxattr(path, name, value, length, 0);
}

int64_t clinux_list_attributes(const char *path, char *names, size_t length) { return llistxattr(path, names, length); }
int64_t clinux_get_attribute(const char *path, const char *name, void *value, size_t length) {
  return lgetxattr(path, name, value, length);
}
