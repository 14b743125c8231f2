#ifndef CLINUX_H
#define CLINUX_H

// The Linux-only calls and constants that Swift's Glibc module does not show
// (_GNU_SOURCE, _IOR macros, variadic calls), one plain function for each.
// Every function returns 0 or a count, or -1 with errno set, unless it says otherwise.

#include <stdint.h>
#include <sys/types.h>

extern const int clinux_o_direct;
extern const int clinux_o_tmpfile;
extern const int clinux_o_path;

/// BLKGETSIZE64: size in bytes of the block device open at `fd`.
int clinux_block_device_size(int fd, uint64_t *_Nonnull size);
/// BLKSSZGET: logical sector size of the block device open at `fd`.
int clinux_logical_sector_size(int fd, int *_Nonnull size);
/// BLKROGET: whether the block device open at `fd` is read-only.
int clinux_block_device_is_read_only(int fd, int *_Nonnull read_only);
/// BLKDISCARD / BLKZEROOUT over [offset, offset + length).
int clinux_block_discard(int fd, uint64_t offset, uint64_t length);
int clinux_block_zero_out(int fd, uint64_t offset, uint64_t length);
/// BLKFLSBUF: write back and drop the page cache of the block device open at `fd`.
int clinux_flush_block_buffers(int fd);
/// BLKRRPART: ask the kernel to read the partition table again.
int clinux_reread_partition_table(int fd);
/// fallocate(FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE).
int clinux_punch_hole(int fd, uint64_t offset, uint64_t length);
/// FICLONE: let the file open at `to` share all of the blocks of the one open at `from`.
int clinux_clone_file(int from, int to);
/// lseek(SEEK_DATA / SEEK_HOLE).
int64_t clinux_seek_data(int fd, int64_t offset);
int64_t clinux_seek_hole(int fd, int64_t offset);
/// statx(STATX_DIOALIGN): memory and offset alignment O_DIRECT needs, 0 if unknown.
int clinux_direct_io_alignment(int fd, uint32_t *_Nonnull memory, uint32_t *_Nonnull offset);
/// Names the calling thread (15 bytes shown in top -H and gdb).
int clinux_set_thread_name(const char *_Nonnull name);
/// flock(LOCK_EX | LOCK_NB).
int clinux_lock_exclusively(int fd);
/// F_OFD_GETLK for a write lock on [start, start + length): 1 if another open file holds one there, 0 if none does.
int clinux_is_range_locked(int fd, int64_t start, int64_t length);
/// F_SETFL: turns O_DIRECT of an open file on or off.
int clinux_set_direct(int fd, int direct);
/// F_OFD_SETLK: takes a read lock on [start, start + length) for as long as the file is open.
int clinux_share_range(int fd, int64_t start, int64_t length);
/// posix_fadvise: sequential reading, and dropping a range from the page cache. Returns an errno.
int clinux_advise_sequential(int fd);
int clinux_drop_cache(int fd, int64_t offset, int64_t length);
/// sync_file_range: start writing a range back.
int clinux_start_write_back(int fd, int64_t offset, int64_t length);
/// Major and minor number of a device.
uint32_t clinux_major(uint64_t device);
uint32_t clinux_minor(uint64_t device);
/// TIOCGWINSZ: columns of the terminal at `fd`, 0 if it is none.
int clinux_terminal_columns(int fd);
/// calloc-like zeroed pages that take memory only once touched; NULL if refused.
void *_Nullable clinux_map_zeroed(size_t length);
int clinux_unmap(void *_Nonnull start, size_t length);
/// pipe2(2) with O_CLOEXEC, and F_SETPIPE_SZ: room for `size` bytes.
int clinux_pipe(int *_Nonnull read_end, int *_Nonnull write_end);
int clinux_set_pipe_size(int fd, int size);
/// splice(2): puts up to `length` bytes of a file from `offset` into a pipe, without waiting for room in it.
ssize_t clinux_splice_from(int file, int64_t offset, int pipe, size_t length);
/// splice(2): writes up to `length` bytes that wait in a pipe to a file at `offset`.
ssize_t clinux_splice_to(int pipe, int file, int64_t offset, size_t length);
/// mallopt(3): blocks of `size` bytes or more are mapped by themselves for good, so that freeing them gives them back.
void clinux_map_blocks_from(size_t size);
/// Catches SIGINT, SIGTERM and SIGHUP: each adds 1 to what `clinux_interrupt_count` returns; the third ends the process.
/// Ignores SIGPIPE and SIGXFSZ, so that such writes fail.
int clinux_catch_interrupts(void);
int clinux_interrupt_count(void);
/// Waits for the next of these signals or for `clinux_end_wait`, since the signals are caught; may return early.
void clinux_wait_for_interrupt(void);
void clinux_end_wait(void);
int clinux_interrupt_signal(void);
/// openat(2) with O_NOFOLLOW and O_CLOEXEC.
int clinux_open_at(int folder, const char *_Nonnull name, int flags, unsigned mode);
/// mknodat(2) with a device number put together from its parts.
int clinux_make_node_at(int folder, const char *_Nonnull name, unsigned mode, uint32_t major, uint32_t minor);
/// renameat(2) inside one folder.
int clinux_rename_at(int folder, const char *_Nonnull from, const char *_Nonnull to);
/// chmod(2) of a file that is not opened; never follows a symbolic link.
int clinux_set_mode_at(int folder, const char *_Nonnull name, unsigned mode);
/// fsetxattr(2), and lsetxattr(2) of a name in an open folder.
int clinux_set_attribute(int fd, const char *_Nonnull name, const void *_Nullable value, size_t length);
int clinux_set_attribute_at(
    int folder, const char *_Nonnull file, const char *_Nonnull name, const void *_Nullable value, size_t length);
/// llistxattr(2) and lgetxattr(2): the length, also of what does not fit a `length` of 0.
int64_t clinux_list_attributes(const char *_Nonnull path, char *_Nullable names, size_t length);
int64_t clinux_get_attribute(
    const char *_Nonnull path, const char *_Nonnull name, void *_Nullable value, size_t length);

#endif
