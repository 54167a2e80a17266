/* Files that hold a little space free in a directory, for what has to be written when the disk is full: how
 * apps and the pod ended. `prefix` begins their names: of a directory, with its slash, or empty. */
#pragma once

/* What cannot be had is not kept. */
void room_keep(const char *prefix);
void room_drop(const char *prefix);

/* What write_file or create_file (`how`) returns for path, from dir_fd like prefix; for want of space it is
 * tried again as long as some can be given back. */
int room_write(int (*how)(int, const char *, const char *), int dir_fd, const char *prefix, const char *path,
               const char *text);
